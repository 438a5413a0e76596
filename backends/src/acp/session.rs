//! One ACP session in a process of its own.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::handshake::{Ready, Setter};
use super::modes::Modes;
use super::protocol::{
    ContentParams, FailureNotice, PermissionNotice, PermissionOption, PermissionReply, PromptParams, PromptReply,
    SessionIdParams, SessionNotice, UpdateNotice, UpdateUsage, is_retraction,
};
use super::tool_call::ToolCall;
use super::turn_end::{Told, turn_end};
use crate::config::{McpServer, SpawnConfig};
use crate::driver::{Answer, Driver, Facts, StopMode, TurnInput, reached};
use crate::error::{BackendError, Result};
use crate::gemini::OwnFiles;
use crate::kind::BackendType;
use crate::outbox::Outbox;
use crate::output::{AgentOutput, ApprovalId, Decision, Exit, ToolEvent, ToolStatus, Usage, summarize};
use crate::permission::PermissionMode;
use crate::pipes::StdinWriter;
use crate::process::{AgentProcess, Grace, StopReport};
use crate::wire::{CallError, Incoming, Wire};

/// A prompt is answered when the turn is over; how long a turn may last is not for us to say.
const TURN_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a change of the permission mode may take.
const MODE_LIMIT: Duration = Duration::from_secs(20);
/// How long the last lines of a process that has ended may take.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// For how long nothing comes when a turn is over: some agents send the last chunks after the reply to the prompt.
const QUIET: Duration = Duration::from_millis(100);
/// How long after the reply the turn is over at the latest.
const LATEST: Duration = Duration::from_secs(4);

pub(super) struct AcpSession {
    backend: BackendType,
    process: AgentProcess,
    stdin: StdinWriter,
    wire: Wire,
    incoming: mpsc::Receiver<Incoming>,
    prompts: JoinSet<Result<PromptReply, CallError>>,
    session_id: String,
    model: Option<String>,
    /// Given with the first prompt: the protocol has no place for it.
    standing: Option<String>,
    /// Given with it, behind the prompt.
    hint: Option<String>,
    /// The conversation has a turn, so that it can be loaded.
    durable: bool,
    questions: HashMap<ApprovalId, Question>,
    /// What was told of the turn's tools.
    tools: HashMap<String, ToolEvent>,
    /// All that the agent has said of the turn's tool calls.
    calls: HashMap<String, ToolCall>,
    /// Deltas of the turn that no message has gone out for.
    message: String,
    /// The prompt was answered; chunks may still be on their way.
    ending: Option<Ending>,
    /// The turn is being cancelled: what is asked for now is cancelled too.
    interrupting: bool,
    modes: Modes,
    /// Whether it is in a mode that asks.
    asks: bool,
    warnings: Vec<String>,
    /// That the turn has failed, by what the agent has said beside its answer.
    failure: Option<String>,
    /// The last message of the turn.
    last_words: String,
    /// What the turn has used, by updates.
    used: Usage,
    /// The agent says of each turn that goes well what it has used.
    tells_usage: bool,
    /// The MCP servers that it was given: their tools need no permission.
    given_servers: Vec<String>,
    /// Its files live as long as the agent.
    _files: Option<OwnFiles>,
}

/// A question that waits for us.
struct Question {
    request: Box<RawValue>,
    options: Vec<PermissionOption>,
    call: ToolCall,
}

/// The reply to a prompt, and until when it waits for what is still on its way.
struct Ending {
    reply: Result<PromptReply, CallError>,
    quiet_at: Instant,
    latest: Instant,
}

pub(super) enum Event {
    Incoming(Incoming),
    Prompt(Result<PromptReply, CallError>),
    /// Nothing more has come after the reply.
    Quiet,
    Ended(Exit),
}

impl AcpSession {
    pub(super) fn new(
        backend: BackendType,
        process: AgentProcess,
        stdin: StdinWriter,
        wire: Wire,
        incoming: mpsc::Receiver<Incoming>,
        ready: Ready,
        config: &SpawnConfig,
    ) -> Self {
        Self {
            backend,
            process,
            stdin,
            wire,
            incoming,
            prompts: JoinSet::new(),
            session_id: ready.session_id,
            model: ready.model,
            standing: Some(config.prompt.clone()).filter(|prompt| !prompt.is_empty() && config.resume.is_none()),
            hint: hint(backend, config),
            durable: config.resume.is_some(),
            questions: HashMap::new(),
            tools: HashMap::new(),
            calls: HashMap::new(),
            message: String::new(),
            ending: None,
            interrupting: false,
            modes: ready.modes,
            asks: ready.asks,
            warnings: ready.warnings,
            failure: None,
            last_words: String::new(),
            used: Usage::default(),
            tells_usage: ready.always_tells_usage,
            given_servers: config.mcp_servers.iter().map(|server| server.name.clone()).collect(),
            _files: ready.files,
        }
    }

