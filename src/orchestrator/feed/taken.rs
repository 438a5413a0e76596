//! What the last turns of a team took, read from the end of its transcript: nothing else is kept for that.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::CURRENT;
use crate::model::event::{Event, EventKind};
use crate::sync::lock;

/// How much of a transcript is read, from its end.
const MOST_BYTES: u64 = 2 << 20;

/// Where in a line its type stands, at the latest: after a number, a time and two names.
const HEAD: usize = 512;

/// So many teams are remembered.
const MOST_TEAMS: usize = 64;

/// A turn that was completed without asking anybody.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    /// Whose it was.
    pub(crate) agent: String,
    /// The backend that it had then.
    pub(crate) backend: String,
    pub(crate) duration: Duration,
    pub(crate) cost_usd: Option<f64>,
}

/// What the transcripts said when they were last read: who starts many members reads each of them once.
#[derive(Debug, Default)]
pub(crate) struct TurnsTaken(Mutex<HashMap<PathBuf, LastRead>>);

#[derive(Debug)]
struct LastRead {
    length: u64,
    changed: SystemTime,
    turns: Arc<[Taken]>,
}

impl TurnsTaken {
    /// The last turns of the team whose files are in this folder, the oldest first.
    pub(crate) fn of(&self, dir: &Path) -> io::Result<Arc<[Taken]>> {
        let path = dir.join(CURRENT);
        // Others who ask meanwhile wait for what is read.
        let mut known = lock(&self.0);
        let data = path.metadata()?;
        let (length, changed) = (data.len(), data.modified()?);
        if let Some(known) = known.get(&path).filter(|known| (known.length, known.changed) == (length, changed)) {
            return Ok(Arc::clone(&known.turns));
        }
        let turns: Arc<[Taken]> = read(&path)?.into();
        if known.len() >= MOST_TEAMS {
            known.clear();
        }
        known.insert(path, LastRead { length, changed, turns: Arc::clone(&turns) });
        Ok(turns)
    }
}

/// When something has last happened in the team whose files are in this folder.
pub(crate) fn last_change(dir: &Path) -> io::Result<SystemTime> {
    // The time of the folder says when a file was made in it.
    dir.join(CURRENT).metadata()?.modified()
}

fn read(path: &Path) -> io::Result<Vec<Taken>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
    let mut end = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut end)?;
    Ok(of_lines(end.split(|byte| *byte == b'\n')))
}

#[derive(Default)]
struct Open {
    turn: u64,
    began: Option<Timestamp>,
    cost_usd: Option<f64>,
}

