//! Who decides what an agent of our own may do.

use async_trait::async_trait;

use super::llm::ToolCall;
use super::tool::{ToolKind, ToolUse};
use crate::permission::PermissionMode;

/// Decides whether a tool may be used. Dropping the future withdraws the question.
#[async_trait]
pub trait PermissionGate: Send + Sync {
    /// Whether this call may be made, and if not, why.
    ///
    /// # Errors
    /// It may not: this is why, for the model.
    async fn decide(&self, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Result<(), String>;
}

/// What a permission mode says of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is used.
    Allow,
    /// Somebody is asked.
    Ask,
    /// It is not used.
    Deny,
}

/// What a permission mode says of a kind of tools. What only looks is always allowed, and so is what the embedding program has given. Of a tool of
/// an MCP server nobody knows whether it changes something: it is asked for while the agent plans, too.
pub fn rule(mode: &PermissionMode, kind: ToolKind) -> Rule {
    match (mode, kind) {
        (_, ToolKind::Read | ToolKind::Given) | (PermissionMode::BypassPermissions, _) => Rule::Allow,
        (PermissionMode::Plan, kind) if kind != ToolKind::Server => Rule::Deny,
        (PermissionMode::AcceptEdits, ToolKind::Edit) => Rule::Allow,
        _ => Rule::Ask,
    }
}

/// The reason why a tool is refused while the agent plans.
pub(super) const PLANNING: &str = "you are planning: look at things, and change nothing. Say what you would do";

/// What the model is told when somebody was asked and has said no more than that.
pub(super) const DENIED: &str = "whoever was asked has said no; do not try it in another way";

/// Decides by a permission mode alone, for an agent that can ask nobody: what it would have to ask for is denied.
#[derive(Clone, Debug)]
pub struct ModeGate(pub PermissionMode);

#[async_trait]
impl PermissionGate for ModeGate {
    async fn decide(&self, call: &ToolCall, kind: ToolKind, _what: &ToolUse) -> Result<(), String> {
        match rule(&self.0, kind) {
            Rule::Allow => Ok(()),
            Rule::Deny => Err(PLANNING.to_owned()),
            Rule::Ask => Err(format!("nobody is there who could allow `{}`; do without it", call.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_says_what_is_asked_for() {
        use PermissionMode::{AcceptEdits, BypassPermissions, Default, Plan};
        use ToolKind::{Edit, Execute, Fetch, Given, Other, Read, Server};
        for (mode, allowed, otherwise) in [
            (Default, &[Read, Given][..], Rule::Ask),
            (AcceptEdits, &[Read, Given, Edit], Rule::Ask),
            (Plan, &[Read, Given], Rule::Deny),
            (BypassPermissions, &[Read, Given, Edit, Execute, Fetch, Other], Rule::Ask),
            (PermissionMode::Other("x".into()), &[Read, Given], Rule::Ask),
        ] {
            for kind in [Read, Edit, Execute, Fetch, Given, Other] {
                let expected = if allowed.contains(&kind) { Rule::Allow } else { otherwise };
                assert_eq!(rule(&mode, kind), expected, "{mode:?} {kind:?}");
            }
            let of_server = if mode == BypassPermissions { Rule::Allow } else { Rule::Ask };
            assert_eq!(rule(&mode, Server), of_server, "{mode:?}");
        }
    }
}
