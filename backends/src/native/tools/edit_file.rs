//! `edit_file`: one text in a file for another. It works on bytes, so that nothing else in the file changes, whatever it holds.

use std::io::Read;

use async_trait::async_trait;
use memchr::memmem;
use serde_json::{Value, json};

use super::blocking::{self, Cancel, Watched, refused};
use super::fields::Fields;
use super::shown::{count_of, shown};
use super::write_file::{Before, before};
use crate::native::error::{Error, Result};
use crate::native::roots::{Opened, PathError, Roots};
use crate::native::tool::{FileChange, Tool, ToolDefinition, ToolKind, ToolUse};

const NAME: &str = "edit_file";
/// The largest file that is edited.
const FILE_LIMIT: u64 = 16 << 20;

/// Exchanges a text in a file for another.
#[derive(Clone, Debug)]
pub struct EditFileTool {
    roots: Roots,
}

impl EditFileTool {
    /// The tool for files below the working directory of these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

/// What a call asks for.
struct Edit {
    path: String,
    old: String,
    new: String,
    all: bool,
}

impl Edit {
    fn of(arguments: &Value) -> Result<Self> {
        let fields = Fields::of(NAME, arguments)?;
        let text = |name| fields.text(name).map(str::to_owned);
        let edit = Self {
            path: text("path")?,
            old: text("old_text")?,
            new: text("new_text")?,
            all: fields.flag("replace_all")?,
        };
        let wrong = |message: &str| Err(Error::tool(NAME, message));
        if edit.old.is_empty() {
            return wrong(
                "`old_text` is empty; give the text that is to be replaced, or use write_file for a new file",
            );
        }
        if edit.old == edit.new {
            return wrong("`old_text` and `new_text` are the same; there is nothing to change");
        }
        Ok(edit)
    }

    /// The file as it is to be, with the number of places that differ.
    fn apply(&self, file: &[u8]) -> Result<(Vec<u8>, usize), String> {
        let lone = memchr::memchr_iter(b'\n', file).any(|at| at == 0 || file[at - 1] != b'\r');
        let crlf = memmem::find(file, b"\r\n").is_some();
        let windows = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
        let as_given = (self.old.clone(), self.new.clone());
        let converted = (windows(&self.old), windows(&self.new));
        // A model sees and writes plain ends of lines.
        let attempts = match (crlf, lone) {
            (true, false) => vec![converted],
            (true, true) if converted.0 != self.old => vec![as_given, converted],
            _ => vec![as_given],
        };
        for (old, new) in attempts {
            let (old, new) = (old.as_bytes(), new.as_bytes());
            let found = if self.all { memmem::find_iter(file, old).count() } else { occurrences(file, old) };
            match found {
                0 => {}
                1 => return Ok((exchanged(file, old, new), 1)),
                _ if self.all => return Ok((exchanged(file, old, new), found)),
                _ => {
                    return Err(format!(
                        "`old_text` occurs {found} times in `{}`; give more of what stands around it, or set `replace_all`",
                        shown(&self.path)
                    ));
                }
            }
        }
        Err(format!(
            "`old_text` does not occur in `{}`; read the file again, and give the text exactly as it is there, with its spaces",
            shown(&self.path)
        ))
    }
}

/// How often a text occurs, also where one occurrence reaches into the next.
fn occurrences(file: &[u8], text: &[u8]) -> usize {
    let finder = memmem::Finder::new(text);
    let (mut count, mut from) = (0, 0);
    while let Some(at) = finder.find(&file[from..]) {
        count += 1;
        from += at + 1;
        if count == 1000 {
            break;
        }
    }
    count
}

fn exchanged(file: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() + new.len());
    let mut from = 0;
    for at in memmem::find_iter(file, old) {
        out.extend_from_slice(&file[from..at]);
        out.extend_from_slice(new);
        from = at + old.len();
    }
    out.extend_from_slice(&file[from..]);
    out
}

