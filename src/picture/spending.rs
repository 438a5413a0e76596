//! The picture of what a run has used over time: a line for each member, and one for all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::axis::{Axis, NAMES};
use super::words::{between, duration, escaped_line, grouped};
use crate::model::run_report::RunReport;

const WIDTH: f64 = 690.0;
const HEIGHT: f64 = 150.0;
const TOP: f64 = 24.0;
/// What is to the right of the lines, for their names.
const RIGHT: f64 = 150.0;
/// With more members than this, only all of them together are drawn: more lines cannot be told from each other.
const MOST_LINES: usize = 6;

/// Draws the tokens over time; `None` when nothing was used.
pub(crate) fn spending(report: &RunReport) -> Option<String> {
    let mut ends: Vec<(i64, &str, u64)> = Vec::new();
    for turn in &report.turns {
        let tokens = turn.usage.input_tokens.saturating_add(turn.usage.output_tokens);
        ends.extend(turn.ended_ms.filter(|_| tokens > 0).map(|ended| (ended, turn.member.as_str(), tokens)));
    }
    ends.sort_unstable();
    let all = ends.iter().fold(0_u64, |sum, (_, _, tokens)| sum.saturating_add(*tokens));
    if all == 0 {
        return None;
    }
    let axis = Axis::of(report, WIDTH);
    let y = |tokens: u64| TOP + HEIGHT - HEIGHT * (tokens as f64 / all as f64);
    let mut by_member: BTreeMap<&str, Vec<(i64, u64)>> = BTreeMap::new();
    for (at, member, tokens) in &ends {
        by_member.entry(member).or_default().push((*at, *tokens));
    }
    if by_member.len() > MOST_LINES || by_member.len() == 1 {
        by_member.clear();
    }
    let (width, height) = (NAMES + WIDTH + RIGHT, TOP + HEIGHT + 10.0);
    let mut svg = format!(
        "<svg class=\"timeline spending\" role=\"img\" aria-label=\"{} tokens over {}\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\">\n",
        grouped(all),
        duration(between(axis.start, axis.end)),
    );
    for (x, text) in axis.ticks() {
        let _ = writeln!(
            svg,
            "<path class=\"tick\" d=\"M{x:.1} {}V{:.1}\"/><text class=\"time\" x=\"{x:.1}\" y=\"12\">{text}</text>",
            TOP - 6.0,
            TOP + HEIGHT,
        );
    }
    for (part, tokens) in [(0.0, all), (0.5, all / 2), (1.0, 0)] {
        let at = TOP + HEIGHT * part;
        let _ = writeln!(
            svg,
            "<path class=\"edge\" d=\"M{NAMES} {at:.1}H{:.1}\"/><text class=\"amount-of\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES + WIDTH,
            NAMES - 8.0,
            at + 4.0,
            grouped(tokens),
        );
    }
    // Names that would stand over each other move down.
    let mut labels: Vec<(f64, String)> = vec![(y(all), format!("all: {}", grouped(all)))];
    for (number, (member, steps)) in by_member.iter().enumerate() {
        let sum = steps.iter().fold(0_u64, |sum, (_, tokens)| sum.saturating_add(*tokens));
        let _ = writeln!(
            svg,
            "<g class=\"line line-{number}\"><title>{}: {} tokens</title><path d=\"{}\"/></g>",
            escaped_line(member),
            grouped(sum),
            path(&axis, steps, y),
        );
        let name: String = member.chars().take(14).collect();
        labels.push((y(sum), format!("{}: {}", escaped_line(&name), grouped(sum))));
    }
    let steps: Vec<(i64, u64)> = ends.iter().map(|(at, _, tokens)| (*at, *tokens)).collect();
    let _ = writeln!(svg, "<g class=\"line all\"><path d=\"{}\"/></g>", path(&axis, &steps, y));
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut lowest = 0.0_f64;
    for (at, text) in labels {
        lowest = at.max(lowest + 13.0);
        let x = NAMES + WIDTH + 8.0;
        let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\">{text}</text>", lowest + 4.0);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// A line that goes up by a step where a turn ends, and level to the end of the time that is drawn.
fn path(axis: &Axis, steps: &[(i64, u64)], y: impl Fn(u64) -> f64) -> String {
    let mut line = format!("M{:.1} {:.1}", axis.x(axis.start), y(0));
    let mut sum = 0_u64;
    for (at, tokens) in steps {
        sum = sum.saturating_add(*tokens);
        let _ = write!(line, "H{:.1}V{:.1}", axis.x(*at), y(sum));
    }
    let _ = write!(line, "H{:.1}", axis.x(axis.end));
    line
}
