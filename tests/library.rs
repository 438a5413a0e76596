//! The library's public face, on simulated agents.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_teams::backend::acp::AcpBackend;
use agent_teams::backend::claude_code::ClaudeCodeBackend;
use agent_teams::backend::process::StopStep;
use agent_teams::model::event::{EventKind, MailState};
use agent_teams::prelude::*;
use agent_teams::{ApprovalId, Exit, StopReport};
use async_trait::async_trait;
use tokio_stream::StreamExt;

pub(crate) fn simulated(agent: &str) -> agent_backends::Command {
    agent_backends::Command::new(env!("CARGO_BIN_EXE_teams")).arg("simulate").arg(agent).arg("--")
}

pub(crate) fn orchestrator(dir: &Path) -> TeamOrchestrator {
    TeamOrchestrator::builder()
        .teams_base(dir.join("teams"))
        .tasks_base(dir.join("tasks"))
        .state_dir(dir.join("state"))
        .with_claude_code(ClaudeCodeBackend::with_command(simulated("claude-code")))
        .with_codex(CodexBackend::with_command(simulated("codex")))
        .with_gemini_cli(GeminiCliBackend::with_command(simulated("gemini")))
        .with_acp(AcpBackend::with_command(simulated("acp")))
        .build()
        .expect("built")
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("in time")
}

#[tokio::test]
async fn the_life_of_a_team() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", Some("a test")).await?;
    for (name, backend) in [
        ("claude", BackendType::ClaudeCode),
        ("codex", BackendType::Codex),
        ("gemini", BackendType::GeminiCli),
        ("acp", BackendType::Acp),
    ] {
        let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new(name, "Be brief.") };
        orchestrator.spawn_teammate("team", config, backend).await?;
        assert_eq!(orchestrator.send_input("team", name, "[[say one two]]").await?, 1);
        let mut receiver = orchestrator.take_output_receiver("team", name).await?.expect("not taken yet");
        assert!(orchestrator.take_output_receiver("team", name).await?.is_none(), "handed out once");
        let mut text = String::new();
        while let Some(output) = soon(receiver.recv()).await {
            match output {
                AgentOutput::Delta(part) => text.push_str(&part),
                AgentOutput::Error(error) => panic!("{error}"),
                AgentOutput::TurnComplete => break,
                _ => {}
            }
        }
        assert_eq!(text, "one two", "{name}");
    }
    let task =
        orchestrator.create_task("team", CreateTaskRequest { subject: "Look".into(), ..Default::default() }).await?;
    orchestrator.assign_task("team", &task.id, "codex").await?;
    let update = TaskUpdate { status: Some(TaskStatus::Completed), ..Default::default() };
    assert_eq!(orchestrator.update_task("team", &task.id, update).await?.owner.as_deref(), Some("codex"));
    orchestrator.send_message("team", "lead", "codex", "Please start task 3").await?;
    let request = orchestrator.send_shutdown_request("team", "codex", Some("bye")).await?;
    assert!(request.starts_with("shutdown-") && request.ends_with("@codex"), "{request}");
    let mut events = orchestrator.events("team", 1).await?;
    for start in ["{\"type\":\"task_assignment\"", "Please start task 3", "{\"type\":\"shutdown_request\""] {
        let injected = async {
            loop {
                if let EventKind::Mail { state: MailState::Injected, text: Some(text), .. } =
                    &events.next().await.expect("an event").kind
                {
                    break text.clone();
                }
            }
        };
        let text = soon(injected).await;
        assert!(text.starts_with(start), "{text}");
    }
    assert!(orchestrator.delete_team("team").await.is_err(), "its members run");
    for (_, name, report) in orchestrator.shutdown().await {
        assert_eq!(report?.left, 0, "{name}");
    }
    orchestrator.delete_team("team").await
}

#[tokio::test]
async fn a_stream_ends_with_its_session() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    orchestrator.spawn_teammate("team", config, BackendType::ClaudeCode).await?;
    let stream = orchestrator.output_stream("team", "c").await?;
    orchestrator.send_input("team", "c", "[[say hi]]").await?;
    let mut receiver = orchestrator.take_output_receiver("team", "c").await?.expect("not taken yet");
    while soon(receiver.recv()).await != Some(AgentOutput::Idle) {}
    orchestrator.shutdown_teammate("team", "c").await?;
    let all: Vec<AgentOutput> = soon(stream.collect()).await;
    assert!(all.contains(&AgentOutput::TurnComplete), "{all:?}");
    assert!(matches!(all.last(), Some(AgentOutput::Exited(_))), "{all:?}");
    assert_eq!(soon(receiver.recv()).await.map(|last| matches!(last, AgentOutput::Exited(_))), Some(true));
    assert_eq!(soon(receiver.recv()).await, None);
    Ok(())
}

