//! The CLI's own files of its conversations, in which one can look for an input.

use std::path::{Path, PathBuf};

use crate::config::SpawnConfig;

/// Where Claude Code keeps its conversations: `projects` in its directory. A simulated one has a place of its own.
pub(super) fn folder(config: &SpawnConfig) -> Option<PathBuf> {
    if let Some(dir) = config.variable(crate::simulate::DIR_VARIABLE) {
        return Some(PathBuf::from(dir));
    }
    let own = config.variable("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    let dir = own.or_else(|| Some(PathBuf::from(config.variable("HOME")?).join(".claude")))?;
    Some(dir.join("projects"))
}

/// Whether a conversation's transcript, in one of the folders below `dir`, names an input; `None` when there is none.
pub(super) fn names(dir: &Path, session_id: &str, input: &str) -> Option<bool> {
    let folders = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    // A simulated one keeps the names of its inputs beside the conversation.
    let files = folders
        .map(|folder| folder.join(format!("{session_id}.jsonl")))
        .chain([dir.join(format!("{session_id}.inputs"))]);
    let bytes = files.filter_map(|file| std::fs::read(file).ok()).collect::<Vec<_>>();
    let names = |bytes: &Vec<u8>| bytes.windows(input.len()).any(|window| window == input.as_bytes());
    if bytes.is_empty() { None } else { Some(bytes.iter().any(names)) }
}
