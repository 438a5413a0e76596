//! The report in HTML: one file without scripts, fonts, or references to anything outside.

use std::collections::HashSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::model::run::{MergeFate, RunState};
use crate::model::run_report::{MemberReport, RunReport, TaskReport};
use crate::model::time::iso;
use crate::picture::spending::spending;
use crate::picture::timeline::{ending, timeline};
use crate::picture::words::{
    between, completed_tasks, cost, counted, date, duration, duration_or_dash, end_ms, escaped, escaped_line,
    fate_word, grouped, open_blockers, task_ms, words,
};

use crate::picture::STYLE as PICTURE_STYLE;

const STYLE: &str = include_str!("style.css");

/// A page for browsers. `graph_svg` is a picture of the tasks; it is taken as it is.
pub(super) fn html(report: &RunReport, graph_svg: &str) -> String {
    let mut out = String::with_capacity(16 * 1024 + graph_svg.len() + 400 * report.turns.len());
    let (run, state) = (escaped_line(&report.run), words(report.state.as_str()));
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{run}: {state}</title>\n<style>\n{PICTURE_STYLE}{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    headline(&mut out, report);
    figures(&mut out, report);
    graph(&mut out, report, graph_svg);
    turns(&mut out, report);
    used(&mut out, report);
    members(&mut out, report);
    tasks(&mut out, report);
    branches(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn headline(out: &mut String, report: &RunReport) {
    let state = badge(report.state.as_str(), tone_of_run(report.state));
    let _ = writeln!(
        out,
        "<header>\n<p class=\"kind\">{} report, team {}</p>\n<h1>{} {state}</h1>",
        // That of a team has its name.
        if report.run == report.team { "Team" } else { "Run" },
        escaped_line(&report.team),
        escaped_line(&report.run),
    );
    if let Some(reason) = &report.reason {
        let _ = writeln!(out, "<p class=\"reason words\">{}</p>", escaped(reason.trim()));
    }
    let began = time(report.began_ms);
    match report.ended_ms {
        Some(ended) => {
            let _ = writeln!(out, "<p class=\"when\">Began {began}, ended {}.</p>", time(ended));
        }
        None => {
            let _ = writeln!(out, "<p class=\"when\">Began {began}, has not ended.</p>");
        }
    }
    if let Some(goal) = &report.goal {
        let _ = writeln!(out, "<div class=\"goal words\"><b>Goal</b>{}</div>", escaped(goal.trim()));
    }
    out.push_str("</header>\n");
}

fn figures(out: &mut String, report: &RunReport) {
    let summary = &report.summary;
    let done = format!("{}<small> of {}</small>", summary.tasks_completed, summary.total_tasks);
    let failed = summary.tasks_failed.to_string();
    out.push_str("<section aria-label=\"Figures\">\n<dl class=\"figures\">\n");
    for (name, value, class) in [
        ("Tasks completed", done, ""),
        ("Failed or blocked", failed, if summary.tasks_failed > 0 { " class=\"bad\"" } else { "" }),
        ("Tokens", grouped(summary.total_tokens_used), ""),
        ("Cost", cost(summary.total_cost_usd), ""),
        ("Members", summary.agents_spawned.to_string(), ""),
        ("Time", duration(summary.elapsed_ms), ""),
    ] {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd{class}>{value}</dd></div>");
    }
    out.push_str("</dl>\n</section>\n");
}

fn graph(out: &mut String, report: &RunReport, svg: &str) {
    out.push_str("<section>\n<h2>Task graph</h2>\n");
    if report.tasks.is_empty() || svg.trim().is_empty() {
        out.push_str("<p class=\"none\">There are no tasks to draw.</p>\n");
    } else {
        let _ = writeln!(out, "{}{}\n</div>", scroll("Task graph"), svg.trim());
    }
    out.push_str("</section>\n");
}

fn turns(out: &mut String, report: &RunReport) {
    out.push_str("<section>\n<h2>Timeline of turns</h2>\n");
    if report.turns.is_empty() {
        out.push_str("<p class=\"none\">There are no turns.</p>\n</section>\n");
        return;
    }
    let drawn = timeline(report);
    let _ = write!(out, "{}{}{}</div>\n{}", drawn.legend, scroll("Timeline of turns"), drawn.svg, drawn.note);
    let _ = writeln!(out, "<details>\n<summary>{} as a table</summary>", counted(report.turns.len(), "turn"));
    head(out, "Turns", &["Member", "Turn:", "Task", "State", "After:", "Time:"]);
    for turn in &report.turns {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td>{}</td><td>{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td></tr>",
            escaped_line(&turn.member),
            turn.turn,
            turn.task.as_ref().map_or_else(|| "-".to_owned(), |task| format!("#{}", escaped_line(task))),
            ending(turn),
            duration(between(report.began_ms, turn.began_ms)),
            duration(between(turn.began_ms, turn.ended_ms.unwrap_or_else(|| end_ms(report)))),
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</details>\n</section>\n");
}

fn used(out: &mut String, report: &RunReport) {
    if let Some(svg) = spending(report) {
        let _ = writeln!(
            out,
            "<section>\n<h2>Tokens over time</h2>\n{}{svg}</div>\n</section>",
            scroll("Tokens over time")
        );
    }
}

fn members(out: &mut String, report: &RunReport) {
    out.push_str("<section>\n<h2>Usage by member</h2>\n");
    if report.members.is_empty() {
        out.push_str("<p class=\"none\">There are no members.</p>\n</section>\n");
        return;
    }
    let tokens = |member: &MemberReport| member.usage.input_tokens.max(member.usage.output_tokens);
    let most = report.members.iter().map(tokens).max().unwrap_or(0);
    head(out, "Usage by member", &["Member", "Backend", "Turns:", "Busy time:", "Cost:", "Tokens"]);
    for member in &report.members {
        let model = member.model.as_ref().map(|model| format!("<small>{}</small>", escaped_line(model)));
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td><td class=\"usage\">{}{}</td></tr>",
            escaped_line(&member.name),
            escaped_line(&member.backend),
            model.unwrap_or_default(),
            grouped(member.turns),
            duration(member.busy_ms),
            cost(member.usage.cost_usd),
            usage_bar("in", member.usage.input_tokens, most),
            usage_bar("out", member.usage.output_tokens, most),
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn usage_bar(direction: &str, tokens: u64, most: u64) -> String {
    let share = 100.0 * tokens as f64 / most.max(1) as f64;
    format!(
        "<div class=\"amount\"><span>{direction}</span><span class=\"track\"><span class=\"fill {direction}\" \
         style=\"width:{share:.1}%\"></span></span><span class=\"num\">{}</span></div>",
        grouped(tokens)
    )
}

fn tasks(out: &mut String, report: &RunReport) {
    out.push_str("<section>\n<h2>Tasks</h2>\n");
    if report.tasks.is_empty() {
        out.push_str("<p class=\"none\">There are no tasks.</p>\n</section>\n");
        return;
    }
    let completed = completed_tasks(report);
    head(out, "Tasks", &["Task:", "State", "Subject", "Owner", "Attempts:", "Time:"]);
    for task in &report.tasks {
        let _ = writeln!(
            out,
            "<tr><td class=\"num\">#{}</td><td>{}</td><th scope=\"row\">{}{}</th><td>{}</td><td class=\"num\">{}</td>\
             <td class=\"num\">{}</td></tr>",
            escaped_line(&task.id),
            badge(&task.state, tone_of_task(&task.state)),
            escaped_line(&task.subject),
            task_texts(task, &completed),
            escaped_line(task.owner.as_deref().unwrap_or("-")),
            task.attempts,
            duration_or_dash(task_ms(report, task)),
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// What there is to read about a task besides its subject.
fn task_texts(task: &TaskReport, completed: &HashSet<&str>) -> String {
    let mut out = String::new();
    let blockers = open_blockers(task, completed);
    if task.state != "completed" && !blockers.is_empty() {
        let _ = write!(out, "<small>Waits for {}</small>", escaped_line(&blockers));
    }
    let failed = task.state == "failed";
    for (title, text, open) in [
        (if failed { "Reason" } else { "Reason why an attempt failed" }, &task.reason, failed),
        ("Result", &task.result, false),
    ] {
        let Some(text) = text else { continue };
        let open = if open { " open" } else { "" };
        let text = escaped(text.trim());
        let _ =
            write!(out, "<details{open}><summary>{title}</summary><div class=\"text words\">{text}</div></details>");
    }
    out
}

fn branches(out: &mut String, report: &RunReport) {
    if report.branches.is_empty() {
        return;
    }
    out.push_str("<section>\n<h2>Branches</h2>\n");
    head(out, "Branches", &["Branch", "Member", "Fate", "Note"]);
    for branch in &report.branches {
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            escaped_line(&branch.branch),
            escaped_line(&branch.member),
            badge(fate_word(branch.fate), tone_of_fate(branch.fate)),
            escaped(branch.note.as_deref().unwrap_or("-").trim()),
        );
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// The beginning of a box that scrolls by itself, with the keyboard too.
fn scroll(label: &str) -> String {
    format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\n")
}

/// The beginning of a table up to its rows. A column whose name ends in `:` has its text on the right.
fn head(out: &mut String, label: &str, columns: &[&str]) {
    let _ = write!(out, "{}<table>\n<thead><tr>", scroll(label));
    for column in columns {
        let class = if column.ends_with(':') { " class=\"num\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", column.trim_end_matches(':'));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
}

fn time(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(at) => format!("<time datetime=\"{}\">{}</time>", iso(at), date(ms)),
        Err(_) => date(ms),
    }
}

fn badge(state: &str, tone: &str) -> String {
    format!("<span class=\"badge {tone}\">{}</span>", escaped_line(&words(state)))
}

fn tone_of_run(state: RunState) -> &'static str {
    match state {
        RunState::Running => "live",
        RunState::Done => "good",
        RunState::Interrupted | RunState::Cancelled => "warn",
        RunState::Failed | RunState::OverBudget | RunState::Unanswered | RunState::TimedOut => "bad",
    }
}

fn tone_of_task(state: &str) -> &'static str {
    match state {
        "completed" => "good",
        "failed" => "bad",
        "blocked" => "warn",
        "in_progress" => "live",
        _ => "idle",
    }
}

fn tone_of_fate(fate: MergeFate) -> &'static str {
    match fate {
        MergeFate::Merged => "good",
        MergeFate::Conflict => "bad",
        MergeFate::Left => "warn",
        MergeFate::Empty => "idle",
    }
}
