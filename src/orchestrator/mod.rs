//! The single entry point of the library: teams, their members, their tasks and messages.
//!
//! One task owns each member's session (`teammate`); everything it does becomes a numbered event of its team (`feed`);
//! what is on disk in Claude Code's format is the store's. The orchestrator knows no agent's protocol.

mod builder;
mod decisions;
mod entry;
mod feed;
mod handles;
mod hooks;
mod limits;
mod live_lead;
mod mail;
mod members;
mod recorder;
mod run;
mod runtime;
mod teammate;
mod tokens;
mod tools;
mod work;

pub use builder::TeamOrchestratorBuilder;
pub use entry::{TeamOrchestrator, WeakOrchestrator};
pub use feed::changes::{Changes, Since};
pub use feed::receiver::{MemberReceiver, MemberStream};
pub use feed::redact::Redactor;
pub use feed::{Feed, Subscription};
pub use handles::{MemberEvents, MemberHandle, TeamHandle, Verbs};
pub use hooks::Hook;
pub use mail::Letter;
pub use mail::handle::MessageHandle;
#[cfg(feature = "daemon")]
pub(crate) use members::auto::{Attempt, AutoSpawn};
pub use run::{RunHandle, RunOptions};
#[cfg(feature = "daemon")]
pub(crate) use runtime::waiting_plans::digest;
pub use tokens::Identity;
#[cfg(feature = "daemon")]
pub(crate) use work::claims::Holds;
