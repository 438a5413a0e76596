//! Quality gates: what hooks say to a task that is about to be added or completed.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::hook::HookEvent;
use crate::model::name::TeamName;
use crate::model::task::{CreateTaskRequest, Task, TaskId, TaskStatus};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::{Expected, Outcome, StoreError};

impl TeamOrchestrator {
    /// Whether a task may be added.
    ///
    /// # Errors
    /// A hook says no.
    pub(super) async fn check_creation(
        &self,
        team: &TeamName,
        request: &CreateTaskRequest,
        by: Option<&str>,
    ) -> Result<()> {
        // A team that there is not has no hooks, and is refused where the task is written.
        let Ok(runtime) = self.runtime_if_there(team).await else { return Ok(()) };
        if !self.hooks_hear(&runtime, HookEvent::TaskCreated) {
            return Ok(());
        }
        let mut input = self.hook_input(HookEvent::TaskCreated, team, by).await;
        input.task_id = Some((self.list_tasks(team).await?.last_number() + 1).to_string());
        input.task_subject = Some(request.subject.clone());
        input.task_description = request.description.clone().or_else(|| Some(request.subject.clone()));
        match self.judged(&runtime, input).await {
            None => Ok(()),
            Some(feedback) => {
                Err(Error::Vetoed { what: format!("the task \"{}\" was not added", request.subject), feedback })
            }
        }
    }

    /// Whether a task may be completed; where a hook says no, its owner goes on with it, and that counts as a failure.
    ///
    /// # Errors
    /// A hook says no, or this is no longer the caller's task.
    pub(super) async fn check_completion(
        &self,
        team: &TeamName,
        id: &TaskId,
        expected: &Expected,
        result: Option<&str>,
    ) -> Result<()> {
        let Ok(runtime) = self.runtime_if_there(team).await else { return Ok(()) };
        if !self.hooks_hear(&runtime, HookEvent::TaskCompleted) {
            return Ok(());
        }
        let task = match self.list_tasks(team).await?.get(id) {
            Some(task) => Task::clone(task),
            None => return Err(StoreError::NoTask { team: team.to_string(), id: id.to_string() }.into()),
        };
        let is_old = expected.attempt.is_some_and(|attempt| attempt != task.work().attempt);
        if task.status == TaskStatus::Completed || is_old {
            // Said where it is written.
            return Ok(());
        }
        let mut input = self.hook_input(HookEvent::TaskCompleted, team, task.owner.as_deref()).await;
        input.task_id = Some(id.to_string());
        input.task_subject = Some(task.subject.clone());
        input.task_description = Some(task.description.clone());
        input.task_result = result.map(str::to_owned);
        let Some(feedback) = self.judged(&runtime, input).await else { return Ok(()) };
        let what = format!("task #{id} is not done");
        if task.status == TaskStatus::InProgress {
            let expected = Expected { owner: task.owner.clone(), attempt: Some(task.work().attempt) };
            let (team, id, sent_back) = (team.clone(), id.clone(), Outcome::SentBack { feedback: feedback.clone() });
            let (task, _) = self
                .change_tasks(team.clone(), move |store| store.settle_task(&team, &id, &expected, &sent_back))
                .await?;
            if task.is_failed() {
                return Err(Error::Vetoed { what: format!("{what}, and that was its last attempt"), feedback });
            }
        }
        Err(Error::Vetoed { what, feedback })
    }

    async fn runtime_if_there(&self, team: &TeamName) -> Result<Arc<TeamRuntime>> {
        if let Some(runtime) = self.teams().get(team) {
            return Ok(Arc::clone(runtime));
        }
        self.roster(team).await?;
        self.runtime(team)
    }
}
