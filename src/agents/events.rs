//! What happens in a team of agents, for a program that watches.

use std::collections::HashMap;

use agent_backends::{ApprovalKind, ToolStatus};
use tokio::sync::mpsc::UnboundedSender;

use super::task::{TaskId, id_of};
use crate::model::event::{Event, EventKind};
use crate::model::name::TEAM_LEAD;
use crate::model::task::TaskStatus;
use crate::orchestrator::TeamOrchestrator;

/// Something that happens in a team of agents.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The team is there, and its agents are being started.
    TeamSpawned {
        /// The team's name.
        team: String,
        /// What it is to do.
        goal: String,
    },
    /// An agent is there.
    TeammateSpawned {
        /// Its name.
        agent_name: String,
    },
    /// Somebody works on a task.
    TaskStarted {
        /// The task.
        task_id: TaskId,
        /// What it is, in a line.
        title: String,
        /// Who works on it.
        agent_name: String,
    },
    /// A task is done.
    TaskCompleted {
        /// The task.
        task_id: TaskId,
        /// What it is, in a line.
        title: String,
        /// Who did it.
        agent_name: String,
    },
    /// A task has failed for good.
    TaskFailed {
        /// The task.
        task_id: TaskId,
        /// What it is, in a line.
        title: String,
        /// Why.
        error: String,
    },
    /// An agent has handed in a plan.
    PlanSubmitted {
        /// Who.
        agent_name: String,
        /// The plan.
        plan: String,
    },
    /// A plan may be carried out.
    PlanApproved {
        /// Whose.
        agent_name: String,
    },
    /// A plan may not be carried out; its agent is told why.
    PlanRejected {
        /// Whose.
        agent_name: String,
    },
    /// An agent is asked to stop.
    ShutdownRequested {
        /// Which.
        agent_name: String,
        /// Why.
        reason: Option<String>,
    },
    /// A hook has said no.
    HookRejected {
        /// To what: `TeammateIdle`, `TaskCreated` or `TaskCompleted`.
        event: String,
        /// Why.
        feedback: String,
    },
    /// An agent has said something.
    Message {
        /// Who.
        agent_name: String,
        /// What.
        text: String,
    },
    /// An agent uses a tool.
    ToolStarted {
        /// Who.
        agent_name: String,
        /// The tool.
        tool: String,
        /// What the call comes to, in a line.
        summary: String,
    },
    /// A turn of an agent has failed.
    Error {
        /// Who.
        agent_name: String,
        /// Why.
        error: String,
    },
    /// The run has ended.
    TeamFinished {
        /// How: `done`, `failed`, `timed-out` and so on.
        state: String,
        /// Why, or what the lead said at its end.
        reason: Option<String>,
    },
}

/// Where a program hears of a team.
#[derive(Clone, Debug, Default)]
pub(super) struct Events(pub(super) Option<UnboundedSender<AgentEvent>>);

impl Events {
    /// Tells the program, if it listens.
    pub(super) fn tell(&self, event: AgentEvent) {
        if let Some(events) = &self.0 {
            let _ = events.send(event);
        }
    }
}

/// Turns the events of a team into those of its program.
#[derive(Debug, Default)]
pub(super) struct Translator {
    /// The status that was told last of each task, by its number, and whether it had failed.
    told: HashMap<String, (TaskStatus, bool)>,
    /// The task of each number.
    ids: HashMap<String, TaskId>,
    /// The plans that wait, by the ids of their requests.
    plans: HashMap<String, String>,
}

impl Translator {
    /// What a program is told of an event.
    pub(super) async fn translate(
        &mut self,
        orchestrator: &TeamOrchestrator,
        team: &str,
        event: &Event,
    ) -> Option<AgentEvent> {
        let agent_name = event.agent.clone();
        Some(match &event.kind {
            EventKind::Spawned { .. } => AgentEvent::TeammateSpawned { agent_name },
            EventKind::Task { id, subject, status, owner, failed, .. } => {
                let now = (*status, failed.is_some());
                if self.told.insert(id.clone(), now) == Some(now) {
                    return None;
                }
                let (title, agent_name) = (subject.clone(), owner.clone().unwrap_or_default());
                let task_id = self.task(orchestrator, team, id).await;
                match (status, failed) {
                    (TaskStatus::Completed, _) => AgentEvent::TaskCompleted { task_id, title, agent_name },
                    (_, Some(error)) => AgentEvent::TaskFailed { task_id, title, error: error.clone() },
                    (TaskStatus::InProgress, None) => AgentEvent::TaskStarted { task_id, title, agent_name },
                    _ => return None,
                }
            }
            EventKind::Approval { id, kind: ApprovalKind::Plan, details, summary, .. } => {
                self.plans.insert(id.clone(), agent_name.clone());
                AgentEvent::PlanSubmitted { agent_name, plan: details.clone().unwrap_or_else(|| summary.clone()) }
            }
            EventKind::ApprovalClosed { id, kind: ApprovalKind::Plan, outcome, .. } => {
                let agent_name = self.plans.remove(id)?;
                match outcome.as_str() {
                    "allowed" => AgentEvent::PlanApproved { agent_name },
                    "denied" => AgentEvent::PlanRejected { agent_name },
                    _ => return None,
                }
            }
            EventKind::ShutdownRequested { reason, .. } => {
                AgentEvent::ShutdownRequested { agent_name, reason: reason.clone() }
            }
            EventKind::HookRejected { event, feedback, .. } => {
                AgentEvent::HookRejected { event: event.as_str().to_owned(), feedback: feedback.clone() }
            }
            EventKind::Message { text } if agent_name != TEAM_LEAD => {
                AgentEvent::Message { agent_name, text: text.clone() }
            }
            EventKind::Tool { name, status: ToolStatus::Started, summary, .. } => {
                AgentEvent::ToolStarted { agent_name, tool: name.clone(), summary: summary.clone() }
            }
            EventKind::Error { message } => AgentEvent::Error { agent_name, error: message.clone() },
            EventKind::RunEnded { state, reason, .. } => {
                AgentEvent::TeamFinished { state: state.as_str().to_owned(), reason: reason.clone() }
            }
            _ => return None,
        })
    }

    async fn task(&mut self, orchestrator: &TeamOrchestrator, team: &str, number: &str) -> TaskId {
        if let Some(id) = self.ids.get(number) {
            return *id;
        }
        let tasks = orchestrator.list_tasks(team).await;
        let found =
            tasks.ok().and_then(|tasks| tasks.tasks.iter().find(|task| *task.id == *number).map(|task| id_of(task)));
        // What could not be looked up is looked up again.
        let Some(id) = found else { return TaskId::default() };
        self.ids.insert(number.to_owned(), id);
        id
    }
}
