//! `read_file`: lines of a text file.

use std::io::{self, BufRead, BufReader, Read};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::blocking::{self, Cancel, Watched, refused};
use super::fields::Fields;
use super::shown::{shown, whole_characters, with_notes};
use crate::native::error::{Error, Result};
use crate::native::roots::{Opened, PathError, Roots};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolUse};

const NAME: &str = "read_file";
/// So many lines are read unless the model says otherwise.
const DEFAULT_LINES: u64 = 2000;
/// The longest answer, in bytes.
const ANSWER_LIMIT: usize = 256 << 10;
/// So much of one line is shown.
const LINE_LIMIT: usize = 20_000;
/// In a file up to here all lines are counted.
const COUNT_LIMIT: u64 = 64 << 20;
/// A NUL before this makes a file a binary one.
const SNIFFED: usize = 8 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a text file, or a part of it.
#[derive(Clone, Debug)]
pub struct ReadFileTool {
    roots: Roots,
}

impl ReadFileTool {
    /// The tool for files below these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

#[async_trait]
impl Tool for ReadFileTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Reads a text file. Paths are relative to {}; what you have written yourself comes first. A long file is read in parts: the answer says which lines it has, and \
                 with which offset to go on. Lines in brackets at the end are notes, not part of the file.",
                self.roots
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file." },
                    "offset": { "type": "integer", "minimum": 1, "description": "The first line to read, counted from 1." },
                    "limit": { "type": "integer", "minimum": 1, "description": "The most lines to read; 2000 if left out." },
                },
                "required": ["path"],
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Read
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let path = arguments.get("path").and_then(Value::as_str).unwrap_or("?");
        ToolUse { title: format!("read {}", shown(path)), ..ToolUse::default() }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let fields = Fields::of(NAME, &arguments)?;
        let path = fields.text("path")?.to_owned();
        let offset = fields.count("offset", 0)?.unwrap_or(1).max(1);
        let limit = fields.count("limit", 1)?.unwrap_or(DEFAULT_LINES);
        let roots = self.roots.clone();
        blocking::run(NAME, move |cancel| {
            let opened = roots.file(&path).and_then(|place| place.open_file()).map_err(refused(NAME))?;
            let failed = |source| refused(NAME)(PathError::Io { path: path.clone(), what: "be read", source });
            match read(opened, offset, limit, cancel).map_err(failed)? {
                Reading::Text(text) => Ok(Value::String(text)),
                Reading::Refused(why) => Err(Error::tool(NAME, format!("`{}` {why}", shown(&path)))),
            }
        })
        .await
    }
}

enum Reading {
    Text(String),
    Refused(String),
}

/// What was read of the lines that were asked for.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// The last of them; zero when there is none.
    last: u64,
    /// Lines that are too long, with their lengths.
    cut: Vec<String>,
    /// Lines that end, and those of them that end in CR LF.
    ends: (u64, u64),
    mark: bool,
}

fn read(opened: Opened, offset: u64, limit: u64, cancel: &Cancel) -> io::Result<Reading> {
    let size = opened.bytes;
    // One that grows while it is read has an end all the same.
    let file = opened.file.take(size.max(COUNT_LIMIT));
    let mut reader = BufReader::with_capacity(64 << 10, Watched::new(file, cancel));
    let binary = |where_: String| {
        Ok(Reading::Refused(format!("is a binary file of {size} bytes ({where_}); it has no lines to read")))
    };
    let start = reader.fill_buf()?;
    if memchr::memchr(0, &start[..start.len().min(SNIFFED)]).is_some() {
        return binary("a NUL near its beginning".to_owned());
    }
    let mut lines = Lines::default();
    let (mut number, mut full, mut counted) = (0_u64, false, true);
    let mut line = Vec::new();
    loop {
        let wanted = !full && number + 1 >= offset && number + 1 - offset < limit;
        line.clear();
        let Some(length) = next_line(&mut reader, &mut line, if wanted { LINE_LIMIT + 2 } else { 0 })? else { break };
        number += 1;
        if wanted {
            if memchr::memchr(0, &line).is_some() {
                return binary(format!("a NUL in line {number}"));
            }
            full = !lines.take(number, &line, length);
        }
        if (full || number + 1 >= offset.saturating_add(limit)) && size > COUNT_LIMIT {
            counted = reader.fill_buf()?.is_empty();
            break;
        }
    }
    if number == 0 {
        return Ok(Reading::Text("[the file is empty]".to_owned()));
    }
    if lines.last == 0 {
        return Ok(Reading::Refused(format!("has {number} lines; there is none with the number {offset}")));
    }
    Ok(Reading::Text(lines.answer(offset, counted.then_some(number), size)))
}

impl Lines {
    /// Takes a line in, of which only the beginning may be there; answers whether there was room.
    fn take(&mut self, number: u64, line: &[u8], length: u64) -> bool {
        let cut = length > line.len() as u64;
        let line = if number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            self.mark = true;
            &line[BYTE_ORDER_MARK.len()..]
        } else {
            line
        };
        let kept = line.len().min(LINE_LIMIT + 1);
        if self.last > 0 && self.bytes.len() + kept > ANSWER_LIMIT {
            return false;
        }
        self.last = number;
        if line.ends_with(b"\n") {
            self.ends.0 += 1;
            self.ends.1 += u64::from(line.ends_with(b"\r\n"));
        } else if cut {
            let shown = whole_characters(&line[..LINE_LIMIT.min(line.len())]);
            self.bytes.extend_from_slice(&line[..shown]);
            self.bytes.extend_from_slice("…\n".as_bytes());
            if self.cut.len() < 5 {
                self.cut.push(format!("line {number} has {length} bytes, of which the first {shown} are shown"));
            }
            return true;
        }
        self.bytes.extend_from_slice(line);
        true
    }

    fn answer(self, offset: u64, total: Option<u64>, size: u64) -> String {
        let mut notes = self.cut;
        let mut text = String::from_utf8(self.bytes).unwrap_or_else(|error| {
            notes.push("some bytes are no UTF-8; each of them is shown as U+FFFD".to_owned());
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        if self.ends.0 > 0 && self.ends.0 == self.ends.1 {
            text = text.replace("\r\n", "\n");
            notes.push("its lines end in CR LF; edit_file keeps that".to_owned());
        }
        if self.mark {
            notes.push("it begins with a byte order mark; edit_file keeps that".to_owned());
        }
        let last = self.last;
        let more = total != Some(last);
        if offset > 1 || more {
            let total = total.map_or_else(|| format!("more, in a file of {size} bytes"), |total| total.to_string());
            let go_on = if more { format!("; go on with offset {}", last + 1) } else { String::new() };
            notes.push(format!("lines {offset}-{last} of {total}{go_on}"));
        }
        with_notes(text, &notes)
    }
}

/// Reads the next line with its end, and keeps at most `keep` bytes of it; answers how long it is, or `None` at the end.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>, keep: usize) -> io::Result<Option<u64>> {
    let mut length = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok((length > 0).then_some(length));
        }
        let end = memchr::memchr(b'\n', chunk);
        let piece = &chunk[..end.map_or(chunk.len(), |end| end + 1)];
        line.extend_from_slice(&piece[..piece.len().min(keep - line.len())]);
        let used = piece.len();
        length += used as u64;
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(length));
        }
    }
}
