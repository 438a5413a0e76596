//! Runs: a team that works until its tasks are done. A run is driven by a task of this process, so that it outlives whoever began it, and
//! is written down, so that it can be resumed when this process dies.

mod drive;
mod lead;
mod merge;
mod options;
mod prepare;
mod record;
mod recording;
mod report;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

pub use self::options::RunOptions;
use self::prepare::Known;
use crate::error::{Error, Result};
use crate::model::launch::Surroundings;
use crate::model::name::TeamName;
use crate::model::run::{RunId, RunRecord, RunState};
use crate::model::run_report::RunReport;
use crate::model::task::TaskStatus;
use crate::model::team_file::{LEAD_NAME, MemberSection, TeamFile};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::Subscription;
use crate::orchestrator::runtime::active_runs::{RunControl, Stop};

/// How long a run with a lead may take where nobody says so: a lead may never be done.
const LEAD_LIMIT: Duration = Duration::from_secs(2 * 3600);

impl TeamOrchestrator {
    /// Begins a run: creates the team if there is none, starts its members, adds its tasks, and gives these out until all are done. The
    /// members that it has started are stopped at its end; the team stays.
    ///
    /// # Errors
    /// The file has neither tasks nor a lead, or a run of this team goes on or was interrupted.
    pub async fn run(&self, file: &TeamFile, options: RunOptions) -> Result<RunHandle> {
        let file = with_lead(file, &options);
        let team: TeamName = file.team.name.parse()?;
        if file.tasks.is_empty() && file.lead.is_none() {
            return Err(Error::NothingToDo);
        }
        // Of two that begin at the same time the second finds the first.
        let _turn = self.inner.runs.beginning.lock().await;
        let known = self.runs_of(&team);
        if let Some(last) = known.last().filter(|last| !last.state.has_ended()) {
            return Err(Error::RunGoesOn { run: last.run.to_string(), state: last.state });
        }
        self.ensure_team(&team, &file, &options).await?;
        let runtime = self.runtime(&team)?;
        let tasks = self.list_tasks(&team).await?;
        let open = tasks.tasks.iter().filter(|task| task.status != TaskStatus::Completed && !task.is_failed());
        let now = Timestamp::now().as_millisecond();
        let record = RunRecord {
            run: RunId { team: team.clone(), number: known.last().map_or(1, |last| last.run.number + 1) },
            file: options.file.clone(),
            goal: options.goal.clone(),
            lead: file.lead.as_ref().map(|lead| lead.name.clone().unwrap_or_else(|| LEAD_NAME.to_owned())),
            merge: file.run.merge,
            deadline_ms: deadline(now, &file, &options),
            attended: options.attended,
            began_ms: now,
            ended_ms: None,
            first_event: runtime.feed.last_seq() + 1,
            tasks_before: tasks.last_number(),
            last_task: None,
            open_before: open.map(|task| task.id.to_string()).collect(),
            members_before: runtime.running_names(),
            prepared: false,
            state: RunState::Running,
            reason: None,
            branches: Vec::new(),
        };
        self.begin_run(record, file, options, Known::Replace)
    }

    /// Goes on with the last run of a team that was interrupted, or that ended before all was done: its members are brought back with
    /// their conversations, and what is done is not done again.
    ///
    /// # Errors
    /// There is no run to go on with, or it goes on.
    pub async fn resume_run(&self, file: &TeamFile, options: RunOptions) -> Result<RunHandle> {
        let team: TeamName = file.team.name.parse()?;
        let _turn = self.inner.runs.beginning.lock().await;
        let last = self.runs_of(&team).pop();
        let Some(mut record) = last.filter(|last| last.state != RunState::Done) else {
            return Err(Error::NothingToResume { team: team.to_string() });
        };
        if record.state == RunState::Running {
            return Err(Error::RunGoesOn { run: record.run.to_string(), state: record.state });
        }
        let options = RunOptions { goal: options.goal.clone().or_else(|| record.goal.clone()), ..options };
        let mut file = with_lead(file, &options);
        if record.lead.is_some() && file.lead.is_none() {
            file.lead = Some(MemberSection { name: record.lead.clone(), ..MemberSection::default() });
        }
        let now = Timestamp::now().as_millisecond();
        record.deadline_ms = deadline(now, &file, &options);
        (record.state, record.reason, record.ended_ms) = (RunState::Running, None, None);
        record.last_task = None;
        record.attended = options.attended;
        record.merge = file.run.merge;
        let known = if record.prepared { Known::Resume } else { Known::Replace };
        self.begin_run(record, file, options, known)
    }

