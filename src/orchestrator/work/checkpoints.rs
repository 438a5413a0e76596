//! Writes checkpoints: a note for each completed task, once the turn in which it was completed has ended, so that what it has cost is known.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::git::Git;
use crate::model::checkpoint::{Checkpoint, CheckpointNotes, CheckpointStatus, MissingCheckpoint};
use crate::model::event::EventKind;
use crate::model::name::TeamName;
use crate::model::task_account::{TaskAccount, TaskAccounts};
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::feed::Subscription;
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
        let checkpoints = Arc::clone(&self.runtime(&team.parse()?)?.checkpoints);
        tokio::task::spawn_blocking(move || checkpoints.status()).await.map_err(|_| Error::ShuttingDown)
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

    /// Goes on with the teams whose tasks get checkpoints: what was completed when nobody looked, or was not written, is.
    ///
    /// # Errors
    /// The folder of teams cannot be read.
    pub async fn resume_checkpoints(&self) -> Result<()> {
        let this = self.clone();
        let wanted = self.with_store(move |store| {
            let names = store.list_teams()?.into_iter();
            Ok(names.filter(|name| Checkpoints::are_wanted(&this.checkpoints_path(name))).collect::<Vec<_>>())
        });
        for name in wanted.await? {
            if let Err(error) = self.runtime(&name) {
                tracing::warn!(team = %name, %error, "checkpoints are written later");
            }
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

    /// Waits for the notes of completed tasks, as long as that is worth it: for a team whose members have ended.
    pub(crate) async fn finish_checkpoints(&self, runtime: &TeamRuntime) {
        let _ = tokio::time::timeout(LAST_NOTES, runtime.checkpoints.are_tried()).await;
    }
}

async fn run(inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    let Some((checkpoints, events)) =
        runtime.upgrade().map(|runtime| (Arc::clone(&runtime.checkpoints), runtime.feed.subscribe(1)))
    else {
        return;
    };
    let mut state = State { accounts: TaskAccounts::default(), events, is_new: true };
    loop {
        // Files are read and git is asked where that may block, and nothing is kept alive by those who wait.
        let looked = tokio::task::spawn_blocking({
            let (inner, runtime) = (Weak::clone(&inner), Weak::clone(&runtime));
            move || {
                let (inner, runtime) = (inner.upgrade()?, runtime.upgrade()?);
                state.look(&inner, &runtime);
                let again = runtime.checkpoints.unwritten().iter().any(|unwritten| unwritten.problem.is_some());
                runtime.checkpoints.is_wanted().then_some((state, again))
            }
        });
        let Ok(Some((looked, has_problems))) = looked.await else { return };
        state = looked;
        let again = tokio::time::sleep(if has_problems { TRY_AGAIN } else { Duration::MAX });
        tokio::pin!(again);
        loop {
            tokio::select! {
                event = state.events.next() => {
                    let Some(event) = event else { return };
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
            if !refused.contains(&repository) && !write(runtime, &repository, &commit, &group) {
                refused.push(repository);
            }
        }
    }
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
                let commit = Some(commit.to_owned());
                runtime.checkpoints.tell_missing(&MissingCheckpoint {
                    task,
                    subject,
                    member,
                    completed,
                    commit,
                    reason,
                });
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
        began: account.began,
        completed: account.completed.unwrap_or(checkpoint.completed),
        ..checkpoint
    }
}
