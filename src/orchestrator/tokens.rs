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
    /// It is a member that leads a run.
    pub leads_run: bool,
}

impl Identity {
    /// The lead of a team.
    pub fn lead(team: TeamName) -> Self {
        Self { team, name: AgentName::lead(), plans_first: false, leads_run: false }
    }

    /// Whether it may do what a lead does: it is the lead, or a member that leads a run.
    pub fn may_lead(&self) -> bool {
        self.is_lead() || self.leads_run
    }

    /// Whether this is the lead.
    pub fn is_lead(&self) -> bool {
        self.name.as_str() == TEAM_LEAD
    }
}

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<HashMap<String, Given>>);

#[derive(Debug)]
struct Given {
    who: Identity,
    /// Somebody has come with it.
    used: bool,
}

impl Tokens {
    /// A new token for a member; the one that it had is worth nothing any more.
    pub(crate) fn issue(&self, who: Identity) -> String {
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut tokens = self.lock();
        tokens.retain(|_, other| (&other.who.team, &other.who.name) != (&who.team, &who.name));
        tokens.insert(token.clone(), Given { who, used: false });
        token
    }

    /// The tokens of a team that is gone are worth nothing.
    pub(crate) fn forget(&self, team: &TeamName) {
        self.lock().retain(|_, given| given.who.team != *team);
    }

    /// Whose token somebody comes with.
    pub(crate) fn owner(&self, token: &str) -> Option<Identity> {
        let mut tokens = self.lock();
        let given = tokens.get_mut(token)?;
        given.used = true;
        Some(given.who.clone())
    }

    /// Whether somebody has come with a member's token; `None` when it has none.
    pub(crate) fn is_used(&self, team: &TeamName, name: &AgentName) -> Option<bool> {
        let tokens = self.lock();
        tokens.values().find(|given| (&given.who.team, &given.who.name) == (team, name)).map(|given| given.used)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Given>> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_member_s_until_there_is_a_new_one() {
        let who = |name: &str| Identity {
            team: "t".parse().unwrap(),
            name: name.parse().unwrap(),
            plans_first: false,
            leads_run: false,
        };
        let tokens = Tokens::default();
        let first = tokens.issue(who("a"));
        let other = tokens.issue(who("b"));
        let second = tokens.issue(who("a"));
        let is_used = |name: &str| tokens.is_used(&"t".parse().unwrap(), &name.parse().unwrap());
        assert_eq!((is_used("a"), is_used("c")), (Some(false), None));
        assert_eq!(tokens.owner(&first), None);
        assert_eq!((tokens.owner(&second), tokens.owner(&other)), (Some(who("a")), Some(who("b"))));
        assert_eq!(tokens.owner(""), None);
        assert_eq!(is_used("a"), Some(true));
        tokens.forget(&"t".parse().unwrap());
        assert_eq!((tokens.owner(&second), is_used("b")), (None, None));
    }
}
