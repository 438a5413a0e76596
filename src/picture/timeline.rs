//! The picture of a run's turns: a lane for each member, and a bar for each of its turns.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::axis::{Axis, NAMES};
use super::words::{between, counted, date, duration, escaped_line};
use crate::model::run_report::{RunReport, TurnReport};
use crate::model::turn::TurnStatus;

/// How wide the lanes are where few turns are in them.
const LEAST_WIDTH: f64 = 800.0;
/// How wide they become at most.
const MOST_WIDTH: f64 = 4_000.0;
/// What the busiest lane has for each of its turns.
const WIDTH_OF_TURN: f64 = 7.0;
/// What is to the right of the lanes, for half of the last tick's text.
const RIGHT: f64 = 36.0;
/// What is above the lanes, for the time axis.
const TOP: f64 = 24.0;
/// How narrow a bar can be.
const LEAST_BAR: f64 = 3.0;
/// How near two narrow bars can begin in the same row.
const LEAST_STEP: f64 = 1.5;
const BAR_HEIGHT: f64 = 14.0;
/// The height of a row of bars, with the marks above them.
const ROW: f64 = 25.0;
/// How many rows a lane has at most. Bars that have no place in them overlap.
const MOST_ROWS: usize = 8;
const LEAST_LANE: f64 = 40.0;
/// The parts of the drawn timeline, in HTML.
pub(crate) struct Timeline {
    /// What the looks of the bars mean, with how many there are of each.
    pub(crate) legend: String,
    pub(crate) svg: String,
    /// What the picture cannot show; it may be empty.
    pub(crate) note: String,
}

/// The word for how a turn ended.
pub(crate) fn ending(turn: &TurnReport) -> &'static str {
    match turn.status {
        Some(TurnStatus::Completed) => "completed",
        Some(TurnStatus::Failed) => "failed",
        Some(TurnStatus::Interrupted) => "interrupted",
        None => "unfinished",
    }
}

/// A line above the middle of a bar, so that even the narrowest shows how its turn ended.
fn mark(ending: &str, x: f64, top: f64) -> String {
    let (y, left) = (top - 8.0, x - 2.5);
    let lines = match ending {
        "failed" => format!("M{left:.1} {y:.1}l5 5m0 -5l-5 5"),
        "interrupted" => format!("M{:.1} {y:.1}v5m3 0v-5", x - 1.5),
        "unfinished" => format!("M{:.1} {y:.1}l3 2.5l-3 2.5", x - 1.5),
        _ => return String::new(),
    };
    format!("<path class=\"mark\" d=\"{lines}\"/>")
}

/// A bar of a lane.
struct Bar<'a> {
    turn: &'a TurnReport,
    x: f64,
    width: f64,
    row: usize,
}

/// A member's bars.
struct Lane<'a> {
    name: &'a str,
    turns: Vec<&'a TurnReport>,
    bars: Vec<Bar<'a>>,
    rows: usize,
}

impl Lane<'_> {
    fn height(&self) -> f64 {
        (self.rows as f64 * ROW + 10.0).max(LEAST_LANE)
    }

    /// Gives each turn its place, and answers how many bars overlap others all the same.
    fn place(&mut self, axis: &Axis) -> usize {
        self.turns.sort_by_key(|turn| turn.began_ms);
        // Where the last bar of each row begins, and where it ends.
        let mut rows: Vec<(f64, f64)> = Vec::new();
        let mut overlapping = 0;
        for turn in &self.turns {
            let x = axis.x(turn.began_ms);
            let true_width = axis.x(turn.ended_ms.unwrap_or(axis.end)) - x;
            let is_free = |(began, ended): &(f64, f64)| {
                *ended <= x + 0.01 && (x - began >= LEAST_STEP || true_width >= 2.0 * LEAST_BAR)
            };
            let row = match rows.iter().position(is_free) {
                Some(row) => row,
                None if rows.len() < MOST_ROWS => {
                    rows.push((x, x));
                    rows.len() - 1
                }
                None => {
                    overlapping += 1;
                    let ended = rows.iter().map(|(_, ended)| *ended).enumerate();
                    ended.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(row, _)| row)
                }
            };
            rows[row] = (x, rows[row].1.max(x + true_width));
            self.bars.push(Bar { turn, x, width: true_width.max(LEAST_BAR), row });
        }
        // What is narrow is drawn last, over the beginning of what is wide.
        self.bars.sort_by(|a, b| b.width.total_cmp(&a.width));
        self.rows = rows.len().max(1);
        overlapping
    }
}

