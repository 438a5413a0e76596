//! JSON files as Claude Code writes them, and what it takes to change one without losing what we do not know in it.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::{Result, StoreError, UnreadableFile};

/// A JSON object as it is in a file: unknown fields and the order of all survive a rewrite.
pub(super) type RawObject = Map<String, Value>;

/// Reads a JSON file. Claude Code writes some of its files in place, so one that does not parse is read again for a while.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    const ATTEMPTS: u32 = 10;
    let mut attempt = 0;
    loop {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::io("read", path, source)),
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => return Ok(Some(value)),
            Err(error) if attempt >= ATTEMPTS => {
                return Err(StoreError::Unreadable(UnreadableFile {
                    path: path.to_owned(),
                    reason: error.to_string(),
                }));
            }
            Err(_) => {
                attempt += 1;
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
        }
    }
}

/// As Claude Code writes JSON: two spaces, no newline at the end.
pub(super) fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("maps with string keys always serialise")
}

/// Sets `key` where it stands, or appends it; `None` removes it.
pub(super) fn set(raw: &mut RawObject, key: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            raw.insert(key.to_owned(), value);
        }
        None => {
            raw.shift_remove(key);
        }
    }
}
