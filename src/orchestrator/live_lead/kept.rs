//! What is kept of the members of a team that a live Claude Code leads: it deletes the team's files when it ends.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::launch::{ResumeOutcome, Resumed, Surroundings};
use crate::model::name::TeamName;
use crate::model::status::EndedTeam;
use crate::orchestrator::entry::TeamOrchestrator;

/// Our members' entries, as they stood in the team's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeptRoster {
    /// The session that led.
    pub(super) session: Option<String>,
    pub(super) entries: Vec<Map<String, Value>>,
    /// How the lead has ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<End>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) at: String,
    pub(super) reason: String,
}

impl KeptRoster {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| entry.get("name")?.as_str())
    }

    /// Whether a member is in here that is not in another one.
    pub(super) fn has_more_than(&self, other: &Self) -> bool {
        self.names().any(|name| other.names().all(|known| known != name))
    }
}

impl TeamOrchestrator {
    fn kept_path(&self, team: &TeamName) -> PathBuf {
        self.inner.team_dir(team).join("roster.json")
    }

    pub(super) fn keep_roster(&self, team: &TeamName, roster: &KeptRoster) -> Result<()> {
        let path = self.kept_path(team);
        let text = serde_json::to_vec_pretty(roster).unwrap_or_default();
        crate::store::write_private(&path, &text).map_err(Error::io("write", path))
    }

    fn kept_roster(&self, team: &TeamName) -> Option<KeptRoster> {
        serde_json::from_slice(&std::fs::read(self.kept_path(team)).ok()?).ok()
    }

    /// The teams whose lead has ended, the last one first.
    pub async fn ended_teams(&self) -> Vec<EndedTeam> {
        let folders = std::fs::read_dir(self.inner.state_dir.join("teams")).into_iter().flatten().flatten();
        let names: Vec<TeamName> =
            folders.filter_map(|folder| folder.file_name().to_str()?.parse::<TeamName>().ok()).collect();
        let mut ended = Vec::new();
        for team in names {
            let Some(kept) = self.kept_roster(&team) else { continue };
            let members = kept.names().map(str::to_owned).collect();
            let End { at, reason } = match kept.end {
                Some(end) => end,
                None if self.has_live_lead(&team).await.unwrap_or(false) => continue,
                None => End { at: String::new(), reason: "it has ended while no daemon ran".to_owned() },
            };
            ended.push(EndedTeam { team: team.to_string(), session: kept.session, ended_at: at, reason, members });
        }
        ended.sort_by(|a, b| b.ended_at.cmp(&a.ended_at));
        ended
    }

    /// Brings the members back that a team had when its lead ended, into the team of the same session that goes on: their entries, and their
    /// conversations. Answers what became of each; nothing where no such team was known.
    ///
    /// # Errors
    /// No Claude Code above this process leads a team.
    pub async fn rejoin(&self, pid: i32, session: Option<&str>, surroundings: &Surroundings) -> Result<Vec<Resumed>> {
        let team = self.team_led_above(pid, session).await?;
        let Some(kept) = self.kept_roster(&team) else { return Ok(Vec::new()) };
        let (name, entries) = (team.clone(), kept.entries.clone());
        let session = kept.session.clone();
        let restored = self
            .with_store(move |store| {
                let is_same = store.lead_session(&name)? == session;
                if is_same { store.restore_entries(&name, &entries) } else { Ok(Vec::new()) }
            })
            .await?;
        if restored.is_empty() {
            return Ok(Vec::new());
        }
        self.keep_roster(&team, &KeptRoster { end: None, ..kept })?;
        let mut resumed = Vec::new();
        for member in restored {
            resumed.push(match self.resume_member(&team, &member, surroundings).await {
                Ok(resumed) => resumed,
                Err(error) => Resumed { name: member, outcome: ResumeOutcome::Failed, reason: Some(error.to_string()) },
            });
        }
        Ok(resumed)
    }
}
