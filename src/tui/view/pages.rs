//! What is shown of the place that is selected: a page for each tab.

use agent_backends::ToolStatus;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::text::{markdown, plain};
use super::theme::Theme;
use crate::live::team::{Group, span, task_of};
use crate::live::transcript::{Piece, Tone, Transcript, before_it};
use crate::model::drawing;
use crate::model::graph::Graph;
use crate::model::message::StructuredMessage;
use crate::model::policy::BudgetStatus;
use crate::model::status::PendingApproval;
use crate::model::task::{Task, TaskStatus};
use crate::tui::state::{State, Tab};
use crate::visible::{cut, visible_line};

/// A line about what is selected.
pub(super) fn headline(state: &State) -> String {
    let Some(place) = &state.selected else {
        return "no team yet: `teams create NAME`, or : create NAME".to_owned();
    };
    let Some(team) = state.team() else { return place.team.clone() };
    let Some(member) = state.member() else {
        let all = team.members().len();
        let description = team.facts.as_ref().and_then(|facts| facts.status.description.clone());
        let description = description.map(|text| format!(": {}", visible_line(&text))).unwrap_or_default();
        let members = if all == 1 { "1 member".to_owned() } else { format!("{all} members") };
        return format!("{}{description} — {members}", place.team);
    };
    let since = team.since.get(&member.name).map(|since| format!(" {}", span(state.now_ms - since)));
    let mut parts = vec![format!("{}{}", member.state.as_str(), since.unwrap_or_default())];
    parts.extend(member.backend.map(|backend| backend.to_string()));
    parts.extend(member.model.as_deref().map(visible_line));
    parts.extend(task_of(team, member).map(|id| format!("task #{id}")));
    parts.push(format!("{} turns", member.turns));
    parts.push(format!("{} tokens", member.usage.input_tokens.saturating_add(member.usage.output_tokens)));
    parts.extend(member.usage.cost_usd.map(|cost| format!("${cost:.2}")));
    if member.queued > 0 {
        parts.push(format!("{} waiting", member.queued));
    }
    format!("{}: {}", member.name, parts.join(", "))
}

/// Draws the page, and answers how far it can be scrolled.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) -> usize {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let lines = match state.tab {
        Tab::Transcript => {
            let asked = state.current_question().map(|question| asked(question, width, theme)).unwrap_or_default();
            // The question is always seen, and takes half of the page at most; that there is more of it is said.
            let asked = shortened(asked, height.div_ceil(2), theme);
            let room = height - asked.len();
            let (mut lines, most) = transcript(state, width, room, theme);
            lines.extend(asked);
            frame.render_widget(Paragraph::new(lines), area);
            return most;
        }
        Tab::Tasks => tasks(state, width, theme),
        Tab::Graph => graph(state, width, theme),
        Tab::Mail => mail(state, width, theme),
        Tab::Approvals => approvals(state, width, theme),
        Tab::Budget => budget(state, theme),
    };
    // These are read from their beginning.
    let most = lines.len().saturating_sub(height);
    let first = most.min(state.scrolled);
    frame.render_widget(Paragraph::new(lines.into_iter().skip(first).take(height).collect::<Vec<_>>()), area);
    most
}

/// The beginning of a question that is too long, and how to see the rest.
fn shortened(mut lines: Vec<Line<'static>>, most: usize, theme: Theme) -> Vec<Line<'static>> {
    if lines.len() > most {
        let more = lines.len() - most + 1;
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = Line::styled(format!("… {more} more lines: 5 shows it whole"), theme.group(Group::NeedsYou));
        }
    }
    lines
}

/// The end of a transcript, or what is so many lines above it; and how many lines above it there are, as far as it was read.
fn transcript(state: &State, width: usize, height: usize, theme: Theme) -> (Vec<Line<'static>>, usize) {
    let (Some(team), Some(place)) = (state.team(), &state.selected) else { return (Vec::new(), 0) };
    let Some(transcript) = team.transcripts.get(place.agent()) else {
        return (vec![Line::styled("nothing has happened yet", theme.dim())], 0);
    };
    let wanted = height + state.scrolled;
    // From the newest back, until there is enough.
    let mut pages: Vec<Vec<Line<'static>>> = Vec::new();
    let mut count = 0;
    for piece in newest_first(transcript, state) {
        let lines = piece_lines(piece, width, state.shows_tools, theme);
        count += lines.len();
        pages.push(lines);
        if count >= wanted {
            break;
        }
    }
    if count < wanted && transcript.is_cut() {
        pages.push(vec![Line::styled(cut(&before_it(place.agent()), width), theme.dim())]);
        count += 1;
    }
    let most = count.saturating_sub(height);
    let skipped = state.scrolled.min(most);
    let lines: Vec<_> = pages.into_iter().rev().flatten().collect();
    let end = lines.len() - skipped;
    (lines[end.saturating_sub(height)..end].to_vec(), most)
}

