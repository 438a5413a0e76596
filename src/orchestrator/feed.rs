//! Everything that happens in a team, in order: numbered, in a transcript file, and passed on to whoever listens. A slow
//! listener re-reads the file from its number; it never slows an agent and never loses a line.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use fs2::FileExt as _;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::model::event::{Event, EventKind};
use crate::model::name::TeamName;
use crate::model::time::iso;

/// Events that are kept in memory for listeners that keep up.
const RING: usize = 4096;
/// Every so many events the place in the file is noted.
const INDEX_STEP: u64 = 512;
/// How much of the file a listener reads at once.
const READ_AT_ONCE: usize = 256 << 10;

/// A team's events.
#[derive(Debug)]
pub struct Feed {
    team: TeamName,
    path: PathBuf,
    inner: Mutex<Inner>,
    last: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    end: u64,
    last_seq: u64,
    ring: VecDeque<Arc<Event>>,
    /// Where in the file some of the events begin, in order.
    index: Vec<(u64, u64)>,
}

impl Feed {
    /// Opens a team's transcript below `dir`, and continues its numbers. A torn last line, of a process that died while it
    /// wrote, is cut off.
    pub(super) fn open(team: &TeamName, dir: &Path) -> Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::io("create", dir))?;
        let path = dir.join("events.jsonl");
        let open = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path);
        let file = open.map_err(Error::io("open", &path))?;
        if file.try_lock_exclusive().is_err() {
            return Err(Error::Elsewhere { team: team.to_string(), path });
        }
        let (end, last_seq) = repair(&file).map_err(Error::io("read", &path))?;
        let inner = Inner { file, end, last_seq, ring: VecDeque::new(), index: vec![(1, 0)] };
        Ok(Self { team: team.clone(), path, inner: Mutex::new(inner), last: watch::Sender::new(last_seq) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The number of the last event; 0 when there is none.
    pub fn last_seq(&self) -> u64 {
        *self.last.borrow()
    }

    /// Adds an event. When the file cannot take it, who listens gets it all the same.
    pub(super) fn append(&self, agent: &str, turn: Option<u64>, kind: EventKind) -> u64 {
        let mut inner = self.lock();
        let seq = inner.last_seq + 1;
        let time = iso(jiff::Timestamp::now());
        let event = Event { seq, time, team: self.team.to_string(), agent: agent.to_owned(), turn, kind };
        let mut line = serde_json::to_vec(&event).expect("an event has string keys only");
        line.push(b'\n');
        match inner.file.write_all(&line) {
            Ok(()) => {
                if seq.is_multiple_of(INDEX_STEP) {
                    let end = inner.end;
                    inner.index.push((seq, end));
                }
                inner.end += line.len() as u64;
            }
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, seq, "an event is missing in the transcript");
                // Half a line would spoil the next one.
                let end = inner.end;
                let _ = inner.file.set_len(end);
            }
        }
        inner.last_seq = seq;
        if inner.ring.len() == RING {
            inner.ring.pop_front();
        }
        inner.ring.push_back(Arc::new(event));
        drop(inner);
        self.last.send_replace(seq);
        seq
    }

    /// The events from number `from` on (the first is 1), those to come too.
    pub fn subscribe(self: &Arc<Self>, from: u64) -> Subscription {
        let next = from.max(1);
        Subscription { feed: Arc::clone(self), last: self.last.subscribe(), next, ready: VecDeque::new(), place: None }
    }
}

/// Cuts off a torn last line, and answers the file's length and the number of its last event.
fn repair(file: &File) -> std::io::Result<(u64, u64)> {
    let mut end = file.metadata()?.len();
    // Backwards in growing steps: a line may be as long as a message.
    let mut span = 64 << 10;
    loop {
        let from = end.saturating_sub(span);
        let mut bytes = vec![0; usize::try_from(end - from).unwrap_or(0)];
        file.read_exact_at(&mut bytes, from)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = bytes[..whole].strip_suffix(b"\n").unwrap_or_default();
        let begin = lines.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        if (begin.is_none() || whole == 0) && from > 0 {
            span *= 4;
            continue;
        }
        if whole < bytes.len() {
            end = from + whole as u64;
            file.set_len(end)?;
        }
        if lines.is_empty() {
            return Ok((end, 0));
        }
        return match serde_json::from_slice::<Event>(&lines[begin.unwrap_or(0)..]) {
            Ok(event) => Ok((end, event.seq)),
            Err(error) => Err(std::io::Error::other(format!("its last line is no event ({error}); move it away"))),
        };
    }
}

