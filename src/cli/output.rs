//! What people and programs read: results on standard output, notes on standard error, colour only on a terminal. Whatever is printed for
//! people is made visible here; only `--raw` and `--json` print a text as it is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use super::visible::{visible, visible_line};
use crate::daemon::Failure;

/// How to print.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) json: bool,
    /// Texts are printed as they are.
    as_it_is: bool,
    colour: bool,
    to_terminal: bool,
    /// The last lines, which are printed later.
    kept: RefCell<Option<KeptLines>>,
}

/// The last lines of what was printed.
#[derive(Debug)]
struct KeptLines {
    most: usize,
    /// Whole ones.
    lines: VecDeque<Vec<u8>>,
    /// What has no end yet.
    open: Vec<u8>,
}

impl KeptLines {
    fn keep(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.lines.push_back(std::mem::take(&mut self.open));
                if self.lines.len() > self.most {
                    self.lines.pop_front();
                }
            }
        }
    }
}

/// Around what has a style, until it is printed: characters that are none, which no text keeps.
const STYLED: char = '\u{fdd0}';
const PLAIN: char = '\u{fdd1}';

#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Output {
    pub(super) fn new(json: bool, as_it_is: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let to_terminal = io::stdout().is_terminal();
        Self { json, as_it_is, colour: wanted && !json && to_terminal, to_terminal, kept: RefCell::default() }
    }

    /// From now on only the last lines of results are kept, until they are printed.
    pub(super) fn keep_lines(&self, most: usize) {
        *self.kept.borrow_mut() = Some(KeptLines { most, lines: VecDeque::new(), open: Vec::new() });
    }

    /// Prints the lines that were kept, and what comes from now on.
    pub(super) fn print_kept(&self) -> io::Result<()> {
        let Some(mut kept) = self.kept.borrow_mut().take() else { return Ok(()) };
        if !kept.open.is_empty() && kept.lines.len() >= kept.most {
            kept.lines.pop_front();
        }
        kept.lines.iter().chain([&kept.open]).try_for_each(|line| self.raw(line))
    }

    /// Whether a person sees results as they are printed.
    pub(super) fn is_watched(&self) -> bool {
        self.to_terminal && !self.json
    }

    /// A text in a style, for what is printed here.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        let style = match style {
            Style::Bold => 'b',
            Style::Dim => 'd',
            Style::Red => 'r',
            Style::Green => 'g',
            Style::Yellow => 'y',
            Style::Cyan => 'c',
        };
        format!("{STYLED}{style}{text}{PLAIN}")
    }

    /// A text as it may be printed: visible, and with its styles.
    fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());

        let mut after_mark = None;
        for piece in text.split_inclusive([STYLED, PLAIN]) {
            let (mut words, mark) = match piece.chars().next_back().filter(|last| [STYLED, PLAIN].contains(last)) {
                Some(mark) => (&piece[..piece.len() - mark.len_utf8()], Some(mark)),
                None => (piece, None),
            };
            if after_mark == Some(STYLED) {
                let style = words.chars().next();
                words = words.get(style.map_or(0, char::len_utf8)..).unwrap_or_default();
                let code = match style {
                    Some('b') => 1,
                    Some('d') => 2,
                    Some('r') => 31,
                    Some('g') => 32,
                    Some('y') => 33,
                    Some('c') => 36,
                    _ => 0,
                };
                if self.colour {
                    let _ = write!(shown, "\u{1b}[{code}m");
                }
            } else if after_mark == Some(PLAIN) && self.colour {
                shown.push_str("\u{1b}[0m");
            }
            match self.as_it_is {
                true => shown.push_str(words),
                false => shown.push_str(&visible(words)),
            }
            after_mark = mark;
        }
        if after_mark == Some(PLAIN) && self.colour {
            shown.push_str("\u{1b}[0m");
        }
        shown
    }

    /// One line of a result.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.text(&format!("{text}\n"))
    }

    /// A piece of a result.
    pub(super) fn text(&self, text: &str) -> io::Result<()> {
        self.raw(self.shown(text).as_bytes())
    }

    /// Bytes for a program.
    pub(super) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        if let Some(kept) = self.kept.borrow_mut().as_mut() {
            kept.keep(bytes);
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// One JSON document on a line.
    pub(super) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        Ok(self.raw(&line)?)
    }

    /// A note beside the result.
    pub(super) fn note(&self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", self.shown(text));
    }

    pub(super) fn error(&self, text: &str) {
        self.note(&format!("teams: {text}"));
    }

    /// Why a verb failed: a line on standard error, or with `--json` a document on standard output, which is the only one.
    pub(super) fn failure(&self, failure: &Failure) -> anyhow::Result<()> {
        if self.json {
            return self.json(&json!({"error": failure}));
        }
        self.error(&failure.to_string());
        Ok(())
    }

    /// Rows below their headings, in columns.
    pub(super) fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let rows: Vec<Vec<String>> = match self.as_it_is {
            true => rows.to_vec(),
            false => rows.iter().map(|row| row.iter().map(|cell| visible_line(cell)).collect()).collect(),
        };
        let widths: Vec<usize> = headings
            .iter()
            .enumerate()
            .map(|(column, heading)| {
                let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
                longest.unwrap_or(0).max(heading.len())
            })
            .collect();
        let format = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let headings: Vec<String> = headings.iter().map(|heading| heading.to_uppercase()).collect();
        self.line(&self.paint(Style::Dim, &format(&headings)))?;
        rows.iter().try_for_each(|row| self.line(&format(row)))
    }
}

/// Whether a failure only says that nobody reads on.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(broken)
}
