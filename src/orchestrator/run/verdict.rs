//! Whether a run has ended, and how. Pure: how things are goes in, what follows comes out.

use std::time::Duration;

use crate::model::graph::Graph;
use crate::model::run::{RunRecord, RunState};
use crate::model::task::{Task, TaskStatus};
use crate::store::TaskList;

/// How long a team may be quiet with tasks left before it is said that nothing goes on.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) state: RunState,
    pub(super) reason: Option<String>,
}

impl End {
    pub(super) fn new(state: RunState, reason: impl Into<String>) -> Self {
        Self { state, reason: Some(reason.into()) }
    }
}

/// How the tasks of a run stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// All of them.
    pub(super) total: usize,
    pub(super) completed: usize,
    /// Those that have failed: number, subject, why.
    pub(super) failed: Vec<(String, String, String)>,
    /// Those that wait for one that has failed.
    pub(super) blocked: Vec<String>,
    /// Those that may still be done: number and subject.
    pub(super) open: Vec<(String, String)>,
    /// Somebody who is not ours works on one.
    pub(super) others_work: bool,
}

impl Standing {
    pub(super) fn of(record: &RunRecord, list: &TaskList, is_ours: impl Fn(&str) -> bool) -> Self {
        let mut standing = Self::default();
        let mut waiting: Vec<&Task> = Vec::new();
        for task in list.tasks.iter().filter(|task| record.has_task(&task.id)) {
            standing.total += 1;
            match task.status {
                TaskStatus::Completed => standing.completed += 1,
                _ if task.is_failed() => {
                    let why = task.work().failed.unwrap_or_default();
                    standing.failed.push((task.id.to_string(), task.subject.clone(), why));
                }
                _ => waiting.push(task),
            }
            let owner = task.owner.as_deref();
            standing.others_work |= task.status == TaskStatus::InProgress && owner.is_some_and(|owner| !is_ours(owner));
        }
        // Without a failure nothing waits for one.
        let graph = (!standing.failed.is_empty() && !waiting.is_empty()).then(|| Graph::new(&list.tasks));
        for task in waiting {
            let is_blocked = graph.as_ref().is_some_and(|graph| !graph.failed_blockers(&task.id).is_empty());
            match is_blocked && task.status == TaskStatus::Pending {
                true => standing.blocked.push(task.id.to_string()),
                false => standing.open.push((task.id.to_string(), task.subject.clone())),
            }
        }
        standing
    }

    /// What the lead is asked when nothing is left to do.
    fn is_that_all(&self) -> String {
        let failed = |(id, subject, why): &(String, String, String)| format!("\n- #{id} {subject} has failed: {why}");
        let failed: String = self.failed.iter().map(failed).collect();
        format!(
            "Every task of the run is settled.{failed}\nIf something is missing, add tasks for it. Otherwise use the tool `finish_run` with a \
             summary of what came of it."
        )
    }

    /// How the run ends when nothing more can be done.
    pub(super) fn end(&self, summary: Option<String>) -> End {
        let Some((id, subject, why)) = self.failed.first() else {
            return End { state: RunState::Done, reason: summary };
        };
        let more = match self.failed.len() + self.blocked.len() - 1 {
            0 => String::new(),
            more => format!(" ({more} more failed, or wait for one that has)"),
        };
        End::new(RunState::Failed, format!("task #{id} ({subject}) failed: {why}{more}"))
    }
}

/// What the lead of a run is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// There is none.
    None,
    /// It has something to do, or to say.
    Busy,
    /// It has nothing to do, and was not asked yet whether that is all.
    Idle,
    /// It was asked, and had nothing to add.
    HasNothingToAdd,
    /// It has said that the run is done.
    Finished(String),
    /// It does not run any more, and why.
    Gone(String),
}

/// All that decides.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) tasks: Standing,
    pub(super) lead: Lead,
    /// A person ends it.
    pub(super) is_cancelled: bool,
    pub(super) time_is_over: bool,
    /// What nobody can answer.
    pub(super) unanswered: Option<String>,
    /// Some member does something, or will.
    pub(super) is_busy: bool,
    /// Nobody may begin another turn, and why.
    pub(super) over_budget: Option<String>,
    /// For how long nobody has done anything.
    pub(super) quiet: Duration,
}

/// What follows from how things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It goes on.
    GoOn,
    /// The lead is asked this: whether that is all.
    AskLead(String),
    /// It ends.
    End(End),
}

