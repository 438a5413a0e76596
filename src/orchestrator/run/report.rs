//! What is known of a run: its record, the tasks on disk, and what the team's transcript tells.

use std::collections::HashMap;

use agent_backends::Usage;
use jiff::Timestamp;

use super::verdict::Standing;
use crate::error::{Error, Result};
use crate::model::event::{Event, EventKind};
use crate::model::graph::Graph;
use crate::model::name::TEAM_LEAD;
use crate::model::run::{RunId, RunRecord, RunState};
use crate::model::run_report::{MemberReport, RunReport, RunSummary, TaskReport, TurnReport};
use crate::model::status::{MemberState, MemberStatus};
use crate::model::task::{Task, TaskStatus};
use crate::model::team_file::MergeMode;
use crate::model::turn::TurnStatus;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::TaskList;

/// When a task was begun and ended.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    began: Option<i64>,
    ended: Option<i64>,
}

/// What the events of a run tell.
#[derive(Debug, Default)]
struct Told {
    members: Vec<MemberReport>,
    turns: Vec<TurnReport>,
    /// What each turn has used, as its agent said last.
    usage: HashMap<(String, u64), Usage>,
    tasks: HashMap<String, Times>,
    /// The task that each member works on.
    at_work: HashMap<String, String>,
    /// When the first of them happened.
    began: Option<i64>,
}

impl Told {
    fn hear(&mut self, event: &Event) {
        let at = time_of(event);
        self.began.get_or_insert(at);
        let turn = event.turn.unwrap_or_default();
        match &event.kind {
            EventKind::Spawned { backend, .. } if self.members.iter().all(|member| member.name != event.agent) => {
                self.members.push(MemberReport {
                    name: event.agent.clone(),
                    backend: backend.clone(),
                    model: None,
                    turns: 0,
                    usage: Usage::default(),
                    busy_ms: 0,
                });
            }
            EventKind::TurnStarted { .. } => self.turns.push(TurnReport {
                member: event.agent.clone(),
                turn,
                task: self.at_work.get(&event.agent).cloned(),
                began_ms: at,
                ended_ms: None,
                status: None,
                usage: Usage::default(),
            }),
            EventKind::Usage { usage } => {
                *self.usage.entry((event.agent.clone(), turn)).or_default() += *usage;
            }
            EventKind::TurnCompleted { .. } => self.turn_ended(event, at, TurnStatus::Completed),
            EventKind::TurnInterrupted { .. } => self.turn_ended(event, at, TurnStatus::Interrupted),
            EventKind::Error { .. } => self.turn_ended(event, at, TurnStatus::Failed),
            EventKind::Task { id, status, owner, .. } => {
                let times = self.tasks.entry(id.clone()).or_default();
                match status {
                    TaskStatus::InProgress => {
                        times.began.get_or_insert(at);
                        times.ended = None;
                        if let Some(owner) = owner {
                            self.at_work.insert(owner.clone(), id.clone());
                        }
                    }
                    _ => {
                        times.ended = Some(at).filter(|_| times.began.is_some() || *status == TaskStatus::Completed);
                        self.at_work.retain(|_, task| task != id);
                    }
                }
            }
            _ => {}
        }
    }

    fn turn_ended(&mut self, event: &Event, at: i64, status: TurnStatus) {
        let is_it = |turn: &&mut TurnReport| {
            turn.member == event.agent && Some(turn.turn) == event.turn && turn.ended_ms.is_none()
        };
        if let Some(turn) = self.turns.iter_mut().rev().find(is_it) {
            (turn.ended_ms, turn.status) = (Some(at), Some(status));
            // A task that was taken in the turn is what it was about.
            let task = self.at_work.get(&event.agent);
            turn.task = turn.task.take().or_else(|| task.cloned());
        }
    }

    fn sum_up(&mut self) {
        for turn in &mut self.turns {
            turn.usage = self.usage.get(&(turn.member.clone(), turn.turn)).copied().unwrap_or_default();
        }
        for member in &mut self.members {
            let own = self.turns.iter().filter(|turn| turn.member == member.name);
            member.turns = own.clone().count() as u64;
            let took = |turn: &TurnReport| turn.ended_ms.map_or(0, |ended| ended.saturating_sub(turn.began_ms));
            member.busy_ms = own.map(took).sum::<i64>().unsigned_abs();
            let used = self.usage.iter().filter(|((name, _), _)| *name == member.name);
            used.for_each(|(_, usage)| member.usage += *usage);
        }
    }
}

/// When something happened, in milliseconds of Unix time.
fn time_of(event: &Event) -> i64 {
    event.time.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond)
}

impl TeamOrchestrator {
    /// All that is known of a run, finished or not.
    ///
    /// # Errors
    /// There is no such run, or the files of its team cannot be read.
    pub async fn run_report(&self, run: &str) -> Result<RunReport> {
        let run: RunId = run.parse()?;
        let record = self.read_run(&run)?;
        let told = self.told_of(&record).await?;
        let list = self.list_tasks(&run.team).await?;
        Ok(report(record, &list, told))
    }