fn newest_first<'a>(transcript: &'a Transcript, state: &'a State) -> impl Iterator<Item = &'a Piece> {
    let wanted = state.search.to_lowercase();
    transcript.pieces().rev().filter(move |piece| {
        let text = match piece {
            Piece::Input { text, .. } | Piece::Said { text, .. } | Piece::Note { text, .. } => text,
            Piece::Tool { summary, .. } => summary,
        };
        wanted.is_empty() || text.to_lowercase().contains(&wanted)
    })
}

fn piece_lines(piece: &Piece, width: usize, shows_tools: bool, theme: Theme) -> Vec<Line<'static>> {
    match piece {
        Piece::Input { turn, from, text } => {
            let from = from.as_ref().map(|from| format!(" {}", visible_line(from))).unwrap_or_default();
            let mut lines = vec![Line::default(), Line::styled(format!("turn {turn}{from}"), theme.dim())];
            lines.extend(plain(text, width.saturating_sub(2), theme.input()).into_iter().map(|mut line| {
                line.spans.insert(0, Span::styled("> ", theme.input()));
                line
            }));
            lines
        }
        Piece::Said { text, .. } => markdown(text.trim_end(), width, &theme.markdown()),
        Piece::Tool { name, summary, status, .. } => {
            let (mark, tone) = match status {
                ToolStatus::Started => ("…", Tone::Plain),
                ToolStatus::Completed => ("ok", Tone::Plain),
                ToolStatus::Failed => ("failed", Tone::Bad),
                ToolStatus::Denied => ("denied", Tone::Warning),
            };
            let text = format!("[{mark}] {}: {summary}", visible_line(name));
            match shows_tools {
                true => plain(&text, width, theme.tone(tone)),
                false => vec![Line::styled(cut(&visible_line(&text), width), theme.tone(tone))],
            }
        }
        Piece::Note { tone, text } => plain(&format!("[{text}]"), width, theme.tone(*tone)),
    }
}

/// A question, whole.
fn asked(question: &PendingApproval, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let style = theme.group(Group::NeedsYou);
    let title = format!("{} asks for {} ({})", question.member, visible_line(&question.tool), question.id);
    let mut lines = vec![Line::styled(cut(&title, width), style)];
    for asks in &question.questions {
        lines.extend(plain(&asks.text, width, Style::new()));
        for choice in &asks.choices {
            lines.extend(plain(&format!("  - {choice}"), width, theme.dim()));
        }
    }
    let what = question.command.as_ref().or(question.details.as_ref()).unwrap_or(&question.summary);
    if question.questions.is_empty() {
        for line in plain(what, width, Style::new()) {
            // A change of files reads better with its signs in colour.
            let tone = match (question.command.is_none(), line.to_string().chars().next()) {
                (true, Some('+')) => Some(Tone::Good),
                (true, Some('-')) => Some(Tone::Bad),
                _ => None,
            };
            lines.push(match tone {
                Some(tone) => line.style(theme.tone(tone)),
                None => line,
            });
        }
    }
    let how = match question.questions.is_empty() {
        true => "a allow   s allow for the session   d deny",
        false => "r answer   d deny",
    };
    lines.push(Line::styled(how, style));
    lines
}

fn approvals(state: &State, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let current = state.current_question().map(|question| question.id.clone());
    let mut lines = Vec::new();
    for question in state.approvals() {
        let mark = if current.as_ref() == Some(&question.id) { "→ " } else { "  " };
        for mut line in asked(question, width.saturating_sub(2), theme) {
            line.spans.insert(0, Span::raw(mark));
            lines.push(line);
        }
        lines.push(Line::default());
    }
    if lines.is_empty() {
        lines.push(Line::styled("nobody asks for anything here", theme.dim()));
    }
    lines
}

