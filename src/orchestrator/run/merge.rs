//! Brings the branches of a run's members together: in one branch of the run, in the order of their tasks, in a worktree of its own. The
//! checkout that people work in, and the members' own branches, stay as they are.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::git::Git;
use crate::model::run::{BranchReport, MergeFate, RunRecord};
use crate::model::task::{Task, TaskStatus};
use crate::model::team::Worktree;
use crate::model::team_file::MergeMode;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::sync::lock;

/// A member's branch, and what it is about.
#[derive(Clone, Debug)]
struct Share {
    member: String,
    worktree: Worktree,
    /// What its member has completed.
    subjects: Vec<String>,
}

impl TeamOrchestrator {
    /// Merges what the members of a run have committed, and answers what became of each branch. What they left uncommitted is committed to
    /// their branches first.
    pub(super) async fn merge_branches(&self, record: &RunRecord) -> Result<Vec<BranchReport>> {
        let shares = self.shares(record).await?;
        if shares.is_empty() {
            return Ok(Vec::new());
        }
        let (mode, run) = (record.merge, record.run.to_string());
        let environment = lock(&self.runtime(&record.run.team)?.hook_environment).clone();
        let place = self.inner.state_dir.join("merges").join(&run);
        let merge = move || {
            let git = Git::new(environment);
            let mut reports = Vec::new();
            let mut repositories: Vec<PathBuf> = shares.iter().map(|share| share.worktree.repository.clone()).collect();
            repositories.dedup();
            for (number, repository) in repositories.into_iter().enumerate() {
                let own: Vec<Share> =
                    shares.iter().filter(|share| share.worktree.repository == repository).cloned().collect();
                let merger = Merger { git: &git, repository, place: place.join(number.to_string()), run: &run, mode };
                reports.extend(merger.merge(own));
            }
            reports
        };
        tokio::task::spawn_blocking(merge).await.map_err(|_| Error::ShuttingDown)
    }

    /// The branches of the run's members, in the order of their first tasks.
    async fn shares(&self, record: &RunRecord) -> Result<Vec<Share>> {
        let roster = self.roster(&record.run.team).await?;
        let list = self.list_tasks(&record.run.team).await?;
        let done = |member: &str| -> Vec<&Task> {
            let tasks = list.tasks.iter().map(|task| &**task).filter(|task| record.has_task(&task.id));
            tasks.filter(|task| task.status == TaskStatus::Completed && task.owner.as_deref() == Some(member)).collect()
        };
        let mut shares: Vec<(u64, Share)> = Vec::new();
        for member in roster.teammates() {
            let worktree = member.launch.as_ref().and_then(|launch| launch.worktree.clone());
            let Some(worktree) = worktree.filter(|worktree| worktree.path.exists()) else { continue };
            let done = done(&member.name);
            let first = done.first().and_then(|task| task.id.as_number()).unwrap_or(u64::MAX);
            let subjects = done.iter().map(|task| format!("#{} {}", task.id, task.subject)).collect();
            shares.push((first, Share { member: member.name.clone(), worktree, subjects }));
        }
        shares.sort_by(|(one, a), (other, b)| {
            (&a.worktree.repository, one, &a.member).cmp(&(&b.worktree.repository, other, &b.member))
        });
        Ok(shares.into_iter().map(|(_, share)| share).collect())
    }
}

/// Merges the branches of one repository.
struct Merger<'a> {
    git: &'a Git,
    repository: PathBuf,
    /// Where the run's branch is checked out meanwhile.
    place: PathBuf,
    run: &'a str,
    mode: MergeMode,
}

