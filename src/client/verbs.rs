//! A client as what handles of teams and members work over.

use agent_backends::{BackendType, SpawnConfig, StopReport};
use async_trait::async_trait;

use super::Client;
use crate::error::Result;
use crate::model::status::{MemberStatus, TeamStatus};
use crate::model::task::{CreateTaskRequest, Task, TaskUpdate};
use crate::orchestrator::Verbs;
use crate::turn::{EventSource, TurnHandle};

#[async_trait]
impl Verbs for Client {
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
        Ok(self.list_tasks(team).await?.tasks)
    }

    async fn create_task(&self, team: &str, request: CreateTaskRequest) -> Result<Task> {
        self.create_task(team, request).await
    }

    async fn update_task(&self, team: &str, id: &str, update: TaskUpdate) -> Result<Task> {
        self.update_task(team, id, update).await
    }

    async fn write_message(&self, team: &str, from: &str, to: &str, text: &str) -> Result<String> {
        self.send_message(team, from, to, text).await
    }

    async fn event_source(&self, team: &str, from: u64) -> Result<Box<dyn EventSource>> {
        Ok(Box::new(self.events(team, from).await?))
    }
}
