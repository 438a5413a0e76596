//! What a person sees of a run while it goes on: lines for what happens, and on a terminal a picture of how it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_backends::Usage;

use super::approvals::how_to_answer;
use super::output::{Output, Style};
use crate::model::event::{Event, EventKind, MailState, TaskChange};
use crate::model::name::TEAM_LEAD;
use crate::model::task::TaskStatus;
use crate::visible::{cut, visible_line};

/// How a run stands, as far as its events have told.
#[derive(Debug, Default)]
pub(super) struct RunView {
    members: Vec<MemberLine>,
    tasks: BTreeMap<u64, TaskLine>,
    /// Questions that wait: id, and what is asked.
    questions: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct MemberLine {
    name: String,
    backend: String,
    state: String,
    task: Option<u64>,
    last_words: String,
    usage: BTreeMap<u64, Usage>,
}

#[derive(Debug)]
struct TaskLine {
    subject: String,
    status: TaskStatus,
    owner: Option<String>,
}

/// A line about something that has happened.
pub(super) struct Line {
    pub(super) style: Style,
    pub(super) text: String,
}

impl RunView {
    /// Takes the next event, and answers the line that it is worth, if it is.
    pub(super) fn hear(&mut self, event: &Event) -> Option<Line> {
        let agent = event.agent.as_str();
        let line = |style, text: String| Some(Line { style, text });
        match &event.kind {
            EventKind::RunStarted { run, goal } => {
                let goal = goal.as_ref().map(|goal| format!(": {goal}")).unwrap_or_default();
                line(Style::Bold, format!("run {run} begins{goal}"))
            }
            EventKind::Routed { backend, reason } => {
                line(Style::Dim, format!("{agent}: {backend} was chosen: {reason}"))
            }
            EventKind::Spawned { backend, .. } => {
                let member = self.member(agent);
                member.backend.clone_from(backend);
                line(Style::Dim, format!("{agent}: started ({backend})"))
            }
            EventKind::State { state, reason } => {
                self.member(agent).state.clone_from(state);
                match state.as_str() {
                    "rate-limited" | "stuck" | "failed" | "lost" => {
                        line(Style::Yellow, format!("{agent}: {state}: {reason}"))
                    }
                    _ => None,
                }
            }
            EventKind::Task { id, change, subject, status, owner, failed, .. } => {
                let told = self.task(id, *change, subject, *status, owner.as_deref());
                match failed {
                    Some(reason) => line(Style::Red, format!("#{id} {subject}: failed: {reason}")),
                    None => told,
                }
            }
            EventKind::Delta { text } | EventKind::Message { text } => {
                let member = self.member(agent);
                match event.kind {
                    EventKind::Message { .. } => member.last_words.clone_from(text),
                    _ => member.last_words.push_str(text),
                }
                keep_last_line(&mut member.last_words);
                None
            }
            EventKind::Usage { usage } => {
                *self.member(agent).usage.entry(event.turn.unwrap_or_default()).or_default() += *usage;
                None
            }
            EventKind::Approval { id, tool, summary, decides, questions, .. } if !decides.is_final() => {
                let asks = format!("{agent} asks for {tool}: {summary}");
                self.questions.push((id.clone(), asks.clone()));
                line(Style::Yellow, format!("{asks}\n  {}", how_to_answer(id, !questions.is_empty())))
            }
            EventKind::ApprovalClosed { id, outcome, by, .. } => {
                let before = self.questions.len();
                self.questions.retain(|(open, _)| open != id);
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                (self.questions.len() < before)
                    .then(|| Line { style: Style::Dim, text: format!("{id}: {outcome}{by}") })
            }
            EventKind::Mail { from, state: MailState::Injected, .. } if from != TEAM_LEAD && from != agent => {
                line(Style::Dim, format!("{from} writes to {agent}"))
            }
            EventKind::ShutdownRequested { .. } => line(Style::Dim, format!("{agent} is asked to stop")),
            EventKind::HookRejected { hook, event: what, feedback } => {
                line(Style::Yellow, format!("{agent}: the hook `{hook}` rejects this ({}): {feedback}", what.as_str()))
            }
            EventKind::Error { message } => line(Style::Red, format!("{agent}: {message}")),
            EventKind::Notice { message } => line(Style::Yellow, format!("{agent}: {message}")),
            EventKind::Exited { code, signal, restarts } => {
                let how = match (code, signal) {
                    (Some(code), _) => format!("with code {code}"),
                    (None, Some(signal)) => format!("by signal {signal}"),
                    (None, None) => "without a word".to_owned(),
                };
                let then = if *restarts { ", and is started again" } else { "" };
                self.member(agent).state = "exited".to_owned();
                match (code, restarts) {
                    // What was stopped has ended as it should; one process for each turn ends with none.
                    (Some(0) | None, false) if signal.is_none() => None,
                    _ => line(Style::Dim, format!("{agent}: ended {how}{then}")),
                }
            }
            _ => None,
        }
    }

