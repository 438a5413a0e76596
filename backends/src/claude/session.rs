//! One Claude Code process as a session.

mod end;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handshake::{Asked, CONTROL_LIMIT, Ready};
use super::protocol::{
    BlockNotice, ControlParams, ControlReply, ControlRequestNotice, ControlResponseParams, Input, InterruptReply,
    LineNotice, StreamEventNotice, UserParams, read_message, tool_summary,
};
use super::questions::Question;
use super::steering::{self, Steering};
use super::transcript;
use crate::driver::{Answer, Driver, Facts, StopMode, TurnInput, reached};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, ApprovalId, Decision, ToolEvent, ToolStatus};
use crate::permission::PermissionMode;
use crate::pipes::{LineReader, StdinWriter};
use crate::process::{AgentProcess, Grace, LineEvent, StopReport, next_line};

/// A tool that runs.
struct RunningTool {
    name: String,
    summary: String,
    denied: bool,
}

/// An end that counts when nothing better comes.
struct Overdue {
    at: Instant,
    end: TurnEnd,
}

/// What the session hears.
pub(super) enum Event {
    Line(LineEvent),
    /// The end that waits counts now.
    Overdue,
}

/// How long the CLI may take to begin our input after the result of something else, or to tell the result of one that it has completed.
const END_LIMIT: Duration = Duration::from_secs(4);

pub(super) struct ClaudeSession {
    process: AgentProcess,
    stdin: Option<StdinWriter>,
    stdout: LineReader<ChildStdout>,
    asked: Asked,
    model: Option<String>,
    /// What the CLI reports about itself was compared once. Later it may change: a shell tool's `cd` moves its directory,
    /// leaving plan mode its mode.
    checked: bool,
    /// The permission mode came with the handshake.
    mode_reported: bool,
    /// What the running turn ends with, because the CLI is not what was asked for.
    mismatch: Option<String>,
    /// The uuid of the input that waits to be begun, or runs.
    input: Option<String>,
    /// The CLI tells by uuid which input it begins.
    tells_beginnings: bool,
    /// The conversation can be resumed: it is in the CLI's own files.
    durable: bool,
    questions: HashMap<ApprovalId, Question>,
    tools: HashMap<String, RunningTool>,
    /// The running turn has an input of ours that the CLI has begun to work on.
    begun: bool,
    /// It was told that the CLI has that input.
    accepted: bool,
    steering: Steering,
    /// The model has begun to write a message, of which nothing whole has come yet.
    writes: bool,
    /// The conversation was cleared in this turn.
    cleared: bool,
    /// Requests are refused because of a limit, until then if that is known.
    limited: Option<Option<i64>>,
    /// An end that may be ours, although it came before our input was begun or without a result.
    overdue: Option<Overdue>,
    interrupting: bool,
    /// What the process has cost so far.
    cost_usd: f64,
    /// Where the CLI keeps its conversations.
    transcripts: Option<PathBuf>,
    /// Prefixes of the tools that it was given, and that need no permission.
    given_tools: Vec<String>,
    /// Who waits for a change of the permission mode.
    mode_changes: HashMap<String, oneshot::Sender<Result<()>>>,
}

impl ClaudeSession {
    pub(super) fn new(
        process: AgentProcess,
        stdin: StdinWriter,
        ready: Ready,
        asked: Asked,
        transcripts: Option<PathBuf>,
        given_tools: Vec<String>,
    ) -> Self {
        Self {
            process,
            stdin: Some(stdin),
            stdout: ready.stdout,
            durable: asked.resumed,
            asked,
            model: ready.model,
            checked: false,
            mode_reported: ready.mode_reported,
            mismatch: None,
            input: None,
            tells_beginnings: false,
            questions: HashMap::new(),
            tools: HashMap::new(),
            begun: false,
            accepted: false,
            steering: Steering::default(),
            writes: false,
            cleared: false,
            limited: None,
            overdue: None,
            interrupting: false,
            cost_usd: 0.0,
            transcripts,
            given_tools,
            mode_changes: HashMap::new(),
        }
    }

    /// A session that knows nothing yet, of the same process.
    #[cfg(fuzzing)]
    pub(super) fn renewed(self, asked: Asked) -> Self {
        let ready = Ready { stdout: self.stdout, model: None, mode_reported: false };
        Self::new(self.process, self.stdin.expect("it is not stopped"), ready, asked, None, self.given_tools)
    }

