//! What is on the screen: a pure function of the state.

mod pages;
mod places;
mod sidebar;
mod text;
mod theme;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph};
use unicode_width::UnicodeWidthStr;

pub(in crate::tui) use self::places::Places;
pub(in crate::tui) use self::theme::Theme;
use crate::live::transcript::Tone;
use crate::tui::keys::{BINDINGS, Where};
use crate::tui::state::{Editor, Mode, State, Tab};
use crate::visible::{cut, visible, visible_line};

/// Narrower than this, the list of members gives its place to what is selected.
const NARROW: u16 = 60;
/// Lower than this, there is only what is selected.
const LOW: u16 = 8;

/// Draws everything, and answers where it is.
pub(in crate::tui) fn draw(frame: &mut Frame<'_>, state: &State, theme: Theme) -> Places {
    let mut places = Places::default();
    let area = frame.area();
    let with_list = area.width >= NARROW && area.height >= LOW;
    let [list, right] = Layout::horizontal([
        Constraint::Length(if with_list { (area.width / 3).min(36) } else { 0 }),
        Constraint::Fill(1),
    ])
    .areas(area);
    if with_list {
        sidebar::draw(frame, list, state, theme, &mut places);
    }
    let written = match &state.mode {
        Mode::Write => state.draft().map_or(1, lines_of),
        _ => u16::from(state.draft().is_some_and(|draft| !draft.text().is_empty())),
    };
    let is_low = area.height < LOW;
    let [tabs, head, page, input, status] = Layout::vertical([
        Constraint::Length(u16::from(!is_low)),
        Constraint::Length(u16::from(!is_low)),
        Constraint::Fill(1),
        Constraint::Length(written.min(area.height / 3)),
        Constraint::Length(1),
    ])
    .areas(right);
    draw_tabs(frame, tabs, state, theme, &mut places);
    frame.render_widget(Line::styled(cut(&pages::headline(state), head.width.into()), theme.bold()), head);
    places.most_scrolled = pages::draw(frame, page, state, theme);
    if let Some(draft) = state.draft().filter(|_| written > 0) {
        draw_editor(frame, input, "> ", draft, state.mode == Mode::Write, theme);
    }
    draw_status(frame, status, state, theme);
    match &state.mode {
        Mode::Help => places.most_window = window(frame, area, state, "Keys", help(theme)),
        Mode::Output(printed) => {
            let width = area.width.saturating_sub(2).into();
            let lines = text::plain(printed, width, Style::new());
            places.most_window = window(frame, area, state, "Any other key closes this", lines);
        }
        _ => {}
    }
    places
}

fn lines_of(editor: &Editor) -> u16 {
    u16::try_from(editor.text().matches('\n').count() + 1).unwrap_or(u16::MAX)
}

fn draw_tabs(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme, places: &mut Places) {
    let mut x = area.x;
    for (number, tab) in (1..).zip(Tab::ALL) {
        let count = match tab {
            Tab::Approvals => state.approvals().count(),
            Tab::Mail => state.member().map_or(0, |member| member.unread),
            _ => 0,
        };
        let count = if count > 0 { format!(" ({count})") } else { String::new() };
        let name = format!(" {number} {}{count} ", tab.name());
        let width = u16::try_from(name.width()).unwrap_or(u16::MAX).min(area.right().saturating_sub(x));
        let place = Rect { x, width, ..area };
        let style = if tab == state.tab { theme.selected() } else { theme.dim() };
        frame.render_widget(Span::styled(name, style), place);
        places.tabs.push((place, tab));
        x = x.saturating_add(width);
    }
}