    fn task(
        &mut self,
        id: &str,
        change: TaskChange,
        subject: &str,
        status: TaskStatus,
        owner: Option<&str>,
    ) -> Option<Line> {
        let number: u64 = id.parse().ok()?;
        if change == TaskChange::Deleted {
            self.tasks.remove(&number);
            return Some(Line { style: Style::Dim, text: format!("#{id} {subject}: deleted") });
        }
        let now = TaskLine { subject: subject.to_owned(), status, owner: owner.map(str::to_owned) };
        let before = self.tasks.insert(number, now);
        self.members.iter_mut().filter(|member| member.task == Some(number)).for_each(|member| member.task = None);
        if let Some(owner) = owner.filter(|_| status == TaskStatus::InProgress) {
            self.member(owner).task = Some(number);
        }
        let was = before.map(|before| (before.status, before.owner));
        let (style, what) = match (was, status) {
            (None, _) if change == TaskChange::Created => (Style::Dim, "added".to_owned()),
            (Some((TaskStatus::InProgress, before)), TaskStatus::InProgress) if before.as_deref() == owner => {
                return None;
            }
            (_, TaskStatus::InProgress) => (Style::Cyan, format!("{} begins", owner.unwrap_or("somebody"))),
            (Some((TaskStatus::Completed, _)), TaskStatus::Completed) => return None,
            (_, TaskStatus::Completed) => (Style::Green, format!("completed by {}", owner.unwrap_or("somebody"))),
            (Some((TaskStatus::InProgress, _)), TaskStatus::Pending) => (Style::Yellow, "not done".to_owned()),
            _ => return None,
        };
        Some(Line { style, text: format!("#{id} {subject}: {what}") })
    }

    fn member(&mut self, name: &str) -> &mut MemberLine {
        let place = self.members.iter().position(|member| member.name == name).unwrap_or_else(|| {
            self.members.push(MemberLine { name: name.to_owned(), ..MemberLine::default() });
            self.members.len() - 1
        });
        &mut self.members[place]
    }

    /// How it stands, in at most `height` lines of at most `width` columns: what does not fit is counted, and who works comes before
    /// who does not.
    pub(super) fn picture(
        &self,
        output: &Output,
        run: &str,
        elapsed: Duration,
        (width, height): (usize, usize),
    ) -> Vec<String> {
        const BAR: usize = 20;
        let (done, all) = (self.done(), self.tasks.len());
        let full = (BAR * done).checked_div(all).unwrap_or(0);
        let bar = format!("{}{}", "█".repeat(full), "·".repeat(BAR - full));
        let tokens: u64 = self.members.iter().map(MemberLine::tokens).sum();
        let head = format!("{run}  {:.0} s  {bar}  {done}/{all} tasks  {tokens} tokens", elapsed.as_secs_f32());
        let mut lines = vec![output.paint(Style::Bold, &cut(&head, width))];
        let longest = |of: fn(&MemberLine) -> &str| self.members.iter().map(|member| of(member).chars().count()).max();
        let names = longest(|member| &member.name).unwrap_or(0);
        let states = longest(|member| &member.state).unwrap_or(0);
        let questions = self.questions.len().min(height.saturating_sub(3));
        let room = height.saturating_sub(2 + questions);
        let mut shown: Vec<&MemberLine> = self.members.iter().collect();
        if shown.len() > room {
            shown.sort_by_key(|member| member.is_at_rest());
            shown.truncate(room);
        }
        for member in &shown {
            let task = member.task.and_then(|id| self.tasks.get(&id).map(|task| format!("#{id} {}  ", task.subject)));
            let (task, words) = (task.unwrap_or_default(), &member.last_words);
            let text = format!("  {:names$}  {:states$}  {task}{words}", member.name, member.state);
            let style = match member.state.as_str() {
                "busy" => Style::Cyan,
                "waiting-approval" | "rate-limited" | "stuck" => Style::Yellow,
                "failed" | "lost" => Style::Red,
                _ => Style::Dim,
            };
            lines.push(output.paint(style, &cut(&visible_line(&text), width)));
        }
        let more = self.members.len() - shown.len() + self.questions.len() - questions;
        if more > 0 {
            lines.push(output.paint(Style::Dim, &cut(&format!("  … and {more} more: `teams status`"), width)));
        }
        for (id, asks) in self.questions.iter().take(questions) {
            lines.push(
                output.paint(Style::Yellow, &cut(&visible_line(&format!("  ? {asks}  (teams approve {id})")), width)),
            );
        }
        lines
    }

