//! The driver of an agent within this process.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::before_turn::BeforeTurn;
use super::gate::{Gate, Question};
use crate::approval::{ApprovalId, Decision};
use crate::driver::{Answer, Driver, Facts, StopMode, TurnInput};
use crate::error::{BackendError, Result};
use crate::native::agent_loop::{AgentLoop, AgentLoopResult};
use crate::native::error::Error;
use crate::native::events::{LoopEvent, ToolOutcome};
use crate::native::llm::{LlmError, LlmErrorKind};
use crate::native::permission::PermissionGate;
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, Exit, ToolEvent, ToolStatus, Usage, summarize};
use crate::permission::PermissionMode;
use crate::process::StopReport;

/// An agent, and how its turn has ended.
type Ended = (AgentLoop, Result<AgentLoopResult, Error>);

/// An agent within this process.
pub(super) struct InProcess {
    /// The agent, between turns.
    agent: Option<AgentLoop>,
    turn: Option<(AbortOnDropHandle<Ended>, CancellationToken)>,
    told: mpsc::UnboundedReceiver<LoopEvent>,
    asked: mpsc::Receiver<Question>,
    open: HashMap<ApprovalId, oneshot::Sender<Decision>>,
    gate: Arc<Gate>,
    id: String,
    model: String,
    /// Names and titles of the tools that are used.
    tools: HashMap<String, (String, String)>,
    /// What the turn has used so far.
    used: Option<Usage>,
    /// The session's name, and who prepares the agent for each turn.
    before_turn: Option<(String, Arc<dyn BeforeTurn>)>,
}

/// What comes of an agent within this process.
pub(super) enum Event {
    Told(LoopEvent),
    Asked(Question),
    Ended(Box<Result<Ended, String>>),
}

/// What a session gives the agent that it is about.
pub(super) struct Parts {
    /// The conversation's name.
    pub(super) id: String,
    /// The session's name.
    pub(super) name: String,
    /// What the agent may do without asking.
    pub(super) mode: PermissionMode,
    /// How the names of tools begin that are used without asking.
    pub(super) given: Vec<String>,
    /// Who decides besides.
    pub(super) outer: Option<Arc<dyn PermissionGate>>,
    pub(super) before_turn: Option<Arc<dyn BeforeTurn>>,
}

impl InProcess {
    /// Takes an agent over. `last` has the last word on it, when it has its listeners.
    pub(super) fn new(agent: AgentLoop, parts: Parts, last: impl FnOnce(AgentLoop) -> AgentLoop) -> Self {
        let Parts { id, name, mode, given, outer, before_turn } = parts;
        // As much as its model says while the session passes something on.
        let (tells, told) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::channel(1);
        let gate = Arc::new(Gate::new(mode, given, asks, outer));
        let agent =
            agent.with_gate(Arc::clone(&gate) as Arc<dyn PermissionGate>).with_observer(Arc::new(move |event| {
                let _ = tells.send(event);
            }));
        let agent = last(agent);
        let model = agent.model().to_owned();
        let (turn, open, tools) = (None, HashMap::new(), HashMap::new());
        let before_turn = before_turn.map(|before| (name, before));
        Self { agent: Some(agent), turn, told, asked, open, gate, id, model, tools, used: None, before_turn }
    }

    fn told(&mut self, event: LoopEvent, out: &mut Outbox) {
        out.accepted();
        match event {
            LoopEvent::Text(text) => out.push(AgentOutput::Delta(text)),
            LoopEvent::Message(text) => out.push(AgentOutput::Message(text)),
            LoopEvent::Retracted => out.push(AgentOutput::Retracted),
            LoopEvent::ToolStarted { call, what, .. } => {
                let summary = summarize(&what.title);
                self.tools.insert(call.id.clone(), (call.name.clone(), summary.clone()));
                let status = ToolStatus::Started;
                out.push(AgentOutput::Tool(ToolEvent { id: call.id, name: call.name, status, summary }));
            }
            LoopEvent::ToolEnded { call, outcome, .. } => {
                let (name, summary) = self.tools.remove(&call).unwrap_or_default();
                let status = match outcome {
                    ToolOutcome::Completed => ToolStatus::Completed,
                    ToolOutcome::Failed => ToolStatus::Failed,
                    ToolOutcome::Denied => ToolStatus::Denied,
                };
                out.push(AgentOutput::Tool(ToolEvent { id: call, name, status, summary }));
            }
            LoopEvent::Usage { used, cost_usd } => {
                // It counts from the beginning of the turn, and is told with the turn's end.
                let (input_tokens, output_tokens) = (used.input, used.output);
                self.used = Some(Usage { input_tokens, output_tokens, cost_usd });
            }
            LoopEvent::Retrying { after, reason } => {
                out.push(AgentOutput::Notice(format!("{reason}; the next attempt is in {:.1} s", after.as_secs_f32())));
            }
            LoopEvent::Compacted { before, after } => {
                let what = format!("the older part of the conversation was summed up: {before} tokens are {after} now");
                out.push(AgentOutput::Notice(what));
            }
            LoopEvent::Background(result) => {
                out.push(AgentOutput::Notice(format!("{} has ended in the background", result.name)));
            }
        }
    }
}

