//! Writes checkpoints: a note for each completed task, once the turn in which it was completed has ended, so that what it has cost is known.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::git::Git;
use crate::model::checkpoint::{Checkpoint, CheckpointNotes, CheckpointStatus, MissingCheckpoint};
use crate::model::event::{Event, EventKind};
use crate::model::name::TeamName;
use crate::model::task_account::{TaskAccount, TaskAccounts};
use crate::orchestrator::entry::{Inner, TeamOrchestrator, WeakOrchestrator};
use crate::orchestrator::feed::Subscription;
use crate::orchestrator::members::status::lead_lives;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::runtime::checkpoints::{Checkpoints, Unwritten, plain};

/// When what could not be written is tried again, if nothing else is to be written before.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// How long somebody waits for notes who deletes a team, or ends.
const LAST_NOTES: Duration = Duration::from_secs(5);

impl TeamOrchestrator {
    pub(crate) fn checkpoints_path(&self, team: &TeamName) -> PathBuf {
        self.inner.team_dir(team).join("checkpoints.json")
    }

    /// Says whether each task of a team that is completed from now on gets a checkpoint: a note in `refs/notes/agent-teams`, on the commit
    /// that its owner's checkout is at.
    ///
    /// # Errors
    /// There is no such team, or it cannot be written down.
    pub async fn set_checkpoints(&self, team: &str, on: bool) -> Result<()> {
        let name: TeamName = team.parse()?;
        self.roster(team).await?;
        let runtime = self.runtime(&name)?;
        let (checkpoints, path) = (Arc::clone(&runtime.checkpoints), self.checkpoints_path(&name));
        let turned = self.with_store(move |store| Ok(checkpoints.turn(on, &*store.tasks(&name)?)));
        turned.await?.map_err(Error::io("write", path))?;
        self.write_checkpoints(&runtime);
        Ok(())
    }

    /// Whether a team's tasks get checkpoints, and which completed ones have none.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn checkpoint_status(&self, team: &str) -> Result<CheckpointStatus> {
        self.roster(team).await?;
        let name: TeamName = team.parse()?;
        // A team is not opened for that: whoever lists asks for all of them.
        let opened = self.teams().get(&name).map(|runtime| Arc::clone(&runtime.checkpoints));
        let path = self.checkpoints_path(&name);
        let read = move || match opened {
            Some(checkpoints) => Ok(checkpoints.status()),
            None => Checkpoints::status_at(&path).map_err(Error::io("read", path)),
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::ShuttingDown)?
    }

    /// The checkpoints of the repository that a folder is in, of all teams.
    ///
    /// # Errors
    /// The folder is in no repository, or git cannot read it.
    pub async fn checkpoints(&self, dir: impl Into<PathBuf>) -> Result<CheckpointNotes> {
        let dir = dir.into();
        let read = tokio::task::spawn_blocking(move || Git::new(None).checkpoints(&dir));
        read.await.map_err(|_| Error::ShuttingDown)?
    }

    /// Goes on with the teams of which something is still to be noted, one after the other, and with those whose lead may complete a task
    /// at any time; the others are opened when somebody asks for them.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn resume_checkpoints(&self) -> Result<()> {
        let this = self.clone();
        let wanted = self.with_store(move |store| {
            let is_wanted = |name: &TeamName| {
                let path = this.checkpoints_path(name);
                Checkpoints::have_work(&path, || store.tasks(name).ok())
                    || Checkpoints::are_on(&path) && lead_lives(store, name)
            };
            Ok(store.list_teams()?.into_iter().filter(is_wanted).collect::<Vec<_>>())
        });
        let wanted = wanted.await?;
        if !wanted.is_empty() {
            self.inner.resuming.ensure(resume(self.downgrade(), wanted));
        }
        Ok(())
    }

    /// Begins to write the checkpoints of a team, unless that is done or none are wanted.
    pub(crate) fn write_checkpoints(&self, runtime: &Arc<TeamRuntime>) {
        if runtime.checkpoints.is_wanted() {
            // Owned by the runtime, which it must not keep alive.
            runtime.noting.ensure(run(Arc::downgrade(&self.inner), Arc::downgrade(runtime)));
        }
    }

    /// Waits for the notes of completed tasks, as long as that is worth it: for teams whose members have ended.
    pub(crate) async fn finish_checkpoints(&self, teams: &[Arc<TeamRuntime>]) {
        let all = async {
            for runtime in teams {
                self.write_checkpoints(runtime);
                runtime.checkpoints.are_tried().await;
            }
        };
        let _ = tokio::time::timeout(LAST_NOTES, all).await;
    }

    /// Writes what is still to be noted of a team that is about to be deleted, and answers what could not be.
    pub(crate) async fn last_checkpoints(&self, team: &TeamName) -> Vec<MissingCheckpoint> {
        let path = self.checkpoints_path(team);
        let opened = self.teams().get(team).cloned();
        let runtime = match opened {
            None if !Checkpoints::have_work(&path, || None) => None,
            None => self.runtime(team).ok(),
            opened => opened,
        };
        let Some(runtime) = runtime else { return Vec::new() };
        runtime.checkpoints.try_again();
        self.finish_checkpoints(&[Arc::clone(&runtime)]).await;
        let missing = runtime.checkpoints.status().missing;
        missing.into_iter().filter(|missing| missing.commit.is_some()).collect()
    }
}

