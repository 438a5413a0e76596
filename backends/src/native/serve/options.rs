//! How a served agent is set up.

use crate::native::conversation::Conversations;
use crate::native::setup::AgentSetup;
use crate::permission::PermissionMode;

/// How a served agent is set up.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// What each of its agents is made of.
    pub setup: AgentSetup,
    /// Where conversations are kept.
    pub conversations: Conversations,
    /// What the agents may do without asking, until the client says otherwise.
    pub mode: PermissionMode,
}
