//! Who decides what agents ask for.

use agent_backends::{Approval, ApprovalKind, PermissionMode};
use serde::{Deserialize, Serialize};

use super::command_words::{Runs, begins_with, runs};

/// Who decides, or how it is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A person.
    #[default]
    Ask,
    /// The lead, or a person.
    Lead,
    /// Nobody is asked: no.
    Deny,
    /// Nobody is asked: yes.
    Allow,
}

impl Verdict {
    /// Whether a person decides.
    pub fn is_ask(&self) -> bool {
        *self == Self::Ask
    }

    /// Whether nobody is asked.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Allow | Self::Deny)
    }
}

/// What holds for some questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// The tool as its agent calls it, or `command` or `edit` for all that run a command or change files, or `*`.
    pub tool: String,
    /// For a command: the words that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What holds.
    pub then: Verdict,
}

/// A team's policy for approvals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalPolicy {
    /// What holds where no rule does.
    pub otherwise: Verdict,
    /// One that denies holds, or else the first that fits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ApprovalRule>,
    /// What the lead may do without asking, and so may grant.
    pub lead_mode: PermissionMode,
}

impl ApprovalPolicy {
    /// What holds for a question. Where anything is denied, what nobody can read is for a person.
    pub fn verdict(&self, approval: &Approval) -> Verdict {
        let denials = self.rules.iter().filter(|rule| rule.then == Verdict::Deny);
        let denied = denials.map(|rule| rule.denies(approval)).max().unwrap_or(Runs::No);
        let grants = self.rules.iter().filter(|rule| rule.then != Verdict::Deny);
        let first = grants.into_iter().find(|rule| rule.grants(approval)).map_or(self.otherwise, |rule| rule.then);
        match (denied, first) {
            (Runs::Yes, _) => Verdict::Deny,
            (Runs::Perhaps, Verdict::Allow | Verdict::Lead) => Verdict::Ask,
            // A policy has no answers.
            (_, Verdict::Allow) if approval.kind == ApprovalKind::Answer => Verdict::Ask,
            (_, verdict) => verdict,
        }
    }

    /// Whether the lead may let a member work in this mode: in none that asks less than its own.
    pub fn lead_may_set(&self, mode: &PermissionMode) -> bool {
        let rank = |mode: &PermissionMode| match mode {
            PermissionMode::Plan => Some(0),
            PermissionMode::Default => Some(1),
            PermissionMode::AcceptEdits => Some(2),
            PermissionMode::BypassPermissions => Some(3),
            _ => None,
        };
        rank(mode).is_some_and(|asked| rank(&self.lead_mode).is_some_and(|own| asked <= own))
    }

    /// Whether the lead may grant it: only what it may do itself.
    pub fn lead_may_grant(&self, kind: ApprovalKind) -> bool {
        match self.lead_mode {
            PermissionMode::BypassPermissions => true,
            PermissionMode::AcceptEdits => kind == ApprovalKind::Edit,
            _ => false,
        }
    }
}