    fn done(&self) -> usize {
        self.tasks.values().filter(|task| task.status == TaskStatus::Completed).count()
    }
}

impl MemberLine {
    fn is_at_rest(&self) -> bool {
        matches!(self.state.as_str(), "idle" | "exited")
    }

    fn tokens(&self) -> u64 {
        self.usage.values().map(|usage| usage.input_tokens.saturating_add(usage.output_tokens)).sum()
    }
}

/// Leaves the last line that says something, and not much of it.
fn keep_last_line(text: &mut String) {
    const MOST: usize = 200;
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let from = last.char_indices().rev().nth(MOST).map_or(0, |(at, _)| at);
    *text = last[from..].to_owned();
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn event(agent: &str, kind: EventKind) -> Event {
        let (time, team) = (String::new(), "t".to_owned());
        Event { seq: 1, time, team, agent: agent.into(), turn: Some(1), kind }
    }

    fn task(id: u64, change: TaskChange, status: TaskStatus, owner: Option<&str>) -> Event {
        let (id, subject, owner) = (id.to_string(), format!("task {id}"), owner.map(str::to_owned));
        event(TEAM_LEAD, EventKind::Task { id, change, subject, status, owner, failed: None, fields: Vec::new() })
    }

    #[test]
    fn what_happens_is_a_line_and_how_it_stands_a_picture() {
        let mut view = RunView::default();
        let usage = Usage { input_tokens: 5, output_tokens: 2, cost_usd: None };
        let events = [
            event("w", EventKind::Spawned { backend: "codex".into(), conversation: None, reason: None }),
            task(1, TaskChange::Created, TaskStatus::Pending, None),
            task(2, TaskChange::Created, TaskStatus::Pending, None),
            task(1, TaskChange::Changed, TaskStatus::InProgress, Some("w")),
            event("w", EventKind::State { state: "busy".into(), reason: String::new() }),
            event("w", EventKind::Delta { text: "one\nlooking at \u{1b}[2Jx".into() }),
            event("w", EventKind::Usage { usage }),
            event("w", EventKind::Usage { usage }),
        ];
        let lines: Vec<String> = events.iter().filter_map(|event| view.hear(event)).map(|line| line.text).collect();
        let expected = ["w: started (codex)", "#1 task 1: added", "#2 task 2: added", "#1 task 1: w begins"];
        assert_eq!(lines, expected);
        let done = view.hear(&task(1, TaskChange::Changed, TaskStatus::Completed, Some("w")));
        assert_eq!(done.map(|line| line.text).as_deref(), Some("#1 task 1: completed by w"));
        let picture = view.picture(&Output::new(false, true), "t-1", Duration::from_secs(3), (60, 24)).join("\n");
        assert!(picture.contains("1/2 tasks  14 tokens") && !picture.contains('\u{1b}'), "{picture}");
        assert!(picture.lines().all(|line| line.chars().count() <= 62), "with its two marks: {picture}");
    }

    #[test]
    fn a_picture_fits_the_terminal_whatever_is_in_it() {
        let mut view = RunView::default();
        for number in 0..50 {
            let name = format!("m{number}");
            view.hear(&event(&name, EventKind::Spawned { backend: "codex".into(), conversation: None, reason: None }));
            let state = if number == 49 { "busy" } else { "idle" };
            view.hear(&event(&name, EventKind::State { state: state.into(), reason: String::new() }));
            view.hear(&event(&name, EventKind::Message { text: "全部の仕事が終わりました 👩‍👩‍👧‍👦".repeat(9) }));
        }
        let output = Output::new(false, true);
        for (width, height) in [(80, 24), (20, 5), (40, 3)] {
            let lines = view.picture(&output, "t-1", Duration::from_secs(3), (width, height));
            assert!(lines.len() <= height, "{lines:?}");
            assert!(lines.iter().all(|line| line.width() <= width + 2), "with its two marks: {lines:?}");
            assert!(height < 5 || lines[1].contains("m49"), "who works comes first: {lines:?}");
            assert!(lines.iter().any(|line| line.contains("more")), "{lines:?}");
        }
        assert_eq!(view.picture(&output, "t-1", Duration::ZERO, (80, 60)).len(), 51);
    }
}
