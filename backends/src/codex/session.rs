//! One Codex thread as a session.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::Lease;
use super::approval::{ApprovalNotice, ApprovalReply, Question};
use super::open::Opened;
use super::protocol::{
    DeltaNotice, ErrorNotice, FileChange, InputParams, ItemEventNotice, Permissions, ResolvedNotice,
    SandboxPolicyParams, ThreadIdParams, ThreadReadParams, ThreadReadReply, ThreadStatusNotice, TokenUsageNotice,
    Tokens, TurnError, TurnInterruptParams, TurnNotice, TurnReply, TurnStartParams, TurnSteerParams,
};
use super::server::{CALL_LIMIT, Server, ThreadEvent};
use crate::driver::{Answer, Driver, Facts, StopMode, TurnInput};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, ApprovalId, Decision, Exit, ToolEvent, ToolStatus, Usage, summarize};
use crate::permission::PermissionMode;
use crate::process::StopReport;
use crate::rate_limit::reset_in;
use crate::wire::CallError;

/// How long the end of a turn may come after the thread is idle, or has failed.
const END_LIMIT: Duration = Duration::from_secs(2);
/// How long the thread may take to say how a turn of its stands.
const READ_LIMIT: Duration = Duration::from_secs(3);

impl Opened {
    pub(super) fn with(self, lease: Lease) -> CodexSession {
        CodexSession {
            server: self.server,
            lease: Some(lease),
            thread: self.thread,
            model: self.model,
            durable: self.resumed,
            events: self.events,
            calls: JoinSet::new(),
            asked_for: 0,
            answered: 0,
            turn: None,
            last_ended: None,
            interrupting: false,
            overdue: None,
            failure: None,
            usage: Usage::default(),
            total: Tokens::default(),
            questions: HashMap::new(),
            changes: HashMap::new(),
            open_message: None,
            permissions: None,
            writable_roots: self.writable_roots,
            report: None,
        }
    }
}

pub(super) struct CodexSession {
    server: Arc<Server>,
    lease: Option<Lease>,
    thread: String,
    model: String,
    /// A thread without a turn is not on disk, and cannot be resumed.
    durable: bool,
    events: mpsc::Receiver<ThreadEvent>,
    /// Calls whose replies may come late, or never.
    calls: JoinSet<Event>,
    /// How many turns we asked for: a reply that comes after its turn has ended must not be taken for the next one's.
    asked_for: u64,
    /// The last of these requests that was answered, or whose turn has ended.
    answered: u64,
    /// The running turn, once its id is known: by the reply to `turn/start` or by `turn/started`, whichever comes first.
    turn: Option<String>,
    /// The turn before: its end may be told once more.
    last_ended: Option<String>,
    interrupting: bool,
    /// Asks for the end of the turn, should it not come.
    overdue: Option<AbortHandle>,
    /// What the last `error` without a retry said.
    failure: Option<TurnError>,
    usage: Usage,
    /// The thread's total, to tell a repeated report from a new one.
    total: Tokens,
    questions: HashMap<ApprovalId, (Question, Box<RawValue>)>,
    /// The changes of files that are under way.
    changes: HashMap<String, FileChange>,
    /// The message that it writes.
    open_message: Option<String>,
    /// What it may do from the next turn on, if that is to change.
    permissions: Option<Permissions>,
    writable_roots: Vec<PathBuf>,
    report: Option<StopReport>,
}

/// What the loop hands back to the driver.
pub(super) enum Event {
    Thread(ThreadEvent),
    /// The session fell behind and was given up.
    Lost,
    /// The reply to the request for a turn, with that request's number.
    TurnStart(u64, Result<String, CallError>),
    /// What the thread says of a turn of ours.
    TurnRead(String, Result<Option<TurnNotice>, CallError>),
    /// A call whose outcome changes nothing, but is worth a line in the log.
    Aside(&'static str, Result<(), CallError>),
}

impl CodexSession {
    /// Calls without waiting: while the reply is on its way the thread's messages are read on.
    fn aside<P: serde::Serialize + Send + Sync + 'static>(&mut self, method: &'static str, params: P) {
        let wire = self.server.wire().clone();
        self.calls.spawn(async move {
            let reply = wire.call::<_, serde::de::IgnoredAny>(method, &params, CALL_LIMIT).await;
            Event::Aside(method, reply.map(|_| ()))
        });
    }

