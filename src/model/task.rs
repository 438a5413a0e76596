//! Tasks of a team's shared list.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::work::{Claimant, Lease, TaskPlan, TaskWork, WORK_KEY, Wants};

/// The id of a task: a number in all files that we write, any harmless file name in those that we read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TaskId {
    /// Read once: a graph of thousands of tasks compares nothing else.
    number: Option<u64>,
    text: String,
}

impl From<String> for TaskId {
    /// An id that a file has; what comes from people is parsed.
    fn from(text: String) -> Self {
        Self { number: text.parse().ok(), text }
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.text
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.text)
    }
}

/// A text that is no task id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a task id; `teams task list` shows them", .0.escape_debug())]
pub struct BadTaskId(pub String);

impl FromStr for TaskId {
    type Err = BadTaskId;

    fn from_str(text: &str) -> Result<Self, BadTaskId> {
        let text = text.strip_prefix('#').unwrap_or(text);
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(harmless) {
            Ok(Self::from(text.to_owned()))
        } else {
            Err(BadTaskId(text.to_owned()))
        }
    }
}

impl TaskId {
    /// The id with this number.
    pub fn number(number: u64) -> Self {
        Self { number: Some(number), text: number.to_string() }
    }

    /// Its number, if it is one.
    pub fn as_number(&self) -> Option<u64> {
        self.number
    }

    /// Ids in the order of their numbers, others after them.
    pub fn order(&self) -> (u64, &str) {
        (self.number.unwrap_or(u64::MAX), &self.text)
    }
}

impl Deref for TaskId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Nobody works on it.
    Pending,
    /// Its owner works on it.
    InProgress,
    /// It is done.
    Completed,
}

impl TaskStatus {
    /// As in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "in_progress" | "in-progress" => Ok(Self::InProgress),
            "completed" | "done" => Ok(Self::Completed),
            other => Err(format!("unknown status `{other}`; use pending, in_progress or completed")),
        }
    }
}

/// A task as its file has it, without the fields that we do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done.
    #[serde(default)]
    pub description: String,
    /// The subject while somebody works on it ("Reviewing …").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_form: Option<String>,
    /// The member who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// How far it is.
    pub status: TaskStatus,
    /// Tasks that wait for this one.
    pub blocks: Vec<TaskId>,
    /// Tasks that this one waits for, finished ones too.
    pub blocked_by: Vec<TaskId>,
    /// What others attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Task {
    /// What stands in its metadata about its work. A field that cannot be read is as if it were not there.
    pub fn work(&self) -> TaskWork {
        let Some(fields) = self.work_fields() else { return TaskWork::default() };
        let read = |fields: Map<String, Value>| serde_json::from_value::<TaskWork>(Value::Object(fields));
        read(fields.clone()).unwrap_or_else(|_| {
            let is_readable =
                |(name, value): &(&String, &Value)| read(Map::from_iter([((*name).clone(), (*value).clone())])).is_ok();
            let readable = fields.iter().filter(is_readable).map(|(name, value)| (name.clone(), value.clone()));
            read(readable.collect()).unwrap_or_default()
        })
    }

    fn work_fields(&self) -> Option<&Map<String, Value>> {
        self.metadata.as_ref()?.get(WORK_KEY)?.as_object()
    }

    fn work_field(&self, name: &str) -> Option<&Value> {
        self.work_fields()?.get(name)
    }

    /// As in [`TaskPlan`].
    pub fn priority(&self) -> i64 {
        self.work_field("priority").and_then(Value::as_i64).unwrap_or_default()
    }

    /// Whether it has failed for good. One that somebody completes all the same has not.
    pub fn is_failed(&self) -> bool {
        self.status != TaskStatus::Completed && self.work_field("failed").is_some_and(|reason| !reason.is_null())
    }

    /// How far it is, in a word: its status, or `failed`.
    pub fn state(&self) -> &'static str {
        if self.is_failed() { "failed" } else { self.status.as_str() }
    }

    /// Whether nobody works on it and it is this member's or nobody's.
    pub fn is_free_for(&self, name: &str) -> bool {
        self.status == TaskStatus::Pending && self.owner.as_deref().is_none_or(|owner| owner == name)
    }

    /// Whether somebody may take it without having named it, as far as it does not wait for others.
    pub fn is_claimable_by(&self, who: &Claimant) -> bool {
        // Who was chosen by somebody need not be wanted.
        let is_its = self.owner.as_deref() == Some(who.name.as_str());
        self.is_free_for(&who.name) && !self.is_failed() && (is_its || self.is_for(who))
    }

    /// Whether somebody may be given it, by what it wants. What cannot be read is wanted of nobody.
    pub fn is_for(&self, who: &Claimant) -> bool {
        let wants = self.work_field("wants").filter(|wants| !wants.is_null());
        wants.is_none_or(|wants| Wants::deserialize(wants).is_ok_and(|wants| wants.fits(who)))
    }

    /// The lease of its owner, if it has one.
    pub fn lease(&self) -> Option<Lease> {
        let lease = Lease::deserialize(self.work_field("lease")?).ok()?;
        (self.owner.as_ref() == Some(&lease.owner)).then_some(lease)
    }
}