/// Opens teams, each when the notes of the one before are written.
async fn resume(orchestrator: WeakOrchestrator, teams: Vec<TeamName>) {
    for name in teams {
        let Some(orchestrator) = orchestrator.upgrade() else { return };
        // It may have been deleted meanwhile.
        if orchestrator.roster(name.as_str()).await.is_err() {
            continue;
        }
        let team = name.clone();
        let opened = tokio::task::spawn_blocking(move || Ok(Arc::clone(&orchestrator.runtime(&team)?.checkpoints)));
        match opened.await.unwrap_or(Err(Error::ShuttingDown)) {
            Ok(checkpoints) => drop(tokio::time::timeout(LAST_NOTES, checkpoints.are_tried()).await),
            Err(error) => tracing::warn!(team = %name, %error, "checkpoints are written later"),
        }
    }
}

async fn run(inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    let Some(checkpoints) = runtime.upgrade().map(|runtime| Arc::clone(&runtime.checkpoints)) else { return };
    // Told from all that the team has done: read only when there is something to write, and kept as long as there may be more.
    let mut state: Option<State> = None;
    loop {
        // Files are read and git is asked where that may block, and nothing is kept alive by those who wait.
        let looked = tokio::task::spawn_blocking({
            let (inner, runtime, known) = (Weak::clone(&inner), Weak::clone(&runtime), state.take());
            move || {
                let (inner, runtime) = (inner.upgrade()?, runtime.upgrade()?);
                if known.is_none() && runtime.checkpoints.unwritten().is_empty() {
                    return Some((None, false));
                }
                let mut known = known.unwrap_or_else(|| State::new(&runtime));
                known.look(&inner, &runtime);
                let again = runtime.checkpoints.unwritten().iter().any(|unwritten| unwritten.problem.is_some());
                Some((runtime.checkpoints.is_wanted().then_some(known), again))
            }
        });
        let has_problems = match looked.await {
            Ok(Some((known, has_problems))) => {
                state = known;
                has_problems
            }
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "writing checkpoints has failed");
                let checkpoints = Arc::clone(&checkpoints);
                let told = move || checkpoints.none_written("writing it has failed; the log of the daemon tells why");
                if tokio::task::spawn_blocking(told).await.is_err() {
                    return;
                }
                true
            }
            Ok(None) | Err(_) => return,
        };
        let again = tokio::time::sleep(if has_problems { TRY_AGAIN } else { Duration::MAX });
        tokio::pin!(again);
        loop {
            tokio::select! {
                event = next_event(state.as_mut()) => {
                    let (Some(event), Some(state)) = (event, &mut state) else { return };
                    state.accounts.hear(&event);
                    if ends_turns(&event.kind) {
                        break;
                    }
                }
                () = checkpoints.bell.notified() => break,
                () = &mut again => break,
            }
        }
    }
}

/// The next event of those who listen.
async fn next_event(state: Option<&mut State>) -> Option<Arc<Event>> {
    match state {
        Some(state) => state.events.next().await,
        None => std::future::pending().await,
    }
}

