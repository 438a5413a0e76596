//! What keeps a member from working: the rate limits of its account, and the budget of its team.

pub(crate) mod accounts;
pub(crate) mod ledger;