    fn write(&self, input: &Input<'_>) -> Result<()> {
        self.stdin.as_ref().ok_or_else(BackendError::ended)?.write_line(&input.line())
    }

    fn line(&mut self, line: &str, out: &mut Outbox) {
        let notice = match serde_json::from_str::<LineNotice<'_>>(line) {
            Ok(notice) => notice,
            Err(error) => {
                if !line.trim().is_empty() {
                    tracing::warn!(%error, "skipped a line of Claude Code that cannot be read");
                }
                return;
            }
        };
        // A subagent's own words and tools are not the member's.
        let own = notice.parent_tool_use_id.is_none();
        out.skipped(self.stdout.take_skipped());
        match (&*notice.kind, notice.subtype.as_deref()) {
            ("stream_event", _) if own => self.stream_event(notice.event, out),
            ("assistant", _) if own => self.assistant(notice.message, notice.is_failure(), out),
            ("user", _) if own => self.tool_results(notice.message, out),
            ("system", Some("init")) => self.turn_begins(&notice, out),
            ("control_request", _) => self.control_request(&notice, out),
            ("control_cancel_request", _) => {
                if let Some(id) = notice.request_id.map(|id| ApprovalId(id.text())) {
                    self.questions.remove(&id);
                    out.push(AgentOutput::ApprovalClosed(id));
                }
            }
            ("control_response", _) => self.control_reply(notice.response),
            ("command_lifecycle", _) => {
                self.tells_beginnings = true;
                match (notice.command_uuid, notice.state.as_deref()) {
                    (Some(id), Some("started")) => self.command_starts(&id),
                    // Its result has come before; where it has not, it was lost.
                    (Some(id), Some("completed")) if self.input.as_ref() == Some(&id) => {
                        self.expect_end(TurnEnd::Complete);
                    }
                    _ => {}
                }
            }
            // `/clear`: another conversation begins, which the result names.
            ("conversation_reset", _) => {
                self.cleared = true;
                out.push(AgentOutput::Notice("the conversation was cleared".into()));
                out.answered_without_text();
            }
            ("system", Some("api_retry")) if own => self.starts_again(out),
            ("rate_limit_event", _) => {
                self.limited = notice.rate_limit_info.and_then(|limit| limit.refuses()).or(self.limited.take());
            }
            ("result", _) => match serde_json::from_str(line) {
                Ok(result) => self.result(&result, out),
                Err(error) => self.end(TurnEnd::Failed(format!("Claude Code's result cannot be read: {error}")), out),
            },
            _ => {}
        }
    }

    fn command_starts(&mut self, id: &str) {
        if self.input.as_deref() == Some(id) {
            self.begins();
        } else if self.steering.takes(id) && self.interrupting {
            // The interrupt came between two turns of the CLI, and did not reach this one.
            let _ = self.write_interrupt();
        }
    }

    /// The CLI repeats a request that broke off: what the model wrote of the message is no part of the answer.
    fn starts_again(&mut self, out: &mut Outbox) {
        if std::mem::take(&mut self.writes) {
            out.push(AgentOutput::Retracted);
        }
    }

    /// The CLI works on our input now.
    fn begins(&mut self) {
        self.overdue = None;
        if !std::mem::replace(&mut self.begun, true) && self.interrupting {
            // The interrupt came before the turn, and did not reach it.
            let _ = self.write_interrupt();
        }
    }

    /// A turn begins: ours, or one that the CLI began by itself because a background task of the agent has ended.
    fn turn_begins(&mut self, notice: &LineNotice<'_>, out: &mut Outbox) {
        self.durable = true;
        out.agent_turn();
        let ours = match (&notice.user_message_uuids, &self.input) {
            (Some(uuids), Some(input)) => uuids.contains(input),
            _ => !self.tells_beginnings,
        };
        self.model = notice.model.clone().or(self.model.take());
        if ours {
            self.begins();
        }
        if std::mem::replace(&mut self.checked, true) {
            return;
        }
        if let Err(error) = self.asked.check(notice, self.mode_reported) {
            // The turn ends when the CLI says so: what is written before would be taken into it.
            self.mismatch = Some(error.to_string());
            self.checked = false;
            let _ = self.write_interrupt();
        }
    }

    fn write_interrupt(&self) -> Result<()> {
        self.write(&Input::ControlRequest { request_id: INTERRUPT, request: ControlParams::Interrupt })
    }

    fn stream_event(&mut self, event: Option<&RawValue>, out: &mut Outbox) {
        let Some(Ok(event)) = event.map(|raw| serde_json::from_str::<StreamEventNotice>(raw.get())) else { return };
        match (event.kind.as_str(), event.delta.and_then(|delta| delta.text)) {
            ("message_start", _) => self.starts_again(out),
            ("content_block_delta", Some(text)) if !text.is_empty() => {
                self.writes = true;
                out.push(AgentOutput::Delta(text));
            }
            _ => {}
        }
    }

    fn assistant(&mut self, message: Option<&RawValue>, is_failure: bool, out: &mut Outbox) {
        let Some(message) = read_message(message) else { return };
        // A failure of the API comes as a made-up message, and again in the result.
        if message.model.as_deref() == Some("<synthetic>") && is_failure {
            return;
        }
        // When the CLI says that it begins, its own file does not have the input yet.
        if self.begun && !std::mem::replace(&mut self.accepted, true) {
            out.accepted();
        }
        (0..self.steering.answered()).for_each(|_| out.accepted());
        for block in message.content {
            match block {
                BlockNotice { kind, text: Some(text), .. } if kind == "text" && !text.is_empty() => {
                    self.writes = false;
                    out.push(AgentOutput::Message(text));
                }
                BlockNotice { kind, id: Some(id), name: Some(name), input, .. } if kind == "tool_use" => {
                    let summary = tool_summary(&input);
                    out.push(tool(&id, &name, ToolStatus::Started, &summary));
                    self.tools.insert(id, RunningTool { name, summary, denied: false });
                }
                _ => {}
            }
        }
    }

    fn tool_results(&mut self, message: Option<&RawValue>, out: &mut Outbox) {
        let Some(message) = read_message(message) else { return };
        for block in message.content.into_iter().filter(|block| block.kind == "tool_result") {
            let Some(id) = block.tool_use_id else { continue };
            let Some(running) = self.tools.remove(&id) else { continue };
            let status = match (running.denied, block.is_error) {
                (true, _) => ToolStatus::Denied,
                (false, true) => ToolStatus::Failed,
                (false, false) => ToolStatus::Completed,
            };
            out.push(tool(&id, &running.name, status, &running.summary));
        }
    }

    fn control_request(&mut self, notice: &LineNotice<'_>, out: &mut Outbox) {
        let (Some(id), Some(request)) = (&notice.request_id, notice.request) else { return };
        match serde_json::from_str::<ControlRequestNotice<'_>>(request.get()) {
            Ok(request) if request.subtype == "can_use_tool" => {
                let (question, approval) = Question::of(id.clone(), request);
                if self.given_tools.iter().any(|given| approval.tool.starts_with(given)) {
                    // Plan mode asks for every tool that changes something, allowed or not.
                    let _ = self.respond(question, Decision::Allow);
                    return;
                }
                if out.asked_again(&approval.id) {
                    return;
                }
                self.questions.insert(approval.id.clone(), question);
                out.push(AgentOutput::Approval(approval));
            }
            _ => {
                // Hooks, MCP messages and what is yet to come: nothing that we registered.
                let response = ControlResponseParams::Error { request_id: id, error: "not supported by this host" };
                let _ = self.write(&Input::ControlResponse { response });
            }
        }
    }

    fn respond(&self, question: Question, decision: Decision) -> Result<()> {
        let (request_id, response) = question.answered(decision);
        let response = ControlResponseParams::Success { request_id: &request_id, response };
        self.write(&Input::ControlResponse { response })
    }

    fn control_reply(&mut self, response: Option<&RawValue>) {
        let Some(Ok(reply)) = response.map(|raw| serde_json::from_str::<ControlReply<'_>>(raw.get())) else { return };
        if let Some(waits) = self.mode_changes.remove(&reply.request_id) {
            let _ = waits.send(match reply.error {
                None => Ok(()),
                Some(message) => Err(BackendError::Refused {
                    backend: BackendType::ClaudeCode,
                    call: "set_permission_mode".into(),
                    message,
                }),
            });
            return;
        }
        let Some(raw) = reply.response.filter(|_| reply.request_id == INTERRUPT) else { return };
        let reached =
            serde_json::from_str::<InterruptReply>(raw.get()).is_ok_and(|reply| reply.still_queued.is_empty());
        if reached && self.begun {
            self.interrupting = false;
        }
    }
}

