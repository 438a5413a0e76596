//! `teams tail`

use std::collections::{HashMap, HashSet};

use agent_backends::ToolStatus;

use super::approvals::how_to_answer;
use super::options::TailArgs;
use super::output::Style;
use super::{Context, Done};
use crate::daemon::Follower;
use crate::model::event::{Conversation, Event, EventKind, MailState, TaskChange};
use crate::model::message::StructuredMessage;

pub(super) async fn run(context: &Context<'_>, args: TailArgs) -> anyhow::Result<Done> {
    let mut connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let mut follower = Follower::new(&connection, &team, args.names.clone(), args.since.unwrap_or(1));
    let mut printer = Printer::new(context, args.names.len() != 1);
    // Counted are lines that are shown, and not events, of which many show nothing.
    if let Some(last) = args.last {
        context.output.keep_lines(last);
    }
    while let Some(event) = follower.next_known().await? {
        printer.print(&event)?;
    }
    context.output.print_kept()?;
    if args.follow {
        // Until somebody ends us, or stops reading.
        loop {
            match follower.next().await {
                Ok(event) => event.iter().try_for_each(|event| printer.print(event))?,
                Err(error) if connection.is_connected() => return Err(error.into()),
                Err(_) => {
                    let from = follower.place();
                    connection = context.next_daemon().await?;
                    follower = Follower::new(&connection, &team, args.names.clone(), from);
                }
            }
        }
    }
    printer.finish()?;
    Ok(Done::Yes)
}

/// Follows one member from now on.
pub(super) async fn follow_member(context: &Context<'_>, name: String) -> anyhow::Result<Done> {
    run(context, TailArgs { names: vec![name], follow: true, last: Some(10), since: None }).await
}

/// What became of a task, in a line.
fn task_line(event: &EventKind) -> Option<String> {
    let EventKind::Task { id, change, subject, status, owner, failed, fields } = event else { return None };
    let what = match change {
        TaskChange::Created => "created".to_owned(),
        TaskChange::Deleted => return Some(format!("task #{id} deleted: {subject}")),
        TaskChange::Changed => format!("changed ({})", fields.join(", ")),
    };
    let owner = owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
    let failed = failed.as_ref().map(|reason| format!(", failed: {reason}")).unwrap_or_default();
    Some(format!("task #{id} {what}: {subject}, {status}{owner}{failed}"))
}

/// Prints events as text.
pub(super) struct Printer<'a> {
    context: &'a Context<'a>,
    /// Lines begin with the member's name.
    several: bool,
    /// Text of members whose line is not complete.
    open: HashMap<String, String>,
    /// Members whose next message was printed as it came.
    streamed: HashSet<String>,
    /// With one member, text is printed as it comes: whether a line of it is open.
    streaming: Option<bool>,
}

impl<'a> Printer<'a> {
    /// With `several`, each line begins with its member's name.
    pub(super) fn new(context: &'a Context<'a>, several: bool) -> Self {
        Self { context, several, open: HashMap::new(), streamed: HashSet::new(), streaming: None }
    }