    /// All that a team has done, as of a run that began with it and goes on.
    ///
    /// # Errors
    /// There is no such team, or its files cannot be read.
    pub async fn team_report(&self, team: &str) -> Result<RunReport> {
        let status = self.status(team).await?;
        let run = RunId { team: team.parse()?, number: 0 };
        let list = self.list_tasks(team).await?;
        let mut record = RunRecord {
            goal: status.description,
            file: None,
            lead: None,
            merge: MergeMode::None,
            deadline_ms: None,
            attended: true,
            began_ms: Timestamp::now().as_millisecond(),
            ended_ms: None,
            first_event: 1,
            tasks_before: 0,
            last_task: None,
            open_before: Vec::new(),
            members_before: Vec::new(),
            prepared: true,
            state: RunState::Running,
            reason: None,
            branches: Vec::new(),
            run,
        };
        let told = self.told_of(&record).await?;
        record.began_ms = told.began.unwrap_or(record.began_ms);
        let standing = Standing::of(&record, &list, |_| true);
        let is_busy = |member: &MemberStatus| member.state.is_running() && member.state != MemberState::Idle;
        record.state = match status.members.iter().any(is_busy) || !standing.open.is_empty() {
            true => RunState::Running,
            false if standing.failed.is_empty() && standing.blocked.is_empty() => RunState::Done,
            false => RunState::Failed,
        };
        Ok(RunReport { run: team.to_owned(), ..report(record, &list, told) })
    }

    /// What the events of a run tell.
    async fn told_of(&self, record: &RunRecord) -> Result<Told> {
        let team = &record.run.team;
        let (mut events, ended) = (self.runtime(team)?.feed.subscribe(record.first_event), record.ended_ms);
        let id = record.run.to_string();
        let read = move || {
            let mut told = Told::default();
            while let Some(event) = events.next_now() {
                told.hear(&event);
                // One that was resumed has had an end before.
                let is_last = ended.is_some_and(|ended| time_of(&event) >= ended);
                if is_last && matches!(&event.kind, EventKind::RunEnded { run, .. } if *run == id) {
                    break;
                }
            }
            told.sum_up();
            told
        };
        let mut told = tokio::task::spawn_blocking(read).await.map_err(|_| Error::ShuttingDown)?;
        if let Ok(status) = self.status(team).await {
            for member in &mut told.members {
                member.model =
                    status.members.iter().find(|known| known.name == member.name).and_then(|known| known.model.clone());
            }
        }
        Ok(told)
    }
}

fn report(record: RunRecord, list: &TaskList, told: Told) -> RunReport {
    let graph = Graph::new(&list.tasks);
    let of_run: Vec<&Task> = list.tasks.iter().map(|task| &**task).filter(|task| record.has_task(&task.id)).collect();
    let task = |task: &&Task| {
        let work = task.work();
        let times = told.tasks.get(&*task.id).copied().unwrap_or_default();
        let waits_for_failure = task.status == TaskStatus::Pending && !graph.failed_blockers(&task.id).is_empty();
        TaskReport {
            id: task.id.to_string(),
            subject: task.subject.clone(),
            state: if waits_for_failure && !task.is_failed() { "blocked" } else { task.state() }.to_owned(),
            owner: task.owner.clone(),
            attempts: work.attempt,
            blocked_by: graph.blockers(&task.id).iter().map(ToString::to_string).collect(),
            result: work.result,
            reason: work.failed.or(work.feedback),
            began_ms: times.began,
            ended_ms: times.ended,
        }
    };
    let standing = Standing::of(&record, list, |_| true);
    let mut used = Usage::default();
    told.members.iter().for_each(|member| used += member.usage);
    let ended = record.ended_ms.unwrap_or_else(|| Timestamp::now().as_millisecond());
    let summary = RunSummary {
        total_tasks: standing.total,
        tasks_completed: standing.completed,
        tasks_failed: standing.failed.len() + standing.blocked.len(),
        total_tokens_used: used.input_tokens.saturating_add(used.output_tokens),
        total_cost_usd: used.cost_usd,
        agents_spawned: told.members.iter().filter(|member| member.name != TEAM_LEAD).count(),
        elapsed_ms: ended.saturating_sub(record.began_ms).unsigned_abs(),
    };
    RunReport {
        run: record.run.to_string(),
        team: record.run.team.to_string(),
        goal: record.goal,
        state: record.state,
        reason: record.reason,
        began_ms: record.began_ms,
        ended_ms: record.ended_ms,
        summary,
        tasks: of_run.iter().map(task).collect(),
        members: told.members,
        turns: told.turns,
        branches: record.branches,
    }
}
