//! The control protocol, whole: JSON-RPC 2.0, one object a line.
//!
//! Every call is a struct of named parameters (it ends in Params) and knows its method and its answer; a parameter that is
//! not in that struct is refused. Plain data of the model goes as it is. An error has, in its `data`, its kind, its message
//! and its hint ([`Failure`](super::Failure)).

mod call;
mod checkpoints;
mod decisions;
mod mail;
mod members;
mod runs;
mod service;
mod tasks;
mod teams;
mod tools;

pub(super) use call::calls;
pub use call::{CALLS, Call};
pub use checkpoints::*;
pub use decisions::*;
pub use mail::*;
pub use members::*;
pub use runs::*;
pub use service::*;
pub use tasks::*;
pub use teams::*;
pub use tools::*;

/// Changes when a client and a daemon of different builds no longer understand each other.
pub const PROTOCOL: u32 = 4;
