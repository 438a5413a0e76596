//! `teams run`, `teams runs`, `teams attach`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;

use super::output::Style;
use super::report;
use super::run_args::{ReportFile, ReportForm, RunArgs};
use super::run_view::RunView;
use super::team_file::Written;
use super::{Context, Done, dry_run, stop, tail};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{
    Connection, ErrorKind, Failure, Follower, ListRunsParams, ListTasksParams, RunReportParams, StartRunParams,
    StartRunReply, StopParams, StopRunParams, TeamFileParams, TeamReportParams,
};
use crate::model::event::EventKind;
use crate::model::graph::Graph;
use crate::model::name::make_valid;
use crate::model::run::{RunId, RunRecord, RunState};
use crate::model::run_report::{MemberReport, RunReport};
use crate::model::team_file::{TEAM_FILE, TeamFile};
use crate::model::time::milliseconds;
use crate::paths;

/// How often the picture of a run is drawn anew while nothing happens.
const REDRAW: Duration = Duration::from_millis(500);

pub(super) async fn run(context: &Context<'_>, args: RunArgs) -> anyhow::Result<Done> {
    let written = file_of(context, &args)?;
    let file = match &written {
        Source::File(written) => written.parse(context)?,
        Source::Goal(text) => TeamFile::parse(text, &paths::own_environment())?,
    };
    if args.dry_run {
        let text = match &written {
            Source::File(written) => &written.text,
            Source::Goal(text) => text,
        };
        return dry_run::run(context, &args, text).await;
    }
    let connection = context.connect().await?;
    let attended = args.detach || (std::io::stdin().is_terminal() && std::io::stderr().is_terminal());
    let params = StartRunParams {
        file: match &written {
            Source::File(written) => written.params(&connection)?,
            Source::Goal(text) => TeamFileParams {
                text: text.clone(),
                file: None,
                folder: paths::current_dir()?.unwrap_or_default(),
                surroundings: surroundings(&connection)?,
            },
        },
        goal: args.goal.clone(),
        lead: args.lead,
        timeout_ms: args.timeout.map(milliseconds),
        attended,
        resume: args.resume,
    };
    let begun = match &written {
        Source::File(written) => {
            written.trusted(context, &connection, &file, || connection.call(params.clone())).await?
        }
        Source::Goal(_) => connection.call(params).await?,
    };
    let StartRunReply { run, first_event } = begun;
    if args.detach {
        match context.output.json {
            true => context.output.json(&json!({"run": run}))?,
            false => context.output.line(&format!("run {run} goes on; look at it with `teams attach {run}`"))?,
        }
        return Ok(Done::Yes);
    }
    let report = follow(context, &connection, &run, first_event, Leaves::Stops).await?;
    for file in &args.report {
        write_report(&connection, &report, file).await?;
    }
    finished(context, &report)
}

/// What a run is made of.
enum Source {
    File(Written),
    /// The text of a file that nobody has written: a lead, and nobody else yet.
    Goal(String),
}

fn file_of(context: &Context<'_>, args: &RunArgs) -> anyhow::Result<Source> {
    let is_there = args.file.is_some() || std::path::Path::new(TEAM_FILE).exists();
    if is_there || args.goal.is_none() {
        return Written::read(args.file.as_deref()).map(Source::File);
    }
    let folder = paths::current_dir()?.unwrap_or_default();
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let team = context.team.clone().or_else(|| make_valid(&folder)).context("name the team with -t")?;
    Ok(Source::Goal(format!("[team]\nname = {}\n[lead]\n", serde_json::to_string(&team)?)))
}

/// What Ctrl-C does to a run that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    /// It stops the run; once more, at once.
    Stops,
    /// The run goes on without us.
    GoesOn,
}

/// Shows a run until its end, and answers all that is known of it then.
async fn follow(
    context: &Context<'_>,
    connection: &Connection,
    run: &RunId,
    first_event: u64,
    leaves: Leaves,
) -> anyhow::Result<RunReport> {
    let mut follower = Follower::new(connection, run.team.as_str(), Vec::new(), first_event);
    let mut screen = Screen::new(context, run);
    let mut interrupts = 0;
    let ended = loop {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                interrupts += 1;
                screen.clear()?;
                if leaves == Leaves::GoesOn {
                    context.output.note(&format!("run {run} goes on; `teams attach {run}` shows it again"));
                    return Err(Failure::new(ErrorKind::TurnInterrupted, format!("run {run} is no longer shown")).into());
                }
                let now = interrupts > 1;
                context.output.note(if now { "stopping at once" } else { "stopping; Ctrl-C once more kills everybody" });
                // It may have ended by itself meanwhile.
                let _ = connection.call(StopRunParams { run: run.to_string(), now }).await;
            }
            event = follower.next() => match event {
                Ok(Some(event)) => {
                    screen.show(&event)?;
                    if matches!(&event.kind, EventKind::RunEnded { run: ended, .. } if *ended == run.to_string()) {
                        break Ok(());
                    }
                }
                Ok(None) => {}
                Err(failure) => break Err(failure),
            },
            () = tokio::time::sleep(REDRAW), if screen.draws() => screen.draw()?,
        }
    };
    screen.clear()?;
    if let Err(failure) = ended {
        let what = format!("run {run} is interrupted: {}", failure.message);
        return Err(Failure::new(failure.kind, what).hint("go on with `teams run --resume`").into());
    }
    Ok(connection.call(RunReportParams { run: run.to_string() }).await?)
}

