//! Everything that happens in a team, in order: numbered, in a transcript file, and passed on to whoever listens. A slow
//! listener re-reads the file from its number; it never slows an agent and never loses a line.

pub(crate) mod changes;
pub(crate) mod mail_events;
pub(crate) mod receiver;
pub(crate) mod redact;
pub(crate) mod segments;
pub(crate) mod taken;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fs2::FileExt as _;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::model::change::{Change, Changed};
use crate::model::event::{Event, EventKind};
use crate::model::name::TeamName;
use crate::model::time::iso;
use crate::orchestrator::feed::changes::Changes;
use crate::orchestrator::feed::redact::Redactor;
use crate::orchestrator::feed::segments::Segment;
use crate::sync::lock;

/// How many events are kept in memory for listeners that keep up.
const RING: usize = 4096;
/// Every so many events the place in the file is noted.
const INDEX_STEP: u64 = 512;
/// What the disk does not take is kept up to this many bytes.
const UNWRITTEN_LIMIT: usize = 8 << 20;
/// The file that is written.
const CURRENT: &str = "events.jsonl";
/// How much of the file a listener reads at once.
const READ_AT_ONCE: usize = 256 << 10;

/// How large a transcript may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// A file that has grown past this is put away, and another one begun.
    pub(crate) segment: u64,
    /// So many are kept besides.
    pub(crate) keep: usize,
}

impl Default for Rotation {
    /// 256 MiB in all.
    fn default() -> Self {
        Self { segment: 16 << 20, keep: 15 }
    }
}

/// How much is kept in memory.
#[derive(Debug)]
struct Memory {
    /// So many events, for listeners that keep up.
    ring: usize,
    /// So many bytes that the disk does not take.
    unwritten: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self { ring: RING, unwritten: UNWRITTEN_LIMIT }
    }
}

/// A team's events.
#[derive(Debug)]
pub struct Feed {
    team: TeamName,
    path: PathBuf,
    rotation: Rotation,
    redactor: Arc<Redactor>,
    changes: Arc<Changes>,
    inner: Mutex<Inner>,
    last: watch::Sender<u64>,
    /// Nobody else writes here as long as this is open.
    lock_file: File,
}

#[derive(Debug)]
struct Inner {
    file: File,
    end: u64,
    last_seq: u64,
    memory: Memory,
    ring: VecDeque<Arc<Event>>,
    /// Lines that the disk did not take yet.
    unwritten: Vec<u8>,
    /// The number of the last event that is not among them: it is in the file, or was given up.
    settled: u64,
    /// What was put away, the oldest first, and what is written now.
    segments: Vec<Segment>,
}

