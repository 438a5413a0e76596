use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::model::approval::Verdict;
use crate::model::team::TurnLimits;

fn parse(text: &str) -> Result<TeamFile, BadTeamFile> {
    TeamFile::parse(text, &BTreeMap::from([("HOME".to_owned(), "/home/u".to_owned())]))
}

const WHOLE: &str = r#"
[team]
name = "review"
description = "Three views of one diff"

[defaults]
backend = "claude-code"
permission-mode = "acceptEdits"

[[member]]
name = "security"
backend = "codex"
model = "m"
prompt = "You look for ways in: ${NOT_A_VARIABLE}"
env = { K = "${HOME}/x", LITERAL = "$${HOME}" }
limits = { turn = "1h", silence = 90 }
budget = { tokens = 200000, time = "5m" }
worktree = true
restart = "on-failure"

[[member]]
name = "tester"
count = 2
worktree = "a-branch"
work = false

[[task]]
name = "scan"
subject = "Find injections"
context = { file = "x.rs", lines = [1, 2] }

[[task]]
name = "report"
owner = "tester-2"
depends-on = ["scan"]
priority = -1
wants = { backend = "codex" }

[[hook]]
event = "TaskCompleted"
command = "scripts/check.sh"
timeout = "10s"

[policy]
allow = ["command cargo test", "edit"]
deny = ["command git push"]
otherwise = "deny"

[budget]
tokens = 2000000
members = 5

[lead]
backend = "claude"

[run]
timeout = "1h30m"
merge = "squash"
"#;

#[test]
fn a_whole_file_is_read() {
    let file = parse(WHOLE).unwrap();
    let members = file.members();
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["security", "tester-1", "tester-2"]);
    let (_, security) = &members[0];
    assert_eq!(security.permission_mode.as_deref(), Some("acceptEdits"), "from the defaults");
    assert_eq!(security.env, BTreeMap::from([("K".into(), "/home/u/x".into()), ("LITERAL".into(), "${HOME}".into())]));
    assert_eq!(security.prompt.as_deref(), Some("You look for ways in: ${NOT_A_VARIABLE}"), "prompts are texts");
    assert_eq!(security.turn_limits(), TurnLimits { turn_ms: 3_600_000, silence_ms: 90_000 });
    assert!(security.works() && !members[1].1.works());
    assert_eq!(members[1].1.backend.as_deref(), Some("claude-code"));
    assert_eq!(file.tasks[1].subject(), "report");
    assert_eq!(file.run, RunSection { timeout: Some(Duration::from_secs(5400)), merge: MergeMode::Squash });
    assert_eq!(file.approvals().rules.len(), 3);
    assert_eq!(file.approvals().rules[0].then, Verdict::Deny);
    assert_eq!(file.warnings, []);
    assert_eq!(file.wants_trust().len(), 6, "{:?}", file.wants_trust());
    let elsewhere =
        "[team]\nname='a'\n[[member]]\nname='b'\ncwd='../c'\nprompt-file='/d'\n[[member]]\nname='e'\ncwd='./f'";
    let elsewhere = parse(elsewhere).unwrap().wants_trust();
    assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
    let mild =
        parse("[team]\nname='a'\n[[member]]\nname='b'\npermission-mode='plan'\n[policy]\ndeny=['edit']").unwrap();
    assert_eq!(mild.wants_trust(), Vec::<String>::new());
}

/// Each problem of a file, as `LINE:COLUMN message`.
fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err(text).problems;
    problems.iter().map(|problem| format!("{}:{} {}", problem.line, problem.column, problem.message)).collect()
}

