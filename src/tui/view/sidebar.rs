//! The list of teams and members, on the left.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders};
use unicode_width::UnicodeWidthStr;

use super::places::Places;
use super::theme::Theme;
use crate::live::team::{Group, TeamView, short, span, task_of};
use crate::model::status::MemberStatus;
use crate::tui::state::{Row, State};
use crate::visible::cut;

/// As much of a name is shown, whatever else there is to show.
const NAME: usize = 16;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme, places: &mut Places) {
    let block = Block::new().borders(Borders::RIGHT).border_style(theme.dim());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let rows = state.rows();
    let selected = rows.iter().position(|row| row.is_selected(state)).unwrap_or(0);
    let height = usize::from(inner.height);
    // What is selected is seen, in the middle where there is more than fits.
    let first = selected.saturating_sub(height / 2).min(rows.len().saturating_sub(height));
    let width = usize::from(inner.width.saturating_sub(1));
    for (row, y) in rows.iter().skip(first).take(height).zip(inner.y..) {
        let place = Rect { y, height: 1, ..inner };
        let style = if row.is_selected(state) { theme.selected() } else { ratatui::style::Style::new() };
        let line = match row {
            Row::Team(name) => Line::from(Span::styled(cut(name, width), theme.bold())),
            Row::Group(group) => Line::from(Span::styled(format!(" {}", group.name()), theme.group(*group))),
            Row::Member(team, member) => member_line(&state.teams[*team], member, width, state.now_ms, theme),
        };
        frame.render_widget(line.style(style), place);
        if let Some(selects) = row.place() {
            places.rows.push((place, selects));
        }
    }
}

/// A mark that needs no colour, the name, and on the right what there is to know in a few characters.
fn member_line(team: &TeamView, member: &MemberStatus, width: usize, now_ms: i64, theme: Theme) -> Line<'static> {
    let group = Group::of(team, member);
    let mark = match group {
        Group::NeedsYou => '!',
        Group::Working => '>',
        Group::Idle => '·',
        Group::Stopped => '-',
    };
    let tokens = member.usage.input_tokens.saturating_add(member.usage.output_tokens);
    // In the order in which they are shown; of what does not fit, what has the highest number is left out first.
    let mut parts: Vec<(u8, String)> = Vec::new();
    parts.extend(member.backend.map(|backend| (5, backend.short_name().to_owned())));
    parts.extend(Some((3, short(tokens))).filter(|_| tokens > 0));
    parts.extend(member.usage.cost_usd.map(|cost| (4, format!("${cost:.2}"))));
    parts.extend(Some((0, format!("{}✉", member.unread))).filter(|_| member.unread > 0));
    parts.extend(task_of(team, member).map(|id| (1, format!("#{id}"))));
    parts.extend(team.since.get(&member.name).map(|since| (2, span(now_ms - since))));
    let wide = |parts: &[(u8, String)]| parts.iter().map(|(_, part)| part.width() + 1).sum::<usize>();
    while wide(&parts) + member.name.width().min(NAME) + 4 > width
        && let Some(least) = parts.iter().map(|(rank, _)| *rank).max()
    {
        parts.retain(|(rank, _)| *rank != least);
    }
    let right = parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(" ");
    let room = width.saturating_sub(right.width() + 4);
    let name = cut(&member.name, room.max(3));
    let gap = width.saturating_sub(name.width() + right.width() + 3).max(1);
    Line::from(vec![
        Span::styled(format!("  {mark} {name}"), theme.group(group)),
        Span::raw(" ".repeat(gap.saturating_sub(1))),
        Span::styled(right, theme.dim()),
    ])
}
