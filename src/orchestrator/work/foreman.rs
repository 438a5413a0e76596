//! Gives a team's tasks to its members as long as the team runs: looks at what happens, and does what [`dispatch`](super::dispatch)
//! says.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::assignment;
use super::brief::{PLAN_FIRST, brief, question};
use super::claims::{Holds, THIS_PROCESS, claimant, is_orphaned};
use super::dispatch::{Action, Given, Snapshot, Stage, Worker, dispatch};
use super::hook_watch::HookWatch;
use crate::error::Result;
use crate::model::event::{Event, EventKind, MailState};
use crate::model::message::Message;
use crate::model::name::{AgentName, TEAM_LEAD};
use crate::model::status::MemberState;
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::team::Team;
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::{Expected, Outcome, StoreError, TaskList, new_message};

/// How long nothing may happen before the owners of tasks are looked at all the same: the end of another process is told by nobody.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The same where no other process has a task: what could not be done is tried again.
const LOOK_AT_LEAST: Duration = Duration::from_secs(5);

impl TeamOrchestrator {
    /// Begins to give out the tasks of a team, unless that is done.
    pub(crate) fn dispatch_tasks(&self, runtime: &Arc<TeamRuntime>) {
        // Owned by the runtime, which it must not keep alive.
        let run = run(Arc::downgrade(&self.inner), Arc::downgrade(runtime));
        runtime.dispatching.ensure(run);
    }
}

async fn run(inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    let mut foreman = Foreman::default();
    let Some(mut events) = runtime.upgrade().map(|runtime| runtime.feed.subscribe(runtime.feed.last_seq() + 1)) else {
        return;
    };
    loop {
        // Nothing is kept alive while files are read: a program that drops its orchestrator has let go of the team's files.
        let Some((store, team)) = inner
            .upgrade()
            .zip(runtime.upgrade())
            .map(|(inner, runtime)| (Arc::clone(&inner.store), runtime.name.clone()))
        else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || Ok::<_, StoreError>((store.team(&team)?, store.tasks(&team)?)));
        let Ok(read) = read.await else { return };
        match read {
            Ok((roster, tasks)) => {
                let (Some(inner), Some(runtime)) = (inner.upgrade(), runtime.upgrade()) else { return };
                foreman.look(&TeamOrchestrator { inner }, &runtime, &roster, &tasks).await;
            }
            Err(error) => tracing::warn!(%error, "tasks cannot be given out now"),
        }
        // Nothing is kept alive while this waits.
        let again = Instant::now() + if foreman.watches_others { LOOK_AGAIN } else { LOOK_AT_LEAST };
        loop {
            match tokio::time::timeout_at(again, events.next()).await {
                Ok(Some(event)) => {
                    foreman.watch.note(&event);
                    if foreman.hear(&event) {
                        break;
                    }
                }
                Err(_) => break,
                Ok(None) => return,
            }
        }
        // What has happened meanwhile is looked at once.
        while let Some(event) = events.next_now() {
            foreman.watch.note(&event);
            foreman.hear(&event);
        }
    }
}

/// What is known of the tasks that were given out.
#[derive(Debug, Default)]
struct Foreman {
    given: BTreeMap<TaskId, Given>,
    /// Some task's owner is another process's.
    watches_others: bool,
    /// Has hooks told of what members do.
    watch: HookWatch,
}

impl Foreman {
    /// Notes what an event says of the tasks that were given out; answers whether anything may follow from it.
    fn hear(&mut self, event: &Event) -> bool {
        let end = |failure: Option<String>| Stage::Ended { failure };
        match &event.kind {
            EventKind::Mail { id, state: MailState::Injected, .. } => {
                let turn = event.turn.unwrap_or_default();
                let given = self.given.values_mut().find(|given| given.is_sent_as(id));
                given.into_iter().for_each(|given| given.stage = Stage::InTurn(turn));
                false
            }
            EventKind::Mail { id, state: MailState::Refused, reason, .. } => {
                let reason = reason.clone().unwrap_or_else(|| "it could not be given to its owner".to_owned());
                let given = self.given.values_mut().find(|given| given.is_sent_as(id));
                given.into_iter().for_each(|given| given.stage = end(Some(reason.clone())));
                true
            }
            EventKind::TurnCompleted { .. } => self.turn_ended(event, &end(None)),
            EventKind::TurnInterrupted { .. } => {
                self.turn_ended(event, &end(Some("its turn was interrupted".to_owned())))
            }
            EventKind::Error { message } => self.turn_ended(event, &end(Some(message.clone()))),
            // What is in progress is somebody's already.
            EventKind::Task { status, .. } => *status != TaskStatus::InProgress,
            EventKind::State { state, .. } => state != MemberState::Busy.as_str(),
            _ => false,
        }
    }