impl Merger<'_> {
    fn merge(&self, shares: Vec<Share>) -> Vec<BranchReport> {
        let report = |share: &Share, fate: MergeFate, note: Option<String>| BranchReport {
            member: share.member.clone(),
            branch: share.worktree.branch.clone(),
            fate,
            note,
        };
        let mut saved = Vec::new();
        for share in &shares {
            if let Err(error) = self.save(share) {
                let note = format!("what is uncommitted in {} stays there: {error}", share.worktree.path.display());
                saved.push(report(share, MergeFate::Left, Some(note)));
            }
        }
        if !saved.is_empty() {
            let rest = shares.iter().filter(|share| !saved.iter().any(|known| known.member == share.member));
            let rest: Vec<_> = rest.map(|share| report(share, MergeFate::Left, None)).collect();
            return saved.into_iter().chain(rest).collect();
        }
        if self.mode == MergeMode::None {
            return shares.iter().map(|share| report(share, MergeFate::Left, None)).collect();
        }
        let branch = format!("teams-runs/{}", self.run);
        let base = match self.check_out(&branch) {
            Ok(base) => base,
            Err(error) => {
                let note = error.to_string();
                return shares.iter().map(|share| report(share, MergeFate::Left, Some(note.clone()))).collect();
            }
        };
        let mut reports = Vec::new();
        let mut stopped = None;
        for share in &shares {
            if let Some(at) = &stopped {
                let note = format!("it was not tried, because of {at}");
                reports.push(report(share, MergeFate::Left, Some(note)));
                continue;
            }
            reports.push(match self.bring_in(&base, share) {
                Ok(true) => report(share, MergeFate::Merged, Some(format!("in {branch}"))),
                Ok(false) => report(share, MergeFate::Empty, None),
                Err(reason) => {
                    stopped = Some(share.worktree.branch.clone());
                    let own = &share.worktree.branch;
                    let note = format!("{reason}; check out {branch}, and merge {own} by hand");
                    report(share, MergeFate::Conflict, Some(note))
                }
            });
        }
        let place = self.place.to_string_lossy();
        if let Err(error) = self.git.run(&self.repository, &["worktree", "remove", "--force", &place]) {
            tracing::warn!(run = self.run, %error, "the worktree of a merge is left");
        }
        reports
    }

    /// Commits what a member left uncommitted, to its own branch.
    fn save(&self, share: &Share) -> Result<()> {
        if !self.git.is_dirty(&share.worktree)? {
            return Ok(());
        }
        let path = &share.worktree.path;
        self.git.run(path, &["add", "--all"])?;
        self.commit(path, &format!("What {} left uncommitted at the end of run {}", share.member, self.run))
    }

    fn commit(&self, dir: &Path, message: &str) -> Result<()> {
        self.as_somebody(dir, &["commit", "--quiet", "--no-verify", "-m", message]).map(drop)
    }

    /// Runs git in somebody's name: without one it neither commits nor merges.
    fn as_somebody(&self, dir: &Path, args: &[&str]) -> Result<String> {
        let is_known = self.git.run(dir, &["config", "user.email"]).is_ok();
        let nobody: &[&str] =
            if is_known { &[] } else { &["-c", "user.name=teams", "-c", "user.email=teams@localhost"] };
        self.git.run(dir, &[nobody, args].concat())
    }

    /// Checks the run's branch out, begun at the repository's checkout unless there is one, and answers what that has now.
    fn check_out(&self, branch: &str) -> Result<String> {
        let place = self.place.to_string_lossy().into_owned();
        if self.place.exists() {
            // Of a merge that was cut off: what it has committed is on the branch.
            self.git.run(&self.repository, &["worktree", "remove", "--force", &place])?;
        }
        self.git.run(&self.repository, &["worktree", "prune"])?;
        if let Some(parent) = self.place.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        }
        let base = self.git.run(&self.repository, &["rev-parse", "HEAD"])?;
        let known =
            self.git.run(&self.repository, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]);
        match known {
            Ok(_) => self.git.run(&self.repository, &["worktree", "add", "--quiet", &place, branch])?,
            Err(_) => self.git.run(&self.repository, &["worktree", "add", "--quiet", "-b", branch, &place, &base])?,
        };
        Ok(base)
    }

    /// Brings a branch into the run's; `false` when there is nothing in it.
    fn bring_in(&self, base: &str, share: &Share) -> Result<bool, String> {
        let Worktree { branch, .. } = &share.worktree;
        let say = |error: Error| error.to_string();
        let new = self
            .git
            .run(&self.repository, &["rev-list", "--count", &format!("{base}..refs/heads/{branch}")])
            .map_err(say)?;
        if new == "0" {
            return Ok(false);
        }
        let subjects = share.subjects.join("\n");
        let message = format!("{} of run {}\n\n{subjects}", share.member, self.run);
        // Committed by us in both cases, so that no hook of the repository and no editor comes between.
        let how = if self.mode == MergeMode::Squash { "--squash" } else { "--no-ff" };
        let merged = self.as_somebody(&self.place, &["merge", "--quiet", how, "--no-commit", branch]);
        if let Err(error) = merged {
            let files = self.git.run(&self.place, &["diff", "--name-only", "--diff-filter=U"]).unwrap_or_default();
            self.git.run(&self.place, &["reset", "--quiet", "--hard"]).map_err(say)?;
            return Err(match files.is_empty() {
                true => error.to_string(),
                false => format!("it conflicts in {}", files.replace('\n', ", ")),
            });
        }
        // What a cut-off merge has brought in already is nothing new.
        let is_merging = self.git.run(&self.place, &["rev-parse", "--verify", "--quiet", "MERGE_HEAD"]).is_ok();
        let has_changes = self.git.run(&self.place, &["diff", "--cached", "--quiet"]).is_err();
        if is_merging || has_changes {
            self.commit(&self.place, message.trim_end()).map_err(say)?;
        }
        Ok(true)
    }
}
