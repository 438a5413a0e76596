//! What is written down of runs: a file for each, beside the team's transcript.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::change::Change;
use crate::model::name::TeamName;
use crate::model::run::{RunId, RunRecord, RunState};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::write_private;

impl TeamOrchestrator {
    fn runs_dir(&self, team: &TeamName) -> PathBuf {
        self.inner.team_dir(team).join("runs")
    }

    /// Writes down how a run stands.
    pub(super) fn write_run(&self, record: &RunRecord) -> Result<()> {
        let dir = self.runs_dir(&record.run.team);
        std::fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        let path = dir.join(format!("{}.json", record.run.number));
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| Error::io("write", &path)(error.into()))?;
        write_private(&path, &bytes).map_err(Error::io("write", path))?;
        self.changes().note(Change::team(record.run.team.as_str()));
        Ok(())
    }

    /// A run as it was written down. One that no process drives is interrupted.
    ///
    /// # Errors
    /// There is no such run.
    pub(super) fn read_run(&self, run: &RunId) -> Result<RunRecord> {
        let path = self.runs_dir(&run.team).join(format!("{}.json", run.number));
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoRun { run: run.to_string() });
            }
            bytes => bytes.map_err(Error::io("read", &path))?,
        };
        let mut record: RunRecord =
            serde_json::from_slice(&bytes).map_err(|error| Error::io("read", &path)(error.into()))?;
        let is_driven = self.inner.runs.of(&run.team).is_some_and(|control| control.run == *run);
        if record.state == RunState::Running && !is_driven {
            record.state = RunState::Interrupted;
        }
        Ok(record)
    }

    /// The runs of a team, the first one first. Files that cannot be read are left out, with a line in the log.
    pub(super) fn runs_of(&self, team: &TeamName) -> Vec<RunRecord> {
        let files = std::fs::read_dir(self.runs_dir(team)).into_iter().flatten().flatten();
        let number = |path: PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let mut numbers: Vec<u64> = files.filter_map(|entry| number(entry.path())).collect();
        numbers.sort_unstable();
        let read = |number: u64| {
            let run = RunId { team: team.clone(), number };
            self.read_run(&run).inspect_err(|error| tracing::warn!(%run, %error, "left a run out")).ok()
        };
        numbers.into_iter().filter_map(read).collect()
    }

    /// The runs of all teams, the oldest first.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn runs(&self) -> Result<Vec<RunRecord>> {
        let teams = self.with_store(|store| store.list_teams()).await?;
        let mut runs: Vec<RunRecord> = teams.iter().flat_map(|team| self.runs_of(team)).collect();
        runs.sort_by_key(|run| run.began_ms);
        Ok(runs)
    }
}