    fn turn_ended(&mut self, event: &Event, stage: &Stage) -> bool {
        let mut ended = self.given.values_mut().filter(|given| given.is_of(event)).peekable();
        let any = ended.peek().is_some();
        ended.for_each(|given| given.stage = stage.clone());
        any
    }

    async fn look(
        &mut self,
        orchestrator: &TeamOrchestrator,
        runtime: &Arc<TeamRuntime>,
        roster: &Team,
        tasks: &Arc<TaskList>,
    ) {
        let mut workers = workers(runtime, roster);
        self.note_mail(orchestrator, runtime, &mut workers).await;
        self.adopt(&workers, tasks);
        // It is asked anew after that.
        for given in self.given.values_mut() {
            given.asked &= !workers.iter().any(|worker| worker.name == given.to && worker.hears_first);
        }
        self.watches_others = tasks.tasks.iter().any(|task| task.lease().is_some() && !is_leased_by_us(task));
        let snapshot = Snapshot { workers: &workers, tasks, given: &self.given, is_leased_by_us, is_orphaned };
        // Those who are to begin do so at the same time.
        let mut begin = JoinSet::new();
        for action in dispatch(&snapshot) {
            let done = match action {
                Action::Give { task, to } => {
                    begin.spawn(give(orchestrator.clone(), Arc::clone(runtime), Arc::clone(tasks), task, to));
                    Ok(())
                }
                Action::Ask { task, to } => {
                    if let Some(given) = self.given.get_mut(&task) {
                        given.asked = true;
                        given.stage = tell(
                            orchestrator,
                            runtime,
                            &to,
                            new_message(TEAM_LEAD, &question(&task, given.attempt), None, None),
                        )
                        .await;
                    }
                    Ok(())
                }
                Action::Settle { task, expected, outcome } => {
                    self.given.remove(&task);
                    settle(orchestrator, runtime, &task, expected, outcome).await
                }
                Action::Forget { task } => {
                    self.given.remove(&task);
                    Ok(())
                }
            };
            if let Err(error) = done {
                // Somebody else was quicker, or the files cannot be written now: the next look shows which.
                tracing::info!(team = %runtime.name, %error, "what became of a task was not written down");
            }
        }
        for given in begin.join_all().await {
            match given {
                Ok(given) => self.given.extend(given),
                Err(error) => tracing::info!(team = %runtime.name, %error, "a task was not given to anybody"),
            }
        }
        let works = |name: &str| self.given.values().any(|given| given.to.as_str() == name);
        self.watch.tell(orchestrator, runtime, &workers, works);
    }

    /// Notes which of those that have ended the turn of their task have mail, which they get first.
    async fn note_mail(&self, orchestrator: &TeamOrchestrator, runtime: &TeamRuntime, workers: &mut [Worker]) {
        for given in self.given.values().filter(|given| matches!(given.stage, Stage::Ended { failure: None })) {
            let (team, name) = (runtime.name.clone(), given.to.clone());
            let unread = orchestrator.with_store(move |store| store.unread(&team, &name)).await.unwrap_or_default();
            let its = workers.iter_mut().filter(|worker| worker.name == given.to);
            its.for_each(|worker| worker.hears_first |= unread > 0);
        }
    }

