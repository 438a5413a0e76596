//! No rule with a prefix lets a command pass whose words are others for a shell than for the rule.
//!
//! An input is a prefix, a line's end, and a command.
#![no_main]

use agent_backends::{Approval, ApprovalKind};
use libfuzzer_sys::fuzz_target;
use model::approval::{ApprovalPolicy, ApprovalRule, Verdict};

/// Plain data, compiled here by itself: the whole of `agent-teams` takes long to build with what the fuzzer looks at in it.
#[allow(dead_code)]
#[path = "../../src/model"]
mod model {
    pub mod approval;
    mod command_words;
}

fuzz_target!(|text: &str| {
    let Some((prefix, command)) = text.split_once('\n') else { return };
    let approval = Approval {
        tool: "Bash".into(),
        kind: ApprovalKind::Command,
        command: Some(command.into()),
        ..Approval::default()
    };
    let policy = |then, otherwise| {
        let rules = vec![ApprovalRule { tool: "command".into(), prefix: Some(prefix.into()), then }];
        ApprovalPolicy { rules, otherwise, ..ApprovalPolicy::default() }.verdict(&approval)
    };
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let shell = shell_words::split(command).ok();
    let begins: Vec<String> = prefix.split_whitespace().map(str::to_owned).collect();
    if policy(Verdict::Allow, Verdict::Ask) == Verdict::Allow {
        assert_eq!(shell.as_ref(), Some(&words), "allowed by its words");
        assert!(words.starts_with(&begins), "allowed by a prefix that it does not have");
    }
    if policy(Verdict::Deny, Verdict::Allow) == Verdict::Allow {
        assert_eq!(shell.as_ref(), Some(&words), "not denied by its words");
        assert!(!begins.is_empty(), "allowed where everything is denied");
        let hides = |at: usize| words[at..].starts_with(&begins);
        assert!(!(0..words.len()).any(hides), "allowed with what is denied in it");
    }
});