/// Where a run is shown.
struct Screen<'a> {
    context: &'a Context<'a>,
    run: String,
    began: Instant,
    view: RunView,
    /// How many lines the picture has that stands there now.
    drawn: usize,
    last_drawn: Option<Instant>,
}

impl<'a> Screen<'a> {
    fn new(context: &'a Context<'a>, run: &RunId) -> Self {
        let (view, began) = (RunView::default(), Instant::now());
        Self { context, run: run.to_string(), began, view, drawn: 0, last_drawn: None }
    }

    /// Whether there is a picture of how the run stands.
    fn draws(&self) -> bool {
        self.context.output.is_watched()
    }

    fn show(&mut self, event: &crate::model::event::Event) -> anyhow::Result<()> {
        let output = self.context.output;
        if output.json {
            return output.json(event);
        }
        if let Some(line) = self.view.hear(event) {
            self.clear()?;
            output.line(&output.paint(line.style, &line.text))?;
        }
        let is_due = self.last_drawn.is_none_or(|last| last.elapsed() >= REDRAW / 5);
        if self.draws() && is_due { self.draw() } else { Ok(()) }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        self.clear()?;
        let size = terminal_size::terminal_size().map(|(width, height)| (width.0.into(), height.0.into()));
        let (width, height): (usize, usize) = size.unwrap_or((80, 24));
        // A line that fills the terminal would make it scroll.
        let size = (width.max(20) - 1, height.max(4) - 1);
        let lines = self.view.picture(self.context.output, &self.run, self.began.elapsed(), size);
        lines.iter().try_for_each(|line| self.context.output.line(line))?;
        (self.drawn, self.last_drawn) = (lines.len(), Some(Instant::now()));
        Ok(())
    }

    /// Takes the picture away.
    fn clear(&mut self) -> anyhow::Result<()> {
        if self.drawn > 0 {
            self.context.output.raw(format!("\u{1b}[{}A\u{1b}[J", self.drawn).as_bytes())?;
            self.drawn = 0;
        }
        Ok(())
    }
}

/// Sums a run up, and says how it ended by the exit code.
fn finished(context: &Context<'_>, report: &RunReport) -> anyhow::Result<Done> {
    let output = context.output;
    if output.json {
        output.json(report)?;
    } else {
        let summary = &report.summary;
        let style = if report.state == RunState::Done { Style::Green } else { Style::Red };
        let failed = match summary.tasks_failed {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        output.line("")?;
        output.line(&format!(
            "run {} is {}: {} of {} tasks completed{failed}, {:.1} s",
            report.run,
            output.paint(style, report.state.as_str()),
            summary.tasks_completed,
            summary.total_tasks,
            Duration::from_millis(summary.elapsed_ms).as_secs_f64(),
        ))?;
        let cost = |cost: Option<f64>| cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.4}"));
        let row = |member: &MemberReport| {
            vec![
                member.name.clone(),
                member.backend.clone(),
                member.turns.to_string(),
                member.usage.input_tokens.to_string(),
                member.usage.output_tokens.to_string(),
                cost(member.usage.cost_usd),
                format!("{:.1} s", Duration::from_millis(member.busy_ms).as_secs_f64()),
            ]
        };
        let rows: Vec<_> = report.members.iter().map(row).collect();
        output.table(&["name", "backend", "turns", "in", "out", "usd", "busy"], &rows)?;
        for branch in &report.branches {
            let note = branch.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            output.line(&format!("branch {} of {}: {}{note}", branch.branch, branch.member, branch.fate.as_str()))?;
        }
        match (&report.reason, report.state) {
            (Some(reason), RunState::Done) => output.line(reason)?,
            (Some(reason), _) => output.error(reason),
            (None, _) => {}
        }
    }
    Ok(Done::Code(exit_code(report.state)))
}

fn exit_code(state: RunState) -> u8 {
    match state {
        RunState::Done => 0,
        RunState::OverBudget => 3,
        RunState::Unanswered => 4,
        RunState::TimedOut => 124,
        _ => 1,
    }
}

