//! What holds of a transcript whatever happens to it: files of any size, a disk that fails now and then, readers anywhere, and
//! daemons that follow each other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append {
        count: usize,
        length: usize,
    },
    /// The disk takes nothing, until it does again.
    Disk {
        works: bool,
    },
    /// A file cannot be put away, until it can.
    PutAway {
        works: bool,
    },
    Subscribe {
        from: u64,
    },
    Read {
        reader: usize,
        count: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..30usize, 0..120usize).prop_map(|(count, length)| Step::Append { count, length }),
        3 => any::<bool>().prop_map(|works| Step::Disk { works }),
        3 => any::<bool>().prop_map(|works| Step::PutAway { works }),
        3 => (0..400u64).prop_map(|from| Step::Subscribe { from }),
        4 => (0..8usize, 1..60usize).prop_map(|(reader, count)| Step::Read { reader, count }),
        1 => Just(Step::Reopen),
    ]
}

/// A listener, and the number that it has to hear next.
struct Reader {
    events: Subscription,
    next: u64,
}

/// A transcript, beside what it has to say.
struct Trial {
    dir: TempDir,
    rotation: Rotation,
    feed: Arc<Feed>,
    disk_works: bool,
    /// What is in the way of putting a file away.
    obstacle: Option<PathBuf>,
    /// The text of each event; number 1 is the first.
    texts: Vec<String>,
    /// The events that the disk has not taken yet, and their bytes.
    pending: (Vec<u64>, usize),
    /// The events that were given up.
    missing: BTreeSet<u64>,
    readers: Vec<Reader>,
}

const UNWRITTEN: usize = 4000;

fn open(dir: &Path, rotation: Rotation) -> Arc<Feed> {
    let feed = Feed::open(&"t".parse().unwrap(), dir, rotation, Arc::default(), Arc::default()).unwrap();
    feed.lock().memory = Memory { ring: 10, unwritten: UNWRITTEN };
    Arc::new(feed)
}

impl Trial {
    fn new(segment: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rotation = Rotation { segment, keep: 10_000 };
        let feed = open(dir.path(), rotation);
        Self {
            dir,
            rotation,
            feed,
            disk_works: true,
            obstacle: None,
            texts: Vec::new(),
            pending: Default::default(),
            missing: BTreeSet::new(),
            readers: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append { count, length } => (0..count).for_each(|_| self.append(length)),
            Step::Disk { works } => self.set_disk(works),
            Step::PutAway { works } => self.set_put_away(works),
            Step::Subscribe { from } => {
                self.readers.push(Reader { events: self.feed.subscribe(from), next: from.max(1) });
            }
            Step::Read { reader, count } => {
                if let Some(reader) = self.readers.get_mut(reader) {
                    read(reader, count, &self.texts, &self.missing);
                }
            }
            Step::Reopen => self.reopen(),
        }
    }

    fn append(&mut self, length: usize) {
        let seq = self.texts.len() as u64 + 1;
        let text = format!("{seq} {}", "x".repeat(length));
        self.texts.push(text.clone());
        assert_eq!(self.feed.append("a", None, EventKind::Message { text }), seq);
        let line = serde_json::to_string(self.feed.lock().ring.back().unwrap().as_ref()).unwrap().len() + 1;
        self.pending.0.push(seq);
        self.pending.1 += line;
        if self.disk_works {
            self.pending = Default::default();
        } else if self.pending.1 > UNWRITTEN {
            self.missing.extend(std::mem::take(&mut self.pending).0);
            // A file that was begun meanwhile takes nothing either.
            self.feed.lock().file = File::open(&self.feed.path).unwrap();
        }
    }

    fn set_disk(&mut self, works: bool) {
        if self.disk_works != works {
            let file = if works {
                OpenOptions::new().read(true).append(true).open(&self.feed.path)
            } else {
                // Whatever is written to it fails.
                File::open(&self.feed.path)
            };
            self.feed.lock().file = file.unwrap();
            self.disk_works = works;
        }
    }

    fn set_put_away(&mut self, works: bool) {
        if works && let Some(obstacle) = self.obstacle.take() {
            std::fs::remove_dir(obstacle).unwrap();
        }
        if !works && self.obstacle.is_none() {
            let first = self.feed.lock().segments.last().unwrap().first;
            let obstacle = segments::name(&self.feed.path, first);
            std::fs::create_dir(&obstacle).unwrap();
            self.obstacle = Some(obstacle);
        }
    }

    /// Another daemon goes on. What the disk did not take is lost with the first one, and its numbers are given anew.
    fn reopen(&mut self) {
        self.set_put_away(true);
        self.readers.clear();
        let lost: BTreeSet<u64> = self.missing.iter().copied().chain(self.pending.0.drain(..)).collect();
        while lost.contains(&(self.texts.len() as u64)) {
            self.texts.pop();
        }
        self.missing.retain(|seq| *seq <= self.texts.len() as u64);
        self.pending = Default::default();
        self.disk_works = true;
        // The old one first: it has the lock.
        self.feed = open(tempfile::tempdir().unwrap().path(), self.rotation);
        self.feed = open(self.dir.path(), self.rotation);
        assert_eq!(self.feed.last_seq(), self.texts.len() as u64);
    }
}

/// Reads up to `count` events: each is the next one, but for those that are missing.
fn read(reader: &mut Reader, count: usize, texts: &[String], missing: &BTreeSet<u64>) {
    for _ in 0..count {
        let Some(event) = reader.events.next_now() else {
            assert!(
                (reader.next..=texts.len() as u64).all(|seq| missing.contains(&seq)),
                "{} is not told",
                reader.next
            );
            return;
        };
        assert!((reader.next..event.seq).all(|seq| missing.contains(&seq)), "{} follows {}", event.seq, reader.next);
        let at = usize::try_from(event.seq - 1).unwrap();
        assert_eq!(event.kind, EventKind::Message { text: texts[at].clone() });
        reader.next = event.seq + 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every reader hears every event once and in order, wherever it begins and however it reads; what it does not hear is
    /// what the disk did not take for so long that it was given up. What is on the disk at the end is all the rest.
    #[test]
    fn every_event_is_heard_once_and_in_order(segment in 200..5000u64, steps in prop::collection::vec(step(), 1..60)) {
        let mut trial = Trial::new(segment);
        for step in steps {
            trial.take(step);
        }
        trial.set_disk(true);
        trial.set_put_away(true);
        trial.append(1);
        for mut reader in std::mem::take(&mut trial.readers) {
            read(&mut reader, usize::MAX, &trial.texts, &trial.missing);
        }
        trial.reopen();
        let mut reader = Reader { events: trial.feed.subscribe(1), next: 1 };
        let heard: Vec<u64> = std::iter::from_fn(|| reader.events.next_now()).map(|event| event.seq).collect();
        let there = (1..=trial.texts.len() as u64).filter(|seq| !trial.missing.contains(seq));
        prop_assert_eq!(heard, there.collect::<Vec<_>>());
    }
}
