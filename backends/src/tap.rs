//! Whoever hears all that passes between us and an agent's process, as it is in the pipes.

use std::fmt;
use std::sync::Arc;

use crate::output::Exit;

/// Something that happens between us and a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// It was started with these arguments, after those of its command.
    Started(&'a [String]),
    /// Bytes were written to its input.
    Input(&'a [u8]),
    /// A line of its output was read; its end is left out.
    Output(&'a [u8]),
    /// A line of its output is too long, and was skipped.
    TooLong,
    /// Its output has ended.
    OutputEnded,
    /// A line of its stderr was read.
    Stderr(&'a [u8]),
    /// It has ended.
    Ended(&'a Exit),
}

/// Hears what passes; it must not wait for anything.
pub trait Tap: fmt::Debug + Send + Sync {
    /// What it belongs to: no process is shared by sessions whose taps belong to something else.
    fn group(&self) -> u64;

    /// A number for a process that is about to be started, which no other of the group has.
    fn next_process(&self) -> u64;

    /// Hears something of a process.
    fn hear(&self, process: u64, passed: Passed<'_>);
}

/// A process that somebody listens to, or nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tapped(Option<(Arc<dyn Tap>, u64)>);

impl Tapped {
    pub(crate) fn begin(tap: Option<&Arc<dyn Tap>>) -> Self {
        Self(tap.map(|tap| (Arc::clone(tap), tap.next_process())))
    }

    pub(crate) fn hear(&self, passed: Passed<'_>) {
        if let Some((tap, process)) = &self.0 {
            tap.hear(*process, passed);
        }
    }
}
