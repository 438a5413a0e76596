//! What a team is to be like beyond what Claude Code's file says: a file of our own.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::model::approval::ApprovalPolicy;
use crate::model::change::Change;
use crate::model::name::TeamName;
use crate::model::policy::{Policy, ResumeMode};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::policy_file;

impl TeamOrchestrator {
    pub(crate) fn policy_path(&self, team: &TeamName) -> PathBuf {
        self.inner.team_dir(team).join("policy.json")
    }

    pub(crate) fn edit_policy(&self, team: &TeamName, edit: impl FnOnce(&mut Policy)) -> Result<()> {
        // Its transcript is locked by this process, so nobody else writes here.
        let runtime = self.runtime(team)?;
        let mut policy = runtime.ledger.policy();
        let path = self.policy_path(team);
        // It may have been edited by hand.
        let before = policy_file::read(&path).map_err(Error::io("read", &path))?;
        let mut edited = before.clone();
        edit(&mut edited);
        if edited != before {
            policy_file::write(&edited, &path).map_err(Error::io("write", path))?;
        }
        let differs = *policy != edited;
        *policy = edited;
        drop(policy);
        if differs {
            self.changes().note(Change::team(team.as_str()));
        }
        Ok(())
    }

    /// Says who brings a team's members back.
    ///
    /// # Errors
    /// There is no such team, or its policy cannot be written.
    pub async fn set_resume_mode(&self, team: &str, mode: ResumeMode) -> Result<()> {
        self.roster(team).await?;
        self.edit_policy(&team.parse()?, |policy| policy.resume = mode)
    }

    /// Who decides what a team's agents ask for.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approval_policy(&self, team: &str) -> Result<ApprovalPolicy> {
        self.roster(team).await?;
        Ok(self.runtime(&team.parse()?)?.ledger.policy().approvals.clone())
    }

    /// Says who decides what a team's agents ask for, from the next question on.
    ///
    /// # Errors
    /// There is no such team, or its policy cannot be written.
    pub async fn set_approval_policy(&self, team: &str, approvals: ApprovalPolicy) -> Result<()> {
        self.roster(team).await?;
        self.edit_policy(&team.parse()?, |policy| policy.approvals = approvals)
    }

    /// The teams whose members come back by themselves.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn teams_that_resume(&self) -> Result<Vec<String>> {
        let names = self.with_store(|store| store.list_teams()).await?;
        let auto = |name: &TeamName| {
            policy_file::read(&self.policy_path(name)).is_ok_and(|policy| policy.resume == ResumeMode::Auto)
        };
        Ok(names.into_iter().filter(auto).map(String::from).collect())
    }
}