impl ApprovalRule {
    /// Reads a rule as people write it: `TOOL`, or `TOOL COMMAND-PREFIX`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str, then: Verdict) -> Result<Self, String> {
        let (tool, prefix) = match text.trim().split_once(' ') {
            Some((tool, prefix)) => (tool, Some(prefix.trim().to_owned())),
            None => (text.trim(), None),
        };
        if tool.is_empty() {
            return Err(format!("`{text}` is no rule; write TOOL, or \"TOOL COMMAND-PREFIX\""));
        }
        Ok(Self { tool: tool.to_owned(), prefix, then })
    }

    /// Whether it is about this tool, or this kind of question.
    fn names(&self, approval: &Approval) -> bool {
        let kind = match approval.kind {
            ApprovalKind::Command => Some("command"),
            ApprovalKind::Edit => Some("edit"),
            ApprovalKind::TerminalInput => Some("input"),
            ApprovalKind::Answer => Some("answer"),
            _ => None,
        };
        self.tool == "*" || self.tool == approval.tool || kind.is_some_and(|kind| self.tool == kind)
    }

    /// Whether it lets the question pass: of a command that is several, or that a shell makes something else of, nobody knows how it
    /// begins, and a tool whose command is not known begins with nothing.
    fn grants(&self, approval: &Approval) -> bool {
        let begins = |prefix: &String| approval.command.as_deref().is_some_and(|command| begins_with(command, prefix));
        self.names(approval) && self.prefix.as_ref().is_none_or(begins)
    }

    /// Whether it forbids what is asked for.
    fn denies(&self, approval: &Approval) -> Runs {
        let is_unknown = match approval.kind {
            ApprovalKind::Unknown | ApprovalKind::TerminalInput => true,
            ApprovalKind::Command => approval.command.is_none(),
            _ => false,
        };
        let names = self.names(approval) || (self.tool == "command" && approval.kind == ApprovalKind::Unknown);
        let found = match (&self.prefix, &approval.command) {
            (None, _) if self.names(approval) => Runs::Yes,
            (Some(prefix), Some(command)) if names => runs(command, prefix),
            _ => Runs::No,
        };
        found.max(if is_unknown { Runs::Perhaps } else { Runs::No })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn command(text: &str) -> Approval {
        Approval { tool: "Bash".into(), kind: ApprovalKind::Command, command: Some(text.into()), ..Approval::default() }
    }

    fn policy(rules: &[(&str, Option<&str>, Verdict)]) -> ApprovalPolicy {
        let rule = |(tool, prefix, then): &(&str, Option<&str>, Verdict)| ApprovalRule {
            tool: (*tool).into(),
            prefix: prefix.map(str::to_owned),
            then: *then,
        };
        ApprovalPolicy { rules: rules.iter().map(rule).collect(), ..ApprovalPolicy::default() }
    }

    #[test]
    fn a_prefix_is_of_words_and_of_one_command() {
        let policy = policy(&[
            ("Bash", Some("git push"), Verdict::Deny),
            ("command", Some("git status"), Verdict::Allow),
            ("edit", None, Verdict::Lead),
        ]);
        let cases = [
            ("git status", Verdict::Allow),
            ("git  status --short", Verdict::Allow),
            ("git statusx", Verdict::Ask),
            ("git", Verdict::Ask),
            ("git status; rm -rf x", Verdict::Ask),
            ("git status && rm x", Verdict::Ask),
            ("git status $(rm x)", Verdict::Ask),
            ("git status\nrm x", Verdict::Ask),
            ("git status > x", Verdict::Ask),
            ("git\tstatus", Verdict::Allow),
            ("git\u{a0}status", Verdict::Ask),
            ("git status\u{b}--short", Verdict::Ask),
            ("git push --force", Verdict::Deny),
            ("git push; true", Verdict::Ask),
            ("git push --all && true", Verdict::Deny),
        ];
        for (text, expected) in cases {
            assert_eq!(policy.verdict(&command(text)), expected, "{text}");
        }
        let open = ApprovalPolicy { otherwise: Verdict::Allow, ..policy.clone() };
        for (text, expected) in [
            ("ls", Verdict::Allow),
            ("git push", Verdict::Deny),
            ("git push; echo x", Verdict::Ask),
            ("\"git\" push", Verdict::Deny),
            ("git push>x", Verdict::Deny),
            ("sh -c 'git push'", Verdict::Deny),
            ("echo 'git push;'", Verdict::Ask),
        ] {
            assert_eq!(open.verdict(&command(text)), expected, "{text}");
        }
        let edit = Approval { tool: "apply_patch".into(), kind: ApprovalKind::Edit, ..Approval::default() };
        assert_eq!(policy.verdict(&edit), Verdict::Lead);
    }

    #[test]
    fn what_nobody_can_read_is_for_a_person_where_anything_is_denied() {
        let unread = |kind| Approval { kind, command: None, ..command("") };
        for rules in [&[("command", Some("rm"), Verdict::Deny)], &[("edit", None, Verdict::Deny)]] {
            for otherwise in [Verdict::Allow, Verdict::Lead, Verdict::Ask] {
                let policy = ApprovalPolicy { otherwise, ..policy(rules) };
                for kind in [ApprovalKind::Command, ApprovalKind::Unknown, ApprovalKind::TerminalInput] {
                    assert_eq!(policy.verdict(&unread(kind)), Verdict::Ask, "{kind:?} {rules:?}");
                }
                assert_eq!(policy.verdict(&unread(ApprovalKind::Other)), otherwise);
            }
        }
        let open = ApprovalPolicy { otherwise: Verdict::Allow, ..ApprovalPolicy::default() };
        assert_eq!(open.verdict(&unread(ApprovalKind::Unknown)), Verdict::Allow);
        // A command that is known is denied although nobody knows of what kind it is.
        let named = Approval { kind: ApprovalKind::Unknown, ..command("rm x") };
        let denies = ApprovalPolicy { otherwise: Verdict::Allow, ..policy(&[("command", Some("rm"), Verdict::Deny)]) };
        assert_eq!(denies.verdict(&named), Verdict::Deny);
        let grants = policy(&[("command", Some("rm"), Verdict::Allow)]);
        assert_eq!(grants.verdict(&named), Verdict::Ask, "and not allowed as one");
    }

    #[test]
    fn no_policy_answers_for_the_user() {
        let asked = Approval { kind: ApprovalKind::Answer, command: None, ..command("") };
        let open = ApprovalPolicy { otherwise: Verdict::Allow, ..policy(&[("Bash", None, Verdict::Allow)]) };
        assert_eq!(open.verdict(&asked), Verdict::Ask);
        assert_eq!(ApprovalPolicy { otherwise: Verdict::Lead, ..open.clone() }.verdict(&asked), Verdict::Ask);
        let lead = ApprovalPolicy { otherwise: Verdict::Lead, ..ApprovalPolicy::default() };
        assert_eq!(lead.verdict(&asked), Verdict::Lead);
        assert_eq!(policy(&[("answer", None, Verdict::Deny)]).verdict(&asked), Verdict::Deny);
    }

    fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
        let piece = prop::sample::select(vec![
            "rm", "rm", "/bin/rm", "x", "echo", "env", "timeout", "9", "nohup", "xargs", "command", "FOO=1", "sh",
            "-c", "'rm x'", "\"rm\" x", "\\rm", "r''m", "$(rm x)", "`rm x`", ";", "&&", "|", "&", "\n", "\t", "\u{a0}",
            "-n", "{rm,x}", "(rm x)", "$P", "P=rm", "eval", "exec", "nice", "if", "then", "fi", "!", "<x", ">y", "#",
            "-i", "setsid", "stdbuf", "-oL",
        ]);
        prop::collection::vec(piece, 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// What a shell does is what counts: it runs each command that is not stopped, with an `rm` that leaves a mark.
        #[test]
        fn what_is_denied_is_not_run_by_any_command_that_passes(words in pieces()) {
            let text = words.join(" ");
            let denies = policy(&[("command", Some("rm"), Verdict::Deny)]);
            let denies = ApprovalPolicy { otherwise: Verdict::Allow, ..denies };
            if denies.verdict(&command(&text)) == Verdict::Allow {
                let dir = tempfile::tempdir().unwrap();
                std::fs::write(dir.path().join("rm"), "#!/bin/sh\n: > \"${0%/*}/ran\"\n").unwrap();
                std::fs::set_permissions(dir.path().join("rm"), std::fs::Permissions::from_mode(0o755)).unwrap();
                let mut shell = std::process::Command::new("/bin/sh");
                let path = format!("{}:/usr/bin:/bin", dir.path().display());
                shell.args(["-c", &text]).env("PATH", path).current_dir(dir.path());
                shell.stdin(std::process::Stdio::null()).output().unwrap();
                prop_assert!(!dir.path().join("ran").exists(), "{text}");
            }
        }

        /// And what a rule with a prefix lets pass are the words that it read.
        #[test]
        fn what_a_rule_allows_is_what_it_read(words in pieces()) {
            let text = format!("echo x {}", words.join(" "));
            let grants = policy(&[("command", Some("echo x"), Verdict::Allow)]);
            if grants.verdict(&command(&text)) == Verdict::Allow {
                let out = std::process::Command::new("/bin/sh").args(["-c", &format!("set -- {text}; printf '%s\\n' \"$@\"")]).output();
                let read: String = text.split_whitespace().map(|word| format!("{word}\n")).collect();
                prop_assert_eq!(String::from_utf8(out.unwrap().stdout).unwrap(), read);
            }
        }
    }

    #[test]
    fn the_lead_grants_what_it_may_do() {
        let may = |mode: PermissionMode, kind| {
            ApprovalPolicy { lead_mode: mode, ..ApprovalPolicy::default() }.lead_may_grant(kind)
        };
        assert!(!may(PermissionMode::Plan, ApprovalKind::Edit) && !may(PermissionMode::Default, ApprovalKind::Edit));
        assert!(may(PermissionMode::AcceptEdits, ApprovalKind::Edit));
        assert!(!may(PermissionMode::AcceptEdits, ApprovalKind::Command));
        assert!(may(PermissionMode::BypassPermissions, ApprovalKind::Other));
        let set = |own: PermissionMode, mode| {
            ApprovalPolicy { lead_mode: own, ..ApprovalPolicy::default() }.lead_may_set(&mode)
        };
        assert!(set(PermissionMode::Default, PermissionMode::Default));
        assert!(!set(PermissionMode::Default, PermissionMode::AcceptEdits));
        assert!(set(PermissionMode::AcceptEdits, PermissionMode::AcceptEdits));
        assert!(!set(PermissionMode::AcceptEdits, PermissionMode::BypassPermissions));
    }
}
