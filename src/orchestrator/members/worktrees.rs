//! A git worktree for a member of its own, so that members do not work on each other's branches. Everything through the `git`
//! command; nothing is removed that is not safe elsewhere, unless somebody insists.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use agent_backends::SpawnConfig;

use crate::error::{Error, Result};
use crate::git::{ELSEWHERE, Git};
use crate::model::launch::{BranchFate, WorktreeBranch, WorktreeStatus};
use crate::model::name::{AgentName, TeamName};
use crate::model::team::Worktree;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::StoreError;
use crate::sync::lock;

/// The same configuration for a member with a worktree, in whose environment nothing leads git elsewhere.
pub(crate) fn at_home(mut config: SpawnConfig) -> SpawnConfig {
    let mut environment = config.environment();
    ELSEWHERE.iter().for_each(|variable| drop(environment.remove(*variable)));
    config.env.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    config.inherit_env = Some(environment);
    config
}

/// A worktree that was made for a member that is being started: it goes again when it is not started.
pub(crate) struct Unused {
    git: Git,
    worktree: Worktree,
    made: Made,
}

/// What was made for a worktree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Nothing: it was there.
    Nothing,
    /// The worktree, on a branch that was there.
    Worktree,
    /// The branch, too.
    Branch,
}

impl Unused {
    /// Removes it, unless there is something in it by now.
    pub(crate) async fn discard(self) {
        let Self { git, worktree, made } = self;
        let path = worktree.path.to_string_lossy().into_owned();
        let discard = move || {
            if made == Made::Nothing {
                return Ok(());
            }
            git.run(&worktree.repository, &["worktree", "remove", &path])?;
            match made {
                Made::Branch => git.run(&worktree.repository, &["branch", "-d", &worktree.branch]).map(drop),
                _ => Ok(()),
            }
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(discard).await {
            tracing::warn!(%error, "the worktree of a member that was not started stays");
        }
    }
}

/// What is done with worktrees.
impl Git {
    fn path(&self, dir: &Path, what: &str) -> Result<PathBuf> {
        let args = ["rev-parse", "--path-format=absolute", what];
        let path = PathBuf::from(self.ask(dir, &args)?);
        Ok(path.canonicalize().unwrap_or(path))
    }

    /// Makes a worktree at `path`, on a branch that is made if there is none, for who works in `cwd`. One that is there and fits
    /// is used again.
    pub(crate) fn make(&self, cwd: &Path, path: &Path, branch: &str) -> Result<(Worktree, Made)> {
        // Git itself does not stand two that are made at the same time.
        static MAKING: Mutex<()> = Mutex::new(());
        let _turn = lock(&MAKING);
        let top = self.path(cwd, "--show-toplevel")?;
        let inside = cwd.canonicalize().unwrap_or_else(|_| cwd.to_owned());
        let below = inside.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
        let text = path.to_string_lossy().into_owned();
        let mut made = Made::Nothing;
        if !path.exists() {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
            }
            // What was deleted by hand is still registered.
            self.run(&top, &["worktree", "prune"])?;
            let known = self.run(&top, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).is_ok();
            match known {
                true => self.run(&top, &["worktree", "add", "--quiet", &text, branch])?,
                false => self.run(&top, &["worktree", "add", "--quiet", "-b", branch, &text])?,
            };
            made = if known { Made::Worktree } else { Made::Branch };
        }
        let path = path.canonicalize().map_err(Error::io("open", path))?;
        let worktree = Worktree { path, branch: branch.to_owned(), repository: top, below };
        self.verify(&worktree)?;
        Ok((worktree, made))
    }

    /// Looks whether a worktree is what it is said to be.
    pub(crate) fn verify(&self, worktree: &Worktree) -> Result<()> {
        let wrong =
            |reason: String| Err(Error::Git { command: "rev-parse".into(), dir: worktree.path.clone(), reason });
        let top = self.path(&worktree.path, "--show-toplevel")?;
        if top != worktree.path {
            return wrong(format!("the worktree is {} instead", top.display()));
        }
        let (ours, theirs) =
            (self.path(&worktree.path, "--git-common-dir")?, self.path(&worktree.repository, "--git-common-dir")?);
        if ours != theirs {
            return wrong(format!("it belongs to {} and not to {}", ours.display(), theirs.display()));
        }
        let branch = self.ask(&worktree.path, &["symbolic-ref", "--short", "HEAD"])?;
        if branch != worktree.branch {
            return wrong(format!("the branch `{branch}` is checked out, and not `{}`", worktree.branch));
        }
        Ok(())
    }

    /// The folders outside a worktree that a commit writes to.
    pub(crate) fn roots(&self, worktree: &Worktree) -> Result<Vec<PathBuf>> {
        Ok(vec![self.path(&worktree.path, "--git-common-dir")?, self.path(&worktree.path, "--git-dir")?])
    }

