//! Task lists: `tasks/<team>/<id>.json`.
//!
//! Our own writers of a list take turns; each file is written under Claude Code's lock for that file, a new one under its
//! lock for the list. A dependency is written at both ends and counts when one end has it; a blocker that is completed
//! stays in the files and blocks no more, so that completing a task is one write that cannot be half done.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::edits::{add_id, change, change_work, remove_id};
use super::inboxes::sanitized;
use super::lock::Turn;
use super::task_cache::{CachedList, TaskList};
use super::watch::{FolderChanges, Interest};
use super::{RawObject, Result, Store, StoreError, UnreadableFile, atomic, pretty, read_json, read_raw, set, typed};
use crate::model::graph::Graph;
use crate::model::name::TeamName;
use crate::model::task::{CreateTaskRequest, Task, TaskId, TaskStatus, TaskUpdate};
use crate::model::work::{TaskPlan, WORK_KEY};

impl Store {
    /// Where a team's tasks are. Older versions of Claude Code kept the case of the team's name here.
    pub(super) fn task_dir(&self, team: &TeamName) -> Result<PathBuf> {
        let dir = self.tasks.join(team.as_str());
        if dir.is_dir() {
            return Ok(dir);
        }
        let other = self.tasks.join(sanitized(&self.written_name(team)?));
        Ok(if other.is_dir() { other } else { dir })
    }

    /// All tasks of a team.
    pub fn tasks(&self, team: &TeamName) -> Result<Arc<TaskList>> {
        let dir = self.task_dir(team)?;
        if !dir.is_dir() {
            self.task_cache.forget(&dir);
            if self.team(team).is_ok() {
                return Ok(Arc::default());
            }
            return Err(self.no_team(team));
        }
        self.cached(&dir)
    }

    pub(super) fn cached(&self, dir: &Path) -> Result<Arc<TaskList>> {
        let meta = fs::metadata(dir).map_err(|source| StoreError::io("list", dir, source))?;
        let folder = (meta.dev(), meta.ino());
        let mut cache = self.task_cache.lock();
        if let Some(cached) = cache.get_mut(dir)
            && cached.folder == folder
            && let FolderChanges::Names(names) = cached.watch.changes()
        {
            for name in &names {
                if is_task_name(name) {
                    reread(Arc::make_mut(&mut cached.list), &dir.join(name));
                }
            }
            return Ok(Arc::clone(&cached.list));
        }
        // The watch first, so that what changes while we read is not missed.
        let watch = self.watcher.folder(dir, Interest::Any, None);
        let list = Arc::new(read_all(dir)?);
        match watch {
            Some(watch) => {
                cache.insert(dir.to_owned(), CachedList { watch, folder, list: Arc::clone(&list) });
            }
            None => {
                cache.remove(dir);
            }
        }
        Ok(list)
    }

    /// All tasks of a team as they are on disk, with what we do not know in them; in the order of their numbers.
    pub fn task_files(&self, team: &TeamName) -> Result<Vec<Value>> {
        let list = self.tasks(team)?;
        let dir = self.task_dir(team)?;
        // One that was deleted in between is left out.
        list.tasks.iter().filter_map(|task| read_json(&task_path(&dir, &task.id)).transpose()).collect()
    }

    /// Adds a task. Its id is one more than any that was ever used.
    pub fn create_task(&self, team: &TeamName, request: &CreateTaskRequest) -> Result<Task> {
        if request.subject.trim().is_empty() {
            return Err(StoreError::NoSubject);
        }
        if !self.has_team(team) {
            return Err(self.no_team(team));
        }
        let dir = self.task_dir(team)?;
        if !dir.is_dir() {
            fs::create_dir_all(&dir).map_err(|source| StoreError::io("create", &dir, source))?;
        }
        let turn = self.locks.queue(&dir)?;
        let lock_file = dir.join(".lock");
        atomic::create_new(&lock_file, b"")?;
        turn.with(&lock_file, |_| {
            let list = self.cached(&dir)?;
            let mut blocked_by = Vec::new();
            for id in &request.blocked_by {
                let id: TaskId = id.parse()?;
                list.get(&id).ok_or_else(|| no_task(team, &id))?;
                if !blocked_by.contains(&id) {
                    blocked_by.push(id);
                }
            }
            let used = list.last_number();
            let broken = list.problems.iter().filter_map(|problem| number_of(&problem.path)).max().unwrap_or(0);
            let id = TaskId::number(used.max(broken).max(high_water_mark(&dir)?) + 1);
            let plan = json!(request.plan);
            let has_plan = request.plan != TaskPlan::default();
            let metadata = has_plan.then(|| serde_json::Map::from_iter([(WORK_KEY.to_owned(), plan)]));
            let task = Task {
                id: id.clone(),
                subject: request.subject.clone(),
                description: request.description.clone().unwrap_or_else(|| request.subject.clone()),
                active_form: request.active_form.clone(),
                owner: request.owner.clone(),
                status: TaskStatus::Pending,
                blocks: Vec::new(),
                blocked_by,
                metadata,
            };
            for blocker in &task.blocked_by {
                self.edit(&turn, &dir, team, blocker, |raw, _| Ok(add_id(raw, "blocks", &id)))?;
            }
            atomic::write(&task_path(&dir, &id), &pretty(&task))?;
            Ok(task)
        })
    }

