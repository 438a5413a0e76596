//! What a shim is told, over the pipe of its orders.

use std::io::{self, Write};

/// What a shim is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The child is written down: start the agent.
    Go,
    /// Send SIGTERM to the agent and all below it.
    Term,
    /// Kill them.
    Kill,
}

impl Order {
    pub(super) fn line(self) -> &'static str {
        match self {
            Self::Go => "go\n",
            Self::Term => "term\n",
            Self::Kill => "kill\n",
        }
    }

    /// Writes it where there is room for thousands; answers whether somebody can read it.
    pub(super) fn give(self, orders: &mut io::PipeWriter) -> bool {
        orders.write_all(self.line().as_bytes()).is_ok()
    }
}
