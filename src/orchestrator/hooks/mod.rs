//! What others have a say in: a program that embeds us, and commands that a person has named.

pub(crate) mod approval;
pub(crate) mod command;

use async_trait::async_trait;

use crate::model::hook::{HookEvent, HookInput, HookVerdict};

/// A program's say in what happens in its teams, as Claude Code's hooks have it.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// What it is called, for the transcript.
    fn name(&self) -> &str;

    /// Whether it is told of this.
    fn hears(&self, event: HookEvent) -> bool;

    /// Says what it thinks of something. It runs beside everything else, and what it judges waits for it, at most a minute; one that panics
    /// or takes longer has no say.
    async fn judge(&self, input: HookInput) -> HookVerdict;
}
