//! What a program that embeds the library is asked before the team's policy decides.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use agent_backends::Decision;

use crate::model::name::TeamName;
use crate::model::status::PendingApproval;

/// How long the program may take to decide, when it does not say otherwise.
pub(crate) const DECIDES_WITHIN: Duration = Duration::from_secs(60);

/// What a program that embeds us says to a question of an agent; `None` leaves it to the team's policy.
pub(crate) type Decides = Pin<Box<dyn Future<Output = Option<Decision>> + Send>>;

/// Asks a program that embeds us.
pub(crate) type Decider = dyn Fn(TeamName, PendingApproval) -> Decides + Send + Sync;

/// The program's say in what agents ask for, and how long it may take.
#[derive(Clone)]
pub(crate) struct ApprovalHook {
    pub(crate) hook: Arc<Decider>,
    pub(crate) limit: Duration,
}

impl std::fmt::Debug for ApprovalHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApprovalHook").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Whom a question that comes now is put to, if there is anybody.
#[derive(Clone)]
pub(crate) struct Asks(pub(crate) Arc<dyn Fn() -> Option<ApprovalHook> + Send + Sync>);

impl std::fmt::Debug for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asks").finish_non_exhaustive()
    }
}