#[tokio::test]
async fn a_reader_that_never_reads_stops_nobody() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    orchestrator.spawn_teammate("team", config, BackendType::ClaudeCode).await?;
    let mut late = orchestrator.take_output_receiver("team", "c").await?.expect("not taken yet");
    orchestrator.send_input("team", "c", "[[flood 50000]]").await?;
    orchestrator.send_input("team", "c", "[[say done]]").await?;
    let mut watcher = orchestrator.events("team", 1).await?;
    loop {
        let event = soon(watcher.next()).await.expect("an event");
        if matches!(&event.kind, agent_teams::model::event::EventKind::TurnCompleted { text } if text == "done") {
            break;
        }
    }
    let (mut lines, mut ends) = (0, 0);
    while ends < 2 {
        match soon(late.recv()).await.expect("an event") {
            AgentOutput::Delta(text) if text.starts_with("line ") => lines += text.matches('\n').count(),
            AgentOutput::TurnComplete => ends += 1,
            AgentOutput::Lagged { bytes } => panic!("{bytes} bytes are missing"),
            _ => {}
        }
    }
    assert_eq!(lines, 50_000);
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn agents_end_with_the_last_handle() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    let status = orchestrator.spawn_teammate("team", config, BackendType::ClaudeCode).await?;
    let process = Path::new("/proc").join(status.pid.expect("a process").to_string());
    assert!(process.exists());
    drop(orchestrator);
    soon(async {
        while std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn codex_members_share_one_process_and_one_may_leave() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let mut pids = Vec::new();
    for name in ["a", "b", "other"] {
        let mut config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new(name, "") };
        if name == "other" {
            config.env.insert("API_KEY".into(), "another".into());
        } else {
            // A terminal's own variables make no difference.
            config.env.insert("TERM".into(), name.into());
        }
        pids.push(orchestrator.spawn_teammate("team", config, BackendType::Codex).await?.pid);
    }
    assert_eq!(pids[0], pids[1]);
    assert_ne!(pids[0], pids[2], "another environment is another server");
    let report = orchestrator.shutdown_teammate("team", "a").await?;
    assert_eq!(report.step, StopStep::Detached, "nothing was verified: the server runs on");
    orchestrator.send_input("team", "b", "[[say still here]]").await?;
    let mut receiver = orchestrator.take_output_receiver("team", "b").await?.expect("not taken yet");
    loop {
        match soon(receiver.recv()).await.expect("an event") {
            AgentOutput::TurnComplete => break,
            AgentOutput::Error(error) => panic!("{error}"),
            _ => {}
        }
    }
    let report = orchestrator.shutdown_teammate("team", "b").await?;
    assert_eq!((report.step, report.left), (StopStep::Asked, 0), "the last one takes the server with it");
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_message_can_be_followed_and_a_program_decides() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.path().join("teams"))
        .tasks_base(dir.path().join("tasks"))
        .state_dir(dir.path().join("state"))
        .with_codex(CodexBackend::with_command(simulated("codex")))
        .on_approval(|team, question| async move {
            assert_eq!((team.as_str(), question.member.as_str()), ("team", "c"));
            assert_eq!(question.kind, agent_backends::ApprovalKind::Command);
            question.command.is_some_and(|command| command.contains("touch made")).then_some(Decision::Allow)
        })
        .build()?;
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    orchestrator.spawn_teammate("team", config, BackendType::Codex).await?;
    let mut handle = orchestrator.send_message("team", "team-lead", "c", "[[run touch made]]").await?;
    assert_eq!(soon(handle.settled()).await, MailState::Acknowledged);
    let mut events = orchestrator.events("team", 1).await?;
    let by = async {
        loop {
            if let EventKind::ApprovalClosed { by, .. } = &events.next().await.expect("an event").kind {
                break by.clone();
            }
        }
    };
    assert_eq!(soon(by).await.as_deref(), Some("hook"));
    // It is nobody's to refuse, and is told so at once.
    let error = orchestrator.send_message("team", "team-lead", "nobody", "x").await.expect_err("there is nobody");
    assert!(error.to_string().contains("members: team-lead, c"), "{error}");
    orchestrator.shutdown().await;
    orchestrator.delete_team("team").await
}

