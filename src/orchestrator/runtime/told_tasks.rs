//! Tells a team of what becomes of its tasks, whoever changes them: compares what was told with what is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use crate::model::event::{EventKind, TaskChange};
use crate::model::task::{Task, TaskId};
use crate::store::{FolderChanges, TaskList};

/// The tasks of a team as it was told of them. It reads nothing by itself.
#[derive(Debug, Default)]
pub(crate) struct ToldTasks {
    told: Option<BTreeMap<TaskId, Arc<Task>>>,
    /// Files that have to be compared.
    open: FolderChanges,
}

impl ToldTasks {
    /// Notes what has to be compared the next time.
    pub(crate) fn may_have_changed(&mut self, changes: FolderChanges) {
        self.open.add(changes);
    }

    /// Whether there is nothing to compare.
    pub(crate) fn is_up_to_date(&self) -> bool {
        self.open.is_empty()
    }

    /// What is new in a list. The first list is what the team knows.
    pub(crate) fn compare(&mut self, list: &TaskList) -> Vec<EventKind> {
        let open = std::mem::take(&mut self.open);
        let Some(told) = &mut self.told else {
            self.told = Some(list.tasks.iter().map(|task| (task.id.clone(), Arc::clone(task))).collect());
            return Vec::new();
        };
        let ids: Vec<TaskId> = match open {
            FolderChanges::Names(names) => names.iter().filter_map(|name| id_of(Path::new(name))).collect(),
            FolderChanges::Everything => {
                let mut ids: Vec<TaskId> = list.tasks.iter().map(|task| task.id.clone()).collect();
                ids.extend(told.keys().filter(|id| list.get(id).is_none()).cloned());
                ids
            }
        };
        ids.into_iter().filter_map(|id| compare(told, list, id)).collect()
    }
}

fn id_of(path: &Path) -> Option<TaskId> {
    path.file_stem().and_then(OsStr::to_str)?.parse().ok()
}

fn compare(told: &mut BTreeMap<TaskId, Arc<Task>>, list: &TaskList, id: TaskId) -> Option<EventKind> {
    match (told.get(&id), list.get(&id)) {
        (None, Some(task)) => {
            told.insert(id, Arc::clone(task));
            Some(event(task, TaskChange::Created, Vec::new()))
        }
        (Some(before), Some(task)) if before != task => {
            let fields = changed_fields(before, task);
            told.insert(id, Arc::clone(task));
            Some(event(task, TaskChange::Changed, fields))
        }
        (Some(_), None) => {
            // One that cannot be read now, perhaps because it is being written, is not gone.
            if list.problems.iter().any(|problem| id_of(&problem.path).as_ref() == Some(&id)) {
                return None;
            }
            told.remove(&id).map(|task| event(&task, TaskChange::Deleted, Vec::new()))
        }
        _ => None,
    }
}

fn event(task: &Task, change: TaskChange, fields: Vec<String>) -> EventKind {
    EventKind::Task {
        id: task.id.to_string(),
        change,
        subject: task.subject.clone(),
        status: task.status,
        owner: task.owner.clone(),
        failed: task.work().failed,
        fields,
    }
}

/// The names, as in the file, of the fields that differ.
fn changed_fields(before: &Task, after: &Task) -> Vec<String> {
    let Task { id: _, subject, description, active_form, owner, status, blocks, blocked_by, metadata } = after;
    [
        ("subject", *subject != before.subject),
        ("description", *description != before.description),
        ("activeForm", *active_form != before.active_form),
        ("owner", *owner != before.owner),
        ("status", *status != before.status),
        ("blocks", *blocks != before.blocks),
        ("blockedBy", *blocked_by != before.blocked_by),
        ("metadata", *metadata != before.metadata),
    ]
    .into_iter()
    .filter(|(_, differs)| *differs)
    .map(|(field, _)| field.to_owned())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::TaskStatus;
    use crate::store::UnreadableFile;

    fn task(id: u64, status: TaskStatus) -> Task {
        Task {
            id: TaskId::number(id),
            subject: format!("task {id}"),
            description: String::new(),
            active_form: None,
            owner: None,
            status,
            blocks: Vec::new(),
            blocked_by: Vec::new(),
            metadata: None,
        }
    }

    fn list(tasks: &[Task]) -> TaskList {
        TaskList { tasks: tasks.iter().cloned().map(Arc::new).collect(), problems: Vec::new() }
    }

    fn names(names: &[&str]) -> FolderChanges {
        FolderChanges::Names(names.iter().map(|name| (*name).into()).collect())
    }

    /// `id change fields` of each event.
    fn told(events: &[EventKind]) -> Vec<String> {
        let line = |event: &EventKind| match event {
            EventKind::Task { id, change, fields, .. } => format!("{id} {change:?} {}", fields.join(",")),
            other => panic!("{other:?}"),
        };
        events.iter().map(line).collect()
    }

    #[test]
    fn each_change_is_told_once() {
        let mut ledger = ToldTasks::default();
        let mut tell = |tasks: &[Task], changes: FolderChanges| {
            ledger.may_have_changed(changes);
            told(&ledger.compare(&list(tasks)))
        };
        let nothing: [&str; 0] = [];
        let [one, two] = [1, 2].map(|id| task(id, TaskStatus::Pending));
        let claimed = Task { owner: Some("w".into()), status: TaskStatus::InProgress, ..one.clone() };
        assert_eq!(
            tell(std::slice::from_ref(&one), FolderChanges::Everything),
            nothing,
            "what there was at first is known"
        );
        let both = [one, two.clone()];
        assert_eq!(tell(&both, names(&["2.json"])), ["2 Created "]);
        assert_eq!(tell(&both, names(&["2.json"])), nothing);
        assert_eq!(tell(&both, FolderChanges::Everything), nothing);
        let both = [claimed, two];
        assert_eq!(tell(&both, names(&["2.json", ".lock", "x.tmp"])), nothing, "nobody said that it changed");
        assert_eq!(tell(&both, names(&["1.json"])), ["1 Changed owner,status"]);
        assert_eq!(tell(&[], FolderChanges::Everything), ["1 Deleted ", "2 Deleted "]);
        assert_eq!(tell(&[], FolderChanges::Everything), nothing);
    }

    #[test]
    fn a_task_that_cannot_be_read_for_a_moment_is_not_deleted() {
        let mut ledger = ToldTasks::default();
        ledger.compare(&list(&[task(1, TaskStatus::Pending)]));
        let torn = UnreadableFile { path: "tasks/t/1.json".into(), reason: "half of it".into() };
        ledger.may_have_changed(FolderChanges::Everything);
        assert_eq!(ledger.compare(&TaskList { tasks: Vec::new(), problems: vec![torn] }), []);
        ledger.may_have_changed(names(&["1.json"]));
        assert_eq!(told(&ledger.compare(&list(&[task(1, TaskStatus::Completed)]))), ["1 Changed status"]);
        assert!(ledger.is_up_to_date());
    }
}
