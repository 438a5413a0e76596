//! Uses the team's tools for whoever has them.

use super::Server;
use crate::daemon::control::{BelowParams, CallToolParams, CallerParams, ListToolsParams};
use crate::error::{Error, Result};
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::orchestrator::Identity;

impl Server {
    /// Whose tools a caller uses: those of the member whose token it has; without one it is the person at the shell, who
    /// leads.
    async fn identity(&self, caller: CallerParams) -> Result<Identity> {
        match (caller.token, caller.team, caller.below) {
            (Some(token), _, _) => self.orchestrator.identify(&token),
            (None, Some(team), _) => {
                self.orchestrator.roster(&team).await?;
                Ok(Identity::lead(team.parse()?))
            }
            (None, None, Some(BelowParams { pid, session })) => {
                Ok(Identity::lead(self.orchestrator.team_led_above(pid, session.as_deref()).await?))
            }
            (None, None, None) => Err(Error::UnknownToken),
        }
    }

    pub(super) async fn list_tools(&self, params: ListToolsParams) -> Result<Vec<ToolDescription>> {
        match self.identity(params.caller).await {
            Ok(who) => Ok(self.orchestrator.tools_of(&who)),
            // A live Claude Code asks for them once, and may lead a team later.
            Err(Error::NotLed) => Ok(self.orchestrator.tools_of_a_lead()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn call_tool(&self, params: CallToolParams) -> Result<ToolOutcome> {
        let CallerParams { token, team, below } = &params.caller;
        let is_live_lead = below.is_some() && token.is_none() && team.is_none();
        let who = self.identity(params.caller).await?;
        let surroundings = self.fitted(params.surroundings.unwrap_or_default());
        let mut outcome = self.orchestrator.use_tool(&who, &params.tool, params.arguments, surroundings).await;
        if is_live_lead {
            match self.orchestrator.letters_for_lead(&who.team).await {
                Ok(Some(letters)) => outcome.text = format!("{}\n\n{letters}", outcome.text),
                Ok(None) => {}
                // What was asked for is done.
                Err(error) => tracing::warn!(team = %who.team, %error, "the lead's letters are not brought"),
            }
        }
        Ok(outcome)
    }
}