/// An agent of the embedding program: as it is given an input, it notes whether the transcript tells of it.
struct Witness {
    transcript: std::path::PathBuf,
    told: Arc<Mutex<Vec<bool>>>,
}

#[async_trait]
impl AgentBackend for Witness {
    fn backend_type(&self) -> BackendType {
        BackendType::ClaudeCode
    }

    async fn spawn(&self, _config: SpawnConfig) -> agent_backends::Result<Box<dyn AgentSession>> {
        let (output, receiver) = agent_backends::output::output_channel(1024);
        let (transcript, told) = (self.transcript.clone(), Arc::clone(&self.told));
        Ok(Box::new(WitnessSession { transcript, told, output: Some(output), receiver: Some(receiver) }))
    }
}

struct WitnessSession {
    transcript: std::path::PathBuf,
    told: Arc<Mutex<Vec<bool>>>,
    output: Option<agent_backends::output::OutputSender>,
    receiver: Option<agent_backends::OutputReceiver>,
}

#[async_trait]
impl AgentSession for WitnessSession {
    fn name(&self) -> &str {
        "w"
    }

    async fn send_input(&mut self, _input: &str) -> agent_backends::Result<()> {
        let transcript = std::fs::read_to_string(&self.transcript).expect("a transcript");
        self.told.lock().unwrap().push(transcript.contains("\"state\":\"injected\""));
        for event in [AgentOutput::TurnStarted { input: Some(1) }, AgentOutput::TurnComplete, AgentOutput::Idle] {
            self.output.as_ref().expect("not stopped").push(event).expect("a reader");
        }
        Ok(())
    }

    fn output_receiver(&mut self) -> Option<agent_backends::OutputReceiver> {
        self.receiver.take()
    }

    async fn is_alive(&self) -> bool {
        true
    }

    async fn interrupt(&mut self) -> agent_backends::Result<()> {
        Ok(())
    }

    async fn set_permission_mode(&mut self, _mode: PermissionMode) -> agent_backends::Result<()> {
        Ok(())
    }

    async fn answer(&mut self, _: &ApprovalId, _: Decision) -> agent_backends::Result<()> {
        Ok(())
    }

    fn session_id(&self) -> Option<String> {
        None
    }

    fn model(&self) -> Option<String> {
        None
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    async fn shutdown(&mut self) -> agent_backends::Result<StopReport> {
        if let Some(output) = self.output.take() {
            output.push(AgentOutput::Exited(Exit::Code(0))).expect("a reader");
        }
        Ok(StopReport::nothing())
    }

    async fn force_kill(&mut self) -> agent_backends::Result<StopReport> {
        self.shutdown().await
    }
}

#[tokio::test]
async fn that_mail_is_given_is_told_before_it_is() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let told = Arc::new(Mutex::new(Vec::new()));
    let transcript = dir.path().join("state/teams/team/events.jsonl");
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.path().join("teams"))
        .tasks_base(dir.path().join("tasks"))
        .state_dir(dir.path().join("state"))
        .with_backend(Witness { transcript, told: Arc::clone(&told) })
        .build()?;
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("w", "") };
    orchestrator.spawn_teammate("team", config, BackendType::ClaudeCode).await?;
    let mut message = orchestrator.send_message("team", "lead", "w", "hello").await?;
    soon(message.settled()).await;
    // Killed at this very moment, nobody would know else that the agent may have it.
    assert_eq!(*told.lock().unwrap(), [true]);
    orchestrator.shutdown().await;
    Ok(())
}

#[test]
fn a_program_of_twenty_lines_is_a_member_by_a_backend_of_its_own() {
    let example = include_str!("../examples/custom_backend.rs");
    assert!(example.lines().count() < 120, "it has grown to {} lines", example.lines().count());
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (answers, report) = runtime.block_on(soon(crate::custom_backend::run(dir.path()))).expect("a whole life");
    assert_eq!(answers, ["added ink", "added paper", "I know only: add THING, and list", "on the list: ink paper"]);
    assert_eq!((report.exit, report.left), (Exit::Code(0), 0));
    let members = std::fs::read_to_string(dir.path().join("teams/office/config.json")).expect("the team's file");
    assert!(members.contains("\"clerk\""), "{members}");
}