pub(super) fn next(snapshot: &Snapshot) -> Next {
    let Snapshot { tasks, lead, .. } = snapshot;
    if snapshot.is_cancelled {
        return Next::End(End { state: RunState::Cancelled, reason: None });
    }
    let open = || {
        let names: Vec<String> = tasks.open.iter().take(5).map(|(id, subject)| format!("#{id} {subject}")).collect();
        let more = tasks.open.len().saturating_sub(5);
        format!("{}{}", names.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
    };
    let all_settled = tasks.open.is_empty();
    if all_settled && !snapshot.is_busy {
        match lead {
            Lead::None | Lead::HasNothingToAdd => return Next::End(tasks.end(None)),
            Lead::Finished(summary) => return Next::End(tasks.end(Some(summary.clone()))),
            Lead::Idle if snapshot.over_budget.is_none() => return Next::AskLead(tasks.is_that_all()),
            Lead::Idle | Lead::Busy => {}
            Lead::Gone(why) => return Next::End(End::new(RunState::Failed, format!("the lead is gone: {why}"))),
        }
    }
    if snapshot.time_is_over {
        let left = if all_settled { "the lead was not done".to_owned() } else { format!("not done: {}", open()) };
        return Next::End(End::new(RunState::TimedOut, format!("its time is over; {left}")));
    }
    if let Some(question) = &snapshot.unanswered {
        return Next::End(End::new(RunState::Unanswered, question));
    }
    if snapshot.is_busy || tasks.others_work {
        return Next::GoOn;
    }
    if let Some(reason) = &snapshot.over_budget {
        return Next::End(End::new(RunState::OverBudget, format!("{reason}; not done: {}", open())));
    }
    if snapshot.quiet >= QUIET {
        let reason = match lead {
            Lead::Gone(why) => format!("the lead is gone ({why}), and nobody works on {}", open()),
            _ => format!("nobody can take what is left: {}; see `teams status` and `teams task list`", open()),
        };
        return Next::End(End::new(RunState::Failed, reason));
    }
    Next::GoOn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Snapshot {
        let tasks = Standing { total: 2, completed: 1, open: vec![("2".into(), "two".into())], ..Standing::default() };
        Snapshot {
            tasks,
            lead: Lead::None,
            is_cancelled: false,
            time_is_over: false,
            unanswered: None,
            is_busy: false,
            over_budget: None,
            quiet: Duration::ZERO,
        }
    }

    fn state(snapshot: &Snapshot) -> Option<RunState> {
        match next(snapshot) {
            Next::End(end) => Some(end.state),
            _ => None,
        }
    }

    #[test]
    fn a_run_ends_when_nothing_more_can_be_done() {
        assert_eq!(next(&quiet()), Next::GoOn, "somebody may be about to begin");
        assert_eq!(state(&Snapshot { quiet: QUIET, ..quiet() }), Some(RunState::Failed));
        assert_eq!(state(&Snapshot { quiet: QUIET, is_busy: true, ..quiet() }), None);
        let with_others = Standing { others_work: true, ..quiet().tasks };
        assert_eq!(state(&Snapshot { quiet: QUIET, tasks: with_others, ..quiet() }), None);
        assert_eq!(state(&Snapshot { over_budget: Some("3 of 3".into()), ..quiet() }), Some(RunState::OverBudget));
        assert_eq!(state(&Snapshot { time_is_over: true, is_busy: true, ..quiet() }), Some(RunState::TimedOut));
        assert_eq!(
            state(&Snapshot { unanswered: Some("?".into()), is_busy: true, ..quiet() }),
            Some(RunState::Unanswered)
        );
        assert_eq!(state(&Snapshot { is_cancelled: true, ..quiet() }), Some(RunState::Cancelled));
    }

    #[test]
    fn what_is_done_is_done_and_a_failure_is_named() {
        let done = Standing { total: 2, completed: 2, ..Standing::default() };
        let done = Snapshot { tasks: done, time_is_over: true, ..quiet() };
        assert_eq!(state(&done), Some(RunState::Done), "in time or not");
        assert_eq!(
            state(&Snapshot { is_busy: true, time_is_over: false, ..done }),
            None,
            "the last turn has not ended"
        );
        let failed = vec![("1".into(), "one".into(), "no".into())];
        let failed = Standing { total: 3, completed: 1, failed, blocked: vec!["3".into()], ..Standing::default() };
        let Next::End(end) = next(&Snapshot { tasks: failed, ..quiet() }) else { panic!("it goes on") };
        assert_eq!(end.state, RunState::Failed);
        let reason = end.reason.unwrap();
        assert!(reason.contains("task #1 (one) failed: no") && reason.contains("1 more"), "{reason}");
    }

    #[test]
    fn a_lead_is_asked_before_the_run_ends_and_may_end_it() {
        let done = Standing { total: 1, completed: 1, ..Standing::default() };
        let with = |lead: Lead| Snapshot { tasks: done.clone(), lead, ..quiet() };
        assert!(matches!(next(&with(Lead::Idle)), Next::AskLead(question) if question.contains("`finish_run`")));
        assert_eq!(next(&with(Lead::Busy)), Next::GoOn);
        assert_eq!(state(&with(Lead::HasNothingToAdd)), Some(RunState::Done));
        assert_eq!(state(&with(Lead::Gone("it died".into()))), Some(RunState::Failed));
        let finished = with(Lead::Finished("all is well".into()));
        assert_eq!(next(&finished), Next::End(End::new(RunState::Done, "all is well")));
        let too_early = Snapshot { tasks: quiet().tasks, ..finished };
        assert_eq!(next(&too_early), Next::GoOn);
    }
}
