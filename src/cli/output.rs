//! What people and programs read: results on standard output, notes on standard error, colour only on a terminal.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use crate::daemon::Failure;

/// How to print.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) json: bool,
    colour: bool,
}

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
    pub(super) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour: wanted && !json && io::stdout().is_terminal() }
    }

    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Cyan => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// One line of a result.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }

    /// A piece of a result, as it is.
    pub(super) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
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
        let _ = writeln!(io::stderr(), "{text}");
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
