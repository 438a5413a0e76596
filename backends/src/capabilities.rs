//! What tells one agent from another, as data: nobody else has to know agents by name.

/// What an agent can do, and what has to be known of it. The default is an agent that can do nothing beside taking turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Each turn is a process of its own, so that a conversation that cannot be resumed is noticed only with its next turn.
    pub one_shot: bool,
    /// A running turn can be given a further input, by [`steer`](crate::AgentSession::steer).
    pub steers: bool,
    /// It tells its model that the user sent what it is given by `steer`.
    pub steered_as_user: bool,
    /// It keeps what it is given in order by itself: an input that is given by `steer` before the turn's own was accepted
    /// comes after it.
    pub keeps_order: bool,
    /// It asks before it does what its permission mode does not allow, and waits for the
    /// [`answer`](crate::AgentSession::answer).
    pub asks: bool,
    /// What it was allowed for the session it does not ask again, and for no longer. Of any other agent the caller has to keep that.
    pub keeps_grants: bool,
    /// A conversation can be continued in another session, by [`SpawnConfig::resume`](crate::SpawnConfig::resume).
    pub resumes: bool,
    /// Its permission mode can be changed while it runs, by
    /// [`set_permission_mode`](crate::AgentSession::set_permission_mode).
    pub changes_mode: bool,
    /// It has definitions of agents by name, which `--agent NAME` makes it be.
    pub agent_types: bool,
    /// Which program it is, [`SpawnConfig::command`](crate::SpawnConfig::command) says, each time. Different programs may
    /// have different accounts.
    pub any_program: bool,
    /// How the names of the variables begin that tell one account of its provider from another.
    pub account_variables: &'static [&'static str],
    /// How to log in, as advice to a person.
    pub login: &'static str,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            one_shot: false,
            steers: false,
            steered_as_user: false,
            keeps_order: false,
            asks: false,
            keeps_grants: false,
            resumes: false,
            changes_mode: false,
            agent_types: false,
            any_program: false,
            account_variables: &[],
            login: "log in with the agent's own command",
        }
    }
}

/// The group of agents that a session is a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The group's name.
    pub name: &'a str,
    /// What the session is called in it.
    pub member: &'a str,
    /// The session gets tools for the group by [`SpawnConfig::mcp_servers`](crate::SpawnConfig::mcp_servers).
    pub has_tools: bool,
}
