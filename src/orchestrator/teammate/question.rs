//! A question of a member's agent that waits for a decision.

use agent_backends::{ApprovalId, Decision};
use tokio::time::Instant;

pub(crate) struct Question {
    pub(crate) session_id: ApprovalId,
    pub(crate) expires: Instant,
    /// What need not be asked, and who says so.
    pub(crate) decided: Option<(Decision, &'static str)>,
    /// What a live Claude Code that leads calls it.
    pub(crate) request_id: Option<String>,
    /// What was decided, and by whom.
    pub(crate) outcome: Option<(&'static str, Option<String>)>,
}