    /// Changes a task, and answers it with the ids of those that no longer wait because of it.
    pub fn update_task(&self, team: &TeamName, id: &TaskId, update: &TaskUpdate) -> Result<(Task, Vec<TaskId>)> {
        let dir = self.task_dir(team)?;
        let turn = self.locks.queue(&dir)?;
        let list = self.tasks(team)?;
        let graph = Graph::new(&list.tasks);
        list.get(id).ok_or_else(|| no_task(team, id))?;
        let parse = |ids: &Option<Vec<String>>| -> Result<Vec<TaskId>> {
            ids.iter()
                .flatten()
                .map(|other| {
                    let other: TaskId = other.parse()?;
                    list.get(&other).ok_or_else(|| no_task(team, &other))?;
                    Ok(other)
                })
                .collect()
        };
        let blockers = parse(&update.add_blocked_by)?;
        let blocked = parse(&update.add_blocks)?;
        let edges = blockers.iter().map(|blocker| (blocker, id)).chain(blocked.iter().map(|blocked| (id, blocked)));
        let mut would_be = Cow::Borrowed(list.tasks.as_slice());
        for (before, after) in edges {
            if let Some(path) = Graph::new(&would_be).cycle_with(before, after) {
                return Err(StoreError::Cycle {
                    blocker: before.to_string(),
                    blocked: after.to_string(),
                    path: path.into_iter().map(|id| id.to_string()).collect(),
                });
            }
            // Two new edges may close a circle together.
            if let Some(task) = would_be.to_mut().iter_mut().find(|task| task.id == *after) {
                Arc::make_mut(task).blocked_by.push(before.clone());
            }
        }
        let starts = matches!(update.status, Some(TaskStatus::InProgress | TaskStatus::Completed));
        let open = Graph::new(&would_be).open_blockers(id);
        if starts && !open.is_empty() {
            return Err(blocked_error(id, open));
        }
        for other in &blockers {
            self.edit(&turn, &dir, team, other, |raw, _| Ok(add_id(raw, "blocks", id)))?;
        }
        for other in &blocked {
            self.edit(&turn, &dir, team, other, |raw, _| Ok(add_id(raw, "blockedBy", id)))?;
        }
        let task = self.edit(&turn, &dir, team, id, |raw, _| {
            let mut changed = false;
            let texts = [
                ("subject", &update.subject),
                ("description", &update.description),
                ("activeForm", &update.active_form),
                ("owner", &update.owner),
            ];
            for (key, value) in texts {
                if let Some(text) = value {
                    let value = (key != "owner" || !text.is_empty()).then(|| json!(text));
                    changed |= change(raw, key, value);
                }
            }
            if let Some(status) = update.status {
                changed |= change(raw, "status", Some(json!(status)));
            }
            if changed && (update.owner.is_some() || update.status.is_some()) {
                // Whoever says so answers for it from now on.
                change_work(raw, "lease", None);
            }
            if let Some(keys) = &update.metadata {
                let mut metadata = raw.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
                for (key, value) in keys {
                    set(&mut metadata, key, Some(value.clone()).filter(|value| !value.is_null()));
                }
                changed |= change(raw, "metadata", Some(Value::Object(metadata)));
            }
            for other in &blockers {
                changed |= add_id(raw, "blockedBy", other);
            }
            for other in &blocked {
                changed |= add_id(raw, "blocks", other);
            }
            Ok(changed)
        })?;
        let freed = if update.status == Some(TaskStatus::Completed) { graph.freed_by(id) } else { Vec::new() };
        Ok((task, freed))
    }

