//! A team and a member as values with verbs of their own. They work over whatever has the verbs of a team: an orchestrator of
//! the program's own, or a client of the daemon.

use std::sync::Arc;

use agent_backends::{BackendType, SpawnConfig, StopReport};
use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::model::event::Event;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::status::{MemberStatus, TeamStatus};
use crate::model::task::{CreateTaskRequest, Task, TaskUpdate};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::StoreError;
use crate::turn::{EventSource, TurnHandle};

/// The verbs that handles use, each under the name and with the arguments that it has on [`TeamOrchestrator`].
#[async_trait]
pub trait Verbs: Clone + Send + Sync + 'static {
    /// Starts an agent as a member of a team.
    ///
    /// # Errors
    /// The team does not exist, the name is bad or in use, or the agent cannot be started.
    async fn spawn_teammate(&self, team: &str, config: SpawnConfig, backend: BackendType) -> Result<MemberStatus>;

    /// Gives a member an input, and answers a handle of the turn that it becomes.
    ///
    /// # Errors
    /// There is no such member, or it does not take this input.
    async fn begin_turn(&self, team: &str, member: &str, input: &str) -> Result<TurnHandle>;

    /// Ends a member's running turn.
    ///
    /// # Errors
    /// There is no such member, or it does not run.
    async fn interrupt(&self, team: &str, member: &str) -> Result<()>;

    /// Stops a member, politely first.
    ///
    /// # Errors
    /// There is no such member.
    async fn shutdown_teammate(&self, team: &str, member: &str) -> Result<StopReport>;

    /// Kills a member's processes.
    ///
    /// # Errors
    /// There is no such member.
    async fn kill_teammate(&self, team: &str, member: &str) -> Result<StopReport>;

    /// How a team and its members are.
    ///
    /// # Errors
    /// There is no such team.
    async fn status(&self, team: &str) -> Result<TeamStatus>;

    /// All tasks of a team.
    ///
    /// # Errors
    /// There is no such team.
    async fn tasks(&self, team: &str) -> Result<Vec<Task>>;

    /// Adds a task.
    ///
    /// # Errors
    /// There is no such team, owner or blocker, or the subject is empty.
    async fn create_task(&self, team: &str, request: CreateTaskRequest) -> Result<Task>;

    /// Changes a task.
    ///
    /// # Errors
    /// There is no such task, or the change is not allowed.
    async fn update_task(&self, team: &str, id: &str, update: TaskUpdate) -> Result<Task>;

    /// Writes a message into a member's inbox, and answers its id.
    ///
    /// # Errors
    /// There is no such member, or the message is not one.
    async fn write_message(&self, team: &str, from: &str, to: &str, text: &str) -> Result<String>;

    /// A team's events from number `from` on, those to come too.
    ///
    /// # Errors
    /// There is no such team.
    async fn event_source(&self, team: &str, from: u64) -> Result<Box<dyn EventSource>>;
}

#[async_trait]
impl Verbs for TeamOrchestrator {
    async fn spawn_teammate(&self, team: &str, config: SpawnConfig, backend: BackendType) -> Result<MemberStatus> {
        self.spawn_teammate(team, config, backend).await
    }

    async fn begin_turn(&self, team: &str, member: &str, input: &str) -> Result<TurnHandle> {
        self.begin_turn(team, member, input).await
    }

    async fn interrupt(&self, team: &str, member: &str) -> Result<()> {
        self.interrupt(team, member).await
    }

    async fn shutdown_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.shutdown_teammate(team, member).await
    }

    async fn kill_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.kill_teammate(team, member).await
    }

    async fn status(&self, team: &str) -> Result<TeamStatus> {
        self.status(team).await
    }

    async fn tasks(&self, team: &str) -> Result<Vec<Task>> {
        Ok(self.list_tasks(team).await?.tasks.iter().map(|task| Task::clone(task)).collect())
    }

    async fn create_task(&self, team: &str, request: CreateTaskRequest) -> Result<Task> {
        self.create_task(team, request).await
    }

    async fn update_task(&self, team: &str, id: &str, update: TaskUpdate) -> Result<Task> {
        self.update_task(team, id, update).await
    }

    async fn write_message(&self, team: &str, from: &str, to: &str, text: &str) -> Result<String> {
        Ok(self.send_message(team, from, to, text).await?.message().key())
    }

    async fn event_source(&self, team: &str, from: u64) -> Result<Box<dyn EventSource>> {
        Ok(Box::new(self.events(team, from).await?))
    }
}

impl TeamOrchestrator {
    /// A handle of a team. Whether there is such a team shows with its first use.
    ///
    /// # Errors
    /// The name is none.
    pub fn team<N: TryInto<TeamName>>(&self, name: N) -> Result<TeamHandle<Self>>
    where
        Error: From<N::Error>,
    {
        TeamHandle::new(self.clone(), name)
    }
}

/// A team, with the verbs that need one.
#[derive(Clone, Debug)]
pub struct TeamHandle<V> {
    verbs: V,
    name: TeamName,
}

impl<V: Verbs> TeamHandle<V> {
    /// A team over these verbs.
    ///
    /// # Errors
    /// The name is none.
    pub fn new<N: TryInto<TeamName>>(verbs: V, name: N) -> Result<Self>
    where
        Error: From<N::Error>,
    {
        Ok(Self { verbs, name: name.try_into()? })
    }