fn of_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Taken> {
    const TOLD: [&[u8]; 5] = [
        b"\"type\":\"turn-started\"",
        b"\"type\":\"turn-completed\"",
        b"\"type\":\"usage\"",
        b"\"type\":\"approval\"",
        b"\"type\":\"spawned\"",
    ];
    let mut backends: HashMap<String, String> = HashMap::new();
    let mut open: HashMap<String, Open> = HashMap::new();
    let mut taken = Vec::new();
    for line in lines {
        // Most lines are pieces of answers, and are not worth parsing; what a line is stands before what it says. The first may be half a line.
        let head = &line[..line.len().min(HEAD)];
        if !TOLD.iter().any(|told| head.windows(told.len()).any(|part| part == *told)) {
            continue;
        }
        let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
        let (agent, turn) = (event.agent, event.turn);
        let of_turn = |open: &Open| Some(open.turn) == turn;
        match event.kind {
            EventKind::Spawned { backend, .. } => {
                backends.insert(agent, backend);
            }
            EventKind::TurnStarted { .. } => {
                let began = event.time.parse().ok();
                open.insert(agent, Open { turn: turn.unwrap_or_default(), began, cost_usd: None });
            }
            EventKind::Usage { usage } => {
                if let Some(open) = open.get_mut(&agent).filter(|open| of_turn(open)) {
                    open.cost_usd =
                        usage.cost_usd.map(|cost| cost + open.cost_usd.unwrap_or_default()).or(open.cost_usd);
                }
            }
            // How long a person takes to answer says nothing of the agent.
            EventKind::Approval { .. } => drop(open.remove(&agent)),
            EventKind::TurnCompleted { .. } => {
                let Some(Open { began: Some(began), cost_usd, .. }) = open.remove(&agent).filter(of_turn) else {
                    continue;
                };
                let Ok(ended) = event.time.parse::<Timestamp>() else { continue };
                let Ok(duration) = Duration::try_from(ended.duration_since(began)) else { continue };
                // Who had another backend before, was replaced; where that is not told in what was read, nobody knows whose turn it was.
                let Some(backend) = backends.get(&agent).cloned() else { continue };
                taken.push(Taken { agent, backend, duration, cost_usd });
            }
            _ => {}
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use agent_backends::Usage;

    use super::*;

    fn line(at_ms: i64, agent: &str, turn: Option<u64>, kind: EventKind) -> Vec<u8> {
        let time = crate::model::time::iso(Timestamp::from_millisecond(at_ms).unwrap());
        serde_json::to_vec(&Event { seq: 1, time, team: "t".into(), agent: agent.into(), turn, kind }).unwrap()
    }

    #[test]
    fn completed_turns_are_found_with_what_they_took() {
        let started = || EventKind::TurnStarted { input: None, from: None };
        let completed = || EventKind::TurnCompleted { text: "\"type\":\"usage\"".into() };
        let spawned = |backend: &str| EventKind::Spawned { backend: backend.into(), conversation: None, reason: None };
        let usage = |cost_usd| EventKind::Usage { usage: Usage { input_tokens: 1, output_tokens: 1, cost_usd } };
        let asked = EventKind::Approval {
            id: "a-1".into(),
            tool: "Bash".into(),
            summary: String::new(),
            kind: Default::default(),
            command: None,
            details: None,
            questions: Vec::new(),
            decides: Default::default(),
        };
        let lines = [
            b"-line that was cut\"type\":\"spawned\"}".to_vec(),
            line(0, "a", Some(7), completed()),
            line(0, "old", Some(1), started()),
            line(900, "old", Some(1), completed()),
            line(1000, "a", None, spawned("codex")),
            line(1000, "a", Some(8), started()),
            line(1100, "b", Some(1), started()),
            line(1200, "a", Some(8), usage(Some(0.25))),
            line(1300, "a", Some(8), usage(None)),
            line(1400, "a", Some(8), usage(Some(0.5))),
            line(3000, "a", Some(8), completed()),
            line(3000, "b", Some(1), asked),
            line(9000, "b", Some(1), completed()),
            line(9000, "a", Some(9), started()),
            line(9100, "a", Some(9), EventKind::Error { message: "no".into() }),
            line(9200, "old", None, spawned("claude-code")),
            line(9200, "old", Some(2), started()),
            line(9300, "old", Some(2), completed()),
        ];
        let of = |agent: &str, backend: &str, ms, cost_usd| Taken {
            agent: agent.into(),
            backend: backend.into(),
            duration: Duration::from_millis(ms),
            cost_usd,
        };
        assert_eq!(
            of_lines(lines.iter().map(Vec::as_slice)),
            [of("a", "codex", 2000, Some(0.75)), of("old", "claude-code", 100, None)]
        );
    }

    #[test]
    fn a_transcript_that_has_changed_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CURRENT);
        let turns = TurnsTaken::default();
        assert!(turns.of(dir.path()).is_err());
        let spawned = EventKind::Spawned { backend: "codex".into(), conversation: None, reason: None };
        let turn = |number| {
            [EventKind::TurnStarted { input: None, from: None }, EventKind::TurnCompleted { text: String::new() }]
                .map(|kind| line(0, "a", Some(number), kind))
        };
        let mut lines = vec![line(0, "a", None, spawned)];
        lines.extend(turn(1));
        std::fs::write(&path, lines.join(&b'\n')).unwrap();
        let first = turns.of(dir.path()).unwrap();
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first, &turns.of(dir.path()).unwrap()));
        lines.extend(turn(2));
        std::fs::write(&path, lines.join(&b'\n')).unwrap();
        assert_eq!(turns.of(dir.path()).unwrap().len(), 2);
    }
}