impl Feed {
    /// Opens a team's transcript below `dir`, and continues its numbers. A torn last line, of a process that died while it
    /// wrote, is cut off.
    pub(crate) fn open(
        team: &TeamName,
        dir: &Path,
        rotation: Rotation,
        redactor: Arc<Redactor>,
        changes: Arc<Changes>,
    ) -> Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("create", dir))?;
        let private = |name: &str| {
            let path = dir.join(name);
            let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
            open.map_err(Error::io("open", path))
        };
        let lock = private("events.lock")?;
        let path = dir.join(CURRENT);
        if !lock_soon(&lock) {
            return Err(Error::Elsewhere { team: team.to_string(), path });
        }
        let file = private(CURRENT)?;
        let mut segments = segments::put_away(dir).map_err(Error::io("list", dir))?;
        let (end, mut last_seq) = segments::repair(&file).map_err(Error::io("read", &path))?;
        if end == 0
            && let Some(last) = segments.last()
        {
            // It was put away, and the next one has no line yet.
            last_seq =
                File::open(&last.path).and_then(|file| segments::repair(&file)).map_err(Error::io("read", &path))?.1;
        }
        let first = segments::first_seq(&path).map_err(Error::io("read", &path))?.unwrap_or(last_seq + 1);
        segments.push(Segment::new(first, path.clone()));
        let inner = Inner {
            file,
            end,
            last_seq,
            memory: Memory::default(),
            ring: VecDeque::new(),
            unwritten: Vec::new(),
            settled: last_seq,
            segments,
        };
        let last = watch::Sender::new(last_seq);
        Ok(Self {
            team: team.clone(),
            path,
            rotation,
            redactor,
            changes,
            inner: Mutex::new(inner),
            last,
            lock_file: lock,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Lets another orchestrator open the transcript. Nothing is appended any more: whoever could is being ended.
    pub(crate) fn let_go(&self) {
        if let Err(error) = fs2::FileExt::unlock(&self.lock_file) {
            tracing::warn!(path = %self.path.display(), %error, "a transcript stays locked");
        }
    }

    /// The number of the last event; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        *self.last.borrow()
    }

    /// Adds an event. When the file cannot take it, who listens gets it all the same.
    pub(crate) fn append(&self, agent: &str, turn: Option<u64>, kind: EventKind) -> u64 {
        let mut inner = self.lock();
        let seq = inner.last_seq + 1;
        let time = iso(jiff::Timestamp::now());
        let event = Event { seq, time, team: self.team.to_string(), agent: agent.to_owned(), turn, kind };
        let (event, line) = self.redacted(event);
        inner.write(seq, line.as_bytes(), &self.path);
        // Lines that are still to be written belong into the file that their numbers follow on.
        if inner.end > self.rotation.segment
            && inner.unwritten.is_empty()
            && let Err(error) = inner.rotate(seq, &self.path, self.rotation.keep)
        {
            tracing::error!(path = %self.path.display(), %error, "a transcript cannot be put away, and grows on");
        }
        inner.last_seq = seq;
        let event = Arc::new(event);
        inner.ring.push_back(Arc::clone(&event));
        inner.forget_oldest();
        drop(inner);
        self.last.send_replace(seq);
        self.changes.note_event(&event.team, &event.agent, &event.kind);
        seq
    }

    /// Tells those who watch that what a member's status says is another than before, without an event.
    pub(crate) fn note_member(&self, member: &str) {
        self.changes.note(Change::new(self.team.as_str(), Changed::Member, member));
    }

    /// The event, and its line, without the values of secrets.
    fn redacted(&self, event: Event) -> (Event, String) {
        let mut line = serde_json::to_string(&event).expect("an event has string keys only");
        let mut event = event;
        if let Cow::Owned(_) = self.redactor.redact(&line) {
            event.kind = event.kind.map_text(|text| self.redactor.redact(&text).into_owned());
            line = serde_json::to_string(&event).expect("an event has string keys only");
        }
        line.push('\n');
        (event, line)
    }

    /// The events from number `from` on (the first is 1), those to come too.
    pub fn subscribe(self: &Arc<Self>, from: u64) -> Subscription {
        let next = from.max(1);
        Subscription { feed: Arc::clone(self), last: self.last.subscribe(), next, ready: VecDeque::new(), place: None }
    }
}

/// Locks a file, also when whoever has it is just letting go of it: an orchestrator that was dropped in this process ends what it
/// had begun.
fn lock_soon(file: &File) -> bool {
    const ATTEMPTS: u32 = 25;
    (0..ATTEMPTS).any(|attempt| {
        if attempt > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        file.try_lock_exclusive().is_ok()
    })
}

impl Inner {
    /// Writes a line, and what could not be written before it. What the disk does not take now is written with the next line;
    /// who listens gets it all the same.
    fn write(&mut self, seq: u64, line: &[u8], path: &Path) {
        let end = self.end;
        if self.unwritten.is_empty()
            && let Some(segment) = self.segments.last_mut()
            && seq.is_multiple_of(INDEX_STEP)
        {
            segment.note(seq, end);
        }
        self.unwritten.extend_from_slice(line);
        match self.file.write_all(&self.unwritten) {
            Ok(()) => {
                self.end += self.unwritten.len() as u64;
                self.unwritten.clear();
                self.settled = seq;
            }
            Err(error) => {
                tracing::error!(path = %path.display(), %error, seq, "an event is not in the transcript yet");
                // Half a line would spoil the next one.
                let _ = self.file.set_len(end);
                if self.unwritten.len() > self.memory.unwritten {
                    tracing::error!(path = %path.display(), seq, "events up to this one are missing in the transcript");
                    self.unwritten.clear();
                    self.settled = seq;
                }
            }
        }
    }

    /// Drops the oldest events from memory, but none that the disk is still to take: nobody could read it anywhere.
    fn forget_oldest(&mut self) {
        while self.ring.len() > self.memory.ring && self.ring.front().is_some_and(|event| event.seq <= self.settled) {
            self.ring.pop_front();
        }
    }