    fn incoming(&mut self, incoming: Incoming, out: &mut Outbox) {
        match incoming {
            // Between turns come the replay of a loaded conversation and lists of commands.
            Incoming::Notice { method, params } if method == "session/update" && out.busy() => {
                match serde_json::from_str::<SessionNotice<'_>>(params.get()) {
                    Ok(notice) if notice.session_id == self.session_id => {
                        out.accepted();
                        if let Some(ending) = &mut self.ending {
                            ending.quiet_at = (Instant::now() + QUIET).min(ending.latest);
                        }
                        self.update(notice.update, out);
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "skipped an update of an ACP agent that cannot be read"),
                }
            }
            Incoming::Question { id, method, params } => self.question(id, &method, &params, out),
            Incoming::Skipped { lines } => out.skipped(lines),
            Incoming::Notice { .. } | Incoming::Closed => {}
        }
    }

    fn update(&mut self, raw: &RawValue, out: &mut Outbox) {
        let Ok(update) = serde_json::from_str::<UpdateNotice<'_>>(raw.get()) else { return };
        if let Some(usage) = serde_json::from_str::<UpdateUsage>(raw.get()).ok().and_then(|update| update.usage()) {
            self.used += usage;
        }
        match update.session_update.as_str() {
            "session_info_update" => {
                let said: FailureNotice = serde_json::from_str(raw.get()).unwrap_or_default();
                self.failure = said.reason().or(self.failure.take());
            }
            "agent_message_chunk" if is_retraction(raw) => {
                self.message.clear();
                out.push(AgentOutput::Retracted);
            }
            "agent_message_chunk" => {
                // Gemini CLI reports changes of its mode as if the model had said them.
                if let Some(text) = update.text().filter(|text| !text.is_empty() && !text.starts_with("[MODE_UPDATE] "))
                {
                    self.message.push_str(&text);
                    out.push(AgentOutput::Delta(text));
                }
            }
            "tool_call" | "tool_call_update" => {
                self.flush_message(out);
                self.tool(serde_json::from_str(raw.get()).unwrap_or_default(), out);
            }
            _ => {}
        }
    }

    fn tool(&mut self, notice: ToolCall, out: &mut Outbox) {
        let Some(id) = &notice.tool_call_id.clone() else { return };
        let status = notice.status();
        let call = self.calls.entry(id.clone()).or_default();
        call.merge(notice);
        let event = call.event(id, status);
        if self.asks && status == ToolStatus::Completed && call.acts() && !call.was_asked_for {
            self.asks = false;
            let what = summarize(&call.what());
            self.warnings.push(format!(
                "this agent has done something without asking, although its mode is to ask ({what}); its own settings decide what it asks about"
            ));
            out.push(AgentOutput::FactsChanged);
        }
        match self.tools.get_mut(id) {
            // Progress, or what comes after its end.
            Some(known) if known.status == status || known.status != ToolStatus::Started => {}
            Some(known) => {
                let event = ToolEvent { name: known.name.clone(), summary: known.summary.clone(), ..event };
                *known = event.clone();
                out.push(AgentOutput::Tool(event));
            }
            None => {
                self.tools.insert(id.clone(), event.clone());
                out.push(AgentOutput::Tool(event));
            }
        }
    }

    fn question(&mut self, id: Box<RawValue>, method: &str, params: &RawValue, out: &mut Outbox) {
        let permission = if method == "session/request_permission" {
            serde_json::from_str::<PermissionNotice>(params.get()).ok()
        } else {
            None
        };
        match permission {
            Some(permission) if permission.session_id == self.session_id && out.busy() && !self.interrupting => {
                out.accepted();
                self.flush_message(out);
                let approval = ApprovalId(id.get().to_owned());
                if out.asked_again(&approval) {
                    return;
                }
                // It may name no more than the call that it is about.
                let mut call = match permission.tool_call.tool_call_id.clone() {
                    Some(id) => {
                        let told = self.calls.entry(id).or_default();
                        told.was_asked_for = true;
                        told.clone()
                    }
                    None => ToolCall::default(),
                };
                call.merge(permission.tool_call);
                if self.backend == BackendType::GeminiAcp {
                    call = call.of_gemini();
                }
                if call.is_of_server(&self.given_servers) {
                    let _ = self.wire.answer(&id, &PermissionReply::of(&Decision::Allow, &permission.options));
                    return;
                }
                out.push(AgentOutput::Approval(call.approval(approval.clone())));
                self.questions.insert(approval, Question { request: id, options: permission.options, call });
            }
            Some(_) => {
                let _ = self.wire.answer(&id, &PermissionReply::cancelled());
            }
            None => {
                let _ = self.wire.refuse(&id, -32601, &format!("`{method}` is not supported by this client"));
            }
        }
    }

    /// An input that the agent does not take for a command of its own.
    fn harmless(&self, input: &str) -> String {
        // Ours has none.
        if self.backend == BackendType::Native { input.to_owned() } else { harmless(input) }
    }

    /// What was said so far is a message of its own when something else follows.
    fn flush_message(&mut self, out: &mut Outbox) {
        let message = std::mem::take(&mut self.message);
        if !message.is_empty() {
            self.last_words.clone_from(&message);
            out.push(AgentOutput::Message(message));
        }
    }

    /// The turn is over, if its prompt was answered.
    fn prompt_ends(&mut self, out: &mut Outbox) {
        let Some(Ending { reply, .. }) = self.ending.take() else { return };
        self.flush_message(out);
        let worked = !std::mem::take(&mut self.tools).is_empty();
        self.calls.clear();
        self.questions.clear();
        self.interrupting = false;
        let mut told = Told { failure: self.failure.take(), words: &self.last_words, owes_usage: false };
        if let Ok(reply) = &reply {
            out.accepted();
            self.durable = true;
            let used = Some(std::mem::take(&mut self.used)).filter(|used| *used != Usage::default());
            let usage = reply.usage().or(used);
            if let Some(usage) = usage {
                out.push(AgentOutput::Usage(usage));
            }
            told.owes_usage = self.tells_usage && usage.is_none() && !worked;
            self.tells_usage |= usage.is_some();
        }
        let used = std::mem::take(&mut self.used);
        if reply.is_err() && used != Usage::default() {
            out.push(AgentOutput::Usage(used));
        }
        let end = turn_end(self.backend, reply, told);
        out.end_turn(end);
    }
}