#[test]
fn whatever_is_wrong_is_shown_where_it_stands() {
    let team = "[team]\nname = \"t\"\n";
    let member = "[[member]]\nname = \"m\"\n";
    let cases: &[(String, &[&str])] = &[
        ("[team".into(), &["1:"]),
        ("x = 1".into(), &["1:1 unknown key `x`"]),
        (String::new(), &["1:1 `team` is missing"]),
        ("[team]\n".into(), &["`name` is missing"]),
        ("[team]\nname = \"a b/\"\n".into(), &["2:8", "a b/"]),
        ("[team]\nname = 7".into(), &["2:8 invalid type: integer `7`, expected a string"]),
        (format!("{team}{member}modle = \"x\""), &["5:1 unknown key `modle`; did you mean `model`?"]),
        (format!("{team}[run]\nmerge = \"sqash\""), &["4:9 unknown value `sqash`; did you mean `squash`?"]),
        (
            format!("{team}[[hook]]\nevent = \"TaskComplete\"\ncommand = \"x\""),
            &["4:9", "did you mean `TaskCompleted`?"],
        ),
        (format!("{team}[[hook]]\nevent = \"TaskCompleted\"\ncommand = \"\""), &["5:11 there is no command"]),
        (
            format!("{team}[[hook]]\nevent = \"TaskCompleted\"\ncommand = \"x\"\ntimeout = \"soon\""),
            &["6:11", "`soon` is not a duration"],
        ),
        (format!("{team}[run]\ntimeout = \"0s\""), &["4:11", "longer than nothing"]),
        (format!("{team}{member}backend = \"codx\""), &["5:11 unknown backend `codx`; did you mean `codex`?"]),
        (format!("{team}{member}permission-mode = \"acceptedits\""), &["5:19", "did you mean `acceptEdits`?"]),
        (format!("{team}{member}worktree = 3"), &["5:12", "expected true, false or the name of a branch"]),
        (format!("{team}{member}model = \"${{NOPE}}\""), &["5:9 the variable NOPE is not set"]),
        (format!("{team}{member}model = \"${{NOPE\""), &["5:9", "has no `}`"]),
        (format!("{team}{member}env = {{ K = \"${{NOPE}}\" }}"), &["5:13 the variable NOPE is not set"]),
        (format!("{team}{member}count = 0"), &["5:9 a pool has 1 to 50 members"]),
        (format!("{team}{member}backend = \"acp\""), &["5:11", "needs `command`"]),
        (format!("{team}{member}prompt = \"a\"\nprompt-file = \"b\""), &["6:15", "keep one of them"]),
        (format!("{team}{member}{member}"), &["6:8 a member `m` is there already, in line 3"]),
        (format!("{team}[[member]]\nname = \"team-lead\""), &["4:8", "is the lead's"]),
        (format!("{team}[[member]]\nprompt = \"x\""), &["3:1 `name` is missing"]),
        (format!("{team}[[member]]\nname = \"coordinator\"\n[lead]\n"), &["5:1", "give the lead another `name`"]),
        (format!("{team}[defaults]\nname = \"x\""), &["4:8", "a member's own"]),
        (format!("{team}{member}[[task]]\nname = \"a\"\nowner = \"n\""), &["7:9 there is no member `n`"]),
        (
            format!("{team}{member}[[task]]\nname = \"a\"\ndepends-on = [\"a\"]"),
            &["7:15 a task cannot wait for itself"],
        ),
        (
            format!("{team}{member}[[task]]\nname = \"scan\"\n[[task]]\nname = \"b\"\ndepends-on = [\"scna\"]"),
            &["9:15 there is no task `scna`; did you mean `scan`?"],
        ),
        (
            format!("{team}{member}[[task]]\nname = \"a\"\n[[task]]\nname = \"a\""),
            &["8:8 a task `a` is there already, in line 5"],
        ),
        (format!("{team}{member}[[task]]\nname = \"a\"\nwants = {{ capability = \"shell\" }}"), &["7:9", "shell"]),
        (format!("{team}{member}work = false\n[[task]]\nname = \"a\""), &["7:8 no member takes tasks"]),
        (format!("{team}[policy]\nallow = [\" \"]"), &["4:10", "is no rule"]),
    ];
    for (text, parts) in cases {
        let found = problems(text).join("\n");
        for part in *parts {
            assert!(found.contains(part), "{part}\nin: {found}\nof: {text}");
        }
    }
}

#[test]
fn a_circle_is_shown_with_its_path_and_everything_is_said_at_once() {
    let text = "[team]\nname = \"t\"\n[[member]]\nname = \"m\"\n[[task]]\nname = \"a\"\ndepends-on = [\"c\"]\n[[task]]\nname = \"b\"\n\
        depends-on = [\"a\"]\nowner = \"x\"\n[[task]]\nname = \"c\"\ndepends-on = [\"b\"]\n";
    let found = problems(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("10:15") || found[0].starts_with("11:9"), "{found:?}");
    assert!(
        found.iter().any(|problem| problem.contains("these tasks wait for each other: a -> c -> b -> a")),
        "{found:?}"
    );
}

#[test]
fn what_looks_like_a_secret_is_a_warning() {
    let text = format!(
        "[team]\nname = \"t\"\n[[member]]\nname = \"m\"\nenv = {{ API_KEY = \"abc\", SAFE = \"${{HOME}}\" }}\nprompt = \"use {}\"",
        ["sk", "proj", "0123456789abcdef"].join("-")
    );
    let warnings = parse(&text).unwrap().warnings;
    let lines: Vec<usize> = warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [5, 6], "{warnings:?}");
}

#[test]
fn the_schema_names_every_key_of_a_whole_file() {
    let schema = TeamFile::schema();
    let properties = schema["properties"].as_object().unwrap();
    let written: toml::Table = toml::from_str(WHOLE).unwrap();
    for key in written.keys() {
        assert!(properties.contains_key(key), "{key}: {schema}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert!(!properties.contains_key("warnings"));
}
