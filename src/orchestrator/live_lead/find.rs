//! Whose team it is that a process below a live Claude Code means.

use agent_backends::process::ancestors;

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
    let lead_of = |team: &TeamName| -> Option<i32> {
        let lead = store.lead_process(team).ok()??;
        lead.is_alive().then_some(lead.pid)
    };
    let led: Vec<(TeamName, i32)> =
        teams.into_iter().filter_map(|team| lead_of(&team).map(|lead| (team, lead))).collect();
    // Of leads that have started each other, the nearest.
    for process in ancestors(pid) {
        let mut its = led.iter().filter(|(_, lead)| *lead == process).map(|(team, _)| team).peekable();
        if its.peek().is_some() {
            let of_session =
                |team: &&TeamName| session.is_some() && store.lead_session(team).ok().flatten().as_deref() == session;
            let its: Vec<&TeamName> = its.collect();
            return its.iter().copied().find(of_session).or(its.first().copied()).cloned();
        }
    }
    let session = session?;
    // An older version writes no process down.
    let named: TeamName = format!("session-{}", session.get(..8)?).parse().ok()?;
    let leads = store.lead_session(&named).ok().flatten();
    leads.is_some_and(|leads| leads == session).then_some(named)
}
