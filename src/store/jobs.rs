//! What threads have done together in a [`Groups`](super::group::Groups).

use crate::model::message::Message;
use crate::model::task::TaskId;
use crate::model::work::Claimant;

/// Messages that are to stand in an inbox, all or none.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) messages: Vec<Message>,
    pub(super) now: jiff::Timestamp,
}

/// The times of messages in the inbox.
pub(super) type Dates = Vec<String>;

/// Somebody wants a task.
#[derive(Debug)]
pub(super) struct Claim {
    /// This one, or the first that is free.
    pub(super) id: Option<TaskId>,
    pub(super) who: Claimant,
}
