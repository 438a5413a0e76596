//! A conversation with Gemini CLI: a process for each turn.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::events::{LineNotice, complaint, exit_meaning, failed_attempt, provider_message};
use super::launch::{approval_mode, prepare};
use super::overlay::{OwnFiles, QUOTE_COMMAND};
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::driver::{Answer, Driver, Facts, InputCheck, StopMode, TurnInput, reached};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, ApprovalId, Decision, Exit, ToolEvent, ToolStatus, summarize};
use crate::permission::PermissionMode;
use crate::pipes::{LineReader, unknown_option};
use crate::process::{AgentProcess, Grace, LineEvent, StopReport, next_line};
use crate::rate_limit::{reset_in, speaks_of_one};

/// Gemini CLI cuts its input off here without failing.
const STDIN_LIMIT: usize = 8 << 20;
/// It would try ten times, for minutes, in silence.
const ATTEMPT_LIMIT: u32 = 3;
/// How long its process may stay after the result.
const STAYS_LIMIT: Duration = Duration::from_secs(2);
/// HTTP status 429, modulo 256.
const EXIT_LIMITED: i32 = 429 % 256;
/// Bad input; with `-r`, a session that is not there.
const EXIT_BAD_INPUT: i32 = 42;
const STOP: Grace = Grace { ask: Duration::ZERO, term: Duration::from_secs(3) };

pub(super) struct GeminiSession {
    command: Command,
    config: SpawnConfig,
    approval_mode: &'static str,
    cwd: PathBuf,
    session_id: String,
    /// The conversation has begun, so that `-r` finds it.
    durable: bool,
    model: Option<String>,
    turn: Option<Turn>,
    stopped: Option<StopReport>,
    files: OwnFiles,
}

/// A running turn.
struct Turn {
    process: AgentProcess,
    stdout: LineReader<ChildStdout>,
    stderr: mpsc::Receiver<String>,
    input: TurnInput,
    resumes: bool,
    /// It was tried before, under an id that was in use.
    retried: bool,
    interrupting: bool,
    /// Its process was told of.
    begun: bool,
    attempts: u32,
    complaint: Option<String>,
    /// What it says of an option that it does not know; how it is called stands behind that.
    unknown_option: Option<String>,
    tools: HashMap<String, ToolEvent>,
    /// Deltas that no message has gone out for.
    message: String,
    result: Option<TurnEnd>,
    /// The result is there: until when the process may stay.
    stays_until: Option<Instant>,
}

pub(super) enum Event {
    /// The process is there, so that its pid can be told.
    Begun,
    Line(String),
    Stderr(String),
    /// It has told its result, and has not ended: something keeps it, a connection or a timer.
    Stays,
    Ended(Exit),
}

impl GeminiSession {
    pub(super) fn new(
        command: Command,
        config: SpawnConfig,
        approval_mode: &'static str,
        cwd: PathBuf,
        files: OwnFiles,
    ) -> Self {
        let session_id = config.resume.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        Self {
            command,
            approval_mode,
            cwd,
            session_id,
            durable: config.resume.is_some(),
            model: config.model.clone(),
            config,
            turn: None,
            stopped: None,
            files,
        }
    }

