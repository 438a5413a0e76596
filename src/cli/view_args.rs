//! The options of the verbs that show teams.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

#[derive(Debug, ClapArgs)]
pub(super) struct ReplayArgs {
    /// The recording
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Where it is shown; its events are printed when left out
    #[arg(value_name = "VIEW")]
    pub(super) view: Option<ReplayIn>,
    /// How many times as fast as it was, or `max`
    #[arg(long, value_name = "TIMES", default_value = "1")]
    pub(super) speed: Speed,
}

/// Where a replay is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReplayIn {
    /// As by `teams ui`
    Ui,
    /// As by `teams web`
    Web,
}

/// How fast a replay is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speed {
    /// So many times as fast as it was.
    Times(f64),
    /// As fast as can be.
    Max,
}

impl std::str::FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if (0.001..=1_000_000.0).contains(&times) => Ok(Self::Times(times)),
            _ => Err("this is neither `max` nor a number of times, such as 10 or 0.5"),
        }
    }
}

#[derive(Debug, Default, ClapArgs)]
pub(super) struct WebArgs {
    /// Where it is served; 127.0.0.1:7433 when left out, or another port of this machine alone where that is taken
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<std::net::SocketAddr>,
    /// A name under which it may be asked for, of a proxy before it for instance; its address needs none
    #[arg(long = "host", value_name = "NAME")]
    pub(super) hosts: Vec<String>,
    /// Show everything, and take no answer
    #[arg(long)]
    pub(super) read_only: bool,
    /// Run this each time that somebody needs you, without a shell; who and why is on its standard input, as JSON
    #[arg(long, value_name = "COMMAND")]
    pub(super) notify_command: Option<String>,
}
