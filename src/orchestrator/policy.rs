//! What a team is to be like beyond what Claude Code's file says: a file of our own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TeamOrchestrator;
use super::budget::Budget;
use super::mail::MailLimits;
use crate::error::{Error, Result};
use crate::model::approval::ApprovalPolicy;
use crate::model::name::TeamName;
use crate::store::write_private;

/// Who brings a team's members back after a crash or a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeMode {
    /// Whoever says `teams resume`.
    #[default]
    Manual,
    /// The next verb that starts the daemon.
    Auto,
}

/// A team's policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Policy {
    pub(super) resume: ResumeMode,
    /// Of the whole team.
    pub(super) budget: Budget,
    /// Of single members.
    pub(super) budgets: BTreeMap<String, Budget>,
    /// Who decides what agents ask for.
    pub(super) approvals: ApprovalPolicy,
    /// What members may write to each other.
    pub(super) mail: MailLimits,
}

impl Policy {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            bytes => serde_json::from_slice(&bytes?).map_err(io::Error::other),
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir)?;
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }
}

impl TeamOrchestrator {
    pub(super) fn policy_path(&self, team: &TeamName) -> PathBuf {
        self.inner.state_dir.join("teams").join(team.as_str()).join("policy.json")
    }

    pub(super) fn edit_policy(&self, team: &TeamName, edit: impl FnOnce(&mut Policy)) -> Result<()> {
        // Its transcript is locked by this process, so nobody else writes here.
        let runtime = self.runtime(team)?;
        let mut policy = runtime.account.policy();
        let path = self.policy_path(team);
        // It may have been edited by hand.
        let before = Policy::read(&path).map_err(Error::io("read", &path))?;
        let mut edited = before.clone();
        edit(&mut edited);
        if edited != before {
            edited.write(&path).map_err(Error::io("write", path))?;
        }
        *policy = edited;
        Ok(())
    }

    /// Says who brings a team's members back.
    ///
    /// # Errors
    /// There is no such team, or its policy cannot be written.
    pub async fn set_resume_mode(&self, team: &str, mode: ResumeMode) -> Result<()> {
        self.team(team).await?;
        self.edit_policy(&team.parse()?, |policy| policy.resume = mode)
    }

    /// Who decides what a team's agents ask for.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approval_policy(&self, team: &str) -> Result<ApprovalPolicy> {
        self.team(team).await?;
        Ok(self.runtime(&team.parse()?)?.account.policy().approvals.clone())
    }

    /// Says who decides what a team's agents ask for, from the next question on.
    ///
    /// # Errors
    /// There is no such team, or its policy cannot be written.
    pub async fn set_approval_policy(&self, team: &str, approvals: ApprovalPolicy) -> Result<()> {
        self.team(team).await?;
        self.edit_policy(&team.parse()?, |policy| policy.approvals = approvals)
    }

    /// The teams whose members come back by themselves.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn teams_that_resume(&self) -> Result<Vec<String>> {
        let names = self.with_store(|store| store.list_teams()).await?;
        let auto = |name: &TeamName| {
            Policy::read(&self.policy_path(name)).is_ok_and(|policy| policy.resume == ResumeMode::Auto)
        };
        Ok(names.into_iter().filter(auto).map(String::from).collect())
    }
}
