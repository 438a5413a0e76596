//! Uses the team's tools for whoever has them.

use super::Server;
use crate::daemon::control::{CallToolParams, CallerParams, ListToolsParams};
use crate::error::{Error, Result};
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::orchestrator::Identity;

impl Server {
    /// Whose tools a caller uses: those of the member whose token it has; without one it is the person at the shell, who
    /// leads.
    async fn identity(&self, caller: CallerParams) -> Result<Identity> {
        match (caller.token, caller.team) {
            (Some(token), _) => self.orchestrator.identify(&token),
            (None, Some(team)) => {
                self.orchestrator.roster(&team).await?;
                Ok(Identity::lead(team.parse()?))
            }
            (None, None) => Err(Error::UnknownToken),
        }
    }

    pub(super) async fn list_tools(&self, params: ListToolsParams) -> Result<Vec<ToolDescription>> {
        Ok(self.orchestrator.tools_of(&self.identity(params.caller).await?))
    }

    pub(super) async fn call_tool(&self, params: CallToolParams) -> Result<ToolOutcome> {
        let who = self.identity(params.caller).await?;
        let surroundings = self.fitted(params.surroundings.unwrap_or_default());
        Ok(self.orchestrator.use_tool(&who, &params.tool, params.arguments, surroundings).await)
    }
}
