//! When the team's tools of a member are looked for.

use tokio::time::Instant;

/// When the tools of a session are looked for.
#[derive(Debug, Default)]
pub(crate) enum ToolsWatch {
    /// Nobody looks for them.
    #[default]
    Off,
    /// With the end of the session's first turn.
    FirstTurn,
    /// Then.
    Due(Instant),
}

impl ToolsWatch {
    pub(crate) fn due(&self) -> Option<Instant> {
        match self {
            Self::Due(at) => Some(*at),
            Self::Off | Self::FirstTurn => None,
        }
    }
}
