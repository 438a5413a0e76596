//! How a served agent is set up.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::native::agent_loop::AgentLoop;
use crate::native::conversation::Conversations;
use crate::native::setup::AgentSetup;
use crate::permission::PermissionMode;

/// Gives an agent that works in this folder tools of the program's own. It is done again when the agent's model is another one.
pub type Extend = Arc<dyn Fn(&mut AgentLoop, &Path) + Send + Sync>;

/// How a served agent is set up.
#[derive(Clone)]
pub struct ServeOptions {
    /// What each of its agents is made of.
    pub setup: AgentSetup,
    /// Where conversations are kept.
    pub conversations: Conversations,
    /// What the agents may do without asking, until the client says otherwise.
    pub mode: PermissionMode,
    /// What they have besides.
    pub extend: Option<Extend>,
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions").field("setup", &self.setup).field("mode", &self.mode).finish_non_exhaustive()
    }
}