    pub(crate) fn is_dirty(&self, worktree: &Worktree) -> Result<bool> {
        // To tell renames, git would look into files that a partial clone may not have.
        Ok(!self.ask(&worktree.path, &["status", "--porcelain", "--no-renames"])?.is_empty())
    }

    fn is_unmerged(&self, worktree: &Worktree) -> Result<bool> {
        let range = format!("HEAD..refs/heads/{}", worktree.branch);
        Ok(!self.ask(&worktree.repository, &["rev-list", "--max-count=1", &range])?.is_empty())
    }

    fn remove(&self, worktree: &Worktree, force: bool) -> Result<BranchFate> {
        let path = worktree.path.to_string_lossy().into_owned();
        if worktree.path.exists() {
            let keep =
                |reason: &str| Err(Error::WorktreeInUse { path: worktree.path.clone(), reason: reason.to_owned() });
            if !force && self.is_dirty(worktree)? {
                return keep("it has changes that are not committed");
            }
            if !force && self.is_unmerged(worktree)? {
                return keep("its branch has commits that are not merged into the repository's checkout");
            }
            let remove = ["worktree", "remove", "--force", &path];
            // Without an order git looks once more.
            let remove = if force { &remove[..] } else { &["worktree", "remove", &path] };
            self.run(&worktree.repository, remove)?;
        } else {
            self.run(&worktree.repository, &["worktree", "prune"])?;
        }
        // Git deletes no branch that is not merged.
        match self.run(&worktree.repository, &["branch", "-d", &worktree.branch]) {
            Ok(_) => Ok(BranchFate::Deleted),
            Err(_) => Ok(BranchFate::Kept),
        }
    }
}

impl TeamOrchestrator {
    /// Where a member's worktree is made.
    pub(crate) fn worktree_path(&self, team: &TeamName, name: &AgentName) -> PathBuf {
        self.inner.state_dir.join("worktrees").join(team.as_str()).join(name.as_str())
    }

    /// Makes the worktree that a member asks for, if it does, and answers it with the configuration to work there, and with what goes again when the
    /// member is not started.
    pub(crate) async fn in_worktree(
        &self,
        team: &TeamName,
        name: &AgentName,
        mut config: SpawnConfig,
        asked: Option<&WorktreeBranch>,
    ) -> Result<(Option<Worktree>, SpawnConfig, Option<Unused>)> {
        let Some(asked) = asked else { return Ok((None, config, None)) };
        let branch = match asked {
            WorktreeBranch::Own => format!("teams/{team}/{name}"),
            WorktreeBranch::Named(branch) => branch.clone(),
        };
        let git = Git::new(config.inherit_env.clone());
        let cwd = config.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
        let path = self.worktree_path(team, name);
        let made = tokio::task::spawn_blocking(move || {
            let (worktree, made) = git.make(&cwd, &path, &branch)?;
            let roots = git.roots(&worktree)?;
            Ok::<_, Error>((roots, worktree.clone(), Unused { git, worktree, made }))
        });
        let (roots, worktree, unused) = made.await.map_err(|_| Error::ShuttingDown)??;
        config.cwd = Some(worktree.cwd());
        config.writable_roots = roots;
        Ok((Some(worktree), at_home(config), Some(unused)))
    }

    /// The worktrees of a team's members.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn worktrees(&self, team: &str) -> Result<Vec<WorktreeStatus>> {
        let team = self.roster(team).await?;
        let list = move || {
            let git = Git::new(None);
            let of = |member: &crate::model::team::Member| {
                let worktree = member.launch.as_ref()?.worktree.clone().filter(|worktree| worktree.path.exists())?;
                let (dirty, unmerged) = (git.is_dirty(&worktree).ok(), git.is_unmerged(&worktree).ok());
                Some(WorktreeStatus { member: member.name.clone(), worktree, dirty, unmerged })
            };
            team.teammates().filter_map(of).collect()
        };
        tokio::task::spawn_blocking(list).await.map_err(|_| Error::ShuttingDown)
    }

    /// Removes a member's worktree, and its branch when everything in it is merged.
    ///
    /// # Errors
    /// There is none, the member runs, or, without `force`, something in it would be lost.
    pub async fn remove_worktree(&self, team: &str, member: &str, force: bool) -> Result<BranchFate> {
        let name: TeamName = team.parse()?;
        if self.running_members(&name).contains(&member.to_owned()) {
            return Err(Error::Running { team: team.to_owned(), member: member.to_owned() });
        }
        let known = self.roster(team).await?;
        let found = known.member(member).ok_or_else(|| {
            let existing = known.teammates().map(|member| member.name.clone()).collect();
            StoreError::NoMember { team: team.to_owned(), member: member.to_owned(), existing }
        })?;
        let worktree = found.launch.as_ref().and_then(|launch| launch.worktree.clone());
        let worktree = worktree.ok_or_else(|| Error::NoWorktree { member: member.to_owned() })?;
        let fate = tokio::task::spawn_blocking(move || Git::new(None).remove(&worktree, force)).await;
        fate.map_err(|_| Error::ShuttingDown)?
    }
}
