//! What a played agent and whoever conducts it say to each other: a JSON object in each line.

use agent_backends::Exit;
use serde::{Deserialize, Serialize};

/// What the process of a played agent tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Told {
    /// It was started.
    Started {
        /// For whom: `member@team`.
        label: String,
        args: Vec<String>,
        /// What its member's tools would be known by.
        token: Option<String>,
    },
    /// A line came on its input.
    Input(String),
    /// Its input was closed.
    Closed,
}

/// What it is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// To say this line.
    Output(String),
    /// To say a line that is too long for anybody.
    TooLong,
    /// To say nothing more.
    CloseOutput,
    /// To say this line on stderr.
    Stderr(String),
    /// To end like this.
    Exit(Exit),
}