    pub(super) fn print(&mut self, event: &Event) -> anyhow::Result<()> {
        if self.context.output.json {
            return self.context.output.json(event);
        }
        let agent = &event.agent;
        let note = |style, text: String| Some((style, text));
        let line = match &event.kind {
            EventKind::Delta { text } => {
                self.streamed.insert(agent.clone());
                self.text(agent, text)?;
                None
            }
            EventKind::Message { text } => {
                if !self.streamed.remove(agent) {
                    self.text(agent, text)?;
                }
                self.end_line(agent)?;
                None
            }
            EventKind::Retracted => {
                self.streamed.remove(agent);
                self.open.remove(agent);
                note(Style::Dim, "it begins this answer anew".to_owned())
            }
            EventKind::Routed { backend, reason } => note(Style::Dim, format!("{backend} was chosen for it: {reason}")),
            EventKind::Spawned { backend, conversation, reason } => {
                let how = match conversation {
                    None => "",
                    Some(Conversation::Resumed) => ", its conversation goes on",
                    Some(Conversation::Fresh) => ", with a new conversation",
                };
                let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                note(Style::Dim, format!("started ({backend}){how}{why}"))
            }
            EventKind::State { state, reason } => match state.as_str() {
                // What is said anyway.
                "idle" | "busy" | "exited" | "stopping" | "waiting-approval" => None,
                _ => note(Style::Yellow, format!("{state}: {reason}")),
            },
            EventKind::Mail { from, state: MailState::Injected, text, .. } => {
                let text = text.as_deref().unwrap_or_default();
                note(
                    Style::Cyan,
                    match StructuredMessage::parse(text) {
                        Some(StructuredMessage::TaskAssignment { task_id, subject, .. }) => {
                            format!("{from} gives it task #{task_id}: {subject}")
                        }
                        _ => format!("mail from {from}: {text}"),
                    },
                )
            }
            EventKind::Mail { id, from, state: MailState::Refused, reason, .. } => {
                let reason = reason.as_deref().unwrap_or_default();
                note(Style::Yellow, format!("mail {id} from {from} was refused: {reason}"))
            }
            EventKind::Mail { .. } => None,
            EventKind::HookRejected { hook, event: what, feedback } => {
                note(Style::Yellow, format!("the hook `{hook}` rejects this ({}): {feedback}", what.as_str()))
            }
            EventKind::RunStarted { run, goal } => {
                let goal = goal.as_ref().map(|goal| format!(": {goal}")).unwrap_or_default();
                note(Style::Bold, format!("run {run} begins{goal}"))
            }
            EventKind::RunEnded { run, state, reason } => {
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                note(Style::Bold, format!("run {run} is {}{reason}", state.as_str()))
            }
            EventKind::Task { .. } => task_line(&event.kind).and_then(|line| note(Style::Dim, line)),
            EventKind::TeamCreated { description } => {
                let about = description.as_ref().map(|about| format!(": {about}")).unwrap_or_default();
                note(Style::Bold, format!("team {} is created{about}", event.team))
            }
            EventKind::LeadEnded { reason } => note(Style::Bold, format!("the lead has ended: {reason}")),
            EventKind::ShutdownRequested { reason, .. } => {
                let why = reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                note(Style::Dim, format!("is asked to stop{why}"))
            }
            EventKind::TurnStarted { input, .. } => {
                self.streamed.remove(agent);
                let first = input.as_deref().and_then(|input| input.lines().next()).unwrap_or("(by itself)");
                let first: String = first.chars().take(100).collect();
                note(Style::Cyan, format!("turn {} < {first}", event.turn.unwrap_or_default()))
            }
            EventKind::Tool { name, status, summary, .. } => {
                let status = match status {
                    ToolStatus::Started => "…",
                    ToolStatus::Completed => "ok",
                    ToolStatus::Failed => "failed",
                    ToolStatus::Denied => "denied",
                };
                note(Style::Dim, format!("{name}: {summary} [{status}]"))
            }
            EventKind::Approval { tool, summary, decides, .. } if decides.is_final() => {
                note(Style::Dim, format!("asks: {tool} {summary} (the policy decides)"))
            }
            EventKind::Approval { id, tool, summary, questions, .. } => {
                let how = how_to_answer(id, !questions.is_empty());
                note(Style::Yellow, format!("asks: {tool} {summary} ({how})"))
            }
            EventKind::ApprovalClosed { id, outcome, by, .. } => {
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                note(Style::Dim, format!("{id}: {outcome}{by}"))
            }
            EventKind::TurnInterrupted { .. } => note(Style::Yellow, "interrupted".to_owned()),
            EventKind::Error { message } => note(Style::Red, format!("error: {message}")),
            EventKind::Notice { message } => note(Style::Dim, message.clone()),
            EventKind::Lagged { bytes } => note(Style::Red, format!("{bytes} bytes of text were dropped here")),
            EventKind::Exited { code, signal, .. } => note(
                Style::Dim,
                match (code, signal) {
                    (Some(code), _) => format!("ended (exit code {code})"),
                    (_, Some(signal)) => format!("ended (signal {signal})"),
                    _ => "ended".to_owned(),
                },
            ),
            EventKind::TurnCompleted { .. } | EventKind::Usage { .. } | EventKind::Idle => {
                self.end_line(agent)?;
                None
            }
        };
        if let Some((style, text)) = line {
            self.end_line(agent)?;
            let name = if self.several { format!("{agent}: ") } else { String::new() };
            self.context.output.line(&self.context.output.paint(style, &format!("{name}[{text}]")))?;
        }
        Ok(())
    }

    fn text(&mut self, agent: &str, text: &str) -> anyhow::Result<()> {
        let line = self.open.entry(agent.to_owned()).or_default();
        if !self.several {
            self.streaming = Some(!text.ends_with('\n'));
            return Ok(self.context.output.text(text)?);
        }
        line.push_str(text);
        while let Some(end) = line.find('\n') {
            let whole: String = line.drain(..=end).collect();
            self.context.output.line(&format!(
                "{}: {}",
                self.context.output.paint(Style::Bold, agent),
                whole.trim_end()
            ))?;
        }
        Ok(())
    }

    fn end_line(&mut self, agent: &str) -> anyhow::Result<()> {
        let line = self.open.remove(agent).unwrap_or_default();
        if !line.is_empty() {
            self.context.output.line(&format!("{}: {line}", self.context.output.paint(Style::Bold, agent)))?;
        }
        if self.streaming.take() == Some(true) {
            self.context.output.line("")?;
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let agents: Vec<String> = self.open.keys().cloned().collect();
        agents.iter().try_for_each(|agent| self.end_line(agent))
    }
}