    fn thread_call(&mut self, method: &'static str) {
        let thread_id = self.thread.clone();
        let wire = self.server.wire().clone();
        self.calls.spawn(async move {
            let params = ThreadIdParams { thread_id: &thread_id };
            let reply = wire.call::<_, serde::de::IgnoredAny>(method, &params, CALL_LIMIT).await;
            Event::Aside(method, reply.map(|_| ()))
        });
    }

    /// Asks the thread, after a while, how the running turn stands.
    fn read_turn(&mut self, after: Duration) -> Option<AbortHandle> {
        let (turn, thread) = (self.turn.clone()?, self.thread.clone());
        let wire = self.server.wire().clone();
        Some(self.calls.spawn(async move {
            tokio::time::sleep(after).await;
            let params = ThreadReadParams { thread_id: &thread, include_turns: true };
            let reply = wire.call::<_, ThreadReadReply>("thread/read", &params, READ_LIMIT).await;
            let found =
                reply.map(|reply| reply.thread.turns.into_iter().find(|other| other.id.as_deref() == Some(&turn)));
            Event::TurnRead(turn, found)
        }))
    }

    /// The end of the turn has to come now; the thread is asked for it when it does not.
    fn expect_end(&mut self) {
        let overdue = self.read_turn(END_LIMIT);
        if let Some(earlier) = std::mem::replace(&mut self.overdue, overdue) {
            earlier.abort();
        }
    }

    fn turn_completed(&mut self, turn: TurnNotice, out: &mut Outbox) {
        let error = turn.error.filter(|error| !error.text().is_empty()).or(self.failure.take());
        let limited = error.as_ref().is_some_and(TurnError::is_rate_limit);
        let failure = error.map(|error| error.text());
        let end = match turn.status.as_str() {
            "completed" => TurnEnd::Complete,
            "interrupted" => TurnEnd::Interrupted,
            _ => {
                let reason = failure.unwrap_or_else(|| "the turn failed without a reason".into());
                match limited {
                    true => TurnEnd::RateLimited { resets_at: self.server.limit_reset().or(reset_in(&reason)), reason },
                    false => TurnEnd::Failed(reason),
                }
            }
        };
        self.end(end, out);
    }

    fn send_interrupt(&mut self) {
        if let Some(turn) = &self.turn {
            let params = serde_json::to_value(TurnInterruptParams { thread_id: &self.thread, turn_id: turn });
            if let Ok(params) = params {
                self.aside("turn/interrupt", params);
            }
        }
    }

    /// Whether a reply to `turn/start` may still come.
    fn awaits_reply(&self) -> bool {
        self.answered < self.asked_for
    }

    fn turn_is(&mut self, id: String) {
        if self.turn.is_none() {
            self.turn = Some(id);
            self.durable = true;
            if self.interrupting {
                self.send_interrupt();
            }
        }
    }