async fn write_report(connection: &Connection, report: &RunReport, file: &ReportFile) -> anyhow::Result<()> {
    let text = match file.form {
        ReportForm::Json => serde_json::to_string_pretty(report)? + "\n",
        ReportForm::JUnit => report::junit(report),
        ReportForm::Markdown => report::markdown(report),
        ReportForm::Html => {
            let mut tasks = connection.call(ListTasksParams { team: report.team.clone() }).await?.tasks;
            tasks.retain(|task| report.tasks.iter().any(|known| known.id == *task.id));
            report::html(report, &Graph::new(&tasks).to_svg())
        }
    };
    let mut out = std::fs::File::create(&file.path)
        .with_context(|| format!("cannot write the report {}", file.path.display()))?;
    out.write_all(text.as_bytes()).with_context(|| format!("cannot write the report {}", file.path.display()))
}

/// `teams runs`
pub(super) async fn list(context: &Context<'_>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let mut runs = connection.call(ListRunsParams {}).await?;
    runs.retain(|run| context.team.as_ref().is_none_or(|team| *team == run.run.team.as_str()));
    if context.output.json {
        context.output.json(&runs)?;
        return Ok(Done::Yes);
    }
    let row = |run: &RunRecord| {
        let began = jiff::Timestamp::from_millisecond(run.began_ms).map(crate::model::time::iso).unwrap_or_default();
        let ended = run.ended_ms.map(|ended| format!("{:.1} s", (ended - run.began_ms) as f64 / 1000.0));
        let reason = run.reason.clone().or_else(|| run.goal.clone()).unwrap_or_default();
        let reason: String = reason.chars().take(60).collect();
        vec![run.run.to_string(), run.state.as_str().to_owned(), began, ended.unwrap_or_else(|| "-".to_owned()), reason]
    };
    context.output.table(&["run", "state", "began", "took", "why"], &runs.iter().map(row).collect::<Vec<_>>())?;
    Ok(Done::Yes)
}

/// `teams attach`
pub(super) async fn attach(context: &Context<'_>, what: Option<String>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let mut runs = connection.call(ListRunsParams {}).await?;
    let wanted = |run: &RunRecord| match &what {
        Some(what) => run.run.to_string() == *what,
        None => context.team.as_ref().is_none_or(|team| *team == run.run.team.as_str()),
    };
    let found = runs.iter().rposition(wanted).map(|place| runs.swap_remove(place));
    match (found, what) {
        (Some(run), _) => {
            let report = match run.state {
                RunState::Running => follow(context, &connection, &run.run, run.first_event, Leaves::GoesOn).await?,
                _ => connection.call(RunReportParams { run: run.run.to_string() }).await?,
            };
            finished(context, &report)
        }
        (None, Some(name)) => tail::follow_member(context, name).await,
        (None, None) => {
            Err(Failure::new(ErrorKind::NoRun, "there is no run yet").hint("begin one with `teams run`").into())
        }
    }
}

/// `teams report`
pub(super) async fn report(context: &Context<'_>, what: Option<String>, html: Option<PathBuf>) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let runs = connection.call(ListRunsParams {}).await?;
    let run = what.clone().filter(|what| runs.iter().any(|run| run.run.to_string() == *what));
    let report = match run {
        Some(run) => connection.call(RunReportParams { run }).await?,
        None => {
            let team = context.team_or(what, &connection).await?;
            connection.call(TeamReportParams { team }).await?
        }
    };
    if let Some(path) = html {
        write_report(&connection, &report, &ReportFile { path, form: ReportForm::Html }).await?;
    } else if context.output.json {
        context.output.json(&report)?;
    } else {
        context.output.text(&report::markdown(&report))?;
    }
    Ok(Done::Yes)
}

/// `teams down`
pub(super) async fn down(context: &Context<'_>, file: Option<PathBuf>) -> anyhow::Result<Done> {
    let team = match (&file, &context.team) {
        (None, Some(team)) => team.clone(),
        _ => Written::read(file.as_deref())?.parse(context)?.team.name,
    };
    let connection = context.connect().await?;
    stop_run_of(&connection, &team).await?;
    let stopped = connection.call(StopParams { team, names: Vec::new(), now: false }).await?;
    stop::shown(context, &stopped)
}

/// Ends the run of a team that goes on, if there is one, and waits for its end.
async fn stop_run_of(connection: &Connection, team: &str) -> anyhow::Result<()> {
    let runs = connection.call(ListRunsParams {}).await?;
    let Some(run) = runs.into_iter().find(|run| run.run.team.as_str() == team && run.state == RunState::Running) else {
        return Ok(());
    };
    let (id, from) = (run.run.to_string(), run.first_event);
    match connection.call(StopRunParams { run: id.clone(), now: false }).await {
        Err(failure) if failure.kind != ErrorKind::NotRunning => return Err(failure.into()),
        _ => {}
    }
    let mut events = Follower::new(connection, team, Vec::new(), from);
    loop {
        let event = events.next().await?;
        if event.is_some_and(|event| matches!(&event.kind, EventKind::RunEnded { run, .. } if *run == id)) {
            return Ok(());
        }
    }
}