    fn start(&mut self, input: TurnInput) -> Result<()> {
        let flag = if self.durable { "-r" } else { "--session-id" };
        let mut args: Vec<String> =
            ["-o", "stream-json", "--approval-mode", self.approval_mode, flag, &self.session_id]
                .map(str::to_owned)
                .into();
        if let Some(model) = &self.config.model {
            args.extend(["-m".to_owned(), model.clone()]);
        }
        args.extend(self.files.arguments());
        args.extend(self.config.extra_args.iter().cloned());
        let mut spec = self.config.process(BackendType::GeminiCli, self.command.clone(), args, self.cwd.clone());
        prepare(&mut spec);
        self.files.move_into(&mut spec, &self.config, &self.config.mcp_servers)?;
        spec.env.extend(self.config.mcp_servers.iter().flat_map(|server| server.env.clone()));
        let (sender, stderr) = mpsc::channel(1024);
        spec.stderr = Some(sender);
        let (process, stdin, stdout) = AgentProcess::spawn(spec)?;
        let stdout = stdout.json();
        let mut whole = match self.config.prompt.as_str() {
            // A conversation that is carried on has had it.
            standing if !standing.is_empty() && !self.durable => format!("{standing}\n\n{}", input.text),
            _ => input.text.clone(),
        };
        if input.quoted {
            whole.insert_str(0, QUOTE_COMMAND);
        }
        stdin.write(whole.into_bytes())?;
        stdin.close();
        self.turn = Some(Turn {
            process,
            stdout,
            stderr,
            input,
            resumes: self.durable,
            retried: false,
            interrupting: false,
            begun: false,
            attempts: 0,
            complaint: None,
            unknown_option: None,
            tools: HashMap::new(),
            message: String::new(),
            result: None,
            stays_until: None,
        });
        Ok(())
    }

    fn line(&mut self, line: &str, out: &mut Outbox) {
        let Some(turn) = &mut self.turn else { return };
        out.skipped(turn.stdout.take_skipped());
        let Ok(notice) = serde_json::from_str::<LineNotice>(line) else {
            if !line.trim().is_empty() {
                tracing::warn!("skipped a line of Gemini CLI that cannot be read");
            }
            return;
        };
        match notice.kind.as_str() {
            "init" => {
                self.model = notice.model.or(self.model.take());
                // From here on the conversation is on disk, whatever becomes of the turn; should it not be, the next
                // turn notices.
                self.durable = true;
                if let Some(id) = notice.session_id.filter(|id| *id != self.session_id) {
                    let asked = self.session_id.clone();
                    turn.result = Some(TurnEnd::Failed(
                        BackendError::Mismatch {
                            backend: BackendType::GeminiCli,
                            what: "session id",
                            asked,
                            reported: id,
                        }
                        .to_string(),
                    ));
                    turn.interrupting = true;
                }
            }
            "message" if notice.role.as_deref() == Some("user") => out.accepted(),
            "message" if notice.role.as_deref() == Some("assistant") => {
                if let Some(text) = notice.content.filter(|text| !text.is_empty()) {
                    turn.message.push_str(&text);
                    out.push(AgentOutput::Delta(text));
                }
            }
            "tool_use" => {
                turn.flush_message(out);
                if let (Some(id), Some(name)) = (notice.tool_id, notice.tool_name) {
                    let parameters = notice.parameters;
                    let telling = ["command", "file_path", "dir_path", "path", "pattern", "query", "url"];
                    let detail = telling.iter().find_map(|key| parameters.get(*key)?.as_str());
                    let summary = summarize(detail.unwrap_or_default());
                    let event = ToolEvent { id: id.clone(), name, status: ToolStatus::Started, summary };
                    turn.tools.insert(id, event.clone());
                    out.push(AgentOutput::Tool(event));
                }
            }
            "tool_result" => {
                if let Some(event) = notice.tool_id.and_then(|id| turn.tools.remove(&id)) {
                    let status = match notice.error.as_ref().map(|error| error.kind.as_str()) {
                        // A tool that this permission mode leaves out, or that a policy forbids.
                        Some("tool_not_registered" | "policy_violation") => ToolStatus::Denied,
                        Some(_) => ToolStatus::Failed,
                        None if notice.status.as_deref() == Some("error") => ToolStatus::Failed,
                        None => ToolStatus::Completed,
                    };
                    out.push(AgentOutput::Tool(ToolEvent { status, ..event }));
                }
            }
            "error" => {
                let message = notice.message.unwrap_or_default();
                if notice.severity.as_deref() == Some("warning") {
                    out.push(AgentOutput::Notice(message));
                } else {
                    turn.complaint = Some(message);
                }
            }
            "result" => {
                if let Some(usage) = notice.stats.and_then(|stats| stats.usage()) {
                    out.push(AgentOutput::Usage(usage));
                }
                turn.stays_until = Some(Instant::now() + STAYS_LIMIT);
                let end = if notice.status.as_deref() == Some("success") {
                    TurnEnd::Complete
                } else {
                    let reason = notice.error.map(|error| provider_message(&error.message).unwrap_or(error.message));
                    let reason = reason.or(turn.complaint.clone());
                    TurnEnd::Failed(reason.unwrap_or_else(|| "Gemini CLI gave no reason".into()))
                };
                turn.result.get_or_insert(end);
            }
            _ => {}
        }
    }

