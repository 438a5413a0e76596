//! Team files on the command line: `teams check`, `teams trust`, `teams init`, `teams up`, `teams down`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::output::Style;
use super::run_args::Template;
use super::{Context, Done};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, ErrorKind, Failure, TeamFileParams, TrustParams, UpParams};
use crate::model::team_file::{FileProblem, TEAM_FILE, TeamFile};
use crate::paths;

/// A team file as it is on disk.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Written {
    /// The file that is named, or the one in this folder.
    pub(super) fn read(named: Option<&Path>) -> anyhow::Result<Self> {
        let path = named.unwrap_or(Path::new(TEAM_FILE));
        let text = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => anyhow::Error::from(
                Failure::new(ErrorKind::BadInput, format!("there is no {}", path.display()))
                    .hint("write one with `teams init`, or name another file"),
            ),
            _ => anyhow::Error::new(error).context(format!("cannot read {}", path.display())),
        })?;
        let text = String::from_utf8(text).map_err(|error| {
            let what = format!("{} is not UTF-8 from byte {} on", path.display(), error.utf8_error().valid_up_to());
            Failure::new(ErrorKind::BadInput, what)
        })?;
        let path = path.canonicalize().with_context(|| format!("cannot tell where {} is", path.display()))?;
        Ok(Self { path, text })
    }

    /// The team that it describes. What is wrong, and what should be known, is said with its place.
    pub(super) fn parse(&self, context: &Context<'_>) -> anyhow::Result<TeamFile> {
        match TeamFile::parse(&self.text, &paths::own_environment()) {
            Ok(file) => {
                for warning in &file.warnings {
                    context.output.note(&self.line(context, warning, Style::Yellow, "warning: "));
                }
                Ok(file)
            }
            Err(bad) => {
                let lines: Vec<String> =
                    bad.problems.iter().map(|problem| format!("{}:{problem}", self.shown())).collect();
                Err(Failure::new(ErrorKind::BadInput, lines.join("\n")).into())
            }
        }
    }

    fn line(&self, context: &Context<'_>, problem: &FileProblem, style: Style, what: &str) -> String {
        let FileProblem { line, column, message } = problem;
        format!("{}:{line}:{column}: {}{message}", self.shown(), context.output.paint(style, what))
    }

    /// Its path as one would name it here.
    fn shown(&self) -> String {
        let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
        let below = here.and_then(|here| self.path.strip_prefix(here).ok().map(Path::to_owned));
        below.unwrap_or_else(|| self.path.clone()).display().to_string()
    }

    /// The same for the daemon.
    pub(super) fn params(&self, connection: &Connection) -> anyhow::Result<TeamFileParams> {
        Ok(TeamFileParams {
            text: self.text.clone(),
            file: Some(self.path.clone()),
            folder: self.path.parent().unwrap_or(Path::new("/")).to_owned(),
            surroundings: surroundings(connection)?,
        })
    }

    /// Does something with the file that the daemon may refuse because nobody has trusted it; on a terminal a person is asked.
    pub(super) async fn trusted<T, F>(
        &self,
        context: &Context<'_>,
        connection: &Connection,
        file: &TeamFile,
        call: impl Fn() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        match call().await {
            Err(failure) if failure.kind == ErrorKind::NotTrusted && std::io::stdin().is_terminal() => {
                context.output.note(&format!("{} gives more than agents have by themselves:", self.shown()));
                for want in file.wants_trust() {
                    context.output.note(&format!("  - {want}"));
                }
                if !agrees("Do you trust this file, as it is now? [y/N] ").await? {
                    return Err(failure.into());
                }
                connection.call(TrustParams { file: self.path.clone(), text: self.text.clone() }).await?;
                Ok(call().await?)
            }
            answer => Ok(answer?),
        }
    }
}

/// Asks the person at the terminal; anything but a yes is a no.
async fn agrees(question: &str) -> anyhow::Result<bool> {
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    tokio::task::spawn_blocking(move || std::io::stdin().lock().read_line(&mut answer).map(|_| answer))
        .await?
        .map(|answer| matches!(answer.trim(), "y" | "Y" | "yes"))
        .context("cannot read the answer")
}

/// `teams check`
pub(super) fn check(context: &Context<'_>, file: Option<PathBuf>, schema: bool) -> anyhow::Result<Done> {
    if schema {
        context.output.line(&serde_json::to_string_pretty(&TeamFile::schema())?)?;
        return Ok(Done::Yes);
    }
    let written = Written::read(file.as_deref())?;
    if context.output.json {
        let (problems, warnings) = match TeamFile::parse(&written.text, &paths::own_environment()) {
            Ok(file) => (Vec::new(), file.warnings),
            Err(bad) => (bad.problems, Vec::new()),
        };
        context.output.json(&json!({"file": written.path, "problems": problems, "warnings": warnings}))?;
        return Ok(if problems.is_empty() { Done::Yes } else { Done::No });
    }
    match TeamFile::parse(&written.text, &paths::own_environment()) {
        Ok(_) => {
            let file = written.parse(context)?;
            let (members, tasks) = (file.members().len(), file.tasks.len());
            let word = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
            context.output.line(&format!(
                "{}: team {}, {}, {}",
                written.shown(),
                file.team.name,
                word(members, "member"),
                word(tasks, "task")
            ))?;
            Ok(Done::Yes)
        }
        Err(bad) => {
            for problem in &bad.problems {
                context.output.note(&written.line(context, problem, Style::Red, ""));
            }
            Ok(Done::No)
        }
    }
}

