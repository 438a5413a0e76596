//! Teams on disk for the benches, and the raw writes that they are measured against.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_teams::TeamName;
use agent_teams::model::message::Message;
use agent_teams::store::{Store, new_message};
use serde_json::{Value, json};

use super::support::median;

/// The name of each bench's team.
pub(crate) const TEAM: &str = "bench";

pub(crate) fn store_at(dir: &Path) -> Store {
    Store::new(dir.join("teams"), dir.join("tasks"), dir.join("locks"))
}

pub(crate) fn team(store: &Store) -> TeamName {
    let team: TeamName = TEAM.parse().unwrap();
    store.create_team(&team, None, Path::new("/"), 1).unwrap();
    team
}

pub(crate) fn message() -> Message {
    new_message("someone", "one more message, of a usual length, I think", None, None)
}

/// Writes an inbox of so many messages.
pub(crate) fn fill_inbox(path: &Path, count: usize) {
    let messages: Vec<Value> = (0..count)
        .map(|number| {
            json!({"from": "someone", "text": format!("message number {number}, of a usual length, I think"),
                "timestamp": "2026-11-21T01:41:38.979Z", "msgV": 1, "msg_id": uuid::Uuid::new_v4().to_string(),
                "type": "message", "read": false})
        })
        .collect();
    fs::write(path, serde_json::to_vec_pretty(&messages).unwrap()).unwrap();
}

/// Writes so many tasks, each of which waits for the one before.
pub(crate) fn fill_tasks(store: &Store, tasks: &Path, team: &TeamName, count: u64) {
    fs::create_dir_all(tasks).unwrap();
    for number in 1..=count {
        let task = json!({"id": number.to_string(), "subject": format!("Task {number}"), "description": "Do it well, and soon",
            "status": "pending", "blocks": [(number + 1).to_string()],
            "blockedBy": if number > 1 { vec![(number - 1).to_string()] } else { vec![] }});
        fs::write(tasks.join(format!("{number}.json")), serde_json::to_vec_pretty(&task).unwrap()).unwrap();
    }
    store.tasks(team).unwrap();
}

/// Writes bytes with the same safety, and no lock: what any such program has to pay.
pub(crate) fn raw_write(path: &Path, bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(bytes).unwrap();
    file.as_file().sync_data().unwrap();
    file.persist(path).unwrap();
}

/// How long something takes.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// Medians of two things that take turns, so that the disk's moods hit both.
pub(crate) fn side_by_side<T>(
    rounds: usize,
    mut ours: impl FnMut(),
    mut prepare: impl FnMut() -> T,
    mut other: impl FnMut(T),
) -> (Duration, Duration) {
    let (mut our_times, mut other_times) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_times.push(timed(&mut ours));
        let prepared = prepare();
        other_times.push(timed(|| other(prepared)));
    }
    (median(our_times), median(other_times))
}
