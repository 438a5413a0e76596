//! Who has a task, and what becomes of it: claims, completions, failures.

use std::sync::LazyLock;

use agent_backends::process::{ProcessId, boot_id};

use super::recipient;
use crate::error::Result;
use crate::model::name::{AgentName, TeamName};
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::team::Launch;
use crate::model::work::Claimant;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::{Expected, Outcome, StoreError};

/// This process, as leases name it: its number, when it was started, and in which run of the machine.
pub(super) static THIS_PROCESS: LazyLock<String> = LazyLock::new(|| {
    let ProcessId { pid, start_time } = ProcessId::own();
    format!("{pid} {start_time} {}", boot_id())
});

/// Whether the process that a lease names lives. One that nobody can read is left to whoever wrote it.
fn lives(process: &str) -> bool {
    let parts: Vec<&str> = process.split(' ').collect();
    let [pid, start_time, boot] = parts[..] else { return true };
    match (pid.parse(), start_time.parse()) {
        (Ok(pid), Ok(start_time)) => boot == boot_id() && ProcessId { pid, start_time }.may_be_alive(),
        _ => true,
    }
}

/// For how long a claim holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// As long as this process lives.
    WithUs,
    /// As long as the member's agent runs; one that we do not run has it until somebody takes it away.
    WithMember,
}

impl TeamOrchestrator {
    /// Gives a member a task that nobody works on and that waits for nothing: this one, or the first that is for it, by priority and
    /// number. No task is given to two. It is free again when this process ends before it is done.
    ///
    /// # Errors
    /// There is no such task or member, somebody else has the task, or it has failed for good.
    pub async fn claim_task(&self, team: &str, id: Option<&str>, owner: &str) -> Result<Option<Task>> {
        self.claim(team, id, owner, Holds::WithUs).await
    }

    pub(crate) async fn claim(&self, team: &str, id: Option<&str>, owner: &str, holds: Holds) -> Result<Option<Task>> {
        let team: TeamName = team.parse()?;
        let id = id.map(str::parse::<TaskId>).transpose()?;
        let holds = holds == Holds::WithUs || self.is_running(&team, owner);
        let process = holds.then(|| THIS_PROCESS.clone());
        let (name, of) = (owner.to_owned(), team.clone());
        let owner = owner.to_owned();
        let claimed = self.change_tasks(team.clone(), move |store| {
            let name = recipient(store, &team, &owner)?;
            let launch = store.team(&team)?.member(&name).and_then(|member| member.launch.clone());
            let who = Claimant { process, ..claimant(&name, launch.as_ref()) };
            let claimed = store.claim_task(&team, id.as_ref(), who.clone());
            if !matches!(claimed, Ok(None) | Err(StoreError::Claimed { .. })) {
                return claimed;
            }
            // What somebody had who is dead is free.
            let mut freed = false;
            for task in store.tasks(&team)?.tasks.iter().filter(|task| is_orphaned(task)) {
                let expected = Expected { attempt: Some(task.work().attempt), owner: task.owner.clone() };
                freed |= store.settle_task(&team, &task.id, &expected, &Outcome::GivenBack).is_ok();
            }
            if freed { store.claim_task(&team, id.as_ref(), who) } else { claimed }
        });
        let Some(task) = claimed.await? else { return Ok(None) };
        if let Err(error) = self.plans_for(&of, &AgentName::in_roster(&name), &task.id).await {
            // It must not begin without a plan.
            let expected = Expected { attempt: Some(task.work().attempt), owner: task.owner.clone() };
            self.settle(&of, &task.id, expected, Outcome::GivenBack).await?;
            return Err(error);
        }
        Ok(Some(task))
    }

    /// Says that a task is done; answers also the tasks that no longer wait because of it. With an owner or an attempt it counts only
    /// while that owner has it, and only for that attempt.
    ///
    /// # Errors
    /// There is no such task, it waits for others, or it was given out again since.
    pub async fn complete_task(
        &self,
        team: &str,
        id: &str,
        expected: Expected,
        result: Option<String>,
    ) -> Result<(Task, Vec<TaskId>)> {
        self.settle(team, id, expected, Outcome::Completed { result }).await
    }

    /// Says that a task has failed for good: nobody is given it, and what waits for it does not begin.
    ///
    /// # Errors
    /// There is no such task.
    pub async fn fail_task(&self, team: &str, id: &str, reason: &str) -> Result<Task> {
        let outcome = Outcome::Failed { feedback: reason.to_owned(), for_good: true };
        Ok(self.settle(team, id, Expected::default(), outcome).await?.0)
    }

    /// Makes a task that has failed, or that is done, one that can be begun, with all its attempts.
    ///
    /// # Errors
    /// There is no such task, or somebody works on it.
    pub async fn retry_task(&self, team: &str, id: &str) -> Result<Task> {
        let (team, id): (TeamName, TaskId) = (team.parse()?, id.parse()?);
        self.change_tasks(team.clone(), move |store| store.retry_task(&team, &id)).await
    }

    pub(crate) async fn settle(
        &self,
        team: &str,
        id: &str,
        expected: Expected,
        outcome: Outcome,
    ) -> Result<(Task, Vec<TaskId>)> {
        let (team, id): (TeamName, TaskId) = (team.parse()?, id.parse()?);
        if let Outcome::Completed { result } = &outcome {
            self.check_completion(&team, &id, &expected, result.as_deref()).await?;
        }
        self.change_tasks(team.clone(), move |store| store.settle_task(&team, &id, &expected, &outcome)).await
    }
}

/// A member as tasks see it.
pub(super) fn claimant(name: &str, launch: Option<&Launch>) -> Claimant {
    Claimant {
        name: name.to_owned(),
        backend: launch.map(|launch| launch.backend.to_string()),
        capabilities: launch.map(|launch| launch.capabilities.clone()).unwrap_or_default(),
        process: None,
    }
}

/// Whether whoever answers for a task's owner is dead.
pub(super) fn is_orphaned(task: &Task) -> bool {
    task.status == TaskStatus::InProgress && task.lease().is_some_and(|lease| !lives(&lease.process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_answers_for_nothing() {
        assert!(lives(&THIS_PROCESS));
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!lives(&format!("{pid} 7 {}", boot_id())));
        assert!(lives("whatever a later version writes"));
    }
}
