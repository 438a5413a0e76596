//! What is kept of a member across sessions, daemons and reboots: its conversation, what it has used, and the inputs that were
//! taken and have not ended. A file of lines, each the newest of what it says; a torn last line counts for nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use agent_backends::Usage;
use serde::{Deserialize, Serialize};

use crate::model::envelope::{self, Delivery};
use crate::model::message::Message;
use crate::model::policy::Spent;
use crate::orchestrator::teammate::native::Native;

/// A file that has grown past this is written anew.
const LONGEST: u64 = 1 << 20;

/// A member's conversation, and what it has used so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record {
    /// The conversation, which the agent can continue.
    pub(crate) session_id: Option<String>,
    /// The conversation as it was named when the session began; the agent may not have kept it yet.
    pub(crate) assigned_id: Option<String>,
    /// A turn of it was given to the agent.
    pub(crate) first_turn_begun: bool,
    pub(crate) model: Option<String>,
    /// The last turn that has ended.
    pub(crate) turns: u64,
    pub(crate) usage: Usage,
    /// Time in which turns ran, in milliseconds.
    pub(crate) wall_ms: u64,
    /// Somebody wants it to run: it was started, and not stopped since.
    pub(crate) wanted: bool,
    /// A session of it lives. Where nobody runs it, whoever did was killed.
    pub(crate) alive: bool,
    /// Messages that it was given once more because nobody could tell whether it had them.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) in_doubt: u64,
    /// What ties it to the live lead that has started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<Native>,
}

impl Record {
    /// What it has used, for its team's budget.
    pub(crate) fn spent(&self) -> Spent {
        Spent {
            turns: self.turns,
            tokens: self.usage.input_tokens.saturating_add(self.usage.output_tokens),
            cost_usd: self.usage.cost_usd.unwrap_or(0.0),
            wall_ms: self.wall_ms,
            members: 1,
        }
    }
}

/// An input that was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Input {
    pub(crate) turn: u64,
    /// The agent is asked by it whether it has the input.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) id: String,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// Another member asks this, and waits for the answer: nothing of it is the user's, and nobody waits any more when the supervisor has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) asked: bool,
    /// The messages of others that it is made of, if it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mail: Vec<Message>,
    /// What its agent was doing when they interrupted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interrupted: Option<String>,
    /// How often these were given to the agent before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) attempts: u64,
    /// It may have had them: it could not be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) doubtful: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Input {
    pub(crate) fn new(turn: u64, text: String, from: Option<String>) -> Self {
        Self { turn, id: uuid::Uuid::new_v4().to_string(), text, from, ..Self::default() }
    }

    /// How many messages it may repeat.
    fn in_doubt(&self) -> u64 {
        if self.doubtful { self.mail.len() as u64 } else { 0 }
    }

    /// Whether it is mail, and so nothing that the agent's user has written.
    pub(crate) fn is_mail(&self) -> bool {
        !self.mail.is_empty() && self.text.is_empty()
    }

    /// Whether others have written it, so that nothing in it is the agent's own language.
    pub(crate) fn is_quoted(&self) -> bool {
        self.asked || self.is_mail()
    }

    /// What the agent is given.
    pub(crate) fn prompt(&self) -> Cow<'_, str> {
        if !self.is_mail() {
            return Cow::Borrowed(&self.text);
        }
        let delivery = if self.doubtful { Delivery::PossiblyRepeated } else { Delivery::First };
        let mut text = envelope::wrap(&self.mail, delivery);
        if let Some(before) = &self.interrupted {
            text.push_str(&format!(
                "\n\nYou were interrupted for this. When you have dealt with it, go on with what you were doing, which is no part of the mail:\n\n{before}"
            ));
        }
        Cow::Owned(text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line<'a> {
    Record(Cow<'a, Record>),
    Queued(Cow<'a, Input>),
    Begun(u64),
    Accepted(u64),
    Ended(u64),
    /// What the turn `of` was given comes again, in a turn of its own.
    Again {
        of: u64,
        input: Cow<'a, Input>,
    },
}

/// What a journal says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Contents {
    pub(crate) record: Record,
    /// Inputs that were taken and not given to the agent, in order.
    pub(crate) queued: Vec<Input>,
    /// Inputs that were given to the agent and whose turns have not ended.
    pub(crate) cut: Vec<Input>,
    /// Those of them that were mail, and of which the agent did not say that it has them.
    pub(crate) unsure: Vec<Input>,
    /// The highest number of a turn.
    pub(crate) last_turn: u64,
}

impl Contents {
    /// Reads a journal; one that is not there says nothing.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            bytes => Ok(Self::parse(&bytes?)),
        }
    }

    fn parse(bytes: &[u8]) -> Self {
        let mut contents = Self::default();
        let mut open: BTreeMap<u64, (Input, Progress)> = BTreeMap::new();
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let turn = match serde_json::from_slice(line) {
                Ok(Line::Record(record)) => {
                    contents.record = record.into_owned();
                    contents.record.turns
                }
                Ok(Line::Queued(input)) => {
                    let turn = input.turn;
                    open.insert(turn, (input.into_owned(), Progress::Queued));
                    turn
                }
                Ok(Line::Again { of, input }) => {
                    open.remove(&of);
                    contents.record.in_doubt += input.in_doubt();
                    let turn = input.turn;
                    open.insert(turn, (input.into_owned(), Progress::Queued));
                    turn
                }
                Ok(Line::Begun(turn)) => {
                    open.entry(turn).and_modify(|(_, progress)| *progress = Progress::Begun);
                    turn
                }
                Ok(Line::Accepted(turn)) => {
                    open.entry(turn).and_modify(|(_, progress)| *progress = Progress::Accepted);
                    turn
                }
                Ok(Line::Ended(turn)) => {
                    open.remove(&turn);
                    turn
                }
                Err(error) => {
                    tracing::warn!(%error, "skipped a line of a member's journal");
                    continue;
                }
            };
            contents.last_turn = contents.last_turn.max(turn);
        }
        for (input, progress) in open.into_values() {
            match progress {
                Progress::Queued => contents.queued.push(input),
                Progress::Begun if !input.mail.is_empty() => contents.unsure.push(input),
                Progress::Begun | Progress::Accepted => contents.cut.push(input),
            }
        }
        contents
    }
}

