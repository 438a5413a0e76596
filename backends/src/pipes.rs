//! The pipes of an agent's process: what is written never blocks, what is read is read whatever it holds.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::ChildStderr;
use tokio::sync::mpsc;

use crate::error::BackendError;
use crate::error::Result;
use crate::json_line;
use crate::lock::lock;
use crate::tap::{Passed, Tapped};

/// The longest line of an agent that is read; a longer one is skipped and counted.
pub const LINE_LIMIT: usize = 64 << 20;

const STDERR_TAIL: usize = 16 << 10;
const STDIN_QUEUE: usize = 1024;

/// Writes to an agent's input from a task of its own, so that an agent that does not read blocks nobody. Dropping
/// the last clone closes the input, after what was written.
#[derive(Clone, Debug)]
pub struct StdinWriter {
    /// `None` closes the input.
    queue: mpsc::Sender<Option<Vec<u8>>>,
}

impl StdinWriter {
    pub(crate) fn new(mut stdin: impl AsyncWrite + Unpin + Send + 'static, tapped: Tapped) -> Self {
        let (queue, mut chunks) = mpsc::channel::<Option<Vec<u8>>>(STDIN_QUEUE);
        // The task ends with the queue or with the pipe, whichever breaks first.
        tokio::spawn(async move {
            while let Some(Some(chunk)) = chunks.recv().await {
                // Heard before it is written, or the answer to it might be heard first.
                tapped.hear(Passed::Input(&chunk));
                if stdin.write_all(&chunk).await.is_err() || stdin.flush().await.is_err() {
                    break;
                }
            }
        });
        Self { queue }
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// The agent closed its input, or reads so little of it that the queue is full.
    pub fn write(&self, bytes: Vec<u8>) -> Result<()> {
        self.queue.try_send(Some(bytes)).map_err(|error| BackendError::Ended {
            reason: match error {
                mpsc::error::TrySendError::Closed(_) => "the agent closed its input".to_owned(),
                mpsc::error::TrySendError::Full(_) => "the agent does not read its input".to_owned(),
            },
        })
    }

    /// Closes the agent's input after what was written, whoever else holds a clone of this.
    pub fn close(&self) {
        // When the queue is full the agent does not read, and would not see the end either.
        let _ = self.queue.try_send(None);
    }

    /// Writes one line.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_line(&self, line: &str) -> Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.write(bytes)
    }
}

/// Reads lines whatever they hold: a line longer than [`LINE_LIMIT`] is skipped and counted, bytes that are not UTF-8 are
/// replaced, a last line without an end is a line.
#[derive(Debug)]
pub struct LineReader<R> {
    inner: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
    skipping: bool,
    skipped: u64,
    /// Lines are JSON; what stands here is the rest of one with several values.
    json: Option<VecDeque<String>>,
    tapped: Tapped,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// Reads lines from `inner`.
    pub fn new(inner: R) -> Self {
        Self::with_limit(inner, LINE_LIMIT)
    }

    /// Reads lines of at most `limit` bytes from `inner`.
    pub fn with_limit(inner: R, limit: usize) -> Self {
        let inner = BufReader::with_capacity(64 << 10, inner);
        Self { inner, line: Vec::new(), limit, skipping: false, skipped: 0, json: None, tapped: Tapped::default() }
    }

    pub(crate) fn tapped(self, tapped: Tapped) -> Self {
        Self { tapped, ..self }
    }

    /// The stream as bytes, for output that is not made of lines.
    #[cfg(feature = "native")]
    pub(crate) fn into_bytes(self) -> BufReader<R> {
        self.inner
    }

    /// Reads values of JSON from now on: what a terminal would swallow before one is left out, half a surrogate pair is U+FFFD, and
    /// several values on one line are told one after the other. Anything else is told as it is.
    #[must_use]
    pub fn json(self) -> Self {
        Self { json: Some(VecDeque::new()), ..self }
    }

