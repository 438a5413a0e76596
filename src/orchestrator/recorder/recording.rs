//! The file of one recording.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::model::name::TeamName;
use crate::model::recording::{FORMAT, Recorded, RecordingEnd, What};
use crate::model::time::iso;
use crate::orchestrator::feed::redact::Redactor;
use crate::orchestrator::feed::{Feed, Subscription};
use crate::sync::lock;

/// How large a recording may become: somebody who forgets it does not fill the disk.
const LIMIT: u64 = 256 << 20;

static IDS: AtomicU64 = AtomicU64::new(1);

/// A recording that goes on.
#[derive(Debug)]
pub(super) struct Recording {
    id: u64,
    /// The run that it is of.
    run: Option<String>,
    file: PathBuf,
    began: Instant,
    feed: Arc<Feed>,
    redactor: Arc<Redactor>,
    processes: AtomicU64,
    out: Mutex<Out>,
    /// The number of the last event that is in it.
    written: watch::Sender<u64>,
    /// Ends what follows the events.
    follows: CancellationToken,
}

#[derive(Debug)]
struct Out {
    file: File,
    lines: u64,
    bytes: u64,
    missing: Option<String>,
    /// Nothing more is written.
    has_ended: bool,
}

impl Recording {
    pub(super) fn create(
        feed: &Arc<Feed>,
        team: &TeamName,
        path: &Path,
        redactor: Arc<Redactor>,
        run: Option<&str>,
    ) -> Result<Arc<Self>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(Error::io("create", path))?;
        let first = feed.last_seq() + 1;
        let ends = CancellationToken::new();
        let recording = Arc::new(Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            run: run.map(str::to_owned),
            file: path.to_owned(),
            began: Instant::now(),
            feed: Arc::clone(feed),
            redactor,
            processes: AtomicU64::new(1),
            out: Mutex::new(Out { file, lines: 0, bytes: 0, missing: None, has_ended: false }),
            written: watch::Sender::new(first - 1),
            follows: ends.clone(),
        });
        recording.note(What::Begun {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            team: team.to_string(),
            at: iso(jiff::Timestamp::now()),
        });
        let follows = follow(Arc::downgrade(&recording), feed.subscribe(first));
        tokio::spawn(async move { ends.run_until_cancelled(follows).await });
        Ok(recording)
    }

    pub(super) fn is_of_run(&self, run: &str) -> bool {
        self.run.as_deref() == Some(run)
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn next_process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes something down. What the disk does not take is missing, and that is told at the end.
    pub(super) fn note(&self, what: What) {
        // In the order in which they are written, they happened.
        let mut out = lock(&self.out);
        // What hears a process may go on for long.
        if out.has_ended || out.missing.is_some() {
            return;
        }
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let recorded = Recorded { ms, seq: self.feed.last_seq(), what };
        let Ok(line) = serde_json::to_string(&recorded) else { return };
        let line = self.redactor.redact(&line).into_owned() + "\n";
        let length = line.len() as u64;
        if out.bytes + length > LIMIT {
            out.missing = Some(format!("it ended at its limit of {} MiB", LIMIT >> 20));
            return;
        }
        match out.file.write_all(line.as_bytes()) {
            Ok(()) => (out.lines, out.bytes) = (out.lines + 1, out.bytes + length),
            Err(error) => out.missing = Some(format!("it could not be written on: {error}")),
        }
    }

    /// Ends it, once it has all events so far.
    pub(super) async fn end(&self) -> RecordingEnd {
        let last = self.feed.last_seq();
        let _ = self.written.subscribe().wait_for(|written| *written >= last).await;
        // Processes that it has heard go on, and so does what hears them.
        self.follows.cancel();
        let mut out = lock(&self.out);
        out.has_ended = true;
        RecordingEnd { file: self.file.clone(), lines: out.lines, bytes: out.bytes, missing: out.missing.clone() }
    }
}

/// Writes the team's events down for as long as the recording goes on.
async fn follow(recording: Weak<Recording>, mut events: Subscription) {
    while let Some(event) = events.next().await {
        let Some(recording) = recording.upgrade() else { return };
        recording.note(What::Event { event: Box::new((*event).clone()) });
        recording.written.send_replace(event.seq);
    }
}
