//! What is kept of the members of a team that a live Claude Code leads: it deletes the team's files when it ends.

use std::path::PathBuf;

use agent_backends::process::ProcessId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::launch::{ResumeOutcome, Resumed, Surroundings};
use crate::model::name::TeamName;
use crate::model::status::EndedTeam;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::live_lead::panes::LAST_TURN;
use crate::orchestrator::teammate::parts::MemberCommand;

/// Our members' entries, as they stood in the team's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::orchestrator) struct KeptRoster {
    /// The session that led.
    pub(super) session: Option<String>,
    /// Its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lead: Option<ProcessId>,
    pub(super) entries: Vec<Map<String, Value>>,
    /// Those that have ended with the lead, and are not back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) absent: Vec<Map<String, Value>>,
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
    /// Takes over from what was kept before who has ended with the lead and is not back.
    pub(super) fn keep_absent(&mut self, before: &Self) {
        let ended = before.entries.iter().filter(|_| before.end.is_some());
        for entry in before.absent.iter().chain(ended) {
            let is_here = self.entries.iter().chain(&self.absent).any(|known| known.get("name") == entry.get("name"));
            if !is_here {
                self.absent.push(entry.clone());
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(name_of)
    }

    /// Whether a member is in here that is not in another one.
    pub(super) fn has_more_than(&self, other: &Self) -> bool {
        self.names().any(|name| other.names().all(|known| known != name))
    }
}

fn name_of(entry: &Map<String, Value>) -> Option<&str> {
    entry.get("name")?.as_str()
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

    pub(in crate::orchestrator) fn kept_roster(&self, team: &TeamName) -> Option<KeptRoster> {
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
            let members = kept.entries.iter().chain(&kept.absent).filter_map(name_of).map(str::to_owned).collect();
            let End { at, reason } = match kept.end {
                Some(end) => end,
                None if self.has_live_lead(&team).await.unwrap_or(false) => continue,
                None => End { at: String::new(), reason: "it has ended while no daemon looked".to_owned() },
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
        let name = team.clone();
        let (lead, session) =
            self.with_store(move |store| Ok((store.lead_process(&name)?, store.lead_session(&name)?))).await?;
        if session != kept.session {
            return Ok(Vec::new());
        }
        // Whom the lead that runs has let go does not come back.
        let ended = kept.end.is_some() || kept.lead != lead;
        let missing: Vec<_> = kept.entries.iter().filter(|_| ended).chain(&kept.absent).cloned().collect();
        let name = team.clone();
        let restored = self.with_store(move |store| store.restore_entries(&name, &missing)).await?;
        if restored.is_empty() {
            return Ok(Vec::new());
        }
        let entries = kept.entries.into_iter().chain(kept.absent).collect();
        self.keep_roster(&team, &KeptRoster { session, lead, entries, ..KeptRoster::default() })?;
        let mut resumed = Vec::new();
        let runtime = self.runtime(&team)?;
        for member in restored {
            // One that was let go comes to its end first; one that was to go on belongs to a lead that is no more.
            if let Some(teammate) = runtime.teammate(&member).filter(|teammate| teammate.is_running()) {
                let _ = tokio::time::timeout(LAST_TURN, teammate.ask(MemberCommand::FinishTurn)).await;
                self.shutdown_teammate(&team, &member).await?;
            }
            resumed.push(match self.resume_member(&team, &member, surroundings).await {
                Ok(resumed) => resumed,
                Err(error) => Resumed { name: member, outcome: ResumeOutcome::Failed, reason: Some(error.to_string()) },
            });
        }
        self.follow_lead(&runtime, lead);
        Ok(resumed)
    }
}