fn ends_turns(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::TurnCompleted { .. }
            | EventKind::TurnInterrupted { .. }
            | EventKind::Error { .. }
            | EventKind::Exited { restarts: false, .. }
    )
}

/// What is known of a team's turns.
struct State {
    accounts: TaskAccounts,
    events: Subscription,
    /// It has read nothing yet.
    is_new: bool,
}

impl State {
    fn new(runtime: &TeamRuntime) -> Self {
        Self { accounts: TaskAccounts::default(), events: runtime.feed.subscribe(1), is_new: true }
    }

    /// Writes what can be written by now.
    fn look(&mut self, inner: &Inner, runtime: &TeamRuntime) {
        while let Some(event) = self.events.next_now() {
            self.accounts.hear(&event);
        }
        if std::mem::take(&mut self.is_new) {
            self.accounts.cut_off(runtime.checkpoints.opened_at);
        }
        let mut due: Vec<(Unwritten, Checkpoint)> = Vec::new();
        for unwritten in runtime.checkpoints.unwritten() {
            if let Some(account) = self.accounts.settled(&unwritten.checkpoint.task, unwritten.told, unwritten.counted)
            {
                let subject = inner.redactor.redact(&unwritten.checkpoint.subject).into_owned();
                let checkpoint = figured(Checkpoint { subject, ..unwritten.checkpoint.clone() }, account);
                due.push((unwritten, checkpoint));
            }
        }
        // What one commit gets is written at once, and a repository that takes nothing is left alone.
        let mut refused: Vec<PathBuf> = Vec::new();
        while let Some((first, _)) = due.first() {
            let (repository, commit) = (first.repository.clone(), first.commit.clone());
            let is_its = |(of, _): &mut (Unwritten, Checkpoint)| of.repository == repository && of.commit == commit;
            let group: Vec<(Unwritten, Checkpoint)> = due.extract_if(.., is_its).collect();
            if is_gone(&repository) {
                let keys: Vec<String> = group.into_iter().map(|(of, _)| of.checkpoint.key).collect();
                let reason = format!("its repository is gone ({})", repository.display());
                runtime.checkpoints.given_up(&keys, &reason);
            } else if !refused.contains(&repository) && !write(runtime, &repository, &commit, &group) {
                refused.push(repository);
            }
        }
    }
}

/// Whether a folder is no more. One that cannot be looked at may be there.
fn is_gone(dir: &Path) -> bool {
    matches!(dir.try_exists(), Ok(false))
}

/// Writes notes of one commit; answers whether the repository took them.
fn write(runtime: &TeamRuntime, repository: &Path, commit: &str, group: &[(Unwritten, Checkpoint)]) -> bool {
    let checkpoints: Vec<Checkpoint> = group.iter().map(|(_, checkpoint)| checkpoint.clone()).collect();
    let keys: Vec<String> = checkpoints.iter().map(|checkpoint| checkpoint.key.clone()).collect();
    match Git::new(None).add_checkpoints(repository, commit, &checkpoints) {
        Ok(()) => {
            runtime.checkpoints.written(&keys);
            true
        }
        Err(error) => {
            let reason = plain(&error);
            runtime.checkpoints.not_written(&keys, &reason);
            if let Some(Checkpoint { task, subject, member, completed, .. }) = checkpoints.into_iter().next() {
                let (commit, place) = (Some(commit.to_owned()), Some(repository.to_owned()));
                let missing = MissingCheckpoint { task, subject, member, completed, commit, place, reason };
                runtime.checkpoints.tell_missing(&missing);
            }
            false
        }
    }
}

/// A checkpoint with what its task has used.
fn figured(checkpoint: Checkpoint, account: TaskAccount) -> Checkpoint {
    let (input_tokens, output_tokens) = account.tokens().unzip();
    Checkpoint {
        input_tokens,
        output_tokens,
        cost_usd: account.cost_usd(),
        turns: account.turns,
        turns_without_tokens: account.turns_without_tokens,
        turns_without_cost: account.turns_without_cost,
        cut: account.is_cut,
        began: account.began,
        completed: account.completed.unwrap_or(checkpoint.completed),
        ..checkpoint
    }
}
