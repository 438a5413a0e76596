//! Inboxes: `teams/<name>/inboxes/<member>.json`, an array of messages.

use std::fs::{self};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use super::halves::without_halves;
use super::inbox_cache::{Known, Stamp};
use super::{Result, Store, StoreError, atomic, read_with};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TeamName};
use crate::model::team::Team;

impl Store {
    /// Where a member's inbox is. Older versions of Claude Code keep the case of a team's name here and not in the path of
    /// its config.
    fn inbox_path(&self, team: &TeamName, member: &AgentName) -> Result<PathBuf> {
        let name = sanitized(member);
        let file = |team: &str| self.teams.join(team).join("inboxes").join(format!("{name}.json"));
        let path = file(team);
        if path.exists() {
            return Ok(path);
        }
        let written = self.written_name(team)?;
        if written == team.as_str() {
            return Ok(path);
        }
        let other = file(&sanitized(&written));
        Ok(if other.exists() { other } else { path })
    }

    /// Where a team's inboxes are.
    pub(super) fn inbox_dir(&self, team: &TeamName) -> PathBuf {
        let found = self.inbox_path(team, &AgentName::lead()).ok();
        let found = found.as_deref().and_then(Path::parent).map(Path::to_owned);
        found.unwrap_or_else(|| self.teams.join(team.as_str()).join("inboxes"))
    }

    /// Creates an inbox unless it is there, and answers where it really is, links followed.
    pub(super) fn ensure_inbox(&self, team: &TeamName, member: &AgentName) -> Result<PathBuf> {
        let path = self.inbox_path(team, member)?;
        if !path.exists() {
            if let Some(dir) = path.parent() {
                // Not its parents: a team that was deleted in between must not come back.
                match fs::create_dir(dir) {
                    Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(self.no_team(team)),
                    _ => {}
                }
            }
            atomic::create_new(&path, b"[]")?;
        }
        fs::canonicalize(&path).map_err(|source| StoreError::io("find", &path, source))
    }

    /// Appends messages, dated now and in their senders' colours. What members tell the lead at the end of each turn does
    /// not pile up without end where nobody reads it: then the oldest of that goes.
    pub fn send(&self, team: &Team, to: &AgentName, messages: &mut [Message]) -> Result<()> {
        for message in messages.iter_mut() {
            message.color = team.member(&message.from).and_then(|member| member.color.clone());
        }
        let team = &team.name;
        if self.is_pile(&self.inbox_path(team, to)?) {
            let notices = self.read_inbox_of(team, to)?.iter().filter(|message| is_notification(message)).count();
            let mut surplus = notices.saturating_sub(KEPT);
            self.take_messages(team, to, |message| {
                let goes = surplus > 0 && is_notification(message);
                surplus -= usize::from(goes);
                goes
            })?;
        }
        self.append_messages(team, to, messages, jiff::Timestamp::now())
    }