    fn notice(&mut self, method: &str, params: &RawValue, out: &mut Outbox) {
        match method {
            "item/agentMessage/delta" => {
                if let Some(DeltaNotice { delta }) = read(params) {
                    out.push(AgentOutput::Delta(delta));
                }
            }
            "turn/started" => {
                if let Some(TurnReply { turn: TurnNotice { id: Some(id), .. } }) = read(params) {
                    out.agent_turn();
                    if self.turn.as_ref() == Some(&id) && self.interrupting {
                        // Sent before the turn had begun, it may have been refused.
                        self.send_interrupt();
                    }
                    self.turn_is(id);
                }
            }
            "turn/completed" => {
                if let Some(TurnReply { turn }) = read(params)
                    && turn.id.as_ref().is_none_or(|id| {
                        self.turn.as_ref().is_none_or(|ours| ours == id) && self.last_ended.as_ref() != Some(id)
                    })
                {
                    self.turn_completed(turn, out);
                }
            }
            // It comes just before the end of the turn, which may be lost.
            "thread/status/changed" => {
                let Some(status) = read::<ThreadStatusNotice>(params).filter(ThreadStatusNotice::is_over) else {
                    return;
                };
                if status.is_error() {
                    self.failure.get_or_insert_with(|| TurnError::unexplained("Codex reports an error of its system"));
                }
                self.expect_end();
            }
            "item/started" | "item/completed" => {
                if let Some(ItemEventNotice { item }) = read(params) {
                    let done = method == "item/completed";
                    if done && item.kind == "userMessage" {
                        // From here on the thread has it on disk.
                        out.accepted();
                    }
                    if item.is_message() {
                        let id = Some(item.id.clone()).filter(|_| !done);
                        if self.open_message.is_some() && id.is_some() && self.open_message != id {
                            // The stream broke off, and the model begins anew.
                            out.push(AgentOutput::Retracted);
                        }
                        self.open_message = id;
                    }
                    if let Some(text) = item.message().filter(|_| done) {
                        out.push(AgentOutput::Message(text.to_owned()));
                    } else if let Some((name, detail)) = item.tool() {
                        let summary = summarize(&detail);
                        let status = if done { item.tool_status() } else { ToolStatus::Started };
                        match item.file_change().filter(|_| !done) {
                            Some(change) => drop(self.changes.insert(item.id.clone(), change)),
                            None => drop(self.changes.remove(&item.id)),
                        }
                        out.push(AgentOutput::Tool(ToolEvent { id: item.id, name, status, summary }));
                    }
                }
            }
            "thread/tokenUsage/updated" => {
                // A thread that goes on tells what its last turn has used, which was counted then.
                if let Some(TokenUsageNotice { turn_id, token_usage }) = read(params)
                    && self.total != token_usage.total
                    && turn_id.is_none_or(|turn| self.turn.as_ref() == Some(&turn))
                {
                    self.total = token_usage.total;
                    self.usage += token_usage.last.usage().unwrap_or_default();
                }
            }
            "error" => {
                if let Some(ErrorNotice { error, will_retry }) = read(params) {
                    let error = error.unwrap_or_else(|| TurnError::unexplained("Codex gave no reason"));
                    if will_retry {
                        tracing::info!(thread = %self.thread, error = %error.text(), "Codex tries again");
                    } else {
                        self.failure = Some(error);
                        self.expect_end();
                    }
                }
            }
            "serverRequest/resolved" => {
                if let Some(ResolvedNotice { request_id }) = read(params) {
                    let id = ApprovalId(request_id.to_string());
                    self.questions.remove(&id);
                    out.push(AgentOutput::ApprovalClosed(id));
                }
            }
            _ => {}
        }
    }

    fn question(&mut self, id: Box<RawValue>, method: &str, params: &RawValue, out: &mut Outbox) {
        let (Some(kind), Some(notice)) = (Question::of(method), read::<ApprovalNotice>(params)) else {
            let _ = self.server.wire().refuse(&id, -32601, &format!("`{method}` is not supported by this client"));
            return;
        };
        let change = notice.item_id.as_ref().and_then(|item| self.changes.get(item));
        let approval = notice.approval(id.get(), kind, change);
        if out.asked_again(&approval.id) {
            return;
        }
        self.questions.insert(approval.id.clone(), (kind, id));
        out.push(AgentOutput::Approval(approval));
    }

    fn end(&mut self, end: TurnEnd, out: &mut Outbox) {
        self.last_ended = self.turn.take().or(self.last_ended.take());
        if let Some(overdue) = self.overdue.take() {
            overdue.abort();
        }
        self.open_message = None;
        self.answered = self.asked_for;
        self.interrupting = false;
        self.failure = None;
        self.changes.clear();
        self.questions.clear();
        let usage = std::mem::take(&mut self.usage);
        if usage != Usage::default() {
            out.push(AgentOutput::Usage(usage));
        }
        out.end_turn(end);
    }
}

