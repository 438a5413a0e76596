//! What a member is told of its task: what is to be done, what it should know, and how to finish it.

use std::fmt::Write as _;

use crate::model::graph::Graph;
use crate::model::task::{Task, TaskId};
use crate::store::TaskList;

/// The longest result of a task that another one is told, in bytes; the whole of it is in the task.
const LONGEST_RESULT: usize = 8 << 10;

/// What a member is told besides that plans first.
pub(super) const PLAN_FIRST: &str =
    " Plan first: hand in a plan for this task with the tool `submit_plan`, and change nothing until it is approved.";

/// The description of a task for whoever is given it.
pub(super) fn brief(task: &Task, list: &TaskList) -> String {
    let work = task.work();
    let mut text = task.description.clone();
    if let Some(file) = &work.plan.target_file {
        let _ = write!(text, "\n\nThe file that it is about: {file}");
    }
    if !work.plan.context.is_empty() {
        text.push_str("\n\nWhat you should know:");
        for (name, value) in &work.plan.context {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(text, "\n- {name}: {value}");
        }
    }
    let results = results(task, list);
    if !results.is_empty() {
        text.push_str("\n\nWhat came of the tasks before it:");
        for (id, subject, result) in results {
            let _ = write!(text, "\n- #{id} {subject}: {}", bounded(&result));
        }
    }
    if let Some(feedback) = &work.feedback {
        let _ = write!(text, "\n\nAn attempt before this one has failed: {feedback}");
    }
    let (id, attempt) = (&task.id, work.attempt);
    let _ = write!(
        text,
        "\n\nIt is yours and in progress. When it is done, use the tool `task_complete` with taskId \"{id}\", attempt {attempt} and a note of what \
         came of it; if it cannot be done, with failed and the reason."
    );
    text
}

/// What an owner is asked that has ended its turn and has not said what became of its task.
pub(super) fn question(id: &TaskId, attempt: u64) -> String {
    format!(
        "Your turn has ended, and task #{id} is still open. Finish it, and use the tool `task_complete` with taskId \"{id}\", attempt {attempt} and a \
         note of what came of it; if it cannot be done, with failed and the reason. If it is open after this turn, it is given to somebody else."
    )
}

/// What came of the tasks that a task has waited for: id, subject, result.
fn results(task: &Task, list: &TaskList) -> Vec<(TaskId, String, String)> {
    let graph = Graph::new(&list.tasks);
    let of = |id: &TaskId| {
        let before = list.get(id)?;
        Some((id.clone(), before.subject.clone(), before.work().result?))
    };
    graph.blockers(&task.id).iter().filter_map(of).collect()
}

fn bounded(text: &str) -> String {
    if text.len() <= LONGEST_RESULT {
        return text.to_owned();
    }
    let end = (0..=LONGEST_RESULT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} … ({} more bytes: use the tool `task_get`)", &text[..end], text.len() - end)
}
