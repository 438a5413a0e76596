//! Whose team it is that a process below a live Claude Code means.

use agent_backends::process::{ProcessId, descends_from};

use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::Store;

impl TeamOrchestrator {
    /// The team whose lead this process is, or has started it, at whatever distance; where its file does not say which process leads it, the one that the
    /// session's team is called. Never just the only team that there is.
    ///
    /// # Errors
    /// There is none.
    pub async fn team_led_above(&self, pid: i32, session: Option<&str>) -> Result<TeamName> {
        let session = session.map(str::to_owned);
        let found = self.with_store(move |store| Ok(led_above(store, pid, session.as_deref()))).await?;
        found.ok_or(Error::NotLed)
    }
}

fn led_above(store: &Store, pid: i32, session: Option<&str>) -> Option<TeamName> {
    let teams = store.list_teams().unwrap_or_default();
    let is_above = |team: &&TeamName| match store.lead_process(team) {
        Ok(Some((lead, start_time))) => {
            ProcessId { pid: lead, start_time }.is_alive() && (pid == lead || descends_from(pid, lead))
        }
        _ => false,
    };
    if let Some(team) = teams.iter().find(is_above) {
        return Some(team.clone());
    }
    let session = session?;
    // An older version writes no process down.
    let named: TeamName = format!("session-{}", session.get(..8)?).parse().ok()?;
    let leads = store.lead_session(&named).ok().flatten();
    leads.is_some_and(|leads| leads == session).then_some(named)
}
