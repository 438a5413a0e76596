//! What the three states of a task cannot say: whom it is for, how often it was begun, and what came of it. It stands in the task's
//! `metadata.agentTeams`, which Claude Code keeps as it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::team::is_default;

/// The key in a task's metadata that is ours.
pub const WORK_KEY: &str = "agentTeams";
/// How often a task that failed is given out again when nobody says otherwise.
pub const MAX_RETRIES: u32 = 2;

/// What is asked for with a task, besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskPlan {
    /// The run of a team file that it was added for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Its name in that file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tasks with lower values are begun first.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i64,
    /// How often it is given out again when it failed; [`MAX_RETRIES`] when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Who may be given it.
    #[serde(skip_serializing_if = "is_default")]
    pub wants: Wants,
    /// The file that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_file: Option<String>,
    /// What its owner should know, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
}

/// Who may be given a task: whoever has all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Wants {
    /// This member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// A member of this backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// A member that can do this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
}

/// Somebody who takes tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimant {
    /// The member's name.
    pub name: String,
    /// The name of its backend; `None` for a member that is not ours.
    pub backend: Option<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The process that answers for it; a task that it claims is free again when that has ended. `None` for one of which nothing is known:
    /// it has the task until somebody takes it away.
    pub process: Option<String>,
}

impl From<&str> for Claimant {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

impl Wants {
    /// Whether somebody has all that is named.
    pub fn fits(&self, who: &Claimant) -> bool {
        let Self { member, backend, capability } = self;
        member.as_ref().is_none_or(|member| *member == who.name)
            && backend.as_ref().is_none_or(|backend| who.backend.as_ref() == Some(backend))
            && capability.as_ref().is_none_or(|capability| who.capabilities.contains(capability))
    }
}

/// That somebody has a task: for as long as its process lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// Who. Where the task has another owner by now, the lease says nothing.
    pub owner: String,
    /// The process that answers for it.
    pub process: String,
    /// The owner had been chosen before the task was begun, and keeps it when it is free again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub assigned: bool,
}

/// What has become of a task, and what was asked for with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskWork {
    /// What was asked for.
    #[serde(flatten)]
    pub plan: TaskPlan,
    /// How often it was begun. A word about an attempt before the last counts no more.
    pub attempt: u64,
    /// How many attempts have failed.
    pub failures: u32,
    /// Why the last one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// It has failed for good, and this is why. Nobody is given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Who has it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl TaskWork {
    /// How often it is begun at most.
    pub fn most_attempts(&self) -> u32 {
        self.plan.max_retries.unwrap_or(MAX_RETRIES).saturating_add(1)
    }
}
