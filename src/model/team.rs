//! Teams and their members.

use std::path::PathBuf;

use agent_backends::{BackendType, Command, PermissionMode};
use serde::{Deserialize, Serialize};

use super::name::TeamName;

/// A team as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: TeamName,
    /// What it is for.
    pub description: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Everybody in the file, the lead first.
    pub members: Vec<Member>,
}

impl Team {
    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Everybody but the lead.
    pub fn teammates(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.name != super::name::TEAM_LEAD)
    }
}

/// A member of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, as the file has it: Claude Code allows more than we do.
    pub name: String,
    /// Its colour in Claude Code.
    pub color: Option<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// Its standing instructions.
    pub prompt: Option<String>,
    /// Where it works.
    pub cwd: Option<PathBuf>,
    /// How we run it; `None` for a member that is not ours.
    pub launch: Option<Launch>,
}

/// How we run a member: kept in the team's file, in a field of our own. No secret belongs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The agent CLI.
    pub backend: BackendType,
    /// What it may do without asking.
    #[serde(default)]
    pub permission_mode: PermissionMode,
    /// How hard the model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
    /// The most agentic steps in a turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Which ACP agent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

/// The colours that Claude Code hands out to teammates, in its order.
pub const COLORS: [&str; 7] = ["blue", "green", "yellow", "purple", "orange", "pink", "cyan"];
