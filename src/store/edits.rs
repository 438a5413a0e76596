//! Changes in the JSON of a task, which say whether they changed anything.

use serde_json::{Value, json};

use super::{RawObject, set};
use crate::model::task::TaskId;
use crate::model::work::WORK_KEY;

/// Sets `key`, and answers whether it had another value.
pub(super) fn change(raw: &mut RawObject, key: &str, value: Option<Value>) -> bool {
    let changed = raw.get(key) != value.as_ref();
    if changed {
        set(raw, key, value);
    }
    changed
}

/// Sets `key` of what stands about the task's work, and answers whether it had another value. What else stands there stays.
pub(super) fn change_work(raw: &mut RawObject, key: &str, value: Option<Value>) -> bool {
    let before = raw.get("metadata").and_then(|metadata| metadata.get(WORK_KEY)?.get(key));
    if before == value.as_ref() {
        return false;
    }
    let mut metadata = raw.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut work = metadata.get(WORK_KEY).and_then(Value::as_object).cloned().unwrap_or_default();
    set(&mut work, key, value);
    set(&mut metadata, WORK_KEY, Some(Value::Object(work)));
    set(raw, "metadata", Some(Value::Object(metadata)));
    true
}

fn ids<'a>(raw: &'a mut RawObject, key: &str) -> Option<&'a mut Vec<Value>> {
    raw.entry(key).or_insert_with(|| json!([])).as_array_mut()
}

/// Adds a task to a list of ids, and answers whether it was missing.
pub(super) fn add_id(raw: &mut RawObject, key: &str, id: &TaskId) -> bool {
    let Some(list) = ids(raw, key) else { return false };
    let missing = !list.iter().any(|other| other == &**id);
    if missing {
        list.push(json!(id));
    }
    missing
}

/// Takes a task out of a list of ids, and answers whether it was there.
pub(super) fn remove_id(raw: &mut RawObject, key: &str, id: &TaskId) -> bool {
    let Some(list) = ids(raw, key) else { return false };
    let before = list.len();
    list.retain(|other| other != &**id);
    list.len() != before
}
