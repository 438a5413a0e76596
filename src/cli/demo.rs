//! x
use super::{Context, Done};
pub(super) async fn run(_c: &Context<'_>) -> anyhow::Result<Done> { Ok(Done::Yes) }