fn tool(id: &str, name: &str, status: ToolStatus, summary: &str) -> AgentOutput {
    AgentOutput::Tool(ToolEvent { id: id.to_owned(), name: name.to_owned(), status, summary: summary.to_owned() })
}

/// The id of every interrupt; they need not be told apart.
const INTERRUPT: &str = "interrupt";

#[async_trait]
impl Driver for ClaudeSession {
    type Event = Event;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        (self.begun, self.accepted, self.interrupting) = (false, false, false);
        self.input = Some(input.id.clone());
        self.write(&Input::User { message: UserParams::new(&input.text, input.quoted), uuid: input.id.clone() })
    }

    fn steer(&mut self, input: TurnInput) -> Answer<bool> {
        // One that does not tell of it would leave us in doubt.
        let takes = self.tells_beginnings && !self.interrupting && self.mismatch.is_none();
        let message = UserParams::new(&input.text, input.quoted);
        let written =
            if takes { self.write(&Input::User { message, uuid: input.id.clone() }).map(|()| true) } else { Ok(false) };
        if let Ok(true) = written {
            self.steering.offer(input.id);
        }
        Box::pin(std::future::ready(written))
    }

    fn has_input(&self, id: &str) -> Answer<Option<bool>> {
        let (transcripts, id) = (self.transcripts.clone(), id.to_owned());
        let session_id = self.asked.session_id.clone();
        let look = if self.steering.is_untold(&id) { steering::names_soon } else { transcript::names };
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || transcripts.and_then(|dir| look(&dir, &session_id, &id)));
            Ok(found.await.unwrap_or(None))
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            biased;
            event = next_line(&self.process, &mut self.stdout) => Event::Line(event),
            () = reached(self.overdue.as_ref().map(|overdue| overdue.at)) => Event::Overdue,
        }
    }

    fn handle(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Overdue => {
                if let Some(Overdue { end, .. }) = self.overdue.take() {
                    out.push(AgentOutput::Notice("Claude Code did not tell the end of the turn as it should".into()));
                    self.end(end, out);
                }
            }
            Event::Line(LineEvent::Line(line)) => self.line(&line, out),
            Event::Line(LineEvent::Ended(exit)) => {
                let reason = self.process.how_it_ended("Claude Code", &exit);
                out.exit(exit, &reason);
            }
        }
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<()> {
        self.interrupting = true;
        self.write_interrupt()
    }

    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        let id = uuid::Uuid::new_v4().to_string();
        let request = ControlParams::SetPermissionMode { mode: mode.as_str() };
        let written = self.write(&Input::ControlRequest { request_id: &id, request });
        // What it reports of itself is compared with what was asked for last.
        self.asked.mode = mode;
        let (reply, answer) = oneshot::channel();
        self.mode_changes.insert(id, reply);
        Box::pin(async move {
            written?;
            match tokio::time::timeout(CONTROL_LIMIT, answer).await {
                Ok(answered) => answered.unwrap_or_else(|_| Err(BackendError::ended())),
                Err(_) => Err(BackendError::Timeout {
                    backend: BackendType::ClaudeCode,
                    call: "set_permission_mode".into(),
                    after: CONTROL_LIMIT,
                }),
            }
        })
    }

    fn answer(&mut self, approval: &ApprovalId, decision: Decision, out: &mut Outbox) -> Result<()> {
        let question =
            self.questions.remove(approval).ok_or_else(|| BackendError::NoSuchApproval { id: approval.0.clone() })?;
        if matches!(decision, Decision::Deny { .. })
            && let Some(running) = question.tool_use_id.as_ref().and_then(|id| self.tools.get_mut(id))
        {
            running.denied = true;
        }
        out.push(AgentOutput::ApprovalClosed(approval.clone()));
        self.respond(question, decision)
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport> {
        let stdin = self.stdin.take();
        let grace = match how {
            StopMode::Now => Grace::NONE,
            StopMode::Politely => {
                if let Some(stdin) = &stdin {
                    // With its input closed it would finish the turn first.
                    let interrupt = Input::ControlRequest { request_id: INTERRUPT, request: ControlParams::Interrupt };
                    let _ = stdin.write_line(&interrupt.line());
                }
                Grace::default()
            }
        };
        let Self { process, stdout, .. } = self;
        let stop = process.stop(stdin.as_ref(), grace);
        tokio::pin!(stop);
        tokio::select! {
            report = &mut stop => report,
            () = stdout.drain() => stop.await,
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            session_id: self.durable.then(|| self.asked.session_id.clone()),
            assigned_id: Some(self.asked.session_id.clone()),
            model: self.model.clone().or_else(|| self.asked.model.clone()),
            pid: self.process.pid(),
            ..Facts::default()
        }
    }
}
