//! The grammar of runs.

use std::path::PathBuf;
use std::time::Duration;

use agent_backends::BackendType;
use clap::{Args as ClapArgs, ValueEnum};

use crate::model::time::duration;

#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// The team file; teams.toml when left out
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// What a lead is asked for: an agent that adds tasks, starts members and says when it is done
    #[arg(long, value_name = "TEXT")]
    pub(super) goal: Option<String>,
    /// Which agent leads, where the file does not say so; claude-code when only a goal is given
    #[arg(long, value_name = "BACKEND")]
    pub(super) lead: Option<BackendType>,
    /// Run it with simulated agents in a home that is thrown away: no hooks, no branches, no tokens
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Begin it and do not wait; `teams attach` shows it
    #[arg(long, conflicts_with_all = ["dry_run", "report"])]
    pub(super) detach: bool,
    /// Go on with the last run of this team: what is done is not done again
    #[arg(long)]
    pub(super) resume: bool,
    /// Write a report when it has ended: .json, .xml (JUnit), .md or .html
    #[arg(long, value_name = "FILE", value_parser = report_file)]
    pub(super) report: Vec<ReportFile>,
    /// How long it may take, instead of what the file says
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

/// A file for a report, whose name says in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportFile {
    pub(super) path: PathBuf,
    pub(super) form: ReportForm,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportForm {
    Json,
    JUnit,
    Markdown,
    Html,
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let path = PathBuf::from(text);
    let form = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => ReportForm::Json,
        Some("xml") => ReportForm::JUnit,
        Some("md") => ReportForm::Markdown,
        Some("html") => ReportForm::Html,
        _ => return Err("name a file that ends with .json, .xml, .md or .html".to_owned()),
    };
    Ok(ReportFile { path, form })
}

/// A team file that is written for a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// A review of a diff by three agents
    Review,
    /// A feature in three layers
    Feature,
    /// A bug, looked for with competing hypotheses
    Debug,
    /// Research, and a report
    Research,
}
