//! Which completed tasks of a team are to get a checkpoint, and which have none: a file of our own beside the team. A completion is
//! written down here, with the commit that it was found at, before its note is written, and struck out after it; so a kill in between
//! costs no note, and the note's key keeps it from being there twice. It writes no note, and knows no figures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::error::Error;
use crate::git::{Git, Head, is_too_slow};
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
/// How long git may take to say a commit: whoever is about to change a task waits for it.
const SAYS_COMMIT: Duration = Duration::from_secs(5);
/// How long a folder is left alone in which git has not said it.
const LEFT_ALONE: Duration = Duration::from_secs(60);

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

impl Unwritten {
    fn missing(self) -> MissingCheckpoint {
        let Checkpoint { task, subject, member, completed, .. } = self.checkpoint;
        let reason = self.problem.unwrap_or_else(|| "the turn in which it was completed runs".to_owned());
        let (commit, place) = (Some(self.commit), Some(self.repository));
        MissingCheckpoint { task, subject, member, completed, commit, place, reason }
    }
}

impl Kept {
    fn status(self) -> CheckpointStatus {
        let open = self.unwritten.into_iter().map(Unwritten::missing);
        CheckpointStatus { on: self.on, missing: self.missing.into_iter().chain(open).collect() }
    }

    fn add_missing(&mut self, missing: Vec<MissingCheckpoint>) {
        self.missing.extend(missing);
        let too_many = self.missing.len().saturating_sub(MISSING_KEPT);
        self.missing.drain(..too_many);
    }
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
    /// Where git did not answer in time, and when.
    slow: Mutex<HashMap<PathBuf, Instant>>,
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
            slow: Mutex::default(),
            told: Mutex::default(),
            bell: Notify::new(),
        };
        this.count(&this.kept());
        this
    }

    /// Whether something is to be written of a team, as its file says: its notes, or tasks that were completed meanwhile.
    pub(crate) fn have_work(path: &Path, list: impl FnOnce() -> Option<Arc<TaskList>>) -> bool {
        let Ok(kept) = read(path) else { return false };
        let is_new = |task: &Task| kept.completed.get(&task.id) != Some(&task.work().attempt);
        !kept.unwritten.is_empty() || kept.on && list().is_some_and(|list| completed(&list).any(is_new))
    }

    /// Whether a file says that a team's checkpoints are on.
    pub(crate) fn are_on(path: &Path) -> bool {
        read(path).is_ok_and(|kept| kept.on)
    }

    /// What a file says of a team that nothing runs of.
    pub(crate) fn status_at(path: &Path) -> io::Result<CheckpointStatus> {
        Ok(read(path)?.status())
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
        let turned = self.edit(|kept| {
            if on && !kept.on {
                kept.completed = completed(list).map(|task| (task.id.clone(), task.work().attempt)).collect();
            }
            kept.on = on;
        });
        self.bell.notify_one();
        turned
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

    /// None of them could be written.
    pub(crate) fn none_written(&self, reason: &str) {
        self.edit_or_say(|kept| {
            kept.unwritten.iter_mut().for_each(|unwritten| unwritten.problem = Some(reason.to_owned()))
        });
    }

    /// These will never be written.
    pub(crate) fn given_up(&self, keys: &[String], reason: &str) {
        let mut lost = Vec::new();
        self.edit_or_say(|kept| {
            let is_its = |unwritten: &mut Unwritten| keys.contains(&unwritten.checkpoint.key);
            let these = kept.unwritten.extract_if(.., is_its);
            lost =
                these.map(|it| MissingCheckpoint { commit: None, reason: reason.to_owned(), ..it.missing() }).collect();
            kept.add_missing(lost.clone());
        });
        lost.iter().for_each(|missing| self.tell_missing(missing));
    }

    /// Has all of them tried once more, at once.
    pub(crate) fn try_again(&self) {
        self.edit_or_say(|kept| kept.unwritten.iter_mut().for_each(|unwritten| unwritten.problem = None));
        self.bell.notify_one();
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
        self.kept().clone().status()
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
        let mut heads = HashMap::new();
        let mut head = |place: &Path| heads.entry(place.to_owned()).or_insert_with(|| self.head(place)).clone();
        let found: Vec<Found> = new.iter().map(|task| self.find(task, roster.as_ref(), model_of, &mut head)).collect();
        let missing: Vec<MissingCheckpoint> =
            found.iter().filter_map(|found| found.as_ref().err()).map(|missing| (**missing).clone()).collect();
        self.edit_or_say(|kept| {
            kept.completed.retain(|id, _| stays(id));
            kept.counted.retain(|id, _| list.get(id).is_some() || !is_readable(id));
            kept.completed.extend(new.iter().map(|task| (task.id.clone(), task.work().attempt)));
            for mut unwritten in found.into_iter().flatten() {
                let task = TaskId::from(unwritten.checkpoint.task.clone());
                unwritten.counted = kept.counted.insert(task, unwritten.told);
                kept.unwritten.push(*unwritten);
            }
            kept.add_missing(missing.clone());
        });
        missing.iter().for_each(|missing| self.tell_missing(missing));
        if !new.is_empty() {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// The commit that a folder's checkout is at. Where git hangs, tasks are changed all the same.
    fn head(&self, place: &Path) -> std::result::Result<Head, String> {
        let is_left_alone = |since: &Instant| since.elapsed() < LEFT_ALONE;
        if lock(&self.slow).get(place).is_some_and(is_left_alone) {
            return Err(format!("git did not answer just now ({})", place.display()));
        }
        Git::new(None).within(SAYS_COMMIT).head(place).map_err(|error| {
            if is_too_slow(&error) {
                lock(&self.slow).insert(place.to_owned(), Instant::now());
            }
            plain(&error)
        })
    }

    /// What is known of a task that was completed, and the commit that its owner's checkout is at.
    fn find(
        &self,
        task: &Task,
        roster: Option<&Team>,
        model_of: &dyn Fn(&str) -> Option<String>,
        head: &mut dyn FnMut(&Path) -> std::result::Result<Head, String>,
    ) -> Found {
        let owner = task.owner.as_deref().filter(|owner| !owner.is_empty());
        let entry = roster.and_then(|roster| roster.member(owner.unwrap_or(TEAM_LEAD)));
        let launch = entry.and_then(|member| member.launch.as_ref());
        let completed = iso(jiff::Timestamp::now());
        let place = launch.and_then(|launch| launch.worktree.as_ref()).map(|worktree| worktree.cwd());
        let place = place.or_else(|| entry.and_then(|member| member.cwd.clone()));
        let missing = |reason: String, place: Option<PathBuf>| {
            let (task, subject, member) = (task.id.to_string(), task.subject.clone(), owner.map(str::to_owned));
            let completed = completed.clone();
            Box::new(MissingCheckpoint { task, subject, member, completed, commit: None, place, reason })
        };
        let place = place.ok_or_else(|| missing("nobody knows where its owner works".to_owned(), None))?;
        let Head { repository, commit } = head(&place).map_err(|reason| missing(reason, Some(place.clone())))?;
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
            cut: false,
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
