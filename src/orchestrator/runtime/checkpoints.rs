//! Which completed tasks of a team are to get a checkpoint, and which have none: a file of our own beside the team. A completion is
//! written down here, with the commit that it was found at, before its note is written, and struck out after it; so a kill in between
//! costs no note, and the note's key keeps it from being there twice. It writes no note, and knows no figures.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::git::{Git, Head};
use crate::model::checkpoint::{CHECKPOINT_VERSION, Checkpoint, CheckpointStatus, MissingCheckpoint};
use crate::model::event::EventKind;
use crate::model::name::{TEAM_LEAD, TeamName};
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::team::Team;
use crate::model::time::iso;
use crate::orchestrator::feed::Feed;
use crate::orchestrator::runtime::watched_tasks::WatchedTasks;
use crate::store::{self, Store, StoreError, TaskList, write_private};
use crate::sync::lock;

/// How many completed tasks without a commit are kept in mind.
const MISSING_KEPT: usize = 200;

/// A completed task whose note is still to be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unwritten {
    /// What is known of it without its turns.
    pub(crate) checkpoint: Checkpoint,
    /// The git directory that has the commit.
    pub(crate) repository: PathBuf,
    /// What its owner's checkout was at.
    pub(crate) commit: String,
    /// The number of the team's last event when the completion was found.
    pub(crate) told: u64,
    /// The same of the completion before, if the task was completed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<u64>,
    /// Why it could not be written when that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kept {
    on: bool,
    /// The attempt that each completed task was completed in: these have been seen to.
    completed: BTreeMap<TaskId, u64>,
    /// The number of the team's last event when each task was found completed last: what it had used by then is counted.
    counted: BTreeMap<TaskId, u64>,
    unwritten: Vec<Unwritten>,
    missing: Vec<MissingCheckpoint>,
}

/// A team's checkpoints that are still to be written.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    team: TeamName,
    feed: Arc<Feed>,
    path: PathBuf,
    /// The number of the last event of those who ran the team before us.
    pub(crate) opened_at: u64,
    kept: Mutex<Kept>,
    /// The disk has what is kept.
    is_on_disk: AtomicBool,
    /// Completions are seen to one after the other; git is asked meanwhile.
    looking: Mutex<()>,
    /// Why there is no note, as it was told already.
    told: Mutex<HashSet<String>>,
    /// Something is to be written.
    pub(crate) bell: Notify,
    /// How many are to be written for the first time.
    left: watch::Sender<usize>,
}