    /// Puts the file away under the number of its first event, and begins another one; the oldest go.
    fn rotate(&mut self, seq: u64, path: &Path, keep: usize) -> std::io::Result<()> {
        let Some(current) = self.segments.last_mut() else { return Ok(()) };
        let away = segments::name(path, current.first);
        std::fs::rename(path, &away)?;
        match OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path) {
            Ok(file) => self.file = file,
            Err(error) => return std::fs::rename(&away, path).and(Err(error)),
        }
        current.path = away;
        self.end = 0;
        self.segments.push(Segment::new(seq + 1, path.to_owned()));
        while self.segments.len() > keep + 1 {
            let oldest = self.segments.remove(0);
            std::fs::remove_file(&oldest.path)?;
        }
        Ok(())
    }

    /// The file that has an event, or the oldest there is, opened; where in it to begin; and where it ends.
    fn open_at(&self, seq: u64, place: Option<(u64, u64)>) -> std::io::Result<(u64, File, u64, u64)> {
        let at = self.segments.partition_point(|segment| segment.first <= seq).saturating_sub(1);
        let segment = &self.segments[at];
        let file = File::open(&segment.path)?;
        let end = if at + 1 == self.segments.len() { self.end } else { file.metadata()?.len() };
        let begin = match place {
            Some((first, place)) if first == segment.first => place,
            _ => segment.place_of(seq),
        };
        Ok((segment.first, file, begin, end))
    }
}

/// A listener's place in a team's events.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    next: u64,
    ready: VecDeque<Arc<Event>>,
    /// In which file, by its first event, and where in it the next event begins, while we read it from there.
    place: Option<(u64, u64)>,
}

impl Subscription {
    /// The next event; `None` when the team is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        loop {
            if let Some(event) = self.next_now() {
                return Some(event);
            }
            let next = self.next;
            self.last.wait_for(|last| *last >= next).await.ok()?;
        }
    }

    /// The next event if it happened already.
    pub fn next_now(&mut self) -> Option<Arc<Event>> {
        // The first look at a place where events are missing finds that out, and the next one those that follow.
        while self.ready.is_empty() && self.next <= self.feed.last_seq() {
            self.fetch();
        }
        let event = self.ready.pop_front()?;
        self.next = event.seq + 1;
        Some(event)
    }

    /// Takes what is in memory from our number on, or reads a piece of the file when memory begins after it.
    fn fetch(&mut self) {
        {
            let inner = self.feed.lock();
            if inner.last_seq < self.next {
                return;
            }
            let first = inner.ring.front().map_or(u64::MAX, |event| event.seq);
            if self.next >= first {
                let skip = usize::try_from(self.next - first).unwrap_or(usize::MAX);
                self.ready.extend(inner.ring.iter().skip(skip).take(256).cloned());
                self.place = None;
                return;
            }
        }
        if let Err(error) = self.read_file() {
            tracing::error!(path = %self.feed.path.display(), %error, "cannot read a transcript");
            // What is still in memory, or in the next file, is better than nothing.
            self.skip();
        }
    }

    fn read_file(&mut self) -> std::io::Result<()> {
        // Opened while nothing is put away; what is read then stays readable.
        let (first, mut file, mut place, end) = self.feed.lock().open_at(self.next, self.place)?;
        file.seek(SeekFrom::Start(place))?;
        let limit = end.saturating_sub(place);
        let mut reader = BufReader::new(file.take(limit));
        let mut line = Vec::new();
        let mut used = 0;
        // For whoever comes here next: after a restart nothing is known of the files.
        let mut places = Vec::new();
        while used < READ_AT_ONCE || self.ready.is_empty() {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line)?;
            if bytes == 0 {
                break;
            }
            used += bytes;
            let begin = place;
            place += bytes as u64;
            let event = serde_json::from_slice::<Event>(&line);
            if let Ok(Event { seq, .. }) = &event
                && seq.is_multiple_of(INDEX_STEP)
            {
                places.push((*seq, begin));
            }
            match event {
                Ok(event) if event.seq >= self.next => self.ready.push_back(Arc::new(event)),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "skipped a line of a transcript that is no event"),
            }
        }
        self.place = Some((first, place));
        if let Some(segment) = self.feed.lock().segments.iter_mut().find(|segment| segment.first == first) {
            places.into_iter().for_each(|(seq, place)| segment.note(seq, place));
        }
        if self.ready.is_empty() {
            // The file ends before memory, or the next file, begins: an event could not be written.
            self.skip();
        }
        Ok(())
    }

    /// Goes on with the next event that can be had.
    fn skip(&mut self) {
        let inner = self.feed.lock();
        let ring = inner.ring.front().map(|event| event.seq).filter(|seq| *seq >= self.next);
        let file = inner.segments.iter().map(|segment| segment.first).find(|first| *first > self.next);
        self.next = [ring, file].into_iter().flatten().min().unwrap_or(inner.last_seq + 1);
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
