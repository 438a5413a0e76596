//! Whether a member's agent has started the team's tools. One that does not can write to nobody and take no task, and says
//! nothing of it: some agents refuse servers of this kind, some keep them and never start them.

use std::time::Duration;

use tokio::time::Instant;

use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::tools_watch::ToolsWatch;
use crate::sync::lock;

/// How long after the end of the first turn they may still come.
const GRACE: Duration = Duration::from_secs(5);

const MISSING: &str =
    "this agent has not started the team's tools (its MCP server `teams`): it can write to nobody, and take no task";

impl Actor {
    fn tools_are_used(&self) -> Option<bool> {
        self.services.tokens.is_used(&self.services.team, &self.profile.name)
    }

    /// A session has started. Programs that we know start the servers that they are given.
    pub(super) fn watch_tools(&mut self) {
        let may_miss = self.launcher.backend.capabilities().any_program && self.tools_are_used().is_some();
        self.tools = if may_miss { ToolsWatch::FirstTurn } else { ToolsWatch::Off };
    }

    /// A turn has ended.
    pub(super) fn tools_after_turn(&mut self) {
        if matches!(self.tools, ToolsWatch::FirstTurn) {
            self.tools = ToolsWatch::Due(Instant::now() + GRACE);
        }
        // They may come late, and then all is well.
        if self.tools_are_used() == Some(true) {
            lock(&self.shared).warnings.retain(|warning| warning != MISSING);
        }
    }

    pub(super) fn look_at_tools(&mut self) {
        if self.tools.due().is_some_and(|at| at <= Instant::now()) {
            self.tools = ToolsWatch::Off;
            if self.tools_are_used() == Some(false) {
                self.warn(MISSING.to_owned());
            }
        }
    }
}
