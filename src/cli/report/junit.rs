//! The report in JUnit XML. There is no one schema; this is what GitHub actions, GitLab, Jenkins and others agree on.

use std::collections::HashSet;
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::model::run::RunState;
use crate::model::run_report::{RunReport, TaskReport};
use crate::model::time::iso;
use crate::picture::words::{
    clean_line, completed_tasks, escaped, escaped_line, open_blockers, shortened, task_ms, words,
};

/// How long a message may be. The whole text stands in its element.
const MESSAGE: usize = 200;

/// A test suite with a test case for each task. A run that is not done never passes: when no task has failed, a test
/// case `run` says why.
pub(super) fn junit(report: &RunReport) -> String {
    let with_state = |state: &str| report.tasks.iter().filter(|task| task.state == state).count();
    let (completed, failed) = (with_state("completed"), with_state("failed"));
    let run_failed = report.state != RunState::Done && failed == 0;
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\"",
        report.tasks.len() + usize::from(run_failed),
        failed + usize::from(run_failed),
        report.tasks.len() - completed - failed,
        seconds(report.summary.elapsed_ms),
    );
    let team = escaped_line(&report.team);
    let timestamp = Timestamp::from_millisecond(report.began_ms).map(|time| format!(" timestamp=\"{}\"", iso(time)));

    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"{}\" {counts}>", escaped_line(&report.run));
    let _ = writeln!(out, "  <testsuite name=\"{team}\" {counts}{}>", timestamp.unwrap_or_default());
    out.push_str("    <properties>\n");
    property(&mut out, "run", &report.run);
    property(&mut out, "state", report.state.as_str());
    if let Some(goal) = &report.goal {
        property(&mut out, "goal", goal);
    }
    out.push_str("    </properties>\n");
    let completed = completed_tasks(report);
    for task in &report.tasks {
        let name = escaped_line(&format!("#{} {}", task.id, task.subject));
        let time = seconds(task_ms(report, task).unwrap_or(0));
        let _ = writeln!(out, "    <testcase classname=\"{team}\" name=\"{name}\" time=\"{time}\">");
        outcome(&mut out, task, &completed);
        if let Some(result) = &task.result {
            let _ = writeln!(out, "      <system-out>{}</system-out>", escaped(result));
        }
        out.push_str("    </testcase>\n");
    }
    if run_failed {
        let time = seconds(report.summary.elapsed_ms);
        let _ = writeln!(out, "    <testcase classname=\"{team}\" name=\"run\" time=\"{time}\">");
        let state = words(report.state.as_str());
        failure(&mut out, report.state.as_str(), report.reason.as_deref(), &format!("The run is {state}."));
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Why a task does not count as passed, if it does not.
fn outcome(out: &mut String, task: &TaskReport, completed: &HashSet<&str>) {
    let message = match task.state.as_str() {
        "completed" => return,
        "failed" => return failure(out, "failed", task.reason.as_deref(), "The task failed for no known reason."),
        "pending" => "The run ended before the task was begun.".to_owned(),
        "in_progress" => "The run ended before the task was completed.".to_owned(),
        "blocked" => match open_blockers(task, completed) {
            blockers if blockers.is_empty() => "Blocked.".to_owned(),
            blockers => format!("Blocked: it waits for {blockers}."),
        },
        state => words(state),
    };
    let _ = writeln!(out, "      <skipped message=\"{}\"/>", attribute(&message));
}

fn failure(out: &mut String, kind: &str, reason: Option<&str>, otherwise: &str) {
    let reason = reason.filter(|reason| !reason.trim().is_empty()).unwrap_or(otherwise);
    let (message, text) = (attribute(reason), escaped(reason));
    let _ = writeln!(out, "      <failure type=\"{kind}\" message=\"{message}\">{text}</failure>");
}

fn property(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escaped_line(value));
}

fn attribute(text: &str) -> String {
    escaped(&shortened(&clean_line(text), MESSAGE))
}

/// Milliseconds in seconds: `12.345`.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}
