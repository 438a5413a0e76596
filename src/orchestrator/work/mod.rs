//! Teams, tasks and messages: what is shared, and kept in Claude Code's files.

mod brief;
mod checkpoints;
pub(crate) mod claims;
mod dispatch;
pub(crate) mod foreman;
mod gates;
mod hook_watch;
pub(crate) mod memory;
mod recordings;

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::change::Change;
use crate::model::checkpoint::MissingCheckpoint;
use crate::model::event::EventKind;
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::status::{TaskCounts, TeamSummary};
use crate::model::task::{CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};
use crate::model::team::Team;
use crate::model::time::iso;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::mail::Letter;
use crate::orchestrator::mail::handle::MessageHandle;
use crate::orchestrator::members::status::lead_lives;
use crate::paths;
use crate::store::{self, Expected, Store, StoreError, TaskList, new_message};

impl TaskCounts {
    pub(crate) fn of(list: &TaskList) -> Self {
        let mut counts = Self::default();
        for task in &list.tasks {
            match task.status {
                TaskStatus::Pending => counts.pending += 1,
                TaskStatus::InProgress => counts.in_progress += 1,
                TaskStatus::Completed => counts.completed += 1,
            }
        }
        counts
    }
}

impl TeamOrchestrator {
    /// Creates a team, with its lead as the only member.
    ///
    /// # Errors
    /// The name is bad or in use, or the files cannot be written.
    pub async fn create_team(&self, team: &str, description: Option<&str>) -> Result<()> {
        self.create_team_in(team, description, paths::current_dir()?.unwrap_or_default()).await
    }

    /// As [`create_team`](Self::create_team), for a lead that works in `cwd`.
    ///
    /// # Errors
    /// As [`create_team`](Self::create_team).
    pub async fn create_team_in(&self, team: &str, description: Option<&str>, cwd: PathBuf) -> Result<()> {
        let team: TeamName = team.parse()?;
        let description = description.map(str::to_owned);
        let (name, about) = (team.clone(), description.clone());
        self.with_store(move |store| {
            store.create_team(&team, description.as_deref(), &cwd, jiff::Timestamp::now().as_millisecond())
        })
        .await?;
        match self.runtime(&name) {
            Ok(runtime) => {
                runtime.feed.append(TEAM_LEAD, None, EventKind::TeamCreated { description: about });
            }
            // There it is, all the same.
            Err(error) => tracing::warn!(team = %name, %error, "that a team was created is not told"),
        }
        self.changes().note(Change::team(name));
        Ok(())
    }

    /// Deletes a team, or what is kept of one whose lead has ended: its roster, inboxes, tasks and transcript.
    ///
    /// # Errors
    /// There is no such team, or members of it run.
    pub async fn delete_team(&self, team: &str) -> Result<()> {
        self.delete_team_and_tell(team).await.map(drop)
    }

    /// As [`delete_team`](Self::delete_team); answers the completed tasks whose notes could not be written, and will never be.
    pub(crate) async fn delete_team_and_tell(&self, team: &str) -> Result<Vec<MissingCheckpoint>> {
        let name: TeamName = team.parse()?;
        let running = self.running_members(&name);
        if !running.is_empty() {
            return Err(Error::TeamBusy { team: name.to_string(), members: running });
        }
        let lost = self.last_checkpoints(&name).await;
        let (team, is_kept) = (name.clone(), self.kept_roster(&name).is_some());
        self.with_store(move |store| match store.delete_team(&team) {
            Err(StoreError::NoTeam { .. }) if is_kept => store.delete_remains(&team),
            done => done,
        })
        .await?;
        for MissingCheckpoint { task, commit, reason, .. } in &lost {
            tracing::error!(team = %name, %task, commit, %reason, "the checkpoint of a deleted team is lost");
        }
        self.inner.recorder.end(&name).await;
        let forgotten = self.forget(&name);
        self.changes().note(Change::team(name));
        forgotten.map(|()| lost)
    }

    /// A team as its file describes it.
    ///
    /// # Errors
    /// There is no such team, or its file cannot be read.
    pub async fn roster(&self, team: &str) -> Result<Team> {
        let team: TeamName = team.parse()?;
        self.with_store(move |store| store.team(&team)).await
    }

