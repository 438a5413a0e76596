//! Who may do what: what agents ask for, plans, requests to stop, and the policy behind all of them.

mod approvals;
mod budget;
mod hooks;
mod plans;
mod policy;
pub(crate) mod shutdown;