#[async_trait]
impl Tool for EditFileTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Replaces `old_text` in a file with `new_text`. `old_text` has to occur exactly once, with its spaces and line breaks, unless `replace_all` is set. \
                 Paths are relative to {}; nothing else can be written.",
                self.roots.work_dir().display()
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file." },
                    "old_text": { "type": "string", "description": "The text as it is in the file." },
                    "new_text": { "type": "string", "description": "The text in its place; may be empty." },
                    "replace_all": { "type": "boolean", "description": "Replace every occurrence." },
                },
                "required": ["path", "old_text", "new_text"],
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Edit
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let edit = match Edit::of(arguments) {
            Ok(edit) => edit,
            Err(_) => {
                return ToolUse { title: format!("{NAME} {}", shown(&arguments.to_string())), ..ToolUse::default() };
            }
        };
        let path = edit.path.clone();
        let title = format!("edit {}", shown(&path));
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let part = || FileChange { path: path.clone(), old: Some(edit.old.clone()), new: edit.new.clone() };
        let (title, change) = match before(&self.roots, &path) {
            Before::Text(old) => match edit.apply(&old) {
                Ok((new, places)) => (
                    format!("{title} in {}", count_of(places, "place")),
                    FileChange { path, old: Some(lossy(&old)), new: lossy(&new) },
                ),
                Err(why) => (format!("{title}, which will fail: {why}"), part()),
            },
            Before::Nothing => (format!("{title}, which will fail: there is no such file to write to"), part()),
            Before::Unknown(why) => (format!("{title}, {why}"), part()),
        };
        ToolUse { title, change: Some(change), ..ToolUse::default() }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let edit = Edit::of(&arguments)?;
        let roots = self.roots.clone();
        blocking::run(NAME, move |cancel| {
            let _writing = roots.writing();
            cancel.check().map_err(refused(NAME))?;
            let target = roots.to_write(&edit.path).and_then(|place| place.target(false)).map_err(refused(NAME));
            let opened = match target {
                Ok(target) => target.open().map_err(refused(NAME))?.map(|opened| (target, opened)),
                Err(error) => return Err(only_in_source(&roots, &edit.path).unwrap_or(error)),
            };
            let Some((target, opened)) = opened else {
                let missing =
                    PathError::Missing { path: edit.path.clone(), roots: roots.work_dir().display().to_string() };
                return Err(only_in_source(&roots, &edit.path).unwrap_or_else(|| refused(NAME)(missing)));
            };
            let failed = |source| refused(NAME)(PathError::Io { path: edit.path.clone(), what: "be read", source });
            let stamp = opened.stamp().map_err(failed)?;
            let file = whole(&opened, &edit.path, cancel)?;
            let (new, places) = edit.apply(&file).map_err(|message| Error::tool(NAME, message))?;
            let go_on = || cancel.check().and_then(|()| target.unchanged(&opened, stamp));
            target.replace(&new, go_on).map_err(refused(NAME))?;
            Ok(Value::String(format!("edited {} in {}", shown(&edit.path), count_of(places, "place"))))
        })
        .await
    }
}

/// All that a file holds.
fn whole(opened: &Opened, path: &str, cancel: &Cancel) -> Result<Vec<u8>> {
    let too_large = |bytes| {
        let message =
            format!("`{}` has {bytes} bytes, and at most {FILE_LIMIT} can be edited; use a command", shown(path));
        Err(Error::tool(NAME, message))
    };
    if opened.bytes > FILE_LIMIT {
        return too_large(opened.bytes);
    }
    let mut file = Vec::new();
    let read = Watched::new(&opened.file, cancel).take(FILE_LIMIT + 1).read_to_end(&mut file);
    read.map_err(|source| refused(NAME)(PathError::Io { path: path.to_owned(), what: "be read", source }))?;
    if file.len() as u64 > FILE_LIMIT { too_large(file.len() as u64) } else { Ok(file) }
}

/// That a file cannot be edited because it is there to be read only.
fn only_in_source(roots: &Roots, path: &str) -> Option<Error> {
    roots.file(path).ok().filter(|place| !place.is_written())?;
    let message = format!(
        "`{}` is only in the source root {}, which is read and not written; write it below {} with write_file, as a whole",
        shown(path),
        roots.source_root().display(),
        roots.work_dir().display()
    );
    Some(Error::tool(NAME, message))
}