/// What a new task is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateTaskRequest {
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done; `None` repeats the subject.
    pub description: Option<String>,
    /// The subject while somebody works on it.
    pub active_form: Option<String>,
    /// Who shall work on it.
    pub owner: Option<String>,
    /// Ids of tasks that it waits for.
    pub blocked_by: Vec<String>,
    /// Whom it is for, and what else is asked for.
    #[serde(flatten)]
    pub plan: TaskPlan,
}

/// What is to change in a task; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskUpdate {
    /// A new subject.
    pub subject: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// A new active form.
    pub active_form: Option<String>,
    /// A new owner; empty for nobody.
    pub owner: Option<String>,
    /// A new status.
    pub status: Option<TaskStatus>,
    /// Ids of tasks that it shall wait for, in addition.
    pub add_blocked_by: Option<Vec<String>>,
    /// Ids of tasks that shall wait for it, in addition.
    pub add_blocks: Option<Vec<String>>,
    /// What is attached to it, by key; `null` takes a key away.
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(work: Value) -> Task {
        Task {
            id: TaskId::number(1),
            subject: "one".into(),
            description: String::new(),
            active_form: None,
            owner: Some("w".into()),
            status: TaskStatus::InProgress,
            blocks: Vec::new(),
            blocked_by: Vec::new(),
            metadata: json!({"other": 1, WORK_KEY: work}).as_object().cloned(),
        }
    }

    #[test]
    fn what_cannot_be_read_hides_nothing_else() {
        let odd = task(json!({"priority": "high", "attempt": 3, "wants": 7, "failed": null, "later": {"x": 1},
            "lease": {"owner": "w", "process": "1 2 3"}}));
        let work = odd.work();
        assert_eq!((work.plan.priority, work.attempt, work.most_attempts()), (0, 3, 3));
        assert_eq!(work.lease.map(|lease| lease.process).as_deref(), Some("1 2 3"));
        assert!(!odd.is_failed() && odd.lease().is_some());
        let failed = Task { status: TaskStatus::Pending, ..task(json!({"failed": "no"})) };
        let done = Task { status: TaskStatus::Completed, ..failed.clone() };
        assert_eq!((failed.state(), done.state()), ("failed", "completed"), "by another program, for instance");
        assert!(!odd.is_for(&"w".into()), "what it wants cannot be read");
        assert_eq!(task(json!(7)).work(), TaskWork::default());
    }

    #[test]
    fn a_lease_is_its_owner_s() {
        let taken = Task { owner: Some("other".into()), ..task(json!({"lease": {"owner": "w", "process": "p"}})) };
        assert_eq!(taken.lease(), None);
    }

    #[test]
    fn who_is_wanted_has_all_that_is_named() {
        let who = Claimant { backend: Some("codex".into()), capabilities: vec!["shell".into()], .."w".into() };
        for (wants, expected) in [
            (json!(null), true),
            (json!({}), true),
            (json!({"backend": "codex", "capability": "shell"}), true),
            (json!({"backend": "codex", "capability": "browser"}), false),
            (json!({"member": "x"}), false),
            (json!({"model": "x"}), false),
        ] {
            assert_eq!(task(json!({"wants": wants})).is_for(&who), expected, "{wants}");
        }
    }
}
