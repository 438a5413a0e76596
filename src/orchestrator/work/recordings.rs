//! Recordings of a team, as verbs.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::model::recording::RecordingEnd;
use crate::orchestrator::entry::TeamOrchestrator;

impl TeamOrchestrator {
    /// Begins to record all that is asked of a team, that passes between us and its agents, and that becomes of it, into a new file.
    /// Answers which members run already: their agents are in it from their next start on.
    ///
    /// # Errors
    /// There is no such team, it is recorded already, or the file exists or cannot be made.
    pub async fn start_recording(&self, team: &str, file: &Path) -> Result<Vec<String>> {
        let name: TeamName = team.parse()?;
        self.roster(team).await?;
        let runtime = self.runtime(&name)?;
        self.inner.recorder.begin(&runtime.feed, &name, file, &self.inner.redactor, None)?;
        Ok(self.running_members(&name))
    }

    /// Ends the recording of a team, once it has all events so far.
    ///
    /// # Errors
    /// There is no such team, or it is not recorded.
    pub async fn end_recording(&self, team: &str) -> Result<RecordingEnd> {
        let name: TeamName = team.parse()?;
        match self.inner.recorder.end(&name).await {
            Some(end) => Ok(end),
            None => {
                self.roster(team).await?;
                Err(Error::NotRecorded { team: name.to_string() })
            }
        }
    }

    /// Whether any team is recorded.
    pub fn is_recording(&self) -> bool {
        self.inner.recorder.is_on()
    }

    /// Writes down what was asked of a team, if it is recorded, by a person or by a member with a tool.
    pub fn note_call(&self, team: &str, method: &str, params: Value, member: Option<&str>) {
        self.inner.recorder.note_call(team, method, params, member);
    }

    /// Writes down that a member was not started as the last call would have it, and that another backend is chosen for it.
    #[cfg(feature = "daemon")]
    pub(crate) fn note_left_out(&self, team: &str, member: &str) {
        self.inner.recorder.note_left_out(team, member);
    }
}
