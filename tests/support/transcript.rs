//! A team's transcript, read from its files: a test that waits for an event starts no process for each look.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The events that are in the files of the only team below `teams`, as far as their lines are whole.
pub(crate) fn events(teams: &Path) -> Vec<Value> {
    let Some(dir) = only_team(teams) else { return Vec::new() };
    let text = loop {
        let files = files(&dir);
        let text: Option<Vec<String>> = files.iter().map(|file| fs::read_to_string(file).ok()).collect();
        // The daemon may put the current file away under another name meanwhile.
        if let Some(text) = text.filter(|_| self::files(&dir) == files) {
            break text.concat();
        }
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

/// Grows with each event.
pub(crate) fn size(teams: &Path) -> u64 {
    let files = only_team(teams).map(|dir| files(&dir)).unwrap_or_default();
    files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum()
}

fn only_team(teams: &Path) -> Option<PathBuf> {
    let has_transcript = |dir: &PathBuf| dir.join("events.jsonl").exists();
    let entries = fs::read_dir(teams).into_iter().flatten().flatten();
    let mut dirs = entries.map(|entry| entry.path()).filter(has_transcript);
    let only = dirs.next();
    assert!(dirs.next().is_none(), "which team's events?");
    only
}

/// What was put away, the oldest first, and what is written now.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let put_away = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("events-") && name.ends_with(".jsonl")
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(put_away).collect();
    files.sort();
    files.push(dir.join("events.jsonl"));
    files
}
