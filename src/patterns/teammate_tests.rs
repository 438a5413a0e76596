use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::{BackendType, SpawnConfig, StopReport, Usage};

use super::*;
use crate::model::event::{Event, EventKind};
use crate::model::status::{MemberStatus, TeamStatus};
use crate::model::task::{CreateTaskRequest, Task, TaskUpdate};
use crate::orchestrator::TeamHandle;
use crate::patterns::{ExecutionConfig, Orchestrator, OrchestratorInput, SequentialOrchestrator};
use crate::sync::lock;
use crate::turn::EventSource;

/// A team of which only turns are real: the events of each turn are known before.
#[derive(Clone, Default)]
struct Scripted {
    turns: Arc<Mutex<Vec<Vec<EventKind>>>>,
    given: Arc<Mutex<Vec<String>>>,
    interrupts: Arc<AtomicU64>,
}

/// The events of a turn; after the last, none comes for ever.
#[derive(Debug)]
struct Known(u64, Vec<EventKind>);

#[async_trait]
impl EventSource for Known {
    async fn next_event(&mut self) -> crate::Result<Option<Arc<Event>>> {
        if self.1.is_empty() {
            std::future::pending::<()>().await;
        }
        let (turn, kind) = (Some(self.0), self.1.remove(0));
        let (time, team, agent) = (String::new(), "t".to_owned(), "anna".to_owned());
        Ok(Some(Arc::new(Event { seq: 1, time, team, agent, turn, kind })))
    }
}

#[async_trait]
impl Verbs for Scripted {
    async fn begin_turn(&self, _: &str, member: &str, input: &str) -> crate::Result<TurnHandle> {
        let number = {
            let mut given = lock(&self.given);
            given.push(input.to_owned());
            given.len() as u64
        };
        let mut turns = lock(&self.turns);
        if turns.is_empty() {
            return Err(Error::ShuttingDown);
        }
        Ok(TurnHandle::new(member, number, Known(number, turns.remove(0))))
    }

    async fn interrupt(&self, _: &str, _: &str) -> crate::Result<()> {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn spawn_teammate(&self, _: &str, _: SpawnConfig, _: BackendType) -> crate::Result<MemberStatus> {
        Err(Error::ShuttingDown)
    }

    async fn shutdown_teammate(&self, _: &str, _: &str) -> crate::Result<StopReport> {
        Err(Error::ShuttingDown)
    }

    async fn kill_teammate(&self, _: &str, _: &str) -> crate::Result<StopReport> {
        Err(Error::ShuttingDown)
    }

    async fn status(&self, _: &str) -> crate::Result<TeamStatus> {
        Err(Error::ShuttingDown)
    }

    async fn tasks(&self, _: &str) -> crate::Result<Vec<Task>> {
        Err(Error::ShuttingDown)
    }

    async fn create_task(&self, _: &str, _: CreateTaskRequest) -> crate::Result<Task> {
        Err(Error::ShuttingDown)
    }

    async fn update_task(&self, _: &str, _: &str, _: TaskUpdate) -> crate::Result<Task> {
        Err(Error::ShuttingDown)
    }

    async fn write_message(&self, _: &str, _: &str, _: &str, _: &str) -> crate::Result<String> {
        Err(Error::ShuttingDown)
    }

    async fn event_source(&self, _: &str, _: u64) -> crate::Result<Box<dyn EventSource>> {
        Err(Error::ShuttingDown)
    }
}

fn anna(turns: Vec<Vec<EventKind>>) -> (Scripted, TeammateAgent<Scripted>) {
    let team = Scripted { turns: Arc::new(Mutex::new(turns)), ..Scripted::default() };
    let member = TeamHandle::new(team.clone(), "t").unwrap().member("anna").unwrap();
    (team, TeammateAgent::new(member))
}

fn delta(text: &str) -> EventKind {
    EventKind::Delta { text: text.into() }
}

fn completed(text: &str) -> EventKind {
    EventKind::TurnCompleted { text: text.into() }
}

#[tokio::test]
async fn an_input_is_a_turn_and_its_text_is_the_answer() {
    let usage = Usage { input_tokens: 3, output_tokens: 4, cost_usd: None };
    let (team, anna) = anna(vec![vec![EventKind::Usage { usage }, completed("done")]]);
    let input = AgentInput::new("Look at it").with_context(serde_json::json!({"file": "a.rs"}));
    let output = anna.execute(input).await.unwrap();
    assert_eq!((output.content.as_str(), output.metadata["turn"].as_str()), ("done", "1"));
    assert_eq!((output.metadata["output_tokens"].as_str(), output.data.is_null()), ("4", true));
    assert_eq!(*lock(&team.given), ["Look at it\n\nContext:\n{\n  \"file\": \"a.rs\"\n}"]);
    tokio::task::yield_now().await;
    assert_eq!((anna.name(), team.interrupts.load(Ordering::Relaxed)), ("anna", 0));
}

#[tokio::test]
async fn only_a_turn_that_may_end_better_is_tried_again() {
    let error = || vec![EventKind::Error { message: "overloaded".into() }];
    let config = ExecutionConfig::new().with_backoff(crate::patterns::Backoff::none());
    let orchestrator = SequentialOrchestrator::new().with_config(config);
    let (team, member) = anna(vec![error(), error(), vec![completed("at last")]]);
    let output = orchestrator.orchestrate(vec![Box::new(member)], OrchestratorInput::new("x")).await.unwrap();
    assert_eq!((output.result.as_str(), lock(&team.given).len()), ("at last", 3));
    let interrupted = vec![EventKind::TurnInterrupted { text: "half".into(), input: None }];
    for (turns, why) in [(vec![interrupted], "its turn 1 was interrupted"), (Vec::new(), "shutting down")] {
        let (team, member) = anna(turns);
        let error = orchestrator.orchestrate(vec![Box::new(member)], OrchestratorInput::new("x")).await.unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(lock(&team.given).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_waits_for_is_interrupted_once_it_runs() {
    for (events, interrupts) in [(vec![delta("a")], 1), (Vec::new(), 0)] {
        let (team, member) = anna(vec![events]);
        let late = tokio::time::timeout(Duration::from_secs(1), member.execute(AgentInput::new("x"))).await;
        assert!(late.is_err());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(team.interrupts.load(Ordering::Relaxed), interrupts);
    }
}