/// `teams trust`
pub(super) async fn trust(context: &Context<'_>, file: Option<PathBuf>) -> anyhow::Result<Done> {
    let written = Written::read(file.as_deref())?;
    let file = written.parse(context)?;
    let connection = context.connect().await?;
    connection.call(TrustParams { file: written.path.clone(), text: written.text.clone() }).await?;
    if context.output.json {
        context.output.json(&json!({"file": written.path, "trusted": file.wants_trust()}))?;
        return Ok(Done::Yes);
    }
    for want in file.wants_trust() {
        context.output.line(&format!("- {want}"))?;
    }
    context.output.line(&format!("{} is trusted as it is now; a change asks again", written.shown()))?;
    Ok(Done::Yes)
}

/// `teams up`
pub(super) async fn up(context: &Context<'_>, file: Option<PathBuf>) -> anyhow::Result<Done> {
    let written = Written::read(file.as_deref())?;
    let file = written.parse(context)?;
    let connection = context.connect().await?;
    let params = UpParams { file: written.params(&connection)? };
    let members = written.trusted(context, &connection, &file, || connection.call(params.clone())).await?;
    if context.output.json {
        context.output.json(&members)?;
        return Ok(Done::Yes);
    }
    for member in members.iter().filter(|member| member.backend.is_some()) {
        context.output.line(&format!("{}: {}", member.name, member.state.as_str()))?;
    }
    Ok(Done::Yes)
}

/// `teams init`
pub(super) async fn init(
    context: &Context<'_>,
    template: Option<Template>,
    file: Option<PathBuf>,
) -> anyhow::Result<Done> {
    let path = file.unwrap_or_else(|| TEAM_FILE.into());
    let text = match template {
        Some(template) => template_text(template).to_owned(),
        None if std::io::stdin().is_terminal() => asked().await?,
        None => template_text(Template::Review).to_owned(),
    };
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", path.display());
            Err(Failure::new(ErrorKind::Exists, what).hint("remove it, or name another file").into())
        }
        written => {
            written.with_context(|| format!("cannot write {}", path.display()))?;
            let file = Written::read(Some(&path))?;
            if !file.parse(context)?.wants_trust().is_empty() {
                // Whoever asked for it has it from us.
                context.connect().await?.call(TrustParams { file: file.path, text: file.text }).await?;
            }
            context.output.line(&format!("wrote {}", path.display()))?;
            context.output.note(&format!(
                "Look at it, then `teams run {0} --dry-run` tries it with simulated agents, and `teams run {0}` for real.",
                path.display()
            ));
            Ok(Done::Yes)
        }
    }
}

fn template_text(template: Template) -> &'static str {
    match template {
        Template::Review => include_str!("../../examples/review.toml"),
        Template::Feature => include_str!("../../examples/feature.toml"),
        Template::Debug => include_str!("../../examples/debug.toml"),
        Template::Research => include_str!("../../examples/research.toml"),
    }
}

/// A file made of three answers.
async fn asked() -> anyhow::Result<String> {
    let ask = |question: &'static str, default: &'static str| async move {
        eprint!("{question} [{default}] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        let read = tokio::task::spawn_blocking(move || std::io::stdin().lock().read_line(&mut answer).map(|_| answer));
        let answer = read.await??;
        let answer = answer.trim();
        anyhow::Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
    };
    let name = ask("What is the team called?", "crew").await?;
    let job = ask("What is to be done?", "Look for the worst bug in this folder, and say how to mend it").await?;
    let agents = ask("Which agents, separated by commas?", "auto").await?;
    Ok(file_of(&name, &job, &agents))
}

fn file_of(name: &str, job: &str, agents: &str) -> String {
    // A JSON string is one of TOML too.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let mut file = format!("[team]\nname = {}\n", text(name));
    for (number, agent) in agents.split(',').map(str::trim).filter(|agent| !agent.is_empty()).enumerate() {
        let member = format!("{}-{}", if agent == "auto" { "worker" } else { agent }, number + 1);
        file.push_str(&format!("\n[[member]]\nname = {}\nbackend = {}\n", text(&member), text(agent)));
    }
    file.push_str(&format!("\n[[task]]\nname = \"job\"\nsubject = {}\n", text(job)));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_and_every_answer_makes_a_file_that_can_be_run() {
        let answered = file_of("a", "say \"hi\"\nand more", "codex, gemini, auto");
        let templates = [Template::Review, Template::Feature, Template::Debug, Template::Research].map(template_text);
        for text in templates.into_iter().chain([answered.as_str()]) {
            let file = TeamFile::parse(text, &Default::default()).unwrap_or_else(|bad| panic!("{bad}\n{text}"));
            assert_eq!(file.warnings, [], "{text}");
            assert!(!file.tasks.is_empty(), "{text}");
        }
    }
}
