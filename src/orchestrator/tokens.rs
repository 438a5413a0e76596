//! The tokens by which members are known when they use the team's tools. A token is given to a member's agent and to nobody
//! else, and is kept in memory only: it ends with the agent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::sync::lock;

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
pub(crate) struct Tokens(Mutex<HashMap<String, Identity>>);

impl Tokens {
    /// A new token for a member; the one that it had is worth nothing any more.
    pub(crate) fn issue(&self, who: Identity) -> String {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut tokens = self.lock();
        tokens.retain(|_, other| (&other.team, &other.name) != (&who.team, &who.name));
        tokens.insert(token.clone(), who);
        token
    }

    pub(crate) fn owner(&self, token: &str) -> Option<Identity> {
        self.lock().get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Identity>> {
        lock(&self.0)
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
