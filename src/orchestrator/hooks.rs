//! What a program that embeds the library is asked before the team's policy decides.

use std::sync::Arc;

use crate::model::name::TeamName;
use crate::model::status::PendingApproval;

/// What a program that embeds us says to a question of an agent; `None` leaves it to the team's policy.
pub(crate) type Hook = dyn Fn(&TeamName, &PendingApproval) -> Option<agent_backends::Decision> + Send + Sync;

#[derive(Clone)]
pub(crate) struct ApprovalHook(pub(crate) Arc<Hook>);

impl std::fmt::Debug for ApprovalHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApprovalHook")
    }
}