    fn ended(&mut self, exit: &Exit, out: &mut Outbox) {
        let Some(mut turn) = self.turn.take() else { return };
        if *exit == Exit::Code(EXIT_BAD_INPUT) && turn.resumes && turn.result.is_none() && !turn.interrupting {
            if self.config.resume.as_deref() == Some(&self.session_id) {
                // Somebody asked for this conversation; another one would not do.
                let reason = turn.complaint.unwrap_or_default();
                out.end_turn(TurnEnd::Failed(format!(
                    "the conversation {} cannot be continued: {reason}",
                    self.session_id
                )));
                return;
            }
            out.push(AgentOutput::Notice(format!(
                "the conversation {} was lost; it starts anew, with its standing instructions",
                self.session_id
            )));
            self.durable = false;
            self.session_id = uuid::Uuid::new_v4().to_string();
            if let Err(error) = self.start(turn.input) {
                out.end_turn(TurnEnd::Failed(error.to_string()));
            }
            return;
        }
        if *exit == Exit::Code(EXIT_BAD_INPUT)
            && !turn.resumes
            && !turn.retried
            && turn.result.is_none()
            && !turn.interrupting
        {
            // An earlier first turn, ended before it was seen to begin, may have left this id behind.
            self.session_id = uuid::Uuid::new_v4().to_string();
            match self.start(turn.input) {
                Ok(()) => self.turn.iter_mut().for_each(|turn| turn.retried = true),
                Err(error) => out.end_turn(TurnEnd::Failed(error.to_string())),
            }
            return;
        }
        turn.flush_message(out);
        let reached = turn.attempts >= ATTEMPT_LIMIT;
        let complaint = turn.unknown_option.clone().or(turn.complaint.clone());
        let end = match turn.result {
            Some(end) => end,
            None if reached => TurnEnd::Failed(format!(
                "{} (given up after {ATTEMPT_LIMIT} attempts)",
                complaint.unwrap_or_else(|| "the model does not answer".into())
            )),
            None if turn.interrupting => TurnEnd::Interrupted,
            None => TurnEnd::Failed(silent_end(exit, complaint)),
        };
        let end = match end {
            TurnEnd::Failed(reason) if *exit == Exit::Code(EXIT_LIMITED) || speaks_of_one(&reason) => {
                TurnEnd::RateLimited { resets_at: reset_in(&reason), reason }
            }
            end => end,
        };
        out.end_turn(end);
    }
}

fn silent_end(exit: &Exit, complaint: Option<String>) -> String {
    let meaning = match exit {
        Exit::Code(code) => exit_meaning(*code),
        _ => None,
    };
    let mut text = format!("Gemini CLI ended without a result ({exit})");
    for part in meaning.into_iter().chain(complaint) {
        text.push_str(": ");
        text.push_str(&part);
    }
    text
}

impl Turn {
    /// What was said so far is a message of its own when something else follows.
    fn flush_message(&mut self, out: &mut Outbox) {
        let message = std::mem::take(&mut self.message);
        if !message.is_empty() {
            out.push(AgentOutput::Message(message));
        }
    }

