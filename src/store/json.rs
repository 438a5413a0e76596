//! JSON files as Claude Code writes them, and what it takes to change one without losing what we do not know in it.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use super::error::{Result, StoreError, UnreadableFile};
use super::halves::{kept_halves, readable, with_halves, without_halves};

/// A JSON object as it is in a file: unknown fields and the order of all survive a rewrite.
pub(super) type RawObject = Map<String, Value>;

/// Reads a JSON file. Half a surrogate pair in it is U+FFFD.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    read_with(path, |json| serde_json::from_str(&without_halves(json)))
}

/// Reads a JSON file that is to be rewritten with [`pretty`].
pub(super) fn read_raw(path: &Path) -> Result<Option<RawObject>> {
    read_with(path, |json| serde_json::from_str(&kept_halves(json)))
}

/// Reads a JSON file. Claude Code writes some of its files in place, so one that does not parse is read again for a while.
pub(super) fn read_with<T>(path: &Path, parse: impl Fn(&str) -> serde_json::Result<T>) -> Result<Option<T>> {
    const ATTEMPTS: u32 = 10;
    let mut attempt = 0;
    loop {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::io("read", path, source)),
        };
        let text = std::str::from_utf8(&bytes).map_err(serde::de::Error::custom);
        match text.and_then(&parse) {
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
    let json = serde_json::to_string_pretty(value).expect("maps with string keys always serialise");
    with_halves(json).into_bytes()
}

/// What an object of a file says, as a value of ours.
pub(super) fn typed<T: serde::de::DeserializeOwned>(raw: &RawObject) -> serde_json::Result<T> {
    let value = Value::Object(raw.clone());
    serde_json::from_value(readable(&value).into_owned())
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