#[tokio::test]
async fn a_backend_that_was_not_set_up_is_refused_and_its_members_are_kept() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let (answers, _) = crate::custom_backend::run(dir.path()).await?;
    assert_eq!(answers.len(), 4);
    let orchestrator = orchestrator(dir.path());
    let clerk = BackendType::named("clerk");
    let error = orchestrator.spawn_teammate("office", SpawnConfig::new("c2", ""), clerk).await.unwrap_err().to_string();
    assert!(error.contains("no backend `clerk`") && error.contains("acp, claude-code, codex, gemini"), "{error}");
    let error = orchestrator.resume_member("office", "clerk", &Default::default()).await.unwrap_err().to_string();
    assert!(error.contains("no backend `clerk`"), "{error}");
    let status = orchestrator.status("office").await?;
    assert_eq!(status.members.iter().map(|member| member.backend).collect::<Vec<_>>(), [Some(clerk)]);
    Ok(())
}

/// Says no to the first completion that it hears of.
#[derive(Clone, Default)]
struct Strict(Arc<Mutex<Vec<HookInput>>>);

#[async_trait]
impl Hook for Strict {
    fn name(&self) -> &str {
        "strict"
    }

    fn hears(&self, event: HookEvent) -> bool {
        event == HookEvent::TaskCompleted
    }

    async fn judge(&self, input: HookInput) -> HookVerdict {
        let mut heard = self.0.lock().expect("the list");
        heard.push(input);
        if heard.len() == 1 { HookVerdict::Veto("once more".into()) } else { HookVerdict::Pass }
    }
}

struct Panics;

#[async_trait]
impl Hook for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn hears(&self, _: HookEvent) -> bool {
        true
    }

    async fn judge(&self, _: HookInput) -> HookVerdict {
        panic!("it has no say")
    }
}

#[tokio::test]
async fn a_program_runs_a_team_file_and_judges_what_comes_of_it() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let hold = crate::support::Hold::new(dir.path().join("go"));
    let strict = Strict::default();
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.path().join("teams"))
        .tasks_base(dir.path().join("tasks"))
        .state_dir(dir.path().join("state"))
        .with_codex(CodexBackend::with_command(simulated("codex")))
        .hook(Panics)
        .hook(strict.clone())
        .build()?;
    let text = format!(
        "[team]\nname = \"crew\"\n[[member]]\nname = \"w\"\nbackend = \"codex\"\n[[task]]\nname = \"one\"\ndescription = '{hold} [[say x]]'"
    );
    let file = TeamFile::parse(&text, &Default::default())?;
    let options = RunOptions { folder: dir.path().to_owned(), ..RunOptions::default() };
    let mut run = orchestrator.run(&file, options.clone()).await?;
    assert_eq!((run.id().to_string().as_str(), run.state()), ("crew-1", RunState::Running));
    let mut events = run.events().await?;
    let begun = async {
        while let Some(event) = events.next().await {
            if matches!(&event.kind, EventKind::Task { status: TaskStatus::InProgress, .. }) {
                break;
            }
        }
    };
    soon(begun).await;
    let again = orchestrator.run(&file, options).await.map(|_| ()).expect_err("one goes on");
    assert_eq!(again.kind(), ErrorKind::Running);
    let complete = || orchestrator.complete_task("crew", "1", Default::default(), Some("done".into()));
    let vetoed = complete().await.expect_err("the first is rejected");
    assert_eq!((vetoed.kind(), vetoed.to_string().as_str()), (ErrorKind::Vetoed, "task #1 is not done: once more"));
    complete().await?;
    hold.release();
    let report = soon(run.wait()).await?;
    assert_eq!((report.state, report.summary.total_tasks, report.summary.tasks_completed), (RunState::Done, 1, 1));
    assert_eq!(report.tasks[0].result.as_deref(), Some("done"));
    let heard = strict.0.lock().expect("the list").clone();
    assert_eq!(
        (heard.len(), heard[0].task_result.as_deref(), heard[0].teammate_name.as_deref()),
        (2, Some("done"), Some("w"))
    );
    assert!(run.stop(false).await.is_err(), "it has ended");
    Ok(())
}