fn read<T: DeserializeOwned>(params: &RawValue) -> Option<T> {
    serde_json::from_str(params.get())
        .map_err(|error| tracing::warn!(%error, "skipped a message of Codex that cannot be read"))
        .ok()
}

#[async_trait]
impl Driver for CodexSession {
    type Event = Event;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        self.asked_for += 1;
        let number = self.asked_for;
        let wire = self.server.wire().clone();
        let (thread, id, text) = (self.thread.clone(), input.id.clone(), input.text.clone());
        let (permissions, roots) = (self.permissions.take(), self.writable_roots.clone());
        self.calls.spawn(async move {
            let input = [InputParams::Text { text: &text }];
            let params = TurnStartParams {
                thread_id: &thread,
                client_user_message_id: &id,
                approval_policy: permissions.map(|permissions| permissions.approval_policy),
                sandbox_policy: permissions.map(|permissions| SandboxPolicyParams::of(permissions, &roots)),
                input,
            };
            let reply = wire.call::<_, TurnReply>("turn/start", &params, CALL_LIMIT).await;
            let no_id = || CallError::Refused { code: 0, message: "it gave the turn no id".into() };
            Event::TurnStart(number, reply.and_then(|reply| reply.turn.id.ok_or_else(no_id)))
        });
        Ok(())
    }

    fn steer(&mut self, input: TurnInput) -> Answer<bool> {
        let (wire, thread, turn) = (self.server.wire().clone(), self.thread.clone(), self.turn.clone());
        let turn = turn.filter(|_| !self.interrupting);
        Box::pin(async move {
            let Some(turn) = turn else { return Ok(false) };
            let params = TurnSteerParams {
                thread_id: &thread,
                expected_turn_id: &turn,
                client_user_message_id: &input.id,
                input: [InputParams::Text { text: &input.text }],
            };
            match wire.call::<_, serde::de::IgnoredAny>("turn/steer", &params, CALL_LIMIT).await {
                Ok(_) => Ok(true),
                // The turn has just ended, or is of a kind that takes no more.
                Err(CallError::Refused { .. }) => Ok(false),
                Err(error) => Err(error.in_call(BackendType::Codex, "turn/steer")),
            }
        })
    }

    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        // Told with the next turn.
        self.permissions = Some(Permissions::of(&mode));
        Box::pin(std::future::ready(Ok(())))
    }

    fn has_input(&self, id: &str) -> Answer<Option<bool>> {
        let (wire, thread, id) = (self.server.wire().clone(), self.thread.clone(), id.to_owned());
        Box::pin(async move {
            let params = ThreadReadParams { thread_id: &thread, include_turns: true };
            let reply = wire.call::<_, ThreadReadReply>("thread/read", &params, CALL_LIMIT).await;
            let turns = reply.map_err(|error| error.in_call(BackendType::Codex, "thread/read"))?.thread.turns;
            Ok(Some(turns.iter().any(|turn| turn.has_input(&id))))
        })
    }

    async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                // What the thread said before a reply came is heard before the reply.
                biased;
                event = self.events.recv() => return event.map_or(Event::Lost, Event::Thread),
                Some(done) = self.calls.join_next() => match done {
                    Ok(event) => return event,
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => tracing::error!(%error, "a call to Codex was lost"),
                },
            }
        }
    }

    fn handle(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Thread(ThreadEvent::Notice { method, params }) => self.notice(&method, &params, out),
            Event::Thread(ThreadEvent::Question { id, method, params }) => self.question(id, &method, &params, out),
            Event::Thread(ThreadEvent::Skipped { lines }) => out.skipped(lines),
            Event::Thread(ThreadEvent::Ended { exit, words }) => {
                let reason = format!("the Codex server ended by itself ({exit}) {words}");
                out.exit(exit, reason.trim());
            }
            Event::Lost => out.exit(Exit::Unknown, "the session fell too far behind its agent"),
            // The turn is over already.
            Event::TurnStart(number, _) if number != self.asked_for || !out.busy() => {}
            Event::TurnStart(number, Ok(turn)) => {
                self.answered = number;
                self.turn_is(turn);
            }
            // The server has ended; its end, which says more, comes next.
            Event::TurnStart(_, Err(CallError::Gone(_))) => {}
            // The turn runs all the same: only the reply was lost.
            Event::TurnStart(_, Err(_)) if self.turn.is_some() => {}
            Event::TurnStart(_, Err(error)) => {
                self.end(TurnEnd::Failed(error.in_call(BackendType::Codex, "turn/start").to_string()), out);
            }
            Event::TurnRead(turn, _) if self.turn.as_ref() != Some(&turn) => {}
            Event::TurnRead(_, Ok(Some(notice)))
                if ["completed", "failed", "interrupted"].contains(&notice.status.as_str()) =>
            {
                out.push(AgentOutput::Notice("Codex did not tell the end of the turn; its thread does".into()));
                self.turn_completed(notice, out);
            }
            // It said that it does not try again.
            Event::TurnRead(..) if self.failure.is_some() => {
                out.push(AgentOutput::Notice("Codex did not tell the end of the turn that it had given up".into()));
                self.turn_completed(TurnNotice::default(), out);
            }
            Event::TurnRead(_, Ok(_)) => {}
            Event::TurnRead(_, Err(error)) => tracing::info!(%error, "Codex does not tell how the turn stands"),
            Event::Aside(method, Err(error)) => tracing::info!(method, %error, "Codex refused"),
            Event::Aside(_, Ok(())) => {}
        }
    }

    fn probe(&mut self) {
        self.read_turn(Duration::ZERO);
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<()> {
        self.interrupting = true;
        self.send_interrupt();
        // An interrupt leaves running commands behind.
        self.thread_call("thread/backgroundTerminals/clean");
        Ok(())
    }

    fn answer(&mut self, approval: &ApprovalId, decision: Decision, out: &mut Outbox) -> Result<()> {
        let (kind, id) =
            self.questions.remove(approval).ok_or_else(|| BackendError::NoSuchApproval { id: approval.0.clone() })?;
        out.push(AgentOutput::ApprovalClosed(approval.clone()));
        self.server.wire().answer(&id, &ApprovalReply::of(kind, &decision))
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport> {
        if let Some(report) = &self.report {
            return Ok(report.clone());
        }
        if !self.server.has_ended() {
            let limit = if how == StopMode::Politely { Duration::from_secs(2) } else { Duration::from_millis(500) };
            let wire = self.server.wire().clone();
            // A turn that was asked for and is not known yet would run on, with nobody to watch it.
            let deadline = tokio::time::Instant::now() + limit;
            while self.turn.is_none() && self.awaits_reply() {
                match tokio::time::timeout_at(deadline, self.next()).await {
                    Ok(Event::TurnStart(number, Ok(turn))) if number == self.asked_for => self.turn = Some(turn),
                    Ok(Event::TurnStart(..)) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            if let Some(turn_id) = &self.turn {
                let params = TurnInterruptParams { thread_id: &self.thread, turn_id };
                let _ = wire.call::<_, serde::de::IgnoredAny>("turn/interrupt", &params, limit).await;
            }
            let params = ThreadIdParams { thread_id: &self.thread };
            for method in ["thread/backgroundTerminals/clean", "thread/unsubscribe"] {
                if let Err(error) = wire.call::<_, serde::de::IgnoredAny>(method, &params, limit).await {
                    tracing::info!(method, %error, "Codex refused");
                }
            }
        }
        self.server.unsubscribe(&self.thread);
        let stopped = match self.lease.take() {
            Some(lease) => lease.release(how.grace()).await?,
            None => None,
        };
        let report = stopped.unwrap_or_else(StopReport::detached);
        self.report = Some(report.clone());
        Ok(report)
    }

    fn facts(&self) -> Facts {
        Facts {
            session_id: self.durable.then(|| self.thread.clone()),
            assigned_id: Some(self.thread.clone()),
            model: Some(self.model.clone()),
            pid: self.server.pid(),
            ..Facts::default()
        }
    }
}
