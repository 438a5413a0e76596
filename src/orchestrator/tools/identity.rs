//! Who uses a tool. A member is known by a token that was given to its agent and to nobody else, and that is kept in memory
//! only: it ends with the agent.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use agent_backends::{Command, McpServer};

use crate::error::{Error, Result};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::orchestrator::TeamOrchestrator;
use crate::orchestrator::redact::Origin;
use crate::paths;

/// Somebody in a team.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The team.
    pub team: TeamName,
    /// The member, or the lead.
    pub name: AgentName,
    /// It was spawned to hand in a plan before it changes anything.
    pub plans_first: bool,
}

impl Identity {
    /// The lead of a team.
    pub fn lead(team: TeamName) -> Self {
        Self { team, name: AgentName::lead(), plans_first: false }
    }

    /// Whether this is the lead.
    pub fn is_lead(&self) -> bool {
        self.name.as_str() == TEAM_LEAD
    }
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(in crate::orchestrator) struct Tokens(Mutex<HashMap<String, Identity>>);

impl Tokens {
    /// A new token for a member; the one that it had is worth nothing any more.
    pub(in crate::orchestrator) fn issue(&self, who: Identity) -> String {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut tokens = self.lock();
        tokens.retain(|_, other| (&other.team, &other.name) != (&who.team, &who.name));
        tokens.insert(token.clone(), who);
        token
    }

    pub(in crate::orchestrator) fn owner(&self, token: &str) -> Option<Identity> {
        self.lock().get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Identity>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl TeamOrchestrator {
    /// The team's tools, as this member.
    pub(in crate::orchestrator) fn team_tools_for(
        &self,
        command: &Command,
        team: &TeamName,
        name: &AgentName,
        plans_first: bool,
    ) -> McpServer {
        let who = Identity { team: team.clone(), name: name.clone(), plans_first };
        let tools = self.tools_of(&who).into_iter().map(|tool| tool.name).collect();
        let token = self.inner.tokens.issue(who);
        let variable = paths::TOKEN_VARIABLE.to_owned();
        self.inner.redactor.learn(std::iter::once((&variable, &token)), Origin::Given);
        // An agent passes on hardly a variable of its own.
        let dir = |path: &Path| path.to_string_lossy().into_owned();
        let claude_dir = self.inner.store.teams_dir().parent().map(dir);
        let mut env = BTreeMap::from([(variable, token)]);
        env.insert("TEAMS_STATE_DIR".to_owned(), dir(&self.inner.state_dir));
        env.extend(claude_dir.map(|path| ("CLAUDE_CONFIG_DIR".to_owned(), path)));
        McpServer { name: "teams".to_owned(), command: command.clone(), env, tools }
    }

    /// Whom a token was given to.
    ///
    /// # Errors
    /// Nobody.
    pub fn identify(&self, token: &str) -> Result<Identity> {
        let owner = self.inner.tokens.owner(token).ok_or(Error::UnknownToken)?;
        // Worth nothing when the agent has ended.
        let runs =
            self.teams().get(&owner.team).is_some_and(|runtime| runtime.running().contains(&owner.name.to_string()));
        if runs { Ok(owner) } else { Err(Error::UnknownToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_member_s_until_there_is_a_new_one() {
        let who = |name: &str| Identity { team: "t".parse().unwrap(), name: name.parse().unwrap(), plans_first: false };
        let tokens = Tokens::default();
        let first = tokens.issue(who("a"));
        let other = tokens.issue(who("b"));
        let second = tokens.issue(who("a"));
        assert_eq!(tokens.owner(&first), None);
        assert_eq!((tokens.owner(&second), tokens.owner(&other)), (Some(who("a")), Some(who("b"))));
        assert_eq!(tokens.owner(""), None);
    }
}
