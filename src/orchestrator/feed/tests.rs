//! The transcript: late readers, torn lines, rotation.

use super::*;
use crate::error::Error;
use crate::model::event::{Event, EventKind};
use crate::orchestrator::feed::{Feed, Rotation, segments};

fn feed(dir: &Path) -> Arc<Feed> {
    rotated(dir, Rotation::default())
}

fn rotated(dir: &Path, rotation: Rotation) -> Arc<Feed> {
    Arc::new(Feed::open(&"t".parse().unwrap(), dir, rotation, Arc::default(), Arc::default()).unwrap())
}

fn numbers(feed: &Arc<Feed>, from: u64) -> Vec<u64> {
    let mut listener = feed.subscribe(from);
    std::iter::from_fn(|| listener.next_now()).map(|event| event.seq).collect()
}

/// Two hundred thousand events across fifty files: none is lost, none is split, while a reader follows from the files.
#[test]
fn rotation_loses_and_splits_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { segment: 420_000, keep: 1000 };
    let feed = rotated(dir.path(), rotation);
    let follower = {
        let mut listener = feed.subscribe(1);
        std::thread::spawn(move || {
            let mut next = 1;
            while next <= 200_000 {
                match listener.next_now() {
                    Some(event) => {
                        assert_eq!(event.seq, next);
                        next += 1;
                    }
                    None => std::thread::yield_now(),
                }
            }
        })
    };
    fill(&feed, 200_000);
    follower.join().unwrap();
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(files > 50, "{files}");
    drop(feed);
    let feed = rotated(dir.path(), rotation);
    assert_eq!(feed.last_seq(), 200_000);
    assert!(numbers(&feed, 1).into_iter().eq(1..=200_000));
    for from in [2, 80_001, 199_999] {
        assert!(numbers(&feed, from).into_iter().eq(from..=200_000));
    }
}

#[test]
fn the_oldest_go_and_the_numbers_stay() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { segment: 10_000, keep: 2 };
    let first = rotated(dir.path(), rotation);
    fill(&first, 10_000);
    // Memory has the last ones; the files those before, and no more than they may.
    drop(first);
    let feed = rotated(dir.path(), rotation);
    assert_eq!(feed.last_seq(), 10_000);
    let got = numbers(&feed, 1);
    assert!(got[0] > 1 && got.iter().copied().eq(got[0]..=10_000), "{}", got[0]);
    let bytes: u64 =
        std::fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(bytes < 4 * 11_000, "{bytes}");
    fill(&feed, 1);
    assert_eq!(feed.last_seq(), 10_001);
}

#[test]
fn a_file_that_was_just_put_away_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { segment: 1_000_000, keep: 2 };
    fill(&rotated(dir.path(), rotation), 100);
    // Killed between putting away and beginning anew.
    std::fs::rename(dir.path().join(CURRENT), segments::name(&dir.path().join(CURRENT), 1)).unwrap();
    let feed = rotated(dir.path(), rotation);
    fill(&feed, 1);
    assert!(numbers(&feed, 1).into_iter().eq(1..=101));
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
    let second = Feed::open(&"t".parse().unwrap(), dir.path(), Rotation::default(), Arc::default(), Arc::default());
    assert!(matches!(second, Err(Error::Elsewhere { .. })));
}

#[test]
fn a_file_of_an_earlier_process_is_read_through_once() {
    let dir = tempfile::tempdir().unwrap();
    fill(&feed(dir.path()), 3 * RING as u64);
    let again = feed(dir.path());
    let mut from = 1;
    while from <= 2 * RING as u64 {
        let mut page = again.subscribe(from);
        let event = page.next_now().unwrap();
        assert_eq!(event.seq, from);
        let read = page.ready.back().map_or(from, |last| last.seq);
        // Whoever comes for the next page begins where this one was read to, or a little before.
        let (_, _, place, _) = again.lock().open_at(read, None).unwrap();
        let file = std::fs::read(&again.path).unwrap();
        let line = file[usize::try_from(place).unwrap()..].split(|byte| *byte == b'\n').next().unwrap();
        let begin = serde_json::from_slice::<Event>(line).unwrap().seq;
        assert!(begin + INDEX_STEP > read, "{read} is looked for from {begin} on");
        from = read + 1;
    }
}
