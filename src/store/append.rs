//! Appends to inboxes: threads that write to one at the same time share a lock, a read and a write.

use std::path::Path;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, SeqAccess, Visitor};

use super::group::Waiting;
use super::inbox_cache::Known;
use super::jobs::{Append, Dates};
use super::{Result, Store, StoreError, UnreadableFile, atomic, pretty};
use crate::model::message::Message;
use crate::model::name::{AgentName, TeamName};
use crate::model::time::iso;

impl Store {
    /// Appends a message, as [`append_messages`](Self::append_messages) does, and answers it with its time.
    pub fn append_message(
        &self,
        team: &TeamName,
        to: &AgentName,
        mut message: Message,
        now: jiff::Timestamp,
    ) -> Result<Message> {
        self.append_messages(team, to, std::slice::from_mut(&mut message), now)?;
        Ok(message)
    }

    /// Appends messages, all or none. The member need not be in the roster: inboxes of the lead and of live Claude Code
    /// sessions are made like this too.
    ///
    /// Their `timestamp` is set from `now`, and moved on by a millisecond if the inbox has that time already: Claude Code
    /// takes two entries of the same time, sender and text for one.
    pub fn append_messages(
        &self,
        team: &TeamName,
        to: &AgentName,
        messages: &mut [Message],
        now: jiff::Timestamp,
    ) -> Result<()> {
        if messages.iter().any(|message| message.text.trim().is_empty()) {
            return Err(StoreError::EmptyMessage);
        }
        let path = self.ensure_inbox(team, to)?;
        let append = Append { messages: messages.to_vec(), now };
        let dates = self.appends.run(&path, append, |take| {
            self.locks.with(&path, |_| {
                let inbox = self.read_inbox(&path)?;
                self.append_all(&path, inbox, take());
                Ok(())
            })
        })?;
        for (message, date) in messages.iter_mut().zip(dates) {
            message.timestamp = date;
        }
        Ok(())
    }

    /// Writes what all of these want to have in an inbox, of which we have the lock.
    fn append_all(&self, path: &Path, inbox: Inbox, mut all: Vec<Waiting<Append, Dates>>) {
        if all.len() > 1 {
            if let Ok(dates) = self.write_appended(path, inbox, all.iter().map(|one| &one.job)) {
                return all.into_iter().zip(dates).for_each(|(one, dates)| one.done(Ok(dates)));
            }
            // What the disk does not take may be one of them, for which the others are not to suffer.
            return all.into_iter().for_each(|one| match self.read_inbox(path) {
                Ok(inbox) => self.append_all(path, inbox, vec![one]),
                Err(error) => one.done(Err(error)),
            });
        }
        if let Some(one) = all.pop() {
            let dates = self.write_appended(path, inbox, std::iter::once(&one.job));
            one.done(dates.map(|mut dates| dates.pop().unwrap_or_default()));
        }
    }

    /// Writes an inbox with what is appended to it; answers the times of each.
    fn write_appended<'a>(
        &self,
        path: &Path,
        (mut bytes, known): Inbox,
        all: impl Iterator<Item = &'a Append>,
    ) -> Result<Vec<Dates>> {
        if bytes.trim_ascii().is_empty() {
            // Nobody has finished writing it; Claude Code takes it for an empty one, too.
            bytes = b"[]".to_vec();
        }
        let is_ours = known.is_some_and(|known| known.ours);
        let end = bytes.iter().rposition(|byte| *byte == b']').unwrap_or(0);
        if !is_ours && !bytes.get(end + 1..).unwrap_or_default().trim_ascii().is_empty() {
            check(path, &bytes)?;
        }
        bytes.truncate(end);
        while bytes.last().is_some_and(u8::is_ascii_whitespace) {
            bytes.pop();
        }
        // No entry ends like this.
        let mut empty = bytes.ends_with(b"[");
        let unread = if empty { Some(0) } else { known.and_then(|known| known.unread) };
        let mut added = 0;
        let mut append = |message: &Message, now| {
            let date = free_time(&bytes, now);
            bytes.extend_from_slice(if std::mem::take(&mut empty) { b"\n  " } else { b",\n  " });
            let message = Message { timestamp: date.clone(), ..message.clone() };
            for (index, line) in pretty(&message).split(|byte| *byte == b'\n').enumerate() {
                if index > 0 {
                    bytes.extend_from_slice(b"\n  ");
                }
                bytes.extend_from_slice(line);
            }
            added += usize::from(!message.read);
            date
        };
        let dates: Vec<Dates> = all
            .map(|Append { messages, now }| messages.iter().map(|message| append(message, *now)).collect())
            .collect();
        bytes.extend_from_slice(b"\n]");
        if is_ours {
            atomic::write(path, &bytes)?;
        } else {
            // What stood there was an array if it is one with our messages in it: none of them could close what was open.
            atomic::write_checked(path, &bytes, || check(path, &bytes))?;
        }
        self.inbox_cache.wrote(path, unread.map(|unread| unread + added));
        Ok(dates)
    }
}

/// The bytes of an inbox, and what is known of it.
type Inbox = (Vec<u8>, Option<Known>);

/// Whether the bytes are one array, and nothing behind it.
fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    struct Array;
    impl<'de> Visitor<'de> for Array {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let checked = json.deserialize_seq(Array).and_then(|()| json.end());
    checked.map_err(|error| StoreError::Unreadable(UnreadableFile { path: path.to_owned(), reason: error.to_string() }))
}

/// `now`, or the first millisecond after it that the last entries do not have.
fn free_time(bytes: &[u8], now: jiff::Timestamp) -> String {
    const TAIL: usize = 64 << 10;
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]);
    let mut ms = now.as_millisecond();
    // In a burst the last entry is ahead of the clock; begin behind it, unless its clock was plainly wrong.
    const KEY: &str = "\"timestamp\": \"";
    let last =
        tail.rfind(KEY).and_then(|at| tail.get(at + KEY.len()..at + KEY.len() + 24)?.parse::<jiff::Timestamp>().ok());
    if let Some(last) = last.map(jiff::Timestamp::as_millisecond).filter(|last| (ms..ms + 60_000).contains(last)) {
        ms = last + 1;
    }
    loop {
        let text = iso(jiff::Timestamp::from_millisecond(ms).unwrap_or(now));
        if !tail.contains(&text) {
            return text;
        }
        ms += 1;
    }
}
