//! A backend of your own: a program of some twenty lines becomes a member of a team.

use agent_teams::backend::driver::{Driver, Facts, StopMode, TurnInput};
use agent_teams::backend::process::{AgentProcess, LineEvent, Stdout, next_line};
use agent_teams::backend::{Command, Outbox, Session, TurnEnd, pipes::StdinWriter};
use agent_teams::{BackendError, StopReport, prelude::*};
use async_trait::async_trait;
use std::path::Path;
use tokio::time::{Duration, timeout};

/// A clerk who keeps a list. It takes a line, and answers with lines: `say TEXT`, then `done`, or `fail REASON`.
const PROGRAM: &str = r#"
list=
echo ready
while IFS= read -r line; do
  case $line in
    add\ *)
      list="$list ${line#add }"
      echo "say added ${line#add }"; echo done ;;
    list)
      echo "say on the list:$list"; echo done ;;
    *)
      echo "fail I know only: add THING, and list" ;;
  esac
done
"#;

const CLERK: BackendType = BackendType::named("clerk");

struct ClerkBackend;

#[async_trait]
impl AgentBackend for ClerkBackend {
    fn backend_type(&self) -> BackendType {
        CLERK
    }

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>, BackendError> {
        let command = config.command_or(&Command::new("sh").arg("-c").arg(PROGRAM));
        let spec = config.process(CLERK, command, Vec::new(), config.working_directory()?);
        let (process, stdin, mut stdout) = AgentProcess::spawn(spec)?;
        let hello = timeout(config.ready_limit(), next_line(&process, &mut stdout)).await;
        if !matches!(&hello, Ok(LineEvent::Line(line)) if line == "ready") {
            let reason = format!("it did not say `ready` ({hello:?})");
            return Err(BackendError::NotReady { backend: CLERK, reason, stderr: process.last_words() });
        }
        Ok(Session::start(config.name, Clerk { process, stdin, stdout }))
    }
}

struct Clerk {
    process: AgentProcess,
    stdin: StdinWriter,
    stdout: Stdout,
}

#[async_trait]
impl Driver for Clerk {
    type Event = LineEvent;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<(), BackendError> {
        self.stdin.write_line(&input.text.replace('\n', " "))
    }

    async fn next(&mut self) -> LineEvent {
        next_line(&self.process, &mut self.stdout).await
    }

    fn handle(&mut self, event: LineEvent, out: &mut Outbox) {
        match event {
            LineEvent::Ended(exit) => out.exit(exit, "the clerk has gone home"),
            LineEvent::Line(line) => match line.split_once(' ').unwrap_or((&line, "")) {
                ("say", text) => out.push(AgentOutput::Message(text.to_owned())),
                ("done", _) => out.end_turn(TurnEnd::Complete),
                (_, reason) => out.end_turn(TurnEnd::Failed(reason.to_owned())),
            },
        }
    }

    fn interrupt(&mut self, _out: &mut Outbox) -> Result<(), BackendError> {
        Ok(()) // A clerk is done before anybody could interrupt it.
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport, BackendError> {
        self.process.stop(Some(&self.stdin), how.grace()).await
    }

    fn facts(&self) -> Facts {
        Facts { pid: self.process.pid(), ..Facts::default() }
    }
}

/// Gives the clerk some inputs, and answers what came of each turn, with what is left of its processes.
pub(crate) async fn run(dir: &Path) -> agent_teams::Result<(Vec<String>, StopReport)> {
    let builder = TeamOrchestrator::builder().teams_base(dir.join("teams")).tasks_base(dir.join("tasks"));
    let orchestrator = builder.state_dir(dir.join("state")).with_backend(ClerkBackend).build()?;
    orchestrator.create_team("office", None).await?;
    orchestrator.spawn_teammate("office", SpawnConfig::new("clerk", ""), CLERK).await?;
    let mut output = orchestrator.take_output_receiver("office", "clerk").await?.expect("not taken yet");
    let mut answers = Vec::new();
    for input in ["add ink", "add paper", "dance", "list"] {
        orchestrator.send_input("office", "clerk", input).await?;
        while let Ok(Some(event)) = timeout(Duration::from_secs(30), output.recv()).await {
            match event {
                AgentOutput::Message(text) | AgentOutput::Error(text) => answers.push(text),
                AgentOutput::Idle => break,
                _ => {}
            }
        }
    }
    Ok((answers, orchestrator.shutdown_teammate("office", "clerk").await?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (answers, report) = run(tempfile::tempdir()?.path()).await?;
    println!("{}\n{report:?}", answers.join("\n"));
    Ok(())
}
