//! What people and programs read: results on standard output, notes on standard error, colour only on a terminal. Whatever is printed for
//! people is made visible here; only `--raw` and `--json` print a text as it is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::json;

use crate::daemon::Failure;
use crate::visible::{visible, visible_line};

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

/// A style of a text, by its place in [`CODES`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Bold = 1,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

/// The terminal's codes of styles; the first is that of none.
const CODES: [u8; 7] = [0, 1, 2, 31, 32, 33, 36];

/// Where styles begin and end, until a text is printed: characters that are none. In order, one for each of [`CODES`].
const MARKS: RangeInclusive<char> = '\u{fdd0}'..='\u{fdd6}';

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

    /// Whether what is printed has colours.
    pub(super) fn is_coloured(&self) -> bool {
        self.colour
    }

    /// A text in a style, for what is printed here.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        let mark = MARKS.clone().nth(style as usize).unwrap_or(*MARKS.start());
        format!("{mark}{text}{}", MARKS.start())
    }

    /// A text as it may be printed: visible, and with its styles.
    fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for piece in text.split_inclusive(|char| MARKS.contains(&char)) {
            let mark = piece.chars().next_back().filter(|last| MARKS.contains(last));
            let words = &piece[..piece.len() - mark.map_or(0, char::len_utf8)];
            match self.as_it_is {
                true => shown.push_str(words),
                false => shown.push_str(&visible(words)),
            }
            if let Some(place) =
                mark.filter(|_| self.colour).and_then(|mark| MARKS.clone().position(|known| known == mark))
            {
                let _ = write!(shown, "\u{1b}[{}m", CODES[place]);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_printed_where_there_is_colour_and_nothing_hides_a_word() {
        let output = |colour| Output { colour, ..Output::new(false, false) };
        let text = format!("a {} \u{fdd3}rm -rf\u{1b}[8m", output(true).paint(Style::Red, "b"));
        assert_eq!(output(true).shown(&text), "a \u{1b}[31mb\u{1b}[0m \u{1b}[31mrm -rf␛[8m");
        assert_eq!(output(false).shown(&text), "a b rm -rf␛[8m");
        assert_eq!(output(true).shown(&output(true).paint(Style::Cyan, "x")), "\u{1b}[36mx\u{1b}[0m");
    }
}