    /// All teams. One whose files cannot be read is left out, with a line in the log.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn list_teams(&self) -> Result<Vec<TeamSummary>> {
        self.with_store(|store| {
            let summary = |name: &TeamName| -> store::Result<TeamSummary> {
                let team = store.team(name)?;
                let tasks = TaskCounts::of(&*store.tasks(name)?);
                let lead_gone = store.is_claimed(name)? && !lead_lives(store, name);
                Ok(TeamSummary { team: name.to_string(), members: team.teammates().count(), tasks, lead_gone })
            };
            let mut teams = Vec::new();
            for name in store.list_teams()? {
                match summary(&name) {
                    Ok(team) => teams.push(team),
                    Err(error) => tracing::warn!(team = %name, %error, "left a team out of the list"),
                }
            }
            Ok(teams)
        })
        .await
    }

    /// Adds a task; with an owner, the owner is told.
    ///
    /// # Errors
    /// There is no such team, owner or blocker, or the subject is empty.
    pub async fn create_task(&self, team: &str, request: CreateTaskRequest) -> Result<Task> {
        self.create_task_as(team, request, None).await
    }

    /// As [`create_task`](Self::create_task), by a member.
    pub(crate) async fn create_task_as(
        &self,
        team: &str,
        mut request: CreateTaskRequest,
        by: Option<&str>,
    ) -> Result<Task> {
        let team: TeamName = team.parse()?;
        self.check_creation(&team, &request, by).await?;
        let name = team.clone();
        let created = self.change_tasks(name.clone(), move |store| {
            if let Some(owner) = &request.owner {
                request.owner = Some(reachable(store, &team, owner)?.into());
            }
            store.create_task(&team, &request)
        });
        let task = created.await?;
        // Those that it waits for name it, too.
        self.notify_owner(&name, &task, TEAM_LEAD).await;
        Ok(task)
    }

    /// The task is written; that its owner could not be told must not look as if it were not.
    async fn notify_owner(&self, team: &TeamName, task: &Task, by: &str) {
        let Some(owner) = task.owner.as_deref().filter(|owner| !owner.is_empty()).map(AgentName::in_roster) else {
            return;
        };
        if task.status == TaskStatus::Pending && self.is_given_tasks(team, &owner).await {
            // It is told when it is given the task.
            return;
        }
        let assignment = assignment(task, task.description.clone(), by, None);
        let told = async { self.send_prepared(&*self.runtime(team)?, owner, assignment).await };
        if let Err(error) = told.await {
            tracing::error!(%team, task = %task.id, %error, "the owner of a task was not told");
        }
    }

    /// Whether a member runs that tasks are given to.
    async fn is_given_tasks(&self, team: &TeamName, member: &AgentName) -> bool {
        let runs = self.is_running(team, member);
        let (team, member) = (team.clone(), member.clone());
        let works = self.with_store(move |store| {
            let team = store.team(&team)?;
            Ok(team.member(&member).and_then(|member| member.launch.as_ref()).is_some_and(|launch| launch.work))
        });
        runs && works.await.unwrap_or_default()
    }

    /// All tasks of a team, and the files that are none.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn list_tasks(&self, team: &str) -> Result<Arc<TaskList>> {
        let team: TeamName = team.parse()?;
        self.with_store(move |store| store.tasks(&team)).await
    }

    /// All tasks of a team as they are on disk, with what we do not know in them.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn task_files(&self, team: &str) -> Result<Vec<serde_json::Value>> {
        let team: TeamName = team.parse()?;
        self.with_store(move |store| store.task_files(&team)).await
    }

    /// Changes a task; a new owner is told.
    ///
    /// # Errors
    /// There is no such task, the change would close a circle, or the task waits for others and is to begin.
    pub async fn update_task(&self, team: &str, id: &str, update: TaskUpdate) -> Result<Task> {
        Ok(self.update_task_and_free(team, id, update, TEAM_LEAD).await?.0)
    }

    /// As [`update_task`](Self::update_task), said by whom; answers also the tasks that no longer wait because of it.
    ///
    /// # Errors
    /// As [`update_task`](Self::update_task).
    pub async fn update_task_and_free(
        &self,
        team: &str,
        id: &str,
        mut update: TaskUpdate,
        by: &str,
    ) -> Result<(Task, Vec<TaskId>)> {
        let team: TeamName = team.parse()?;
        let id: TaskId = id.parse()?;
        if update.status == Some(TaskStatus::Completed) {
            self.check_completion(&team, &id, &Expected::default(), None).await?;
        }
        let name = team.clone();
        let updated = self.change_tasks(name.clone(), move |store| {
            let new_owner = update.owner.clone().filter(|owner| !owner.is_empty());
            if let Some(owner) = &new_owner {
                update.owner = Some(reachable(store, &team, owner)?.into());
            }
            let before = store.tasks(&team)?.get(&id).and_then(|task| task.owner.clone());
            let (task, free) = store.update_task(&team, &id, &update)?;
            let is_new = new_owner.is_some() && task.owner != before;
            Ok((task, free, is_new))
        });
        let (task, free, is_new) = updated.await?;
        if let (TaskStatus::InProgress, Some(owner)) = (task.status, &task.owner) {
            self.plans_for(&name, &AgentName::in_roster(owner), &task.id).await?;
        }
        if is_new && task.owner.as_deref() != Some(by) {
            self.notify_owner(&name, &task, by).await;
        }
        Ok((task, free))
    }

    /// Makes a member the owner of a task, and tells it so in its inbox.
    ///
    /// # Errors
    /// There is no such task or member.
    pub async fn assign_task(&self, team: &str, id: &str, owner: &str) -> Result<Task> {
        self.update_task(team, id, TaskUpdate { owner: Some(owner.to_owned()), ..Default::default() }).await
    }

    /// Deletes a task. Nothing waits for it any more, and its id is never used again.
    ///
    /// # Errors
    /// There is no such task.
    pub async fn delete_task(&self, team: &str, id: &str) -> Result<()> {
        let team: TeamName = team.parse()?;
        let id: TaskId = id.parse()?;
        self.change_tasks(team.clone(), move |store| store.delete_task(&team, &id)).await
    }

    /// Writes a message into a member's inbox. An agent of ours gets it as its next turn.
    ///
    /// # Errors
    /// As [`send_messages`](Self::send_messages).
    pub async fn send_message(&self, team: &str, from: &str, to: &str, text: &str) -> Result<MessageHandle> {
        let letter = Letter { text: text.to_owned(), ..Letter::default() };
        let since = self.last_seq(team).await? + 1;
        let posted = self.send_messages(team, from, &[to.to_owned()], letter).await?;
        let message = posted.into_iter().next().map(|(_, message)| message).unwrap_or_default();
        Ok(MessageHandle::new(message, &self.runtime(&team.parse()?)?.feed, since))
    }

    /// Writes a message into the inbox of every member but the sender, and answers who they are.
    ///
    /// # Errors
    /// As [`send_messages`](Self::send_messages).
    pub async fn broadcast(&self, team: &str, from: &str, text: &str) -> Result<Vec<String>> {
        let letter = Letter { text: text.to_owned(), ..Letter::default() };
        let posted = self.send_messages(team, from, &["*".to_owned()], letter).await?;
        Ok(posted.into_iter().map(|(to, _)| to).collect())
    }

    /// What is in a member's inbox. Nothing is marked or removed.
    ///
    /// # Errors
    /// There is no such team or member, or the inbox cannot be read.
    pub async fn read_inbox(&self, team: &str, member: &str) -> Result<Vec<Message>> {
        let team: TeamName = team.parse()?;
        let member = member.to_owned();
        self.with_store(move |store| {
            let member = recipient(store, &team, &member)?;
            store.read_inbox_of(&team, &member)
        })
        .await
    }
}

/// Who a name means: a member of the team, the lead too.
fn recipient(store: &Store, team: &TeamName, name: &str) -> store::Result<AgentName> {
    let known = store.team(team)?;
    let name = if name == "lead" { TEAM_LEAD } else { name };
    if known.member(name).is_none() {
        let existing = known.members.into_iter().map(|member| member.name).collect();
        return Err(StoreError::NoMember { team: team.to_string(), member: name.to_owned(), existing });
    }
    Ok(AgentName::in_roster(name))
}

/// A member whose inbox can take a message, as far as can be told before anything is written.
fn reachable(store: &Store, team: &TeamName, name: &str) -> store::Result<AgentName> {
    let name = recipient(store, team, name)?;
    store.read_inbox_of(team, &name)?;
    Ok(name)
}

/// What tells a member that a task is its own, with this description.
fn assignment(task: &Task, description: String, by: &str, attempt: Option<u64>) -> Message {
    let assignment = StructuredMessage::TaskAssignment {
        task_id: task.id.to_string(),
        subject: task.subject.clone(),
        description,
        assigned_by: by.to_owned(),
        timestamp: iso(jiff::Timestamp::now()),
        attempt,
    };
    new_message(by, &assignment.to_text(), None, None)
}
