//! The files of a transcript: one that is written, and those that were put away under the number of their first event.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::model::event::Event;

/// One file.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number of its first event.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    /// Where in it some of the events begin, in order.
    pub(crate) index: Vec<(u64, u64)>,
}

impl Segment {
    pub(crate) fn new(first: u64, path: PathBuf) -> Self {
        Self { first, path, index: Vec::new() }
    }

    /// Notes where an event begins.
    pub(crate) fn note(&mut self, seq: u64, place: u64) {
        if let Err(at) = self.index.binary_search_by_key(&seq, |(indexed, _)| *indexed) {
            self.index.insert(at, (seq, place));
        }
    }

    /// A place at or before that event.
    pub(crate) fn place_of(&self, seq: u64) -> u64 {
        let before = self.index.partition_point(|(indexed, _)| *indexed <= seq);
        before.checked_sub(1).map_or(0, |at| self.index[at].1)
    }
}

/// What a file is called when it is put away.
pub(crate) fn name(current: &Path, first: u64) -> PathBuf {
    current.with_file_name(format!("events-{first:020}.jsonl"))
}

/// The files that were put away in `dir`, the oldest first.
pub(crate) fn put_away(dir: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let first = name.strip_prefix("events-").and_then(|rest| rest.strip_suffix(".jsonl")?.parse().ok());
        segments.extend(first.map(|first| Segment::new(first, path)));
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// The number of the first event in a file; `None` when there is none.
pub(crate) fn first_seq(path: &Path) -> io::Result<Option<u64>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice::<Event>(&line).map(|event| Some(event.seq)).map_err(io::Error::other)
}

/// Cuts off a torn last line, and answers the file's length and the number of its last event.
pub(crate) fn repair(file: &File) -> io::Result<(u64, u64)> {
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
            Err(error) => Err(io::Error::other(format!("its last line is no event ({error}); move it away"))),
        };
    }
}
