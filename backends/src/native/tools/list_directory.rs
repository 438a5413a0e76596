//! `list_directory`: what is in a folder.

use std::ffi::OsString;
use std::path::Path;

use async_trait::async_trait;
use cap_std::fs::{Dir, Metadata};
use serde_json::{Value, json};

use super::blocking::{self, Cancel, refused};
use super::fields::Fields;
use super::shown::{shown, with_notes};
use crate::native::error::Result;
use crate::native::roots::{PathError, Place, Roots, kind_of};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolUse};

const NAME: &str = "list_directory";
/// So many entries are shown.
const MOST_SHOWN: usize = 1000;
/// So many are counted.
const MOST_COUNTED: usize = 100_000;
const DEEPEST: u64 = 10;

/// Lists a folder.
#[derive(Clone, Debug)]
pub struct ListDirectoryTool {
    roots: Roots,
}

impl ListDirectoryTool {
    /// The tool for folders below these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

#[async_trait]
impl Tool for ListDirectoryTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Lists a folder, in order of names: a folder ends in `/`, a file has its size, a link shows where it leads to and is not followed. Paths are relative to {}.",
                self.roots
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The folder; the whole root if left out." },
                    "depth": { "type": "integer", "minimum": 1, "maximum": DEEPEST, "description": "How many levels to list; 1 if left out." },
                },
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Read
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let path = arguments.get("path").and_then(Value::as_str).unwrap_or(".");
        ToolUse { title: format!("list {}", shown(path)), ..ToolUse::default() }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let fields = Fields::of(NAME, &arguments)?;
        let path = fields.optional_text("path")?.filter(|path| !path.is_empty()).unwrap_or(".").to_owned();
        let depth = fields.count("depth", 1)?.unwrap_or(1).min(DEEPEST);
        let roots = self.roots.clone();
        blocking::run(NAME, move |cancel| list(&roots, &path, depth, cancel).map(Value::String).map_err(refused(NAME)))
            .await
    }
}

/// The folders of this name that there are, open. One that is in neither root is the error of the first.
pub(super) fn open_folders<'a>(roots: &'a Roots, path: &str) -> Result<Vec<(Place<'a>, Dir)>, PathError> {
    let mut folders = Vec::new();
    let mut wrong = None;
    for place in roots.folders(path)? {
        match place.open_folder() {
            Ok(dir) => folders.push((place, dir)),
            Err(error @ (PathError::Missing { .. } | PathError::NotAFolder { .. })) => wrong = Some(error),
            Err(error) => return Err(error),
        }
    }
    match wrong {
        Some(error) if folders.is_empty() => Err(error),
        _ => Ok(folders),
    }
}

fn list(roots: &Roots, path: &str, depth: u64, cancel: &Cancel) -> Result<String, PathError> {
    let folders = open_folders(roots, path)?;
    let both = folders.len() > 1;
    let mut listing = Listing::default();
    for (place, dir) in folders {
        if both {
            listing.text.push_str(&format!("in {}:\n", place.root_path().display()));
        }
        listing.add(&dir, Path::new(""), depth, cancel).map_err(|error| match error.get_ref() {
            Some(_) if cancel.is_set() => PathError::Cancelled,
            _ => PathError::Io { path: path.to_owned(), what: "be listed", source: error },
        })?;
    }
    let mut notes = Vec::new();
    if listing.count == 0 {
        notes.push("the folder is empty".to_owned());
    }
    if listing.count > MOST_SHOWN {
        let least = if listing.full { "at least " } else { "" };
        let more = listing.count - MOST_SHOWN;
        notes.push(format!("{least}{more} more entries; list a folder in it, or look with search_files"));
    }
    if listing.unreadable > 0 {
        notes.push(format!("{} folders or entries could not be read", listing.unreadable));
    }
    Ok(with_notes(listing.text, &notes))
}

#[derive(Default)]
struct Listing {
    text: String,
    count: usize,
    unreadable: usize,
    /// There may be more than were counted.
    full: bool,
}

impl Listing {
    fn add(&mut self, dir: &Dir, below: &Path, depth: u64, cancel: &Cancel) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in dir.entries()? {
            if cancel.is_set() {
                return Err(std::io::Error::other("it was cancelled"));
            }
            match entry {
                Ok(entry) => names.push(entry.file_name()),
                Err(_) => self.unreadable += 1,
            }
            if self.count + names.len() >= MOST_COUNTED {
                self.full = true;
                break;
            }
        }
        names.sort();
        for name in names {
            self.count += 1;
            let Ok(metadata) = dir.symlink_metadata(&name) else {
                // It is gone again, or nobody may know.
                self.unreadable += 1;
                continue;
            };
            let path = below.join(&name);
            if self.count <= MOST_SHOWN {
                self.text.push_str(&line(dir, &name, &path, &metadata));
            }
            let deeper = metadata.is_dir() && depth > 1 && name != ".git" && !self.full;
            if deeper && dir.open_dir(&name).and_then(|dir| self.add(&dir, &path, depth - 1, cancel)).is_err() {
                if cancel.is_set() {
                    return Err(std::io::Error::other("it was cancelled"));
                }
                self.unreadable += 1;
            }
        }
        Ok(())
    }
}

fn line(dir: &Dir, name: &OsString, path: &Path, metadata: &Metadata) -> String {
    let path = shown(&path.to_string_lossy());
    if metadata.is_dir() {
        format!("{path}/\n")
    } else if metadata.is_file() {
        format!("{path}  {} bytes\n", metadata.len())
    } else if metadata.is_symlink() {
        let target = dir.read_link_contents(name).map(|target| shown(&target.to_string_lossy()));
        format!("{path} -> {}\n", target.unwrap_or_else(|_| "?".to_owned()))
    } else {
        format!("{path}  ({})\n", kind_of(metadata))
    }
}
