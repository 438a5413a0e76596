//! The background process that owns every session, and how to reach it.
//!
//! The control protocol (`control`) is JSON-RPC 2.0, one object a line, over a Unix socket that only its user can open. The
//! server is a thin skin over [`TeamOrchestrator`](crate::TeamOrchestrator): it decides nothing.

mod client;
mod control;
mod failure;
mod files;
mod follower;
mod lifecycle;
mod log;
mod server;
mod socket;
mod start;
pub(crate) mod surroundings;
mod trusted;
mod watcher;

pub use client::Connection;
pub use control::*;
pub(crate) use failure::error_of;
#[cfg(feature = "cli")]
pub(crate) use failure::failure_of;
#[cfg(feature = "cli")]
pub(crate) use files::holder;
pub use follower::Follower;
#[cfg(all(feature = "cli", target_os = "linux", not(teams_portable)))]
pub(crate) use lifecycle::SHIM_PROGRAM;
pub use lifecycle::{DaemonProcess, SHIM_VERB, run, wait_for_end};
pub use start::start;
pub(crate) use start::start_program;
pub use watcher::Watcher;

pub use crate::model::failure::{ErrorKind, Failure};
