//! Starts, shows and ends runs.

use std::time::Duration;

use super::Server;
use crate::daemon::control::{
    ListRunsParams, RunReportParams, StartRunParams, StartRunReply, StopRunParams, TeamFileParams, TeamReportParams,
    TrustParams, UpParams,
};
use crate::error::{Error, Result};
use crate::model::failure::{ErrorKind, Failure};
use crate::model::run::RunRecord;
use crate::model::run_report::RunReport;
use crate::model::status::MemberStatus;
use crate::model::team_file::TeamFile;
use crate::orchestrator::RunOptions;

impl Server {
    pub(super) async fn trust(&self, TrustParams { file, text }: TrustParams) -> Result<()> {
        self.trusted.add(&file, &text)
    }

    pub(super) async fn up(&self, UpParams { file }: UpParams) -> Result<Vec<MemberStatus>> {
        let (file, options) = self.read_team_file(file)?;
        self.orchestrator.up(&file, &options).await
    }

    pub(super) async fn start_run(&self, params: StartRunParams) -> Result<StartRunReply> {
        let StartRunParams { file, goal, lead, timeout_ms, attended, resume } = params;
        let (file, options) = self.read_team_file(file)?;
        let timeout = timeout_ms.map(Duration::from_millis);
        let options = RunOptions { goal, lead, timeout, attended, ..options };
        let handle = match resume {
            true => self.orchestrator.resume_run(&file, options).await?,
            false => self.orchestrator.run(&file, options).await?,
        };
        Ok(StartRunReply { run: handle.id().clone(), first_event: handle.first_event() })
    }

    pub(super) async fn list_runs(&self, _: ListRunsParams) -> Result<Vec<RunRecord>> {
        self.orchestrator.runs().await
    }

    pub(super) async fn run_report(&self, RunReportParams { run }: RunReportParams) -> Result<RunReport> {
        self.orchestrator.run_report(&run).await
    }

    pub(super) async fn team_report(&self, TeamReportParams { team }: TeamReportParams) -> Result<RunReport> {
        self.orchestrator.team_report(&team).await
    }

    pub(super) async fn stop_run(&self, StopRunParams { run, now }: StopRunParams) -> Result<()> {
        self.orchestrator.stop_run(&run, now).await
    }

    /// A team file that may be used: what gives more than agents have by themselves, a person has trusted.
    fn read_team_file(&self, params: TeamFileParams) -> Result<(TeamFile, RunOptions)> {
        let TeamFileParams { text, file: path, folder, surroundings } = params;
        let environment = surroundings.environment.clone().unwrap_or_default();
        let file = TeamFile::parse(&text, &environment)?;
        let wants = file.wants_trust();
        if let Some(path) = path.as_ref().filter(|_| !wants.is_empty())
            && !self.trusted.has(path, &text)?
        {
            let what = format!("{} is not trusted, or has changed since: {}", path.display(), wants.join("; "));
            let hint = format!("read it, then say `teams trust {}`", path.display());
            return Err(Error::Daemon(Failure::new(ErrorKind::NotTrusted, what).hint(hint)));
        }
        let surroundings = self.fitted(surroundings);
        Ok((file, RunOptions { folder, file: path, text: Some(text), surroundings, ..RunOptions::default() }))
    }
}
