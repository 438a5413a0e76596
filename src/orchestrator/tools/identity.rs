//! Who uses a tool. A member is known by a token that was given to its agent and to nobody else, and that is kept in memory
//! only: it ends with the agent.

use std::collections::BTreeMap;
use std::path::Path;

use agent_backends::{Command, McpServer};

use crate::error::{Error, Result};
use crate::model::name::{AgentName, TeamName};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::tokens::Identity;
use crate::paths;

impl TeamOrchestrator {
    /// The team's tools, as this member.
    pub(crate) fn team_tools_for(
        &self,
        command: &Command,
        team: &TeamName,
        name: &AgentName,
        plans_first: bool,
        leads_run: bool,
    ) -> McpServer {
        let who = Identity { team: team.clone(), name: name.clone(), plans_first, leads_run };
        let tools = self.tools_of(&who).into_iter().map(|tool| tool.name).collect();
        let token = self.inner.tokens.issue(who);
        let variable = paths::TOKEN_VARIABLE.to_owned();
        self.inner.redactor.learn_instead(&format!("{team}/{name}"), &variable, &token);
        // An agent passes on hardly a variable of its own.
        let dir = |path: &Path| path.to_string_lossy().into_owned();
        let claude_dir = self.inner.store.teams_dir().parent().map(dir);
        let mut env = BTreeMap::from([(variable, token)]);
        env.insert("TEAMS_STATE_DIR".to_owned(), dir(&self.inner.state_dir));
        env.extend(claude_dir.map(|path| (paths::OWN_CLAUDE_DIR_VARIABLE.to_owned(), path)));
        McpServer { name: "teams".to_owned(), command: command.clone(), env, tools }
    }

    /// Whom a token was given to.
    ///
    /// # Errors
    /// Nobody.
    pub fn identify(&self, token: &str) -> Result<Identity> {
        let owner = self.inner.tokens.owner(token).ok_or(Error::UnknownToken)?;
        // Worth nothing when the agent has ended.
        let runs = self
            .teams()
            .get(&owner.team)
            .is_some_and(|runtime| runtime.running_names().contains(&owner.name.to_string()));
        if runs { Ok(owner) } else { Err(Error::UnknownToken) }
    }
}