    /// Cancel-safe.
    async fn next(&mut self) -> Event {
        if self.interrupting || self.stays_until.is_some_and(|until| until <= Instant::now()) {
            let stop = self.process.stop(None, STOP);
            tokio::pin!(stop);
            let stopped = tokio::select! {
                stopped = &mut stop => stopped,
                () = self.stdout.drain() => stop.await,
            };
            return Event::Ended(stopped.map_or(Exit::Unknown, |report| report.exit));
        }
        tokio::select! {
            biased;
            () = self.process.begun(), if !self.begun => {
                self.begun = true;
                Event::Begun
            }
            Some(line) = self.stderr.recv() => Event::Stderr(line),
            () = reached(self.stays_until) => Event::Stays,
            event = next_line(&self.process, &mut self.stdout) => match event {
                LineEvent::Line(line) => Event::Line(line),
                LineEvent::Ended(exit) => {
                    // What it said last on stderr may explain its end.
                    match tokio::time::timeout(Duration::from_millis(200), self.stderr.recv()).await {
                        Ok(Some(line)) => Event::Stderr(line),
                        _ => {
                            // What it left behind, a command that it had started, has no owner any more.
                            let left = self.process.stop(None, Grace { ask: Duration::ZERO, ..Grace::default() }).await;
                            if let Err(error) = left {
                                tracing::warn!(%error, "cannot tell what Gemini CLI left behind");
                            }
                            Event::Ended(exit)
                        }
                    }
                }
            },
        }
    }
}

#[async_trait]
impl Driver for GeminiSession {
    type Event = Event;

    fn input_check(&self) -> InputCheck {
        let standing = match self.config.prompt.len() {
            0 => 0,
            length => length + 2,
        };
        Box::new(move |input| {
            let bytes = input.len() + standing;
            if bytes < STDIN_LIMIT {
                return Ok(());
            }
            Err(BackendError::InputTooLarge { backend: BackendType::GeminiCli, bytes, limit: STDIN_LIMIT - 1 })
        })
    }

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<()> {
        self.start(input.clone())
    }

    async fn next(&mut self) -> Event {
        match &mut self.turn {
            Some(turn) => turn.next().await,
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, event: Event, out: &mut Outbox) {
        match event {
            // It is stopped when it is looked at next.
            Event::Begun | Event::Stays => {}
            Event::Line(line) => self.line(&line, out),
            Event::Stderr(line) => {
                if let Some(turn) = &mut self.turn {
                    turn.unknown_option = unknown_option(&line).or(turn.unknown_option.take());
                    turn.complaint = complaint(&line).or(turn.complaint.take());
                    turn.attempts = failed_attempt(&line).unwrap_or(turn.attempts);
                    turn.interrupting |= turn.attempts >= ATTEMPT_LIMIT;
                }
            }
            Event::Ended(exit) => self.ended(&exit, out),
        }
    }

    fn set_mode(&mut self, mode: PermissionMode) -> Answer<()> {
        // The next process is started with it.
        self.approval_mode = approval_mode(&mode);
        Box::pin(std::future::ready(Ok(())))
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<()> {
        if let Some(turn) = &mut self.turn {
            turn.interrupting = true;
        }
        Ok(())
    }

    fn answer(&mut self, approval: &ApprovalId, _decision: Decision, _out: &mut Outbox) -> Result<()> {
        Err(BackendError::NoSuchApproval { id: approval.0.clone() })
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport> {
        if let Some(report) = &self.stopped {
            return Ok(report.clone());
        }
        let report = match &mut self.turn {
            Some(turn) => {
                let grace = if how == StopMode::Now { Grace::NONE } else { STOP };
                turn.process.stop(None, grace).await?
            }
            None => StopReport::nothing(),
        };
        self.stopped = Some(report.clone());
        Ok(report)
    }

    fn facts(&self) -> Facts {
        Facts {
            session_id: self.durable.then(|| self.session_id.clone()),
            assigned_id: Some(self.session_id.clone()),
            model: self.model.clone(),
            pid: self.turn.as_ref().and_then(|turn| turn.process.pid()),
            ..Facts::default()
        }
    }
}