    /// Takes over what members have taken by themselves: who is idle has ended the turn in which it took it.
    fn adopt(&mut self, workers: &[Worker], tasks: &TaskList) {
        let open = tasks.tasks.iter().filter(|task| task.status == TaskStatus::InProgress && is_leased_by_us(task));
        for task in open.filter(|task| !self.given.contains_key(&task.id)).collect::<Vec<_>>() {
            let is_its = |worker: &&Worker| task.owner.as_deref() == Some(worker.name.as_str());
            if let Some(owner) = workers.iter().find(is_its).filter(|owner| owner.works && owner.is_idle) {
                let stage = Stage::Ended { failure: None };
                let given = Given { to: owner.name.clone(), attempt: task.work().attempt, stage, asked: false };
                self.given.insert(task.id.clone(), given);
            }
        }
    }
}

/// Writes down what became of a task, and tells of a failure.
async fn settle(
    orchestrator: &TeamOrchestrator,
    runtime: &TeamRuntime,
    task: &TaskId,
    expected: Expected,
    outcome: Outcome,
) -> Result<()> {
    let owner = expected.owner.clone().unwrap_or_default();
    let (task, _) = orchestrator.settle(&runtime.name, task, expected, outcome.clone()).await?;
    if let Outcome::Failed { feedback, .. } = outcome {
        let what = if task.is_failed() { "it has failed" } else { "it is free again" };
        let message = format!("task #{}: {feedback}; {what}", task.id);
        runtime.feed.append(&owner, None, EventKind::Notice { message });
    }
    Ok(())
}

/// Makes a member the owner of a task, and tells it so. `None` when somebody else was quicker.
async fn give(
    orchestrator: TeamOrchestrator,
    runtime: Arc<TeamRuntime>,
    tasks: Arc<TaskList>,
    task: TaskId,
    to: AgentName,
) -> Result<Option<(TaskId, Given)>> {
    let Some(task) = orchestrator.claim(&runtime.name, Some(&task), &to, Holds::WithMember).await? else {
        return Ok(None);
    };
    let attempt = task.work().attempt;
    let mut text = brief(&task, &tasks);
    if orchestrator.plan_gate(&runtime.name, &to).await?.is_some_and(|gate| gate.approved.is_none()) {
        text.push_str(PLAN_FIRST);
    }
    let assignment = assignment(&task, text, TEAM_LEAD, Some(attempt));
    let stage = tell(&orchestrator, &runtime, &to, assignment).await;
    Ok(Some((task.id, Given { to, attempt, stage, asked: false })))
}

/// Writes to a task's owner about it. When that cannot be done, the attempt is over.
async fn tell(orchestrator: &TeamOrchestrator, runtime: &TeamRuntime, to: &AgentName, message: Message) -> Stage {
    let key = message.key();
    match orchestrator.send_prepared(runtime, to.clone(), message).await {
        Ok(()) => Stage::Sent { message: key },
        Err(error) => Stage::Ended { failure: Some(format!("its owner could not be told of it: {error}")) },
    }
}

impl Given {
    fn is_sent_as(&self, id: &str) -> bool {
        matches!(&self.stage, Stage::Sent { message } if message == id)
    }

    /// Whether an event is of the turn in which its owner has it.
    fn is_of(&self, event: &Event) -> bool {
        self.to.as_str() == event.agent && matches!(self.stage, Stage::InTurn(turn) if event.turn == Some(turn))
    }
}

fn is_leased_by_us(task: &Task) -> bool {
    task.lease().is_some_and(|lease| lease.process == *THIS_PROCESS)
}

/// The team's members that are ours, as they are now.
fn workers(runtime: &TeamRuntime, roster: &Team) -> Vec<Worker> {
    let mut workers: Vec<Worker> = Vec::new();
    for member in &roster.members {
        let (Some(launch), Ok(name)) = (&member.launch, member.name.parse::<AgentName>()) else { continue };
        let status = runtime.teammate(&name).map(|teammate| teammate.status());
        let state = status.as_ref().map(|status| status.state);
        let waits = status.as_ref().is_some_and(|status| status.queued > 0);
        let may_begin = runtime.ledger.check_turn(&name, 0).is_ok();
        workers.push(Worker {
            who: claimant(&name, Some(launch)),
            works: launch.work,
            runs: state.is_some_and(MemberState::is_running),
            is_idle: state == Some(MemberState::Idle) && !waits && may_begin,
            hears_first: runtime.plans.of(&name).is_some(),
            name,
        });
    }
    workers
}