fn tasks(state: &State, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let Some(facts) = state.team().and_then(|team| team.facts.as_ref()) else { return Vec::new() };
    let member = state.selected.as_ref().and_then(|place| place.member.as_deref());
    let is_own = |task: &Task| member.is_some() && task.owner.as_deref() == member;
    let mut lines = Vec::new();
    // The selected member's come first.
    let (own, others): (Vec<&Task>, Vec<&Task>) = facts.tasks.iter().partition(|task| is_own(task));
    for task in own.into_iter().chain(others) {
        let work = task.work();
        let tone = match (task.status, &work.failed) {
            (_, Some(_)) => Tone::Bad,
            (TaskStatus::Completed, _) => Tone::Good,
            (TaskStatus::InProgress, _) => Tone::Warning,
            (TaskStatus::Pending, _) => Tone::Plain,
        };
        let text = visible_line(&drawing::line(task));
        let style = if is_own(task) { theme.tone(tone).patch(theme.bold()) } else { theme.tone(tone) };
        lines.push(Line::styled(cut(&text, width), style));
        for more in [work.failed, work.result].into_iter().flatten() {
            lines.push(Line::styled(cut(&format!("      {}", visible_line(&more)), width), theme.dim()));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("no tasks yet; add one with `: task add SUBJECT`", theme.dim()));
    }
    lines
}

fn graph(state: &State, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let Some(facts) = state.team().and_then(|team| team.facts.as_ref()) else { return Vec::new() };
    let text = Graph::new(&facts.tasks).to_tree();
    match text.trim().is_empty() {
        true => vec![Line::styled("there are no tasks to draw", theme.dim())],
        false => text.lines().map(|line| Line::raw(cut(&visible_line(line), width))).collect(),
    }
}

fn mail(state: &State, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let (Some(team), Some(place)) = (state.team(), &state.selected) else { return Vec::new() };
    let messages = team.mail.get(place.agent()).map(Vec::as_slice).unwrap_or_default();
    let mut lines = Vec::new();
    // The newest is the one that is looked for.
    for message in messages.iter().rev().take(200) {
        let new = if message.read { "" } else { ", unread" };
        let head = format!("{}  {}{new}", visible_line(&message.from), visible_line(&message.timestamp));
        lines.push(Line::styled(cut(&head, width), theme.bold()));
        let shown: Vec<_> = match StructuredMessage::parse(&message.text) {
            Some(_) => plain(&message.text, width, theme.dim()).into_iter().take(3).collect(),
            None => markdown(&message.text, width, &theme.markdown()),
        };
        lines.extend(shown);
        lines.push(Line::default());
    }
    if lines.is_empty() {
        lines.push(Line::styled("the inbox is empty: what an agent has been given is in its transcript", theme.dim()));
    }
    lines
}

fn budget(state: &State, theme: Theme) -> Vec<Line<'static>> {
    let Some(facts) = state.team().and_then(|team| team.facts.as_ref()) else { return Vec::new() };
    let member = state.selected.as_ref().and_then(|place| place.member.clone());
    let mut lines = Vec::new();
    for BudgetStatus { member: whose, budget, spent } in &facts.budgets {
        if member.is_some() && *whose != member {
            continue;
        }
        lines.push(Line::styled(whose.clone().unwrap_or_else(|| "the whole team".to_owned()), theme.bold()));
        let of = |limit: Option<String>| limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        lines.push(Line::raw(format!("  turns   {}{}", spent.turns, of(budget.turns.map(|n| n.to_string())))));
        lines.push(Line::raw(format!("  tokens  {}{}", spent.tokens, of(budget.tokens.map(|n| n.to_string())))));
        lines.push(Line::raw(format!(
            "  cost    ${:.4}{}",
            spent.cost_usd,
            of(budget.cost_usd.map(|n| format!("${n}")))
        )));
        lines.push(Line::raw(format!("  busy    {}", span(i64::try_from(spent.wall_ms).unwrap_or(i64::MAX)))));
        lines.push(Line::default());
    }
    if lines.is_empty() {
        lines.push(Line::styled("nothing was used yet", theme.dim()));
    }
    lines
}