/// Draws the turns of a run.
pub(crate) fn timeline(report: &RunReport) -> Timeline {
    let mut lanes = lanes_of(report);
    let most = lanes.iter().map(|lane| lane.turns.len()).max().unwrap_or(0);
    let axis = Axis::of(report, (most as f64 * WIDTH_OF_TURN).clamp(LEAST_WIDTH, MOST_WIDTH));
    let overlapping: usize = lanes.iter_mut().map(|lane| lane.place(&axis)).sum();
    let height = TOP + lanes.iter().map(Lane::height).sum::<f64>();
    let width = NAMES + axis.width + RIGHT;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg class=\"timeline\" role=\"img\" aria-label=\"{} in {} over {}\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\">\n<defs>\n\
         <pattern id=\"turn-failed\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
         <rect class=\"ground failing\" width=\"5\" height=\"5\"/><path class=\"hatch failing\" d=\"M-1 6L6 -1M-1 1L1 -1M4 6L6 4\"/></pattern>\n\
         <pattern id=\"turn-interrupted\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <rect class=\"ground cut\" width=\"4\" height=\"4\"/><path class=\"hatch cut\" d=\"M1 0V4\"/></pattern>\n\
         <clipPath id=\"lane-names\"><rect width=\"{}\" height=\"{height}\"/></clipPath>\n</defs>\n",
        counted(report.turns.len(), "turn"),
        counted(lanes.len(), "lane"),
        duration(between(axis.start, axis.end)),
        NAMES - 8.0,
    );
    for (x, text) in axis.ticks() {
        let _ = writeln!(
            svg,
            "<path class=\"tick\" d=\"M{x:.1} {}V{height}\"/><text class=\"time\" x=\"{x:.1}\" y=\"12\">{text}</text>",
            TOP - 6.0
        );
    }
    let mut y = TOP;
    for lane in &lanes {
        draw(&mut svg, lane, &axis, y);
        y += lane.height();
    }
    svg.push_str("</svg>\n");
    let mut note = format!("<p class=\"note\">The axis is the time since {}.", date(axis.start));
    if overlapping > 0 {
        let _ = write!(note, " Where many turns are at the same time, bars overlap: {overlapping} of them.");
    }
    note.push_str("</p>\n");
    Timeline { legend: legend(report), svg, note }
}

/// A lane for each member, and one for each that has turns but is not among the members.
fn lanes_of(report: &RunReport) -> Vec<Lane<'_>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    let mut places = HashMap::new();
    let turns = report.turns.iter().map(|turn| (turn.member.as_str(), Some(turn)));
    for (name, turn) in report.members.iter().map(|member| (member.name.as_str(), None)).chain(turns) {
        let place = *places.entry(name).or_insert_with(|| {
            lanes.push(Lane { name, turns: Vec::new(), bars: Vec::new(), rows: 1 });
            lanes.len() - 1
        });
        lanes[place].turns.extend(turn);
    }
    lanes
}

fn draw(svg: &mut String, lane: &Lane<'_>, axis: &Axis, y: f64) {
    let name = escaped_line(lane.name);
    let _ = writeln!(
        svg,
        "<path class=\"edge\" d=\"M0 {y:.1}H{:.1}\"/><g clip-path=\"url(#lane-names)\"><title>{name}</title>\
         <text class=\"name\" x=\"0\" y=\"{:.1}\">{name}</text><text class=\"count\" x=\"0\" y=\"{:.1}\">{}</text></g>",
        NAMES + axis.width,
        y + 17.0,
        y + 32.0,
        counted(lane.turns.len(), "turn"),
    );
    for bar in &lane.bars {
        let (turn, ending) = (bar.turn, ending(bar.turn));
        let top = y + 14.0 + bar.row as f64 * ROW;
        let task = turn.task.as_deref().map(|task| format!("#{}", escaped_line(task)));
        let about = task.as_ref().map(|task| format!(", task {task}")).unwrap_or_default();
        let took = duration(between(turn.began_ms, turn.ended_ms.unwrap_or(axis.end)));
        let _ = write!(
            svg,
            "<g class=\"turn {}\"><title>{name}, turn {}{about}, {took}, {ending}</title>\
             <rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>{}",
            class(ending),
            turn.turn,
            bar.x,
            bar.width,
            mark(ending, bar.x + bar.width / 2.0, top),
        );
        // Escapes make a text longer than it looks; such a text is left to the title.
        if let Some(task) = task.filter(|task| task.chars().count() as f64 * 7.0 + 6.0 <= bar.width) {
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{task}</text>", bar.x + bar.width / 2.0, top + 10.5);
        }
        svg.push_str("</g>\n");
    }
}

/// The class of a bar. The picture of the tasks has styles of its own for the words of its states, which reach these too.
fn class(ending: &str) -> &'static str {
    match ending {
        "completed" => "whole",
        "failed" => "failing",
        "interrupted" => "cut",
        _ => "open",
    }
}

fn legend(report: &RunReport) -> String {
    let mut out = String::from("<ul class=\"legend\">\n");
    for word in ["completed", "failed", "interrupted", "unfinished"] {
        let count = report.turns.iter().filter(|turn| ending(turn) == word).count();
        if count > 0 {
            let _ = writeln!(
                out,
                "<li><svg class=\"timeline\" viewBox=\"0 0 26 24\" width=\"26\" height=\"24\" aria-hidden=\"true\">\
                 <g class=\"turn {}\"><rect x=\"1\" y=\"9\" width=\"24\" height=\"{BAR_HEIGHT}\" rx=\"2\"/>{}</g></svg>\
                 {word} <b>{count}</b></li>",
                class(word),
                mark(word, 13.0, 9.0),
            );
        }
    }
    out.push_str("</ul>\n");
    out
}
