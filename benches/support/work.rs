//! What it costs to give tasks to members.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use agent_teams::backend::driver::{Driver, Facts, StopMode, TurnInput};
use agent_teams::backend::{Outbox, Session, TurnEnd};
use agent_teams::model::launch::Supervise;
use agent_teams::model::task::{CreateTaskRequest, TaskStatus};
use agent_teams::prelude::*;
use agent_teams::store::Expected;
use agent_teams::{BackendError, StopReport};
use async_trait::async_trait;
use tokio::sync::mpsc;

use super::files::{TEAM, fill_tasks, store_at, team};
use super::support::{median, ms, row, runtime};

const WORKER: BackendType = BackendType::named("worker");
const WORKERS: usize = 8;

/// Runs agents that do each task at once, in this process: what is left is what giving it out costs.
#[derive(Clone, Default)]
struct Workers(Arc<OnceLock<TeamOrchestrator>>);

#[async_trait]
impl AgentBackend for Workers {
    fn backend_type(&self) -> BackendType {
        WORKER
    }

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>, BackendError> {
        let (done, events) = mpsc::unbounded_channel();
        Ok(Session::start(config.name, Worker { orchestrator: Arc::clone(&self.0), done, events }))
    }
}

struct Worker {
    orchestrator: Arc<OnceLock<TeamOrchestrator>>,
    done: mpsc::UnboundedSender<()>,
    events: mpsc::UnboundedReceiver<()>,
}

#[async_trait]
impl Driver for Worker {
    type Event = ();

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<(), BackendError> {
        let (_, after) = input.text.split_once("Task #").expect("a task");
        let id: String = after.chars().take_while(char::is_ascii_digit).collect();
        let (orchestrator, done) = (self.orchestrator.get().unwrap().clone(), self.done.clone());
        tokio::spawn(async move {
            orchestrator.complete_task(TEAM, &id, Expected::default(), None).await.unwrap();
            done.send(()).unwrap();
        });
        Ok(())
    }

    async fn next(&mut self) {
        self.events.recv().await;
    }

    fn handle(&mut self, (): (), out: &mut Outbox) {
        out.push(AgentOutput::Message("done".to_owned()));
        out.end_turn(TurnEnd::Complete);
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<(), BackendError> {
        Ok(())
    }

    async fn stop(&mut self, _how: StopMode) -> Result<StopReport, BackendError> {
        Ok(StopReport::nothing())
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// 10,000 tasks through eight members.
pub(crate) fn dispatch() {
    const COUNT: usize = 10_000;
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = store_at(dir.path());
    let team = team(&store);
    let request = CreateTaskRequest { subject: "One more".into(), ..CreateTaskRequest::default() };
    store.create_task(&team, &request).unwrap();
    let folder = dir.path().join("tasks/bench");
    let first = std::fs::read_to_string(folder.join("1.json")).unwrap();
    for number in 2..=COUNT {
        let text = first.replacen("\"1\"", &format!("\"{number}\""), 1);
        std::fs::write(folder.join(format!("{number}.json")), text).unwrap();
    }
    let workers = Workers::default();
    let runtime = runtime();
    let builder = TeamOrchestrator::builder().teams_base(dir.path().join("teams")).tasks_base(dir.path().join("tasks"));
    let orchestrator = builder.state_dir(dir.path().join("state")).with_backend(workers.clone()).build().unwrap();
    workers.0.set(orchestrator.clone()).unwrap();
    let done_at = runtime.block_on(async {
        let mut changes = orchestrator.events(TEAM, 1).await.unwrap();
        for number in 0..WORKERS {
            let config = SpawnConfig::new(format!("w{number}"), "");
            let supervise = Supervise { work: true, ..Supervise::default() };
            orchestrator.spawn_teammate_with(TEAM, config, WORKER, supervise).await.unwrap();
        }
        let began = Instant::now();
        let mut done_at: HashMap<String, Duration> = HashMap::new();
        while done_at.len() < COUNT {
            let event = changes.next().await.unwrap();
            if let EventKind::Task { id, status: TaskStatus::Completed, .. } = &event.kind {
                done_at.entry(id.clone()).or_insert_with(|| began.elapsed());
            }
        }
        done_at
    });
    let mut times: Vec<Duration> = done_at.into_values().collect();
    times.sort();
    let part = |from: usize, to: usize| (times[to - 1] - times[from]) / u32::try_from(to - from).unwrap();
    row("a task of 10,000 through 8 members, the first thousand", ms(part(0, 1000)), "under 5 ms");
    row("the last thousand", ms(part(COUNT - 1000, COUNT)), "under 5 ms, and not more");
    let list = store.tasks(&team).unwrap();
    let again = list.tasks.iter().filter(|task| task.work().attempt != 1).count();
    row("tasks that were begun more than once", again, "0");
}

/// A task that a thousand others wait for.
pub(crate) fn completion() {
    let dir = tempfile::tempdir_in(".").unwrap();
    let store = store_at(dir.path());
    let team = team(&store);
    fill_tasks(&store, &dir.path().join("tasks/bench"), &team, 1);
    for _ in 0..1000 {
        let request = CreateTaskRequest { subject: "s".into(), blocked_by: vec!["1".into()], ..Default::default() };
        store.create_task(&team, &request).unwrap();
    }
    let runtime = runtime();
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.path().join("teams"))
        .tasks_base(dir.path().join("tasks"))
        .state_dir(dir.path().join("state"))
        .build()
        .unwrap();
    let once = || {
        runtime.block_on(orchestrator.retry_task(TEAM, "1")).unwrap();
        let began = Instant::now();
        let (_, freed) = runtime.block_on(orchestrator.complete_task(TEAM, "1", Expected::default(), None)).unwrap();
        assert_eq!(freed.len(), 1000);
        began.elapsed()
    };
    row("completing a task that 1,000 others wait for", ms(median((0..40).map(|_| once()).collect())), "under 5 ms");
}
