//! What a search has found, as the lines of an answer that is bounded.

use std::io;

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkMatch};

/// So many lines that match are shown.
const MOST_MATCHES: usize = 200;
/// So many names of files.
const MOST_FILES: usize = 1000;
/// So much of a line is shown, in bytes.
const LINE_LIMIT: usize = 500;
/// So much stands before a match in a line that is cut.
const BEFORE_MATCH: usize = 100;
/// The longest answer, in bytes.
const ANSWER_LIMIT: usize = 256 << 10;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub(super) text: String,
    pub(super) count: usize,
    /// There is more than is shown.
    pub(super) full: bool,
    /// Something of a file stands in the answer, and something else comes after it.
    apart: bool,
}

impl Matches {
    /// Adds a heading, between what was found in two places.
    pub(super) fn heading(&mut self, heading: &str) {
        self.text.push_str(heading);
        self.text.push('\n');
        self.apart = false;
    }

    /// Adds the name of a file.
    pub(super) fn file(&mut self, name: &str) {
        self.full = self.count == MOST_FILES || self.text.len() > ANSWER_LIMIT;
        if !self.full {
            self.count += 1;
            self.text.push_str(name);
            self.text.push('\n');
        }
    }
}

/// Takes what is found in one file.
#[derive(Debug)]
pub(super) struct InFile<'a> {
    pub(super) matches: &'a mut Matches,
    pub(super) matcher: &'a RegexMatcher,
    pub(super) name: &'a str,
    /// There are lines around those that match, so that groups of them are told apart.
    pub(super) context: bool,
    /// Nothing of this file was found yet.
    pub(super) first: bool,
}

impl InFile<'_> {
    fn line(&mut self, number: Option<u64>, mark: char, bytes: &[u8], from: usize) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let begin = if bytes.len() > LINE_LIMIT && from > LINE_LIMIT - BEFORE_MATCH { from - BEFORE_MATCH } else { 0 };
        let end = bytes.len().min(begin + LINE_LIMIT);
        let text = String::from_utf8_lossy(&bytes[begin..end]);
        let (before, after) = (if begin > 0 { "…" } else { "" }, if end < bytes.len() { "…" } else { "" });
        let number = number.unwrap_or(0);
        self.matches.text.push_str(&format!("{}{mark}{number}{mark}{before}{text}{after}\n", self.name));
    }

    /// Separates groups of lines, where lines stand around those that match.
    fn begin_file(&mut self) {
        if std::mem::take(&mut self.first) && self.context && std::mem::replace(&mut self.matches.apart, true) {
            self.matches.text.push_str("--\n");
        }
    }
}

impl Sink for InFile<'_> {
    type Error = io::Error;

    fn matched(&mut self, _searcher: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.matches.count == MOST_MATCHES || self.matches.text.len() > ANSWER_LIMIT {
            self.matches.full = true;
            return Ok(false);
        }
        self.begin_file();
        self.matches.count += 1;
        let at = self.matcher.find(found.bytes()).ok().flatten().map_or(0, |at| at.start());
        self.line(found.line_number(), ':', found.bytes(), at);
        Ok(true)
    }

    fn context(&mut self, _searcher: &Searcher, found: &SinkContext<'_>) -> io::Result<bool> {
        // What stands before a match that is not shown is not shown either.
        if self.matches.count < MOST_MATCHES || *found.kind() == grep_searcher::SinkContextKind::After {
            self.begin_file();
            self.line(found.line_number(), '-', found.bytes(), 0);
        }
        Ok(true)
    }

    fn context_break(&mut self, _searcher: &Searcher) -> io::Result<bool> {
        if self.matches.count < MOST_MATCHES && !self.first {
            self.matches.text.push_str("--\n");
        }
        Ok(true)
    }
}
