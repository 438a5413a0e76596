//! Messages that are given to a turn that runs. The CLI takes them after the next use of a tool; those that it has not taken
//! when the turn ends it begins a turn of its own with.

use std::path::Path;
use std::time::{Duration, Instant};

use super::transcript;

/// How long the CLI may take to write down what it has begun with.
const WRITTEN_LIMIT: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Steering {
    /// The CLI has these in its queue.
    waiting: Vec<String>,
    /// It has taken these; its file has them when the model answers.
    taken: Vec<String>,
    /// It was not told that the conversation has these.
    untold: Vec<String>,
    /// One turn of the CLI is over, and the next one, with what waits, has not begun.
    between: bool,
}

impl Steering {
    pub(super) fn offer(&mut self, id: String) {
        self.untold.push(id.clone());
        self.waiting.push(id);
    }

    /// The CLI begins to work on an input; answers whether it begins another turn for it.
    pub(super) fn takes(&mut self, id: &str) -> bool {
        let Some(at) = self.waiting.iter().position(|waiting| waiting == id) else { return false };
        self.taken.push(self.waiting.remove(at));
        std::mem::take(&mut self.between)
    }

    /// Whether the running turn has taken it.
    pub(super) fn has_taken(&self, id: &str) -> bool {
        self.taken.iter().any(|taken| taken == id)
    }

    /// The model answers; how many more inputs the conversation has.
    pub(super) fn answered(&mut self) -> usize {
        let taken = std::mem::take(&mut self.taken);
        self.untold.retain(|id| !taken.contains(id));
        taken.len()
    }

    /// A turn of the CLI is over; answers whether it goes on with what waits.
    pub(super) fn turn_ends(&mut self) -> bool {
        self.taken.clear();
        self.between = !self.waiting.is_empty();
        self.between
    }

    /// Whether the CLI was given it, and nobody knows more.
    pub(super) fn is_untold(&self, id: &str) -> bool {
        self.untold.iter().any(|untold| untold == id)
    }
}

/// As [`transcript::names`], of an input that the CLI has: it is written down soon. `None` when it is not.
pub(super) fn names_soon(dir: &Path, session_id: &str, input: &str) -> Option<bool> {
    let deadline = Instant::now() + WRITTEN_LIMIT;
    while Instant::now() < deadline {
        if transcript::names(dir, session_id, input) == Some(true) {
            return Some(true);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_asked_for_until_then() {
        let mut steering = Steering::default();
        steering.offer("a".into());
        steering.offer("b".into());
        assert!(!steering.takes("other") && !steering.takes("a"), "a joins the turn that runs");
        assert_eq!((steering.answered(), steering.answered()), (1, 0));
        assert!(!steering.is_untold("a") && steering.is_untold("b"));
        assert!(steering.turn_ends(), "b is left");
        assert!(steering.takes("b"), "it begins another turn");
        assert!(!steering.turn_ends());
        assert_eq!(steering.answered(), 0, "the turn has ended without an answer");
        assert!(steering.is_untold("b"));
    }
}