    /// Gives up the last run of a team if it was interrupted, so that another one can begin. Its tasks stay as they are.
    ///
    /// # Errors
    /// Another process has the team, or it cannot be written down.
    pub async fn give_up_interrupted_run(&self, team: &str) -> Result<()> {
        let team: TeamName = team.parse()?;
        let _turn = self.inner.runs.beginning.lock().await;
        let Some(mut record) = self.runs_of(&team).pop().filter(|last| last.state == RunState::Interrupted) else {
            return Ok(());
        };
        // Whoever drives it has the team's transcript.
        self.runtime(&team)?;
        (record.state, record.reason) = (RunState::Cancelled, Some("nobody waited for its end".to_owned()));
        record.ended_ms = Some(Timestamp::now().as_millisecond());
        self.write_run(&record)
    }

    fn begin_run(&self, record: RunRecord, file: TeamFile, options: RunOptions, known: Known) -> Result<RunHandle> {
        self.record_run(&record, &file, &options)?;
        self.write_run(&record)?;
        let surroundings = Surroundings { cwd: Some(options.folder.clone()), ..options.surroundings.clone() };
        let control = Arc::new(RunControl::new(record.run.clone(), surroundings));
        let handle = RunHandle {
            orchestrator: self.clone(),
            run: record.run.clone(),
            first_event: self.runtime(&record.run.team)?.feed.last_seq() + 1,
            state: control.state.subscribe(),
        };
        let run = drive::drive(Arc::downgrade(&self.inner), Arc::clone(&control), record, file, options, known);
        self.inner.runs.begin(&control, run);
        Ok(handle)
    }

    /// Ends a run that goes on, and its members with it; `now` kills them.
    ///
    /// # Errors
    /// There is no such run, or it does not go on.
    pub async fn stop_run(&self, run: &str, now: bool) -> Result<()> {
        let run: RunId = run.parse()?;
        match self.inner.runs.of(&run.team).filter(|control| control.run == run) {
            Some(control) => {
                control.stop(if now { Stop::AtOnce } else { Stop::Politely });
                Ok(())
            }
            None => {
                let state = self.read_run(&run)?.state;
                Err(Error::RunEnded { run: run.to_string(), state })
            }
        }
    }
}

/// The file with the lead that is asked for.
fn with_lead(file: &TeamFile, options: &RunOptions) -> TeamFile {
    let mut file = file.clone();
    if options.goal.is_some() || options.lead.is_some() {
        let lead = file.lead.get_or_insert_default();
        lead.backend = options.lead.map(|backend| backend.to_string()).or_else(|| lead.backend.take());
    }
    file
}

fn deadline(now: i64, file: &TeamFile, options: &RunOptions) -> Option<i64> {
    let with_lead = file.lead.as_ref().map(|_| LEAD_LIMIT);
    let time = options.timeout.or(file.run.timeout).or(with_lead)?;
    Some(now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
}

/// A run that was begun. Dropping it changes nothing: the run goes on.
#[derive(Debug)]
pub struct RunHandle {
    orchestrator: TeamOrchestrator,
    run: RunId,
    first_event: u64,
    state: watch::Receiver<RunState>,
}

impl RunHandle {
    /// The run's id.
    pub fn id(&self) -> &RunId {
        &self.run
    }

    /// How far it is.
    pub fn state(&self) -> RunState {
        *self.state.borrow()
    }

    /// The number of the first event that the run adds to those of its team.
    pub fn first_event(&self) -> u64 {
        self.first_event
    }

    /// The team's events since it was begun, those to come too.
    ///
    /// # Errors
    /// The team is gone.
    pub async fn events(&self) -> Result<Subscription> {
        self.orchestrator.events(&self.run.team, self.first_event).await
    }

    /// All that is known of it now.
    ///
    /// # Errors
    /// The files of its team cannot be read.
    pub async fn report(&self) -> Result<RunReport> {
        self.orchestrator.run_report(&self.run.to_string()).await
    }

    /// Waits for its end, and answers all that is known of it.
    ///
    /// # Errors
    /// As [`report`](Self::report).
    pub async fn wait(&mut self) -> Result<RunReport> {
        let _ = self.state.wait_for(|state| state.has_ended()).await;
        self.report().await
    }

    /// Ends it, and its members with it; `now` kills them.
    ///
    /// # Errors
    /// It has ended.
    pub async fn stop(&self, now: bool) -> Result<()> {
        self.orchestrator.stop_run(&self.run.to_string(), now).await
    }
}
