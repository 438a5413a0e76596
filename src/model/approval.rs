//! Who decides what agents ask for.

use agent_backends::{Approval, ApprovalKind, PermissionMode};
use serde::{Deserialize, Serialize};

/// Who decides, or how it is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What holds for a question.
    pub fn verdict(&self, approval: &Approval) -> Verdict {
        let mut fit = self.rules.iter().filter(|rule| rule.fits(approval)).map(|rule| rule.then);
        let first = fit.clone().next().unwrap_or(self.otherwise);
        let verdict = if fit.any(|then| then == Verdict::Deny) { Verdict::Deny } else { first };
        // Where some commands are denied, nobody knows whether one that is not plain is one of them.
        let denies_some = self.rules.iter().any(|rule| rule.then == Verdict::Deny && rule.prefix.is_some());
        let is_hidden = approval.command.as_deref().is_some_and(|command| !is_plain(command));
        match verdict {
            Verdict::Allow if denies_some && is_hidden => Verdict::Ask,
            verdict => verdict,
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
    fn fits(&self, approval: &Approval) -> bool {
        let kind = match approval.kind {
            ApprovalKind::Command => "command",
            ApprovalKind::Edit => "edit",
            _ => "",
        };
        if self.tool != "*" && self.tool != approval.tool && self.tool != kind {
            return false;
        }
        match (&self.prefix, &approval.command) {
            (None, _) => true,
            (Some(prefix), Some(command)) => {
                // Of a command that is several, or that a shell makes something else of, nobody knows how it begins. To deny it, that
                // does not matter.
                (is_plain(command) || self.then == Verdict::Deny) && begins_with(command, prefix)
            }
            // A tool whose command is not known begins with nothing.
            (Some(_), None) => false,
        }
    }
}

/// Whether words are all that there is.
fn is_plain(command: &str) -> bool {
    // A shell takes no other gaps than these, and keeps the rest within a word.
    let is_odd_gap = |char: char| !matches!(char, ' ' | '\t') && (char.is_whitespace() || char.is_control());
    !command.contains(is_odd_gap)
        && !command.contains([
            ';', '&', '|', '<', '>', '`', '$', '(', ')', '{', '}', '\n', '\r', '\\', '*', '?', '[', '~', '#', '!',
            '\'', '"',
        ])
}

fn begins_with(command: &str, prefix: &str) -> bool {
    let mut words = command.split_whitespace();
    prefix.split_whitespace().all(|word| words.next() == Some(word))
}

#[cfg(test)]
mod tests {
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
            ("\"git\" push", Verdict::Ask),
            ("git push>x", Verdict::Ask),
        ] {
            assert_eq!(open.verdict(&command(text)), expected, "{text}");
        }
        let edit = Approval { tool: "apply_patch".into(), kind: ApprovalKind::Edit, ..Approval::default() };
        assert_eq!(policy.verdict(&edit), Verdict::Lead);
        let unknown = Approval { command: None, ..command("") };
        assert_eq!(policy.verdict(&unknown), Verdict::Ask);
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