    /// Whether an inbox can take messages, which is known without a look at those that we wrote last.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub fn check_inbox(&self, team: &TeamName, member: &AgentName) -> Result<()> {
        let path = atomic::target(&self.inbox_path(team, member)?);
        if !path.exists() {
            return Ok(());
        }
        let stamp = fs::metadata(&path).map(|meta| Stamp::of(&meta));
        if stamp.is_ok_and(|stamp| self.inbox_cache.get(&path, stamp).is_some_and(|known| known.ours)) {
            return Ok(());
        }
        entries(&path).map(|_| ())
    }

    /// Whether an inbox is long, and of notifications so much that looking through it pays. One that was looked at is looked at again when it
    /// has grown.
    fn is_pile(&self, path: &Path) -> bool {
        let size = fs::metadata(path).map_or(0, |meta| meta.len());
        if size <= PILE || !self.inbox_cache.has_grown(path, size) {
            return false;
        }
        let Ok(bytes) = fs::read(path) else { return false };
        String::from_utf8_lossy(&bytes).matches("idle_notification").count() > 2 * KEPT
    }

    /// The bytes of an inbox, and what we know of it.
    pub(super) fn read_inbox(&self, path: &Path) -> Result<(Vec<u8>, Option<Known>)> {
        let stamp = fs::metadata(path).map(|meta| Stamp::of(&meta));
        let bytes = fs::read(path).map_err(|source| StoreError::io("read", path, source))?;
        Ok((bytes, stamp.ok().and_then(|stamp| self.inbox_cache.get(path, stamp))))
    }

    /// How many messages in a member's inbox nobody has read. The inbox is read only when it has changed since.
    pub fn unread(&self, team: &TeamName, member: &AgentName) -> Result<usize> {
        let path = self.inbox_path(team, member)?;
        let look = || fs::metadata(&path).ok().map(|meta| Stamp::of(&meta));
        let Some(stamp) = look() else {
            self.inbox_cache.forget(&path);
            return Ok(0);
        };
        if let Some(unread) = self.inbox_cache.get(&path, stamp).and_then(|known| known.unread) {
            return Ok(unread);
        }
        let unread = self.read_inbox_of(team, member)?.iter().filter(|message| !message.read).count();
        if stamp.is_settled() && look() == Some(stamp) {
            self.inbox_cache.counted(&path, stamp, unread);
        }
        Ok(unread)
    }

    /// What is in a member's inbox, without removing it; nothing when there is no inbox yet.
    pub fn read_inbox_of(&self, team: &TeamName, member: &AgentName) -> Result<Vec<Message>> {
        let path = self.inbox_path(team, member)?;
        Ok(entries(&path)?.iter().filter_map(|entry| message(entry)).collect())
    }

    /// What was not read in an inbox, which it is from now on. Claude Code ignores what was read, and removes it.
    pub fn mark_read(&self, team: &TeamName, member: &AgentName) -> Result<Vec<Message>> {
        let path = self.ensure_inbox(team, member)?;
        self.locks.with(&path, |_| {
            let mut entries = entries(&path)?;
            let mut unread = Vec::new();
            for entry in &mut entries {
                let Some(message) = message(entry).filter(|message| !message.read) else { continue };
                let Ok(mut fields) = serde_json::from_str::<Fields>(entry.get()) else { continue };
                fields.set("read", to_raw_value(&true).expect("a word always serialises"));
                *entry = indented(&fields);
                unread.push(message);
            }
            if !unread.is_empty() {
                atomic::write(&path, &array(&entries))?;
                self.inbox_cache.wrote(&path, Some(0));
            }
            Ok(unread)
        })
    }

    /// Removes an inbox, and answers what was in it.
    pub fn remove_inbox(&self, team: &TeamName, member: &AgentName) -> Result<Vec<Message>> {
        let path = self.inbox_path(team, member)?;
        if !path.exists() {
            return Ok(Vec::new());
        }
        let removed = self.locks.with(&path, |_| {
            let messages = self.read_inbox_of(team, member)?;
            fs::remove_file(&path).map_err(|source| StoreError::io("delete", &path, source))?;
            Ok(messages)
        })?;
        self.inbox_cache.forget(&path);
        self.locks.forget(&path);
        Ok(removed)
    }

    /// Removes the messages that `wanted` picks, and answers them. Entries that are none of ours to understand stay.
    pub fn take_messages(
        &self,
        team: &TeamName,
        member: &AgentName,
        mut wanted: impl FnMut(&Message) -> bool,
    ) -> Result<Vec<Message>> {
        let path = self.inbox_path(team, member)?;
        if !path.exists() {
            return Ok(Vec::new());
        }
        let path = fs::canonicalize(&path).map_err(|source| StoreError::io("find", &path, source))?;
        self.locks.with(&path, |_| {
            let entries = entries(&path)?;
            let mut taken = Vec::new();
            let mut kept = Vec::with_capacity(entries.len());
            let mut unread = 0;
            for entry in entries {
                match message(&entry) {
                    Some(message) if wanted(&message) => taken.push(message),
                    other => {
                        unread += usize::from(other.is_some_and(|message| !message.read));
                        kept.push(entry);
                    }
                }
            }
            if !taken.is_empty() {
                atomic::write(&path, &array(&kept))?;
                self.inbox_cache.wrote(&path, Some(unread));
            }
            Ok(taken)
        })
    }
}

/// An inbox that is longer is looked through for what can go, in bytes.
const PILE: u64 = 256 << 10;
/// So many notifications stay; twice as many may come before it is thinned out.
const KEPT: usize = 100;

fn is_notification(message: &Message) -> bool {
    matches!(StructuredMessage::parse(&message.text), Some(StructuredMessage::IdleNotification { .. }))
}

/// Claude Code's rule for the file names of inboxes and tasks.
pub(super) fn sanitized(name: &str) -> String {
    let keep = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    name.chars().map(|char| if keep(char) { char } else { '-' }).collect()
}

/// The entries of an inbox as they are written; none where there is no inbox, or one without a byte.
fn entries(path: &Path) -> Result<Vec<Box<RawValue>>> {
    let entries =
        read_with(path, |json| if json.trim().is_empty() { Ok(Vec::new()) } else { serde_json::from_str(json) })?;
    Ok(entries.unwrap_or_default())
}

/// What an entry says, if it is a message.
fn message(entry: &RawValue) -> Option<Message> {
    serde_json::from_str(&without_halves(entry.get())).ok()
}

/// An inbox of these entries, each as it was written.
fn array(entries: &[Box<RawValue>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(if bytes.is_empty() { b"[\n  " } else { b",\n  " });
        bytes.extend_from_slice(entry.get().as_bytes());
    }
    bytes.extend_from_slice(if bytes.is_empty() { b"[]" } else { b"\n]" });
    bytes
}

/// The fields of an entry, in their order and as they are written.
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    fn set(&mut self, key: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, known)) => *known = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// An entry as it stands in an inbox.
fn indented(fields: &Fields) -> Box<RawValue> {
    let mut text = String::from("{");
    for (index, (key, value)) in fields.0.iter().enumerate() {
        text.push_str(if index == 0 { "\n    " } else { ",\n    " });
        text.push_str(&serde_json::to_string(key).expect("a text always serialises"));
        text.push_str(": ");
        text.push_str(value.get());
    }
    text.push_str("\n  }");
    RawValue::from_string(text).expect("its parts are JSON")
}

/// A new message, not yet dated.
pub fn new_message(from: &str, text: &str, summary: Option<&str>, color: Option<&str>) -> Message {
    Message {
        from: from.to_owned(),
        text: text.to_owned(),
        summary: summary.map(str::to_owned),
        timestamp: String::new(),
        color: color.map(str::to_owned),
        version: Some(1),
        id: Some(uuid::Uuid::new_v4().to_string()),
        kind: Some("message".to_owned()),
        ..Message::default()
    }
}

#[cfg(test)]
#[path = "inboxes_properties.rs"]
mod properties;
#[cfg(test)]
#[path = "inboxes_tests.rs"]
mod tests;
