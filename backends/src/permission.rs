//! What an agent may do without asking.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an agent may do without asking. The names are Claude Code's; each backend maps them to its own settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum PermissionMode {
    /// Ask before anything that changes something.
    #[default]
    Default,
    /// Edit files without asking; ask before the rest.
    AcceptEdits,
    /// Look, and plan; change nothing.
    Plan,
    /// Ask nothing.
    BypassPermissions,
    /// A word that is none of the above; spawning with it is an error.
    Other(String),
}

impl PermissionMode {
    /// The name used on the command line and in Claude Code's files.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::BypassPermissions => "bypassPermissions",
            Self::Other(word) => word,
        }
    }

    pub(crate) fn known() -> &'static str {
        "default, acceptEdits, plan, bypassPermissions"
    }
}

impl From<&str> for PermissionMode {
    fn from(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            "acceptEdits" => Self::AcceptEdits,
            "plan" => Self::Plan,
            "bypassPermissions" => Self::BypassPermissions,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for PermissionMode {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<PermissionMode> for String {
    fn from(mode: PermissionMode) -> Self {
        mode.as_str().to_owned()
    }
}

impl fmt::Display for PermissionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
