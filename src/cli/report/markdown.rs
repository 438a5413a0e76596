//! The report in Markdown.

use std::fmt::Write as _;

use crate::model::run_report::{RunReport, TaskReport};
use crate::picture::words::{
    clean, clean_line, cost, date, duration, duration_or_dash, fate_word, grouped, task_ms, words,
};

/// How long a reason may be that stands on the line of the outcome. A longer one is quoted below it.
const ON_THE_LINE: usize = 200;

/// The report in GitHub's Markdown. Numbers of tasks have no `#`, which would make them links to issues there.
pub(super) fn markdown(report: &RunReport) -> String {
    let mut out = format!("# Run {}\n\n", inline(&report.run));
    let _ = write!(out, "**Outcome: {}.**", words(report.state.as_str()));
    match report.reason.as_deref().map(str::trim) {
        Some(reason) if reason.contains(['\n', '\r']) || reason.chars().count() > ON_THE_LINE => {
            let _ = write!(out, "\n\n{}\n", quoted(reason));
        }
        Some(reason) if !reason.is_empty() => {
            let _ = write!(out, " {}\n\n", inline(reason));
        }
        _ => out.push_str("\n\n"),
    }
    let _ = writeln!(out, "Team {}, began {}.\n", inline(&report.team), date(report.began_ms));
    if let Some(goal) = &report.goal {
        let _ = writeln!(out, "Goal:\n\n{}", quoted(goal));
    }
    summary(&mut out, report);
    tasks(&mut out, report);
    members(&mut out, report);
    branches(&mut out, report);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn summary(out: &mut String, report: &RunReport) {
    let summary = &report.summary;
    let tasks = format!("{} of {}", summary.tasks_completed, summary.total_tasks);
    out.push_str("## Summary\n\n");
    head(out, &["Figure", "Value:"]);
    for (name, value) in [
        ("Tasks completed", tasks),
        ("Tasks failed or blocked", summary.tasks_failed.to_string()),
        ("Members", summary.agents_spawned.to_string()),
        ("Tokens", grouped(summary.total_tokens_used)),
        ("Cost", cost(summary.total_cost_usd)),
        ("Time", duration(summary.elapsed_ms)),
    ] {
        row(out, &[name.to_owned(), value]);
    }
    out.push('\n');
}

fn tasks(out: &mut String, report: &RunReport) {
    out.push_str("## Tasks\n\n");
    if report.tasks.is_empty() {
        out.push_str("There are no tasks.\n\n");
        return;
    }
    head(out, &["Task:", "Subject", "State", "Owner", "Attempts:", "Time:"]);
    for task in &report.tasks {
        row(
            out,
            &[
                inline(&task.id),
                inline(&task.subject),
                inline(&words(&task.state)),
                inline_or_dash(task.owner.as_deref()),
                task.attempts.to_string(),
                duration_or_dash(task_ms(report, task)),
            ],
        );
    }
    out.push('\n');
    let failed = |task: &&TaskReport| task.state == "failed";
    quotes(out, "Failed tasks", report.tasks.iter().filter(failed), |task| {
        Some(task.reason.as_deref().unwrap_or("The reason is not known."))
    });
    quotes(out, "Results", report.tasks.iter(), |task| task.result.as_deref());
}

/// A section with a quote from each task that has one.
fn quotes<'a>(
    out: &mut String,
    title: &str,
    tasks: impl Iterator<Item = &'a TaskReport>,
    text: impl Fn(&'a TaskReport) -> Option<&'a str>,
) {
    let mut quotes = tasks.filter_map(|task| Some((task, text(task)?))).peekable();
    if quotes.peek().is_some() {
        let _ = writeln!(out, "## {title}\n");
    }
    for (task, text) in quotes {
        let _ = writeln!(out, "### Task {}: {}\n\n{}", inline(&task.id), inline(&task.subject), quoted(text));
    }
}

fn members(out: &mut String, report: &RunReport) {
    out.push_str("## Members\n\n");
    if report.members.is_empty() {
        out.push_str("There are no members.\n\n");
        return;
    }
    head(out, &["Member", "Backend", "Model", "Turns:", "Tokens in:", "Tokens out:", "Cost:", "Busy time:"]);
    for member in &report.members {
        row(
            out,
            &[
                inline(&member.name),
                inline(&member.backend),
                inline_or_dash(member.model.as_deref()),
                grouped(member.turns),
                grouped(member.usage.input_tokens),
                grouped(member.usage.output_tokens),
                cost(member.usage.cost_usd),
                duration(member.busy_ms),
            ],
        );
    }
    out.push('\n');
}

fn branches(out: &mut String, report: &RunReport) {
    if report.branches.is_empty() {
        return;
    }
    out.push_str("## Branches\n\n");
    head(out, &["Branch", "Member", "Fate", "Note"]);
    for branch in &report.branches {
        row(
            out,
            &[
                inline(&branch.branch),
                inline(&branch.member),
                fate_word(branch.fate).to_owned(),
                inline_or_dash(branch.note.as_deref()),
            ],
        );
    }
}

/// The head of a table. A column whose name ends in `:` has its text on the right.
fn head(out: &mut String, columns: &[&str]) {
    let names: Vec<_> = columns.iter().map(|column| column.trim_end_matches(':').to_owned()).collect();
    row(out, &names);
    let lines: Vec<_> = columns.iter().map(|column| if column.ends_with(':') { "---:" } else { "---" }).collect();
    let _ = writeln!(out, "| {} |", lines.join(" | "));
}

fn row(out: &mut String, cells: &[String]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn inline_or_dash(text: Option<&str>) -> String {
    text.map(inline).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned())
}

/// A text within a line of Markdown, in which nothing is markup.
fn inline(text: &str) -> String {
    let line = clean_line(text);
    let mut safe = String::with_capacity(line.len() + 8);
    let mut before = [' '; 3];
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // In a table not every renderer takes a backslash.
            '|' => safe.push_str("&#124;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '~' | '$' | '#' | '@' => safe.extend(['\\', char]),
            // Addresses become links without any markup.
            ':' if chars.peek() == Some(&'/') => safe.push_str("\\:"),
            '.' if before.iter().all(|char| char.eq_ignore_ascii_case(&'w')) => safe.push_str("\\."),
            char => safe.push(char),
        }
        before = [before[1], before[2], char];
    }
    safe
}

/// A text of any number of lines as a quote, line for line.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    let text = clean(text);
    let mut lines = text.trim_end().trim_start_matches('\n').lines().peekable();
    if lines.peek().is_none() {
        out.push_str(">\n");
    }
    while let Some(line) = lines.next() {
        let words = line.trim_start();
        let depth: usize = line[..line.len() - words.len()].chars().map(|char| if char == '\t' { 4 } else { 1 }).sum();
        if words.is_empty() {
            out.push_str(">\n");
            continue;
        }
        // Spaces that do not break keep the depth and make no block of code.
        let _ = write!(out, "> {}{}", "\u{a0}".repeat(depth), first_escaped(inline(words)));
        // A backslash ends a line within a paragraph.
        out.push_str(if lines.peek().is_some_and(|next| !next.trim().is_empty()) { "\\\n" } else { "\n" });
    }
    out
}

/// A line that begins no list, no rule and no underlined heading.
fn first_escaped(line: String) -> String {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    match line[digits..].chars().next() {
        Some('-' | '+' | '=') if digits == 0 => format!("\\{line}"),
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        _ => line,
    }
}