    /// The team's name.
    pub fn name(&self) -> &TeamName {
        &self.name
    }

    /// A handle of a member. Whether there is such a member shows with its first use.
    ///
    /// # Errors
    /// The name is none.
    pub fn member<N: TryInto<AgentName>>(&self, name: N) -> Result<MemberHandle<V>>
    where
        Error: From<N::Error>,
    {
        Ok(MemberHandle { team: self.clone(), name: name.try_into()? })
    }

    /// Starts an agent as a member, waits until it is ready, and answers its handle.
    ///
    /// # Errors
    /// As [`Verbs::spawn_teammate`].
    pub async fn spawn(&self, config: SpawnConfig, backend: BackendType) -> Result<MemberHandle<V>> {
        let status = self.verbs.spawn_teammate(self.name.as_str(), config, backend).await?;
        self.member(status.name)
    }

    /// How the team and its members are.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn status(&self) -> Result<TeamStatus> {
        self.verbs.status(self.name.as_str()).await
    }

    /// How each of the members is.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn members(&self) -> Result<Vec<MemberStatus>> {
        Ok(self.status().await?.members)
    }

    /// All tasks.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn tasks(&self) -> Result<Vec<Task>> {
        self.verbs.tasks(self.name.as_str()).await
    }

    /// Adds a task; with an owner, the owner is told.
    ///
    /// # Errors
    /// As [`Verbs::create_task`].
    pub async fn create_task(&self, request: CreateTaskRequest) -> Result<Task> {
        self.verbs.create_task(self.name.as_str(), request).await
    }

    /// Changes a task; a new owner is told.
    ///
    /// # Errors
    /// As [`Verbs::update_task`].
    pub async fn update_task(&self, id: &str, update: TaskUpdate) -> Result<Task> {
        self.verbs.update_task(self.name.as_str(), id, update).await
    }

    /// Writes a message from the lead into a member's inbox, and answers its id.
    ///
    /// # Errors
    /// As [`Verbs::write_message`].
    pub async fn send_message(&self, to: &str, text: &str) -> Result<String> {
        self.verbs.write_message(self.name.as_str(), TEAM_LEAD, to, text).await
    }

    /// The team's events from number `from` on (the first is 1), those to come too.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn events(&self, from: u64) -> Result<Box<dyn EventSource>> {
        self.verbs.event_source(self.name.as_str(), from).await
    }
}

/// A member of a team, with the verbs that need one.
#[derive(Clone, Debug)]
pub struct MemberHandle<V> {
    team: TeamHandle<V>,
    name: AgentName,
}

impl<V: Verbs> MemberHandle<V> {
    /// The member's name.
    pub fn name(&self) -> &AgentName {
        &self.name
    }

    /// Its team.
    pub fn team(&self) -> &TeamHandle<V> {
        &self.team
    }

    /// Gives the member an input, waits for the end of the turn that it becomes, and answers the whole text of the agent.
    ///
    /// # Errors
    /// As [`Verbs::begin_turn`]; the turn failed, or was interrupted.
    pub async fn ask(&self, input: &str) -> Result<String> {
        self.begin_turn(input).await?.text().await
    }

    /// Gives the member an input, and answers a handle of the turn that it becomes. A busy member takes it after its turn.
    ///
    /// # Errors
    /// As [`Verbs::begin_turn`].
    pub async fn begin_turn(&self, input: &str) -> Result<TurnHandle> {
        self.team.verbs.begin_turn(self.team.name.as_str(), self.name.as_str(), input).await
    }

    /// Ends the member's running turn. What waits behind it stays.
    ///
    /// # Errors
    /// There is no such member, or it does not run.
    pub async fn interrupt(&self) -> Result<()> {
        self.team.verbs.interrupt(self.team.name.as_str(), self.name.as_str()).await
    }

    /// Stops the member, politely first, and answers what was verified.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn stop(&self) -> Result<StopReport> {
        self.team.verbs.shutdown_teammate(self.team.name.as_str(), self.name.as_str()).await
    }

    /// Kills the member's processes.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn kill(&self) -> Result<StopReport> {
        self.team.verbs.kill_teammate(self.team.name.as_str(), self.name.as_str()).await
    }

    /// How the member is.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn status(&self) -> Result<MemberStatus> {
        let members = self.team.members().await?;
        let existing = members.iter().map(|member| member.name.clone()).collect();
        let found = members.into_iter().find(|member| member.name == self.name.as_str());
        let (team, member) = (self.team.name.to_string(), self.name.to_string());
        found.ok_or_else(|| StoreError::NoMember { team, member, existing }.into())
    }

    /// The member's events from number `from` of its team on (the first is 1), those to come too.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn output(&self, from: u64) -> Result<MemberEvents> {
        Ok(MemberEvents { source: self.team.events(from).await?, name: self.name.clone() })
    }
}

/// The events of one member.
#[derive(Debug)]
pub struct MemberEvents {
    source: Box<dyn EventSource>,
    name: AgentName,
}

impl MemberEvents {
    /// The next event, waited for; `None` when none can come any more. Cancel-safe.
    ///
    /// # Errors
    /// The source of the events has failed.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>> {
        while let Some(event) = self.source.next_event().await? {
            if event.agent == self.name.as_str() {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}
