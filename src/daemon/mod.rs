//! The background process that owns every session, and how to reach it.
//!
//! The control protocol (`control`) is JSON-RPC 2.0, one object a line, over a Unix socket that only its user can open. The
//! server is a thin skin over [`TeamOrchestrator`](crate::TeamOrchestrator): it decides nothing.

mod client;
mod control;
mod files;
mod lifecycle;
mod log;
mod server;
mod socket;
mod start;
pub(crate) mod surroundings;

pub use client::{Client, Connection, TimedOut};
pub(crate) use client::{explain, is_dormant};
pub use control::{
    CallerParams, ControlClient, EventsReply, HelloReply, MessageReply, PROTOCOL, ResumeReply, SendReply, SpawnParams,
    StopReply, TasksReply, UpdateTaskReply,
};
pub use lifecycle::{DaemonProcess, SHIM_VERB, run, wait_for_end};
pub use start::start;
