//! Calls about the daemon itself, and the one that watches.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::change::Change;

/// Asks who answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HelloParams {}

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloReply {
    /// The daemon's version.
    pub version: String,
    /// Its [`PROTOCOL`](super::PROTOCOL).
    pub protocol: u32,
    /// Its process.
    pub pid: u32,
    /// When it was started.
    pub started_at: String,
    /// Where its files are.
    pub state_dir: PathBuf,
    /// Claude Code's teams.
    pub teams_dir: PathBuf,
    /// Members that run.
    pub running: Vec<String>,
}

/// Stops every member, then the daemon.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StopDaemonParams {}

/// Lists the processes of all members that run, and of those that an earlier daemon left behind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListProcessesParams {}

/// Asks what has changed since an earlier answer. When nothing has, it waits up to `wait_ms` for a change. The client pulls:
/// a slow one hears of a thing once that has changed often, and loses nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchParams {
    /// The team; all teams when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// `epoch` of the earlier answer; left out the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<String>,
    /// `next` of the earlier answer.
    #[serde(default)]
    pub from: u64,
    /// How long to wait for a change, in milliseconds; at most 30 seconds.
    #[serde(default)]
    pub wait_ms: u64,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchReply {
    /// Names the daemon's count of changes; another daemon counts anew.
    pub epoch: String,
    /// Where to go on.
    pub next: u64,
    /// The daemon cannot tell what has changed since: the client reads anew whatever it shows.
    pub reset: bool,
    /// What has changed, each thing once, in the order of its last change.
    pub changes: Vec<Change>,
}