/// The text that is written, around the cursor.
fn draw_editor(frame: &mut Frame<'_>, area: Rect, label: &str, editor: &Editor, has_cursor: bool, theme: Theme) {
    if area.is_empty() {
        return;
    }
    let (line, before) = editor.cursor();
    let shown = visible(editor.text()).replace('\t', " ");
    let height = usize::from(area.height);
    let first = (line + 1).saturating_sub(height);
    let label_width = u16::try_from(label.width()).unwrap_or(0);
    let room = usize::from(area.width.saturating_sub(label_width + 1));
    // A line that is too long is moved, so that the cursor is seen.
    let column = visible(before).width();
    let moved = column.saturating_sub(room);
    let lines = shown.split('\n').enumerate().skip(first).take(height).map(|(at, text)| {
        let mark = if at == 0 { label.to_owned() } else { " ".repeat(label.width()) };
        let moved = if at == line { moved } else { 0 };
        let mut skipped = 0;
        let rest = text.chars().skip_while(|char| {
            let wide = unicode_width::UnicodeWidthChar::width(*char).unwrap_or(0);
            skipped += wide;
            skipped <= moved
        });
        Line::from(vec![Span::styled(mark, theme.input()), Span::raw(rest.collect::<String>())])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
    if has_cursor {
        let x = area.x + label_width + u16::try_from(column - moved).unwrap_or(u16::MAX);
        let y = area.y + u16::try_from(line - first).unwrap_or(0);
        frame.set_cursor_position(Position::new(x.min(area.right().saturating_sub(1)), y));
    }
}

/// The last line: a prompt, what has happened, or what can be done.
fn draw_status(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let prompt = match &state.mode {
        Mode::Search => Some("/"),
        Mode::Palette => Some(":"),
        Mode::Reason(_) => Some("why not? "),
        Mode::Reply(_) => Some("answer: "),
        _ => None,
    };
    if let Some(label) = prompt {
        // What was wrong with what was written stands before it.
        let wrong =
            state.notice.as_ref().map(|(_, notice)| cut(&visible_line(notice), usize::from(area.width) / 2) + " ");
        let label = format!("{}{label}", wrong.unwrap_or_default());
        return draw_editor(frame, area, &label, &state.prompt, true, theme);
    }
    let (text, style) = match (&state.notice, &state.lost) {
        (Some((tone, notice)), _) => (visible_line(notice), theme.tone(*tone)),
        (None, Some(why)) => (format!("no daemon: {}", visible_line(why)), theme.tone(Tone::Bad)),
        (None, None) => (hint(state), theme.dim()),
    };
    frame.render_widget(Line::styled(cut(&text, area.width.into()), style), area);
}

/// What can be done now.
fn hint(state: &State) -> String {
    let needs = match state.need_you() {
        0 => String::new(),
        1 => "1 needs you (g)  ".to_owned(),
        several => format!("{several} need you (g)  "),
    };
    let rest = match (&state.mode, state.current_question()) {
        (Mode::Write, _) => "Enter sends  Alt-Enter new line  Esc leaves",
        (_, Some(question)) if !question.questions.is_empty() => "r answer  5 show it whole  ? help",
        (_, Some(_)) => "a allow  s for the session  d deny  5 show it whole  ? help",
        (_, None) => "i write  Tab next  : verbs  / search  ? help  q leave",
    };
    format!("{needs}{rest}")
}

fn help(theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (place, title) in [(Where::Browse, "Everywhere"), (Where::Write, "While you write")] {
        lines.push(Line::styled(title, theme.bold()));
        for binding in BINDINGS.iter().filter(|binding| binding.place == place) {
            lines.push(Line::from(format!("  {:<16} {}", binding.names(), binding.help)));
        }
        lines.push(Line::default());
    }
    lines
}

/// A window over everything else; answers how far it can be scrolled.
fn window(frame: &mut Frame<'_>, area: Rect, state: &State, title: &str, lines: Vec<Line<'static>>) -> usize {
    let block = Block::new().borders(Borders::ALL).title(format!(" {title} "));
    let inner = block.inner(area);
    let most = lines.len().saturating_sub(inner.height.into());
    let first = most.min(state.window_first);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    let shown: Vec<_> = lines.into_iter().skip(first).take(inner.height.into()).collect();
    frame.render_widget(Paragraph::new(shown), inner);
    most
}

#[cfg(test)]
mod tests;
