//! Recordings of teams: what is asked of one, what passes between us and its agents, and its events, in a file.

mod recording;
mod tap;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use self::recording::Recording;
use self::tap::MemberTap;
use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::model::recording::{RecordingEnd, What};
use crate::orchestrator::feed::Feed;
use crate::orchestrator::feed::redact::Redactor;
use crate::sync::lock;

/// The recordings that go on, by team.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    recordings: Mutex<HashMap<String, Arc<Recording>>>,
}

impl Recorder {
    /// Begins to record a team; for a run, until that ends.
    ///
    /// # Errors
    /// It is recorded already, or the file exists or cannot be made.
    pub(crate) fn begin(
        &self,
        feed: &Arc<Feed>,
        team: &TeamName,
        file: &Path,
        redactor: &Arc<Redactor>,
        run: Option<&str>,
    ) -> Result<()> {
        let mut recordings = lock(&self.recordings);
        if let Some(known) = recordings.get(team.as_str()) {
            return Err(Error::RecordedAlready { team: team.to_string(), file: known.file().to_owned() });
        }
        let recording = Recording::create(feed, team, file, Arc::clone(redactor), run)?;
        recordings.insert(team.to_string(), recording);
        Ok(())
    }

    /// Ends a team's recording, once it has all events so far.
    pub(crate) async fn end(&self, team: &TeamName) -> Option<RecordingEnd> {
        let recording = lock(&self.recordings).remove(team.as_str())?;
        Some(recording.end().await)
    }

    /// Ends the recording that a run has begun.
    pub(crate) async fn end_of_run(&self, team: &TeamName, run: &str) {
        let is_of_run = lock(&self.recordings).get(team.as_str()).is_some_and(|recording| recording.is_of_run(run));
        if is_of_run {
            self.end(team).await;
        }
    }

    /// Ends all recordings.
    pub(crate) async fn end_all(&self) {
        let all: Vec<_> = lock(&self.recordings).drain().collect();
        for (_, recording) in all {
            recording.end().await;
        }
    }

    /// Whether any team is recorded.
    pub(crate) fn is_on(&self) -> bool {
        !lock(&self.recordings).is_empty()
    }

    /// Writes down what was asked of all teams.
    pub(crate) fn note_call_of_all(&self, method: &str) {
        for recording in lock(&self.recordings).values() {
            recording.note(What::Call { method: method.to_owned(), params: Value::Object(Map::new()), member: None });
        }
    }

    /// Writes down what was asked of a team, by a person or with a tool of a member's.
    pub(crate) fn note_call(&self, team: &str, method: &str, params: Value, member: Option<&str>) {
        let Some(recording) = lock(&self.recordings).get(team).cloned() else { return };
        let (method, member) = (method.to_owned(), member.map(str::to_owned));
        recording.note(What::Call { method, params, member });
    }

    /// Writes down that the start of a member did not come about.
    #[cfg(feature = "daemon")]
    pub(crate) fn note_left_out(&self, team: &str, member: &str) {
        let Some(recording) = lock(&self.recordings).get(team).cloned() else { return };
        recording.note(What::LeftOut { member: member.to_owned() });
    }

    /// What hears the processes of a member, whose label this is, where its team is recorded.
    pub(crate) fn tap(&self, label: &str) -> Option<Arc<dyn agent_backends::tap::Tap>> {
        let (member, team) = label.split_once('@')?;
        let recording = lock(&self.recordings).get(team).cloned()?;
        Some(Arc::new(MemberTap::new(recording, member)))
    }
}
