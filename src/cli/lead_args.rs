//! Options about a live Claude Code that leads.

use clap::ValueEnum;

use crate::lead::start::Panes;
use crate::model::team::OnLeadExit;

/// What becomes of members when the lead has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AtLeadExit {
    /// They are stopped.
    Stop,
    /// They end their turns, within a minute, and are stopped.
    Finish,
    /// They go on.
    Keep,
}

impl From<PanesIn> for Panes {
    fn from(place: PanesIn) -> Self {
        match place {
            PanesIn::Own => Self::Own,
            PanesIn::Tmux => Self::Tmux,
        }
    }
}

impl From<AtLeadExit> for OnLeadExit {
    fn from(what: AtLeadExit) -> Self {
        match what {
            AtLeadExit::Stop => Self::Stop,
            AtLeadExit::Finish => Self::Finish,
            AtLeadExit::Keep => Self::Keep,
        }
    }
}

/// Where a lead's teammates have their panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum PanesIn {
    /// Nowhere to be seen.
    Own,
    /// In tmux.
    Tmux,
}
