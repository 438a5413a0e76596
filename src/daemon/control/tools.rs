//! Calls about the team's tools, for `teams mcp`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::launch::Surroundings;

/// Who uses a tool.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerParams {
    /// What a member's agent was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Without a token: whose lead it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Without either: whoever has started it leads its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<BelowParams>,
}

/// A process below a live Claude Code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BelowParams {
    /// It.
    pub pid: i32,
    /// The session that its environment names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

impl std::fmt::Debug for CallerParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallerParams").field("team", &self.team).finish_non_exhaustive()
    }
}

/// Lists the team's tools that the caller has.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListToolsParams {
    /// Who.
    pub caller: CallerParams,
}

/// Uses a tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallToolParams {
    /// Who uses it.
    pub caller: CallerParams,
    /// The tool's name.
    pub tool: String,
    /// What it is given.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// In which a member is started that the tool starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}
