//! Stops members, one or all, and forgets teams.

use std::sync::Arc;

use agent_backends::StopReport;

use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::parts::{AfterStop, MemberCommand};

impl TeamOrchestrator {
    /// Stops a member's session, politely first, and answers what was verified. A member that does not run is no error. Its
    /// tasks that are not done are free again.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn shutdown_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, false, AfterStop::Stay).await
    }

    /// Kills a member's processes.
    ///
    /// # Errors
    /// There is no such member.
    pub async fn kill_teammate(&self, team: &str, member: &str) -> Result<StopReport> {
        self.stop(team, member, true, AfterStop::Stay).await
    }

    async fn stop(&self, team: &str, member: &str, now: bool, after: AfterStop) -> Result<StopReport> {
        let name: TeamName = team.parse()?;
        let runtime = self.teams().get(&name).cloned();
        let found = match &runtime {
            Some(runtime) => runtime.started(member).await,
            None => None,
        };
        let report = match found.filter(|teammate| !teammate.has_ended()) {
            Some(teammate) => match teammate.ask(|reply| MemberCommand::Stop { now, after, reply }).await {
                Some(report) => report?,
                None => teammate.report().unwrap_or_else(StopReport::nothing),
            },
            None => match self.running_member(team, member).await {
                Err(Error::NotRunning { .. }) => {
                    if after == AfterStop::Stay {
                        self.note_unwanted(&name, member).await?;
                    }
                    StopReport::nothing()
                }
                Err(error) => return Err(error),
                Ok(_) => return Err(Error::ShuttingDown),
            },
        };
        if after == AfterStop::Return {
            return Ok(report);
        }
        let member = member.to_owned();
        // The agent is stopped, whatever became of the files of its team.
        if let Err(error) = self.change_tasks(name.clone(), move |store| store.release_tasks(&name, &member)).await {
            tracing::warn!(%team, %error, "the tasks of a stopped member were not released");
        }
        Ok(report)
    }

    /// Stops every member of every team. They are wanted still: [`resume_team`](Self::resume_team) brings them back.
    /// Runs are let go of as they are: [`resume_run`](Self::resume_run) goes on with them.
    pub async fn shutdown(&self) -> Vec<(String, String, Result<StopReport>)> {
        self.inner.runs.abandon();
        self.inner.recorder.note_call_of_all("daemon.stop");
        let running: Vec<(TeamName, Arc<Teammate>)> = {
            let teams = self.teams();
            let of = |runtime: &Arc<TeamRuntime>| {
                let name = runtime.name.clone();
                runtime.teammates().into_iter().map(move |teammate| (name.clone(), teammate))
            };
            teams.values().flat_map(of).filter(|(_, teammate)| teammate.is_running()).collect()
        };
        let mut stops = tokio::task::JoinSet::new();
        for (team, teammate) in running {
            let this = self.clone();
            stops.spawn(async move {
                let report = this.stop(&team, teammate.name(), false, AfterStop::Return).await;
                (team.to_string(), teammate.name().to_string(), report)
            });
        }
        let mut reports = stops.join_all().await;
        // What their last turns have cost is known now.
        let teams: Vec<Arc<TeamRuntime>> = self.teams().values().cloned().collect();
        self.finish_checkpoints(&teams).await;
        self.inner.recorder.end_all().await;
        reports.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        reports
    }

    /// Forgets what ran of a team that is being deleted.
    pub(crate) fn forget(&self, team: &TeamName) -> Result<()> {
        self.teams().remove(team);
        self.inner.tokens.forget(team);
        self.inner.redactor.forget_owners(&format!("{team}/"));
        let dir = self.inner.team_dir(team);
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", dir)(error)),
            _ => Ok(()),
        }
    }

    /// The members of a team that run.
    pub(crate) fn running_members(&self, team: &TeamName) -> Vec<String> {
        self.teams().get(team).map(|runtime| runtime.running_names()).unwrap_or_default()
    }
}
