//! `teams demo`: the real command, on simulated agents, in a home that is thrown away; or a recorded team in a view.

use std::cell::Cell;
use std::io::Write as _;
use std::pin::pin;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum as _;
use serde_json::Value;
use tokio::process::Command;

use super::output::{Output, Style};
use super::throwaway::{Throwaway, ended_with_us, told_to_end};
use super::view_args::ReplayIn;
use super::{Context, Done};

/// A team that was recorded: simulated agents write a parser, and one of them asks for something.
const RECORDING: &str = include_str!("../../fixtures/recordings/parser.jsonl");

/// Plays a team in one of the views.
pub(super) async fn replay(context: &Context<'_>, view: ReplayIn) -> anyhow::Result<Done> {
    let mut file = tempfile::Builder::new().prefix("teams-demo-").suffix(".jsonl").tempfile()?;
    file.write_all(RECORDING.as_bytes())?;
    let view = view.to_possible_value().map(|view| view.get_name().to_owned()).unwrap_or_default();
    let mut command = Command::new(std::env::current_exe().context("cannot find the program itself")?);
    command.arg("replay").arg(file.path()).arg(view).args(context.output.json.then_some("--json"));
    let status = ended_with_us(command).await?;
    Ok(status.into())
}

pub(super) async fn run(context: &Context<'_>) -> anyhow::Result<Done> {
    let began = Instant::now();
    let home = Throwaway::new("teams-demo-")?;
    let stage = Stage { home: &home, output: context.output, is_ended: Cell::new(false) };
    let played = play_until_told(&stage).await;
    // Whatever happened, nothing stays behind.
    let ended = stage.quiet(&["daemon", "stop"]).await;
    played?;
    ended?;
    let left = stage.processes_left().await?;
    anyhow::ensure!(left == 0, "{left} processes of the demo are still there");
    home.close()?;
    let output = context.output;
    output.note(&output.paint(
        Style::Green,
        &format!("\nNo process is left, and the home is gone. {:.1} s in all.", began.elapsed().as_secs_f32()),
    ));
    output.note(&output.paint(
        Style::Dim,
        "Next: `teams doctor` shows which real agents you have, `teams --help` what you can do with them.",
    ));
    Ok(Done::Yes)
}

async fn play_until_told(stage: &Stage<'_>) -> anyhow::Result<()> {
    let mut play = pin!(play(stage));
    tokio::select! {
        played = &mut play => played,
        () = told_to_end()? => {
            // The command that runs comes to its end: it may be starting the daemon.
            stage.is_ended.set(true);
            play.await
        }
    }
}

async fn play(stage: &Stage<'_>) -> anyhow::Result<()> {
    stage.say(Style::Dim, "These agents are simulated: they speak the real protocols, and think nothing.\n")?;
    stage.run(&["create", "demo", "--description", "Three agents, one task list"]).await?;
    for (backend, prompt) in [("claude-code", "You write Rust."), ("codex", "You test."), ("gemini", "You review.")] {
        stage.run(&["spawn", "--backend", backend, "--prompt", prompt]).await?;
    }
    stage.say(Style::Bold, "\nThree tasks, each waiting for the one before:")?;
    stage.run(&["task", "add", "Write the parser", "--owner", "claude"]).await?;
    stage.run(&["task", "add", "Test the parser", "--owner", "codex", "--blocked-by", "1"]).await?;
    stage.run(&["task", "add", "Review the parser", "--owner", "gemini", "--blocked-by", "2"]).await?;
    let work = [
        ("claude", "1", "Task 1 [[say The parser is written: a loop, a stack, and no recursion.]] [[slow 40]]"),
        ("codex", "2", "Task 2 [[say Forty tests pass, the empty file and the long one too.]] [[slow 40]]"),
        ("gemini", "3", "Task 3 [[say It reads well; one name could be shorter.]] [[slow 40]]"),
    ];
    for (member, task, prompt) in work {
        stage.say(Style::Bold, &format!("\n{member} works on task {task}; its answer as it comes:"))?;
        stage.run(&["ask", member, prompt]).await?;
        stage.run(&["task", "done", task]).await?;
    }
    stage.say(Style::Bold, "\nWhere the team stands:")?;
    stage.run(&["task", "list"]).await?;
    stage.run(&["status"]).await?;
    stage.say(Style::Bold, "\nThe files, in Claude Code's format:")?;
    stage.files()?;
    stage.say(Style::Bold, "\nThe end:")?;
    stage.run(&["stop", "--all"]).await?;
    Ok(())
}

/// A home of its own for the demo's commands.
struct Stage<'a> {
    home: &'a Throwaway,
    output: &'a Output,
    /// Whether somebody has ended the demo.
    is_ended: Cell<bool>,
}

impl Stage<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::from(self.home.command(args));
        command.current_dir(self.home.path()).stdin(Stdio::null());
        command
    }

    fn say(&self, style: Style, text: &str) -> anyhow::Result<()> {
        if self.output.json {
            return Ok(());
        }
        Ok(self.output.line(&self.output.paint(style, text))?)
    }

    /// Shows a command as one would type it, and runs it.
    async fn run(&self, args: &[&str]) -> anyhow::Result<()> {
        let typed: Vec<_> = args.iter().map(|arg| shell_words::quote(arg)).collect();
        self.say(Style::Cyan, &format!("$ teams {}", typed.join(" ")))?;
        let mut command = self.command(args);
        if self.output.json {
            // One document a command.
            command.arg("--json");
        }
        let status = command.status().await.context("cannot run the demo's commands")?;
        anyhow::ensure!(!self.is_ended.get(), "the demo was ended");
        anyhow::ensure!(status.success(), "`teams {}` failed in the demo", typed.join(" "));
        Ok(())
    }

    async fn quiet(&self, args: &[&str]) -> anyhow::Result<()> {
        let status =
            self.command(args).stdout(Stdio::null()).status().await.context("cannot run the demo's commands")?;
        anyhow::ensure!(status.success(), "`teams {}` failed in the demo", args.join(" "));
        Ok(())
    }

    fn files(&self) -> anyhow::Result<()> {
        let claude = self.home.path().join("claude");
        let mut folders = vec![claude.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)?.flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        for file in files {
            let bytes = std::fs::read(&file)?;
            let shown = file.strip_prefix(&claude).unwrap_or(&file).display();
            let whole = bytes.is_empty() || serde_json::from_slice::<Value>(&bytes).is_ok();
            anyhow::ensure!(whole, "{shown} is not whole");
            self.say(Style::Dim, &format!("  ~/.claude/{shown}  {} bytes", bytes.len()))?;
        }
        Ok(())
    }

    /// Processes that were started for this home and still run. The daemon ends a moment after it has said so.
    async fn processes_left(&self) -> anyhow::Result<usize> {
        let mark = format!("TEAMS_STATE_DIR={}", self.home.path().join("state").display()).into_bytes();
        let own = std::process::id().to_string();
        let count = || -> anyhow::Result<usize> {
            let Ok(processes) = std::fs::read_dir("/proc") else { return Ok(0) };
            let of_demo = |name: &str| {
                let environ = std::fs::read(format!("/proc/{name}/environ")).unwrap_or_default();
                name != own && environ.split(|byte| *byte == 0).any(|variable| variable == mark)
            };
            Ok(processes.flatten().filter(|entry| entry.file_name().to_str().is_some_and(of_demo)).count())
        };
        let deadline = Instant::now() + Duration::from_secs(2);
        while count()? > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        count()
    }
}