fn end_of(ended: Result<AgentLoopResult, Error>) -> TurnEnd {
    match ended {
        Ok(_) => TurnEnd::Complete,
        Err(Error::Cancelled) => TurnEnd::Interrupted,
        Err(Error::Llm(LlmError { kind: LlmErrorKind::RateLimited, message, retry_after, .. })) => {
            let resets_at = retry_after.map(|wait| {
                let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
                jiff::Timestamp::now().as_second().saturating_add(wait)
            });
            TurnEnd::RateLimited { reason: message, resets_at }
        }
        Err(error) => TurnEnd::Failed(error.to_string()),
    }
}

#[async_trait]
impl Driver for InProcess {
    type Event = Event;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        let mut agent = self.agent.take().ok_or_else(BackendError::ended)?;
        let cancel = CancellationToken::new();
        let (mut text, cancelled) = (input.text.clone(), cancel.clone());
        let before_turn = self.before_turn.clone();
        let turn = tokio::spawn(async move {
            if let Some((name, before)) = before_turn {
                text = before.before_turn(&name, &mut agent, text).await;
            }
            let ended = agent.run_until(text, &cancelled).await;
            (agent, ended)
        });
        self.turn = Some((AbortOnDropHandle::new(turn), cancel));
        Ok(())
    }

    async fn next(&mut self) -> Event {
        let ended = async {
            match &mut self.turn {
                Some((turn, _)) => turn.await.map_err(|error| error.to_string()),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What it said before the end is heard before the end.
            biased;
            Some(event) = self.told.recv() => Event::Told(event),
            Some(question) = self.asked.recv() => Event::Asked(question),
            ended = ended => Event::Ended(Box::new(ended)),
        }
    }

    fn handle(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Told(event) => self.told(event, out),
            Event::Asked(Question { approval, answer }) => {
                self.open.insert(approval.id.clone(), answer);
                out.push(AgentOutput::Approval(approval));
            }
            Event::Ended(ended) => {
                self.turn = None;
                for (approval, _) in self.open.drain() {
                    out.push(AgentOutput::ApprovalClosed(approval));
                }
                while let Ok(event) = self.told.try_recv() {
                    self.told(event, out);
                }
                if let Some(used) = self.used.take() {
                    out.push(AgentOutput::Usage(used));
                }
                match *ended {
                    Ok((agent, ended)) => {
                        self.agent = Some(agent);
                        out.end_turn(end_of(ended));
                    }
                    // It is lost, with its conversation.
                    Err(error) => out.exit(Exit::Unknown, &format!("the agent is broken: {error}")),
                }
            }
        }
    }

    fn interrupt(&mut self, out: &mut Outbox) -> Result<()> {
        for (approval, _) in self.open.drain() {
            out.push(AgentOutput::ApprovalClosed(approval));
        }
        if let Some((_, cancel)) = &self.turn {
            cancel.cancel();
        }
        Ok(())
    }

    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        self.gate.set_mode(mode);
        Box::pin(std::future::ready(Ok(())))
    }

    fn answer(&mut self, approval: &ApprovalId, decision: Decision, out: &mut Outbox) -> Result<()> {
        let nobody = || BackendError::NoSuchApproval { id: approval.0.clone() };
        let answer = self.open.remove(approval).ok_or_else(nobody)?;
        out.push(AgentOutput::ApprovalClosed(approval.clone()));
        answer.send(decision).map_err(|_| nobody())
    }

    async fn stop(&mut self, _how: StopMode) -> Result<StopReport> {
        // Its tools end with it, and what they have started.
        if let Some((turn, cancel)) = self.turn.take() {
            cancel.cancel();
            let _ = turn.await;
        }
        self.agent = None;
        Ok(StopReport::nothing())
    }

    fn facts(&self) -> Facts {
        Facts {
            session_id: Some(self.id.clone()),
            assigned_id: Some(self.id.clone()),
            model: Some(self.model.clone()),
            ..Facts::default()
        }
    }
}