    /// Deletes a task: its id is never used again, and nothing waits for it any more.
    pub fn delete_task(&self, team: &TeamName, id: &TaskId) -> Result<()> {
        let dir = self.task_dir(team)?;
        let turn = self.locks.queue(&dir)?;
        let list = self.tasks(team)?;
        list.get(id).ok_or_else(|| no_task(team, id))?;
        // First what makes a half-done deletion harmless.
        if let Some(number) = id.as_number().filter(|_| dir.is_dir()) {
            let lock_file = dir.join(".lock");
            atomic::create_new(&lock_file, b"")?;
            turn.with(&lock_file, |_| {
                if high_water_mark(&dir)? >= number {
                    return Ok(());
                }
                atomic::write(&dir.join(".highwatermark"), number.to_string().as_bytes())
            })?;
        }
        for other in list.tasks.iter().filter(|other| other.id != *id) {
            if other.blocks.contains(id) || other.blocked_by.contains(id) {
                self.edit(&turn, &dir, team, &other.id, |raw, _| {
                    Ok(remove_id(raw, "blocks", id) | remove_id(raw, "blockedBy", id))
                })?;
            }
        }
        let path = task_path(&dir, id);
        turn.with(&path, |_| match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("delete", &path, error)),
            _ => Ok(()),
        })
    }

    /// Changes one file of a list in our turn for the list, under Claude Code's lock for the file; `edit` answers whether it
    /// changed anything.
    pub(super) fn edit(
        &self,
        turn: &Turn<'_>,
        dir: &Path,
        team: &TeamName,
        id: &TaskId,
        edit: impl FnOnce(&mut RawObject, &Task) -> Result<bool>,
    ) -> Result<Task> {
        let path = atomic::target(&task_path(dir, id));
        if !path.exists() {
            return Err(no_task(team, id));
        }
        turn.with(&path, |held| {
            held.refresh();
            let mut raw = read_raw(&path)?.ok_or_else(|| no_task(team, id))?;
            let task = parse(&path, &raw).map_err(StoreError::Unreadable)?;
            if edit(&mut raw, &task)? {
                atomic::write(&path, &pretty(&raw))?;
            }
            parse(&path, &raw).map_err(StoreError::Unreadable)
        })
    }
}

pub(super) fn no_task(team: &TeamName, id: &TaskId) -> StoreError {
    StoreError::NoTask { team: team.to_string(), id: id.to_string() }
}

pub(super) fn blocked_error(id: &TaskId, open: Vec<TaskId>) -> StoreError {
    StoreError::Blocked { id: id.to_string(), blockers: open.into_iter().map(|id| id.to_string()).collect() }
}

fn task_path(dir: &Path, id: &TaskId) -> PathBuf {
    dir.join(format!("{id}.json"))
}

fn is_task_name(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.ends_with(".json") && !name.starts_with('.'))
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn high_water_mark(dir: &Path) -> Result<u64> {
    let path = dir.join(".highwatermark");
    match fs::read_to_string(&path) {
        // A mark that is no number marks nothing; the files still do.
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(source) => Err(StoreError::io("read", &path, source)),
    }
}

fn read_all(dir: &Path) -> Result<TaskList> {
    let mut list = TaskList::default();
    let entries = fs::read_dir(dir).map_err(|source| StoreError::io("list", dir, source))?;
    for entry in entries.flatten().filter(|entry| is_task_name(&entry.file_name())) {
        match read_task(&entry.path()) {
            Ok(Some(task)) => list.tasks.push(Arc::new(task)),
            Ok(None) => {}
            Err(problem) => list.problems.push(problem),
        }
    }
    list.tasks.sort_by(|a, b| a.id.order().cmp(&b.id.order()));
    list.problems.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(list)
}

/// Brings one file of a list up to date.
fn reread(list: &mut TaskList, path: &Path) {
    list.problems.retain(|problem| problem.path != path);
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    let place = match stem.parse::<TaskId>() {
        Ok(id) => list.tasks.binary_search_by(|task| task.id.order().cmp(&id.order())),
        Err(_) => Err(list.tasks.len()),
    };
    match (read_task(path), place) {
        (Ok(Some(task)), Ok(at)) => list.tasks[at] = Arc::new(task),
        (Ok(Some(task)), Err(at)) => list.tasks.insert(at, Arc::new(task)),
        (read, place) => {
            if let Ok(at) = place {
                list.tasks.remove(at);
            }
            if let Err(problem) = read {
                list.problems.push(problem);
            }
        }
    }
}

fn read_task(path: &Path) -> Result<Option<Task>, UnreadableFile> {
    match read_json::<Task>(path) {
        Ok(Some(task)) => named(path, task).map(Some),
        Ok(None) => Ok(None),
        Err(StoreError::Unreadable(problem)) => Err(problem),
        Err(error) => Err(UnreadableFile { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn parse(path: &Path, raw: &RawObject) -> Result<Task, UnreadableFile> {
    let task = typed(raw);
    named(path, task.map_err(|error| UnreadableFile { path: path.to_owned(), reason: error.to_string() })?)
}

/// The file's name says which task it is, whatever it holds.
fn named(path: &Path, mut task: Task) -> Result<Task, UnreadableFile> {
    let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if &*task.id != stem {
        let id = stem.parse::<TaskId>();
        task.id = id.map_err(|error| UnreadableFile { path: path.to_owned(), reason: error.to_string() })?;
    }
    Ok(task)
}

#[cfg(test)]
#[path = "tasks_tests.rs"]
mod tests;