impl Checkpoints {
    /// Reads what is kept at `path`; where there is nothing they are off.
    pub(crate) fn open(team: &TeamName, feed: &Arc<Feed>, path: PathBuf) -> Self {
        let kept = match read(&path) {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "no checkpoints are made; turn them on anew");
                Kept::default()
            }
        };
        let this = Self {
            team: team.clone(),
            feed: Arc::clone(feed),
            path,
            opened_at: feed.last_seq(),
            left: watch::Sender::new(0),
            kept: Mutex::new(kept),
            is_on_disk: AtomicBool::new(true),
            looking: Mutex::default(),
            told: Mutex::default(),
            bell: Notify::new(),
        };
        this.count(&this.kept());
        this
    }

    /// Whether a file says that a team's checkpoints are on, or that some are still to be written.
    pub(crate) fn are_wanted(path: &Path) -> bool {
        read(path).is_ok_and(|kept| kept.on || !kept.unwritten.is_empty())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }

    fn count(&self, kept: &Kept) {
        let left = kept.unwritten.iter().filter(|unwritten| unwritten.problem.is_none()).count();
        self.left.send_if_modified(|before| std::mem::replace(before, left) != left);
    }

    /// Changes what is kept. What the disk does not take is there with the next change.
    fn edit(&self, edit: impl FnOnce(&mut Kept)) -> io::Result<()> {
        let mut kept = self.kept();
        let before = kept.clone();
        edit(&mut kept);
        if *kept == before && self.is_on_disk.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.count(&kept);
        let written = write_private(&self.path, &serde_json::to_vec_pretty(&*kept)?);
        self.is_on_disk.store(written.is_ok(), Ordering::SeqCst);
        written
    }

    fn edit_or_say(&self, edit: impl FnOnce(&mut Kept)) {
        if let Err(error) = self.edit(edit) {
            tracing::error!(path = %self.path.display(), %error, "what is known of checkpoints is not on disk");
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.kept().on
    }

    /// Whether there is, or may be, something to write.
    pub(crate) fn is_wanted(&self) -> bool {
        let kept = self.kept();
        kept.on || !kept.unwritten.is_empty()
    }

    /// Turns them on or off. What is completed when they are turned on gets none.
    pub(crate) fn turn(&self, on: bool, list: &TaskList) -> io::Result<()> {
        let _turn = lock(&self.looking);
        self.edit(|kept| {
            if on && !kept.on {
                kept.completed = completed(list).map(|task| (task.id.clone(), task.work().attempt)).collect();
            }
            kept.on = on;
        })
    }

    /// What is to be written. Nothing that the disk does not have: after a kill it would be found once more, and get a second note.
    pub(crate) fn unwritten(&self) -> Vec<Unwritten> {
        self.edit_or_say(|_| {});
        if self.is_on_disk.load(Ordering::SeqCst) { self.kept().unwritten.clone() } else { Vec::new() }
    }

    /// These are written.
    pub(crate) fn written(&self, keys: &[String]) {
        self.edit_or_say(|kept| kept.unwritten.retain(|unwritten| !keys.contains(&unwritten.checkpoint.key)));
    }

    /// These could not be written.
    pub(crate) fn not_written(&self, keys: &[String], reason: &str) {
        self.edit_or_say(|kept| {
            let these = kept.unwritten.iter_mut().filter(|unwritten| keys.contains(&unwritten.checkpoint.key));
            these.for_each(|unwritten| unwritten.problem = Some(reason.to_owned()));
        });
    }

    /// Whether this is said for the first time.
    pub(crate) fn is_news(&self, reason: &str) -> bool {
        lock(&self.told).insert(reason.to_owned())
    }

    /// Waits until each that could be written was tried.
    pub(crate) async fn are_tried(&self) {
        // It ends with us, and we are there.
        let _ = self.left.subscribe().wait_for(|left| *left == 0).await;
    }

    pub(crate) fn status(&self) -> CheckpointStatus {
        let kept = self.kept().clone();
        let open = kept.unwritten.into_iter().map(|unwritten| {
            let Checkpoint { task, subject, member, completed, .. } = unwritten.checkpoint;
            let waits = || "the turn in which it was completed runs".to_owned();
            let reason = unwritten.problem.unwrap_or_else(waits);
            MissingCheckpoint { task, subject, member, completed, commit: Some(unwritten.commit), reason }
        });
        CheckpointStatus { on: kept.on, missing: kept.missing.into_iter().chain(open).collect() }
    }

    /// Writes down which tasks have been completed since this was looked at last, and at which commit. It asks git, and so may block.
    pub(super) fn note_completions(
        &self,
        store: &Store,
        tasks: &WatchedTasks,
        model_of: &dyn Fn(&str) -> Option<String>,
    ) -> store::Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        // Whoever is about to change a task waits here until what was completed before is written down.
        let _turn = lock(&self.looking);
        if !tasks.take_changed() {
            return Ok(());
        }
        let list = match store.tasks(&self.team) {
            Ok(list) => list,
            Err(StoreError::NoTeam { .. }) => return Ok(()),
            Err(error) => {
                tasks.look_again();
                return Err(error);
            }
        };
        let is_readable = |id: &TaskId| {
            let is_it = |path: &Path| path.file_stem().and_then(|stem| stem.to_str()) == Some(&**id);
            !list.problems.iter().any(|problem| is_it(&problem.path))
        };
        // What is open again, or gone, may be completed anew.
        let stays = |id: &TaskId| match list.get(id) {
            Some(task) => task.status == TaskStatus::Completed,
            None => !is_readable(id),
        };
        let known = self.kept().completed.clone();
        let is_new = |task: &&Task| known.get(&task.id) != Some(&task.work().attempt);
        let new: Vec<&Task> = completed(&list).filter(is_new).collect();
        let roster = if new.is_empty() { None } else { store.team(&self.team).ok() };
        let found: Vec<Found> = new.iter().map(|task| self.find(task, roster.as_ref(), model_of)).collect();
        let missing: Vec<Box<MissingCheckpoint>> = found.iter().filter_map(|found| found.clone().err()).collect();
        self.edit_or_say(|kept| {
            kept.completed.retain(|id, _| stays(id));
            kept.counted.retain(|id, _| list.get(id).is_some() || !is_readable(id));
            kept.completed.extend(new.iter().map(|task| (task.id.clone(), task.work().attempt)));
            for found in found {
                match found {
                    Ok(mut unwritten) => {
                        let task = TaskId::from(unwritten.checkpoint.task.clone());
                        unwritten.counted = kept.counted.insert(task, unwritten.told);
                        kept.unwritten.push(*unwritten);
                    }
                    Err(missing) => kept.missing.push(*missing),
                }
            }
            let too_many = kept.missing.len().saturating_sub(MISSING_KEPT);
            kept.missing.drain(..too_many);
        });
        missing.iter().for_each(|missing| self.tell_missing(missing));
        if !new.is_empty() {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// What is known of a task that was completed, and the commit that its owner's checkout is at.
    fn find(&self, task: &Task, roster: Option<&Team>, model_of: &dyn Fn(&str) -> Option<String>) -> Found {
        let owner = task.owner.as_deref().filter(|owner| !owner.is_empty());
        let entry = roster.and_then(|roster| roster.member(owner.unwrap_or(TEAM_LEAD)));
        let launch = entry.and_then(|member| member.launch.as_ref());
        let completed = iso(jiff::Timestamp::now());
        let place = launch.and_then(|launch| launch.worktree.as_ref()).map(|worktree| worktree.cwd());
        let place = place.or_else(|| entry.and_then(|member| member.cwd.clone()));
        let missing = |reason: String| {
            let (task, subject, member) = (task.id.to_string(), task.subject.clone(), owner.map(str::to_owned));
            let completed = completed.clone();
            Box::new(MissingCheckpoint { task, subject, member, completed, commit: None, reason })
        };
        let place = place.ok_or_else(|| missing("nobody knows where its owner works".to_owned()))?;
        let Head { repository, commit } = Git::new(None).head(&place).map_err(|error| missing(plain(&error)))?;
        let model = owner.and_then(model_of).or_else(|| entry?.model.clone());
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            key: uuid::Uuid::new_v4().to_string(),
            team: self.team.to_string(),
            task: task.id.to_string(),
            subject: task.subject.clone(),
            member: owner.map(str::to_owned),
            backend: launch.filter(|_| owner.is_some()).map(|launch| launch.backend.to_string()),
            model: model.filter(|_| owner.is_some()),
            input_tokens: None,
            output_tokens: None,
            cost_usd: None,
            turns: 0,
            turns_without_tokens: 0,
            turns_without_cost: 0,
            began: None,
            completed: completed.clone(),
        };
        let told = self.feed.last_seq();
        Ok(Box::new(Unwritten { checkpoint, repository, commit, told, counted: None, problem: None }))
    }

    /// Tells why tasks have no checkpoint: once for each reason.
    pub(crate) fn tell_missing(&self, missing: &MissingCheckpoint) {
        if self.is_news(&missing.reason) {
            let MissingCheckpoint { task, reason, commit, .. } = missing;
            let more = if commit.is_some() { "; it is tried again" } else { "" };
            let message = format!("task #{task} has no checkpoint: {reason}{more}");
            tracing::warn!(team = %self.team, "{message}");
            self.feed.append(TEAM_LEAD, None, EventKind::Notice { message });
        }
    }
}

fn read(path: &Path) -> io::Result<Kept> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        bytes => serde_json::from_slice(&bytes?).map_err(io::Error::other),
    }
}

fn completed(list: &TaskList) -> impl Iterator<Item = &Task> {
    list.tasks.iter().map(|task| &**task).filter(|task| task.status == TaskStatus::Completed)
}

/// A completion that gets a note, or does not.
type Found = std::result::Result<Box<Unwritten>, Box<MissingCheckpoint>>;

/// Why git did not do something, for whoever did not ask for it.
pub(crate) fn plain(error: &Error) -> String {
    match error {
        Error::Git { dir, reason, .. } => format!("{} ({})", reason.trim_start_matches("fatal: "), dir.display()),
        other => other.to_string(),
    }
}
