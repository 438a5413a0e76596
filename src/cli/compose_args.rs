//! The options of `teams pipe` and `teams fan`.

use std::time::Duration;

use crate::model::time::duration;

/// Who works, on what, and how long.
#[derive(Debug, clap::Args)]
pub(super) struct ComposeArgs {
    /// The members
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// What they are given; what is piped in comes after it
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Option<String>,
    /// How long all of it may take, such as 10m; an hour when left out
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// How often a member is asked again whose turn has failed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) retries: usize,
}

/// As `ComposeArgs`, and what becomes of the answers.
#[derive(Debug, clap::Args)]
pub(super) struct FanArgs {
    #[command(flatten)]
    pub(super) of: ComposeArgs,
    /// The member that makes one answer of all
    #[arg(long, value_name = "NAME", group = "how")]
    pub(super) merge: Option<String>,
    /// Which answer counts: that of more than half, that of all, or the one that you choose
    #[arg(long, value_name = "RULE", group = "how")]
    pub(super) vote: Option<VoteBy>,
    /// The member that chooses one of the answers
    #[arg(long, value_name = "NAME", group = "how")]
    pub(super) judge: Option<String>,
}

/// Which answer counts.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum VoteBy {
    /// That of more than half of the members
    Majority,
    /// That of all
    Unanimous,
    /// The one that you choose
    Person,
}
