//! Recordings of runs, where a team file wants them.

use std::os::unix::fs::DirBuilderExt as _;

use serde_json::json;

use super::options::RunOptions;
use crate::error::{Error, Result};
use crate::model::run::RunRecord;
use crate::model::team_file::TeamFile;
use crate::orchestrator::entry::TeamOrchestrator;

impl TeamOrchestrator {
    /// Begins to record a run, where its file says so, with what it was begun with. A run that goes on has another file than before.
    pub(super) fn record_run(&self, record: &RunRecord, file: &TeamFile, options: &RunOptions) -> Result<()> {
        let Some(section) = &file.record else { return Ok(()) };
        let folder = options.folder.join(&section.folder);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(Error::io("create", &folder))?;
        let run = record.run.to_string();
        let names = std::iter::once(run.clone()).chain((2..).map(|number| format!("{run}-{number}")));
        let path = names.map(|name| folder.join(name + ".jsonl")).find(|path| !path.exists()).unwrap_or_default();
        let (team, runtime) = (&record.run.team, self.runtime(&record.run.team)?);
        match self.inner.recorder.begin(&runtime.feed, team, &path, &self.inner.redactor, Some(&run)) {
            Ok(()) => {}
            // A person records it, and all of the run with it.
            Err(Error::RecordedAlready { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        let begun_with = json!({
            "file": { "text": options.text, "folder": options.folder, "surroundings": null },
            "goal": options.goal,
            "lead": options.lead,
            "timeoutMs": options.timeout.map(crate::model::time::milliseconds),
            "attended": options.attended,
        });
        self.inner.recorder.note_call(team.as_str(), "run.start", begun_with, None);
        Ok(())
    }
}