/// What the first prompt ends with: some agents show the tools of others' servers only after a search, of which nobody else tells the model.
fn hint(backend: BackendType, config: &SpawnConfig) -> Option<String> {
    let server =
        |server: &McpServer| format!("`{}` ({} …)", server.name, server.tools.first().map_or("tools", String::as_str));
    let servers: Vec<String> = config.mcp_servers.iter().map(server).collect();
    let knows = matches!(backend, BackendType::GeminiAcp | BackendType::Native)
        || servers.is_empty()
        || config.resume.is_some();
    let said = || {
        format!(
            "(You have the tools of these MCP servers; search for them if you do not see them: {}.)",
            servers.join(", ")
        )
    };
    (!knows).then(said)
}

/// A text that begins with a slash or a dollar sign would be taken for a command of the agent's own.
fn harmless(input: &str) -> String {
    if input.trim_start().starts_with(['/', '$']) { format!("Message: {input}") } else { input.to_owned() }
}

#[async_trait]
impl Driver for AcpSession {
    type Event = Event;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        let text = match self.standing.take() {
            Some(standing) => format!("{}\n\n{}", self.harmless(&standing), input.text),
            None => self.harmless(&input.text),
        };
        let text = match self.hint.take() {
            Some(hint) => format!("{text}\n\n{hint}"),
            None => text,
        };
        self.message.clear();
        self.last_words.clear();
        (self.failure, self.used) = (None, Usage::default());
        let (wire, session_id) = (self.wire.clone(), self.session_id.clone());
        self.prompts.spawn(async move {
            let params = PromptParams { session_id: &session_id, prompt: [ContentParams::Text { text: &text }] };
            wire.call("session/prompt", &params, TURN_LIMIT).await
        });
        Ok(())
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            // What the agent said before the end of its turn is heard before the end.
            biased;
            incoming = self.incoming.recv() => match incoming {
                Some(Incoming::Closed) | None => {
                    let exit = tokio::time::timeout(Duration::from_secs(2), self.process.wait()).await;
                    self.process.hear_out().await;
                    Event::Ended(exit.unwrap_or(Exit::Unknown))
                }
                Some(incoming) => Event::Incoming(incoming),
            },
            () = reached(self.ending.as_ref().map(|ending| ending.quiet_at)) => Event::Quiet,
            Some(done) = self.prompts.join_next() => {
                Event::Prompt(done.unwrap_or_else(|error| Err(CallError::Gone(error.to_string()))))
            }
            exit = self.process.wait() => {
                // What it wrote last is in the pipe.
                match tokio::time::timeout(LAST_WORDS, self.incoming.recv()).await {
                    Ok(Some(Incoming::Closed) | None) | Err(_) => Event::Ended(exit),
                    Ok(Some(incoming)) => Event::Incoming(incoming),
                }
            }
        }
    }

    fn handle(&mut self, event: Event, out: &mut Outbox) {
        match event {
            Event::Incoming(incoming) => self.incoming(incoming, out),
            // The process ended; its end, which says more, comes next.
            Event::Prompt(Err(CallError::Gone(_))) => {}
            // Some agents send the last chunks after the reply.
            Event::Prompt(reply) => {
                let now = Instant::now();
                self.ending = Some(Ending { reply, quiet_at: now + QUIET, latest: now + LATEST });
            }
            Event::Quiet => self.prompt_ends(out),
            Event::Ended(exit) => {
                self.prompt_ends(out);
                let reason = self.process.how_it_ended("the agent", &exit);
                out.exit(exit, &reason);
            }
        }
    }

    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        // What was said of it is not said again.
        self.asks = mode == PermissionMode::Default && self.warnings.is_empty();
        let (wire, session_id, backend) = (self.wire.clone(), self.session_id.clone(), self.backend);
        // What was current when the session began need not be so any more.
        let modes = Modes { ids: self.modes.ids.clone(), current: None, option: self.modes.option.clone() };
        Box::pin(async move {
            let set = Setter { wire: &wire, backend, session_id: &session_id, limit: MODE_LIMIT };
            set.mode(&modes, &mode).await
        })
    }

    fn interrupt(&mut self, out: &mut Outbox) -> Result<()> {
        self.interrupting = true;
        self.wire.notify("session/cancel", &SessionIdParams { session_id: &self.session_id })?;
        // A question that stays open keeps the turn open.
        for (approval, question) in self.questions.drain() {
            out.push(AgentOutput::ApprovalClosed(approval));
            self.wire.answer(&question.request, &PermissionReply::cancelled())?;
        }
        Ok(())
    }

    fn answer(&mut self, approval: &ApprovalId, decision: Decision, out: &mut Outbox) -> Result<()> {
        let question =
            self.questions.remove(approval).ok_or_else(|| BackendError::NoSuchApproval { id: approval.0.clone() })?;
        out.push(AgentOutput::ApprovalClosed(approval.clone()));
        self.wire.answer(&question.request, &PermissionReply::of(&decision, &question.options))?;
        if let Some(tool) = question.call.tool_call_id.clone() {
            // Gemini CLI says nothing of a tool that it asks for before it runs, nor of one that was refused.
            let denied = matches!(decision, Decision::Deny { .. });
            let status = if denied { ToolStatus::Denied } else { ToolStatus::Started };
            let event = question.call.event(&tool, status);
            self.calls.insert(tool.clone(), question.call);
            let told = self.tools.insert(tool, event.clone());
            if told.is_none_or(|told| told.status != status) {
                out.push(AgentOutput::Tool(event));
            }
        }
        Ok(())
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport> {
        let grace = match how {
            StopMode::Now => Grace::NONE,
            StopMode::Politely => {
                // With its input closed Gemini CLI finishes the turn first, and with an MCP server it never ends; it
                // does end on SIGTERM, within moments.
                let _ = self.wire.notify("session/cancel", &SessionIdParams { session_id: &self.session_id });
                Grace { ask: Duration::from_millis(250), ..Grace::default() }
            }
        };
        self.process.stop(Some(&self.stdin), grace).await
    }

    fn facts(&self) -> Facts {
        Facts {
            session_id: self.durable.then(|| self.session_id.clone()),
            assigned_id: Some(self.session_id.clone()),
            model: self.model.clone(),
            pid: self.process.pid(),
            warnings: self.warnings.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_command_is_made_harmless() {
        for (input, expected) in [("/help", "Message: /help"), (" $x", "Message:  $x"), ("a /b", "a /b")] {
            assert_eq!(harmless(input), expected);
        }
    }
}