/// A listener's place in a team's events.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Feed>,
    last: watch::Receiver<u64>,
    next: u64,
    ready: VecDeque<Arc<Event>>,
    /// Where in the file the next event begins, while we read it from there.
    place: Option<u64>,
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
        if self.ready.is_empty() {
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
            if self.place.is_none() {
                let before = inner.index.partition_point(|(seq, _)| *seq <= self.next);
                self.place = inner.index.get(before.saturating_sub(1)).map(|(_, place)| *place);
            }
        }
        if let Err(error) = self.read_file() {
            tracing::error!(path = %self.feed.path.display(), %error, "cannot read a transcript");
            // What is still in memory is better than nothing.
            self.next = self.feed.lock().ring.front().map_or(self.next, |event| event.seq);
        }
    }

    fn read_file(&mut self) -> std::io::Result<()> {
        let mut file = File::open(&self.feed.path)?;
        let mut place = self.place.unwrap_or(0);
        file.seek(SeekFrom::Start(place))?;
        let limit = self.feed.lock().end - place;
        let mut reader = BufReader::new(file.take(limit));
        let mut line = Vec::new();
        let mut used = 0;
        while used < READ_AT_ONCE || self.ready.is_empty() {
            line.clear();
            let bytes = reader.read_until(b'\n', &mut line)?;
            if bytes == 0 {
                break;
            }
            used += bytes;
            place += bytes as u64;
            match serde_json::from_slice::<Event>(&line) {
                Ok(event) if event.seq >= self.next => self.ready.push_back(Arc::new(event)),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "skipped a line of a transcript that is no event"),
            }
        }
        self.place = Some(place);
        if self.ready.is_empty() {
            // The file ends before memory begins: an event could not be written.
            self.next = self.feed.lock().ring.front().map_or(self.next, |event| event.seq);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(dir: &Path) -> Arc<Feed> {
        Arc::new(Feed::open(&"t".parse().unwrap(), dir).unwrap())
    }

    fn fill(feed: &Feed, count: u64) {
        for number in 0..count {
            feed.append("a", Some(1), EventKind::Delta { text: format!("{number}") });
        }
    }

    #[test]
    fn a_listener_that_comes_late_gets_everything_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let feed = feed(dir.path());
        fill(&feed, 10_000);
        for from in [1, 2, 511, 512, 513, 5_000, 9_999] {
            let mut listener = feed.subscribe(from);
            let got: Vec<u64> = std::iter::from_fn(|| listener.next_now()).map(|event| event.seq).collect();
            assert_eq!(got, (from..=10_000).collect::<Vec<_>>());
        }
    }

    #[test]
    fn numbers_go_on_after_a_restart_and_a_torn_line_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        fill(&feed(dir.path()), 3);
        let path = dir.path().join("events.jsonl");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":4,\"ti").unwrap();
        let feed = feed(dir.path());
        assert_eq!(feed.last_seq(), 3);
        fill(&feed, 1);
        let mut listener = feed.subscribe(1);
        let got: Vec<u64> = std::iter::from_fn(|| listener.next_now()).map(|event| event.seq).collect();
        assert_eq!(got, [1, 2, 3, 4]);
    }

    #[test]
    fn a_last_line_longer_than_a_piece_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let first = feed(dir.path());
        first.append("a", None, EventKind::Message { text: "x".repeat(1_000_000) });
        first.append("a", None, EventKind::Message { text: "y".repeat(1_000_000) });
        drop(first);
        assert_eq!(feed(dir.path()).last_seq(), 2);
    }

    #[test]
    fn two_processes_do_not_write_one_transcript() {
        let dir = tempfile::tempdir().unwrap();
        let _first = feed(dir.path());
        let second = Feed::open(&"t".parse().unwrap(), dir.path());
        assert!(matches!(second, Err(Error::Elsewhere { .. })));
    }
}
