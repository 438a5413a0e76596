//! What `teams agent` gives an agent besides its own tools.

use std::sync::Arc;

use agent_backends::native::{AgentSetup, Extend};
use agent_backends::process::LABEL_VARIABLE;

use crate::agents::SpawnAgentTeamTool;

/// What an agent has besides, unless it works for a team already: then others plan and count.
pub(super) fn extension(setup: &AgentSetup) -> Option<Extend> {
    if std::env::var_os(LABEL_VARIABLE).is_some_and(|label| !label.is_empty()) {
        return None;
    }
    let setup = setup.clone();
    Some(Arc::new(move |agent, work_dir| {
        let tool = SpawnAgentTeamTool::of(agent, &setup, work_dir);
        agent.tools_mut().register(Arc::new(tool));
    }))
}