/// How far an input is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Queued,
    Begun,
    Accepted,
}

/// A member's journal, open for more.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    /// What a new file would begin with.
    record: Record,
    last_turn: u64,
    open: BTreeMap<u64, Vec<u8>>,
}

impl Journal {
    /// Opens a journal and cuts off what does not count.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Contents)> {
        let contents = Contents::read(path)?;
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            length: 0,
            record: contents.record.clone(),
            last_turn: contents.last_turn,
            open: BTreeMap::new(),
        };
        for input in &contents.queued {
            journal.open.insert(input.turn, line(&Line::Queued(Cow::Borrowed(input))));
        }
        for input in contents.cut.iter().chain(&contents.unsure) {
            let mut lines = line(&Line::Queued(Cow::Borrowed(input)));
            lines.extend(line(&Line::Begun(input.turn)));
            journal.open.insert(input.turn, lines);
        }
        for input in &contents.cut {
            journal.open.entry(input.turn).or_default().extend(line(&Line::Accepted(input.turn)));
        }
        journal.rewrite()?;
        Ok((journal, contents))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Writes down what has changed of the record, if anything has.
    pub(crate) fn save(&mut self, record: &Record) -> io::Result<()> {
        if self.record == *record {
            return Ok(());
        }
        self.append(&line(&Line::Record(Cow::Borrowed(record))))?;
        self.record = record.clone();
        self.shorten();
        Ok(())
    }

    /// An input was taken; after this it is not lost.
    pub(crate) fn queued(&mut self, input: &Input) -> io::Result<()> {
        let line = line(&Line::Queued(Cow::Borrowed(input)));
        self.append(&line)?;
        self.last_turn = self.last_turn.max(input.turn);
        self.open.insert(input.turn, line);
        Ok(())
    }

    /// An input is about to be given to the agent; after this it is not given again.
    pub(crate) fn begun(&mut self, turn: u64) -> io::Result<()> {
        let line = line(&Line::Begun(turn));
        self.append(&line)?;
        self.open.entry(turn).or_default().extend(line);
        Ok(())
    }

    /// The agent has what its turn was given.
    pub(crate) fn accepted(&mut self, turn: u64) -> io::Result<()> {
        let line = line(&Line::Accepted(turn));
        self.append(&line)?;
        self.open.entry(turn).or_default().extend(line);
        Ok(())
    }

    /// What a turn was given is to be given again: one line, so that it is never in both places.
    pub(crate) fn again(&mut self, of: u64, input: &Input) -> io::Result<()> {
        self.append(&line(&Line::Again { of, input: Cow::Borrowed(input) }))?;
        self.last_turn = self.last_turn.max(input.turn);
        self.record.in_doubt += input.in_doubt();
        self.open.remove(&of);
        self.open.insert(input.turn, line(&Line::Queued(Cow::Borrowed(input))));
        Ok(())
    }

    /// A turn has ended.
    pub(crate) fn ended(&mut self, turn: u64) -> io::Result<()> {
        self.append(&line(&Line::Ended(turn)))?;
        self.open.remove(&turn);
        self.shorten();
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(line);
        match &written {
            Ok(()) => self.length += line.len() as u64,
            // Half a line would spoil the next one.
            Err(_) => self.file.set_len(self.length)?,
        }
        written
    }

    fn shorten(&mut self) {
        if self.length > LONGEST
            && let Err(error) = self.rewrite()
        {
            tracing::warn!(path = %self.path.display(), %error, "a member's journal could not be written anew");
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let mut bytes = line(&Line::Record(Cow::Borrowed(&self.record)));
        bytes.extend(line(&Line::Ended(self.last_turn)));
        bytes.extend(self.open.values().flatten());
        let dir = self.path.parent().unwrap_or(Path::new("."));
        // Private by default.
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&bytes)?;
        file.persist(&self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = bytes.len() as u64;
        Ok(())
    }
}

fn line(line: &Line<'_>) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("a line has string keys only");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
#[path = "journal_properties.rs"]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn input(turn: u64, text: &str) -> Input {
        Input { turn, text: text.into(), ..Input::default() }
    }

    #[test]
    fn it_stays_short_and_keeps_what_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.queued(&input(1, "stays")).unwrap();
        let long = "x".repeat(10_000);
        for turn in 2..1000 {
            journal.queued(&input(turn, &long)).unwrap();
            journal.begun(turn).unwrap();
            journal.save(&Record { turns: turn, ..Record::default() }).unwrap();
            journal.ended(turn).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 2 * LONGEST);
        let (_, contents) = Journal::open(&path).unwrap();
        assert_eq!((contents.queued, contents.record.turns, contents.last_turn), (vec![input(1, "stays")], 999, 999));
    }

    #[test]
    fn a_torn_last_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.jsonl");
        Journal::open(&path).unwrap().0.queued(&input(1, "one")).unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"queued\":{\"tu").unwrap();
        let (mut journal, contents) = Journal::open(&path).unwrap();
        assert_eq!(contents.queued, [input(1, "one")]);
        journal.queued(&input(2, "two")).unwrap();
        assert_eq!(Contents::read(&path).unwrap().queued.len(), 2);
    }
}