    /// The next line without its end, or the next value of it; `None` at the end of the stream. Cancel-safe.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        if let Some(value) = self.json.as_mut().and_then(VecDeque::pop_front) {
            return Ok(Some(value));
        }
        loop {
            let chunk = self.inner.fill_buf().await?;
            if chunk.is_empty() {
                if self.skipping || self.line.is_empty() {
                    self.tapped.hear(Passed::OutputEnded);
                    return Ok(None);
                }
                return Ok(Some(self.take()));
            }
            let end = memchr::memchr(b'\n', chunk);
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            if !self.skipping {
                if self.line.len() + piece.len() > self.limit {
                    self.skipping = true;
                    self.line = Vec::new();
                } else {
                    self.line.extend_from_slice(piece);
                }
            }
            let used = piece.len() + usize::from(end.is_some());
            self.inner.consume(used);
            if end.is_some() {
                if std::mem::take(&mut self.skipping) {
                    self.skipped += 1;
                    self.tapped.hear(Passed::TooLong);
                    tracing::warn!(limit = self.limit, "skipped a line of an agent that is too long");
                } else {
                    return Ok(Some(self.take()));
                }
            }
        }
    }

    /// How many lines were too long since this was asked last.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    fn take(&mut self) -> String {
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        self.tapped.hear(Passed::Output(&self.line));
        let line = String::from_utf8(std::mem::take(&mut self.line))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let Some(waiting) = &mut self.json else { return line };
        let (first, others) = json_line::values(line);
        waiting.extend(others);
        first
    }

    /// Reads on without looking, so that an agent that is being stopped can write its last lines.
    pub async fn drain(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    /// The pipe is closed.
    pub(crate) ended: bool,
}

impl Tail {
    pub(crate) fn push(&mut self, line: &str) {
        let line: String = strip_escapes(line).chars().take(2000).collect();
        if line.trim().is_empty() {
            return;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > STDERR_TAIL {
            self.bytes -= self.lines.pop_front().map_or(self.bytes, |line| line.len());
        }
    }

    pub(crate) fn text(&self) -> String {
        // Behind it stands how the program is called, which says nothing.
        if let Some(unknown) = self.lines.iter().find_map(|line| unknown_option(line)) {
            return unknown;
        }
        let skip = self.lines.len().saturating_sub(6);
        self.lines.iter().skip(skip).map(|line| line.trim()).collect::<Vec<_>>().join(" | ")
    }
}

/// What a program says of an option that it does not know, in our words: it is of another version than we expect.
pub(crate) fn unknown_option(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let marks =
        ["unknown argument", "unknown option", "unexpected argument", "unrecognized option", "unrecognized argument"];
    let (at, mark) = marks.iter().find_map(|mark| Some((lower.find(mark)?, mark)))?;
    let rest = &line[at + mark.len()..];
    let rest = rest.strip_prefix('s').unwrap_or(rest).trim_start_matches([':', ' ', '\'', '"', '`', '-']);
    let name: String = rest.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '-').collect();
    (!name.is_empty()).then(|| format!("this version does not know --{name}"))
}

/// A text without a terminal's escape sequences.
fn strip_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|char| matches!(char, '\u{1b}' | '\u{80}'..='\u{9f}')) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[json_line::escape_length(rest)..];
    }
    out + rest
}

/// Reads an agent's stderr for ever.
pub(crate) async fn drain_stderr(
    pipe: ChildStderr,
    tail: Arc<Mutex<Tail>>,
    listener: Option<mpsc::Sender<String>>,
    tapped: Tapped,
) {
    let mut lines = LineReader::with_limit(pipe, 1 << 20);
    while let Ok(Some(line)) = lines.next().await {
        tracing::debug!(target: "agent_stderr", "{line}");
        tapped.hear(Passed::Stderr(line.as_bytes()));
        lock(&tail).push(&line);
        if let Some(listener) = &listener {
            let _ = listener.try_send(line);
        }
    }
    lock(&tail).ended = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_is_named() {
        for (line, expected) in [
            ("Unknown arguments: session-id, sessionId", Some("session-id")),
            ("error: unexpected argument '--strict' found", Some("strict")),
            ("error: unknown option '--resume'", Some("resume")),
            ("app: unrecognized option `-x'", Some("x")),
            ("Error: no such session", None),
            ("unknown option", None),
        ] {
            let expected = expected.map(|name| format!("this version does not know --{name}"));
            assert_eq!(unknown_option(line), expected, "{line}");
        }
    }

    #[tokio::test]
    async fn lines_survive_any_length_and_any_byte() {
        let mut input = b"one\r\n".to_vec();
        input.extend(vec![b'x'; 300]);
        input.extend(b"\nbad \xff byte\n\nlast");
        let mut lines = LineReader::with_limit(&input[..], 200);
        let mut got = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            got.push(line);
        }
        assert_eq!(got, ["one", "bad \u{fffd} byte", "", "last"]);
        assert_eq!((lines.take_skipped(), lines.take_skipped()), (1, 0));
    }
}
