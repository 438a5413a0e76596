//! A program waits for the end of a turn, by handles or by itself, and decides what agents ask for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_teams::prelude::*;

use crate::library::{orchestrator, simulated, soon};

/// A team of one simulated Codex, whose questions a program decides.
async fn asked_by_codex<F>(
    dir: &Path,
    hook: impl Fn(PendingApproval) -> F + Send + Sync + 'static,
    limit: Duration,
) -> agent_teams::Result<TeamOrchestrator>
where
    F: Future<Output = Option<Decision>> + Send + 'static,
{
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(dir.join("teams"))
        .tasks_base(dir.join("tasks"))
        .state_dir(dir.join("state"))
        .with_codex(CodexBackend::with_command(simulated("codex")))
        .on_approval(move |_, question| hook(question))
        .approval_hook_limit(limit)
        .build()?;
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.to_owned()), ..SpawnConfig::new("c", "") };
    orchestrator.spawn_teammate("team", config, BackendType::Codex).await?;
    Ok(orchestrator)
}

/// How the only question of a turn was closed, and by whom.
async fn closed(turn: &mut TurnHandle) -> (String, Option<String>) {
    soon(async {
        loop {
            let event = turn.events().next().await.expect("events").expect("not over yet");
            if let EventKind::ApprovalClosed { outcome, by, .. } = &event.kind {
                break (outcome.clone(), by.clone());
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_person_may_answer_while_the_program_thinks() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let asked = Arc::new(tokio::sync::Notify::new());
    let heard = Arc::clone(&asked);
    let hook = move |_| {
        heard.notify_one();
        std::future::pending::<Option<Decision>>()
    };
    let orchestrator = asked_by_codex(dir.path(), hook, Duration::from_secs(600)).await?;
    let mut turn = orchestrator.begin_turn("team", "c", "[[run touch made]]").await?;
    soon(asked.notified()).await;
    let member = orchestrator.team("team")?.member("c")?.status().await?;
    assert_eq!(member.state, MemberState::WaitingApproval);
    let open = orchestrator.approvals("team").await?;
    assert!(open[0].command.as_deref().is_some_and(|command| command.contains("touch made")), "{open:?}");
    orchestrator.answer_approval("team", &open[0].id, Decision::Allow).await?;
    assert_eq!(closed(&mut turn).await, ("allowed".to_owned(), Some("user".to_owned())));
    assert_eq!(soon(turn.outcome()).await?.status, TurnStatus::Completed);
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_program_that_panics_or_sleeps_has_said_no() -> agent_teams::Result<()> {
    for (panics, limit) in [(true, Duration::from_secs(600)), (false, Duration::from_millis(1))] {
        let dir = tempfile::tempdir().expect("a folder");
        let hook = move |_| async move {
            assert!(!panics, "a fault of the program");
            std::future::pending().await
        };
        let orchestrator = asked_by_codex(dir.path(), hook, limit).await?;
        let mut turn = orchestrator.begin_turn("team", "c", "[[run touch made]]").await?;
        assert_eq!(closed(&mut turn).await, ("denied".to_owned(), Some("hook".to_owned())));
        // The member is none the worse for it.
        soon(turn.outcome()).await?;
        assert_eq!(soon(orchestrator.ask("team", "c", "[[say still here]]")).await?, "still here");
        orchestrator.shutdown().await;
    }
    Ok(())
}

#[tokio::test]
async fn what_the_program_leaves_open_is_the_policys() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = asked_by_codex(dir.path(), |_| async { None }, Duration::from_secs(600)).await?;
    let policy = ApprovalPolicy { otherwise: agent_teams::model::approval::Verdict::Allow, ..Default::default() };
    orchestrator.set_approval_policy("team", policy).await?;
    let mut turn = orchestrator.begin_turn("team", "c", "[[run touch made]]").await?;
    assert_eq!(closed(&mut turn).await, ("allowed".to_owned(), Some("policy".to_owned())));
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_question_in_a_members_output_is_whole() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let hook = |_| async { Some(Decision::Allow) };
    let orchestrator = asked_by_codex(dir.path(), hook, Duration::from_secs(600)).await?;
    let mut output = orchestrator.take_output_receiver("team", "c").await?.expect("not taken yet");
    let number = orchestrator.send_input("team", "c", "[[run touch made]]").await?;
    let (mut started, mut asked) = (None, None);
    while asked.is_none() {
        match soon(output.recv()).await.expect("an event") {
            AgentOutput::TurnStarted { input } => started = input,
            AgentOutput::Approval(approval) => asked = Some(approval),
            _ => {}
        }
    }
    let asked = asked.expect("just looked");
    assert_eq!((started, asked.kind), (Some(number), agent_backends::ApprovalKind::Command));
    assert!(asked.command.is_some_and(|command| command.contains("touch made")));
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_turn_is_waited_for_and_says_how_it_ended() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    let team = orchestrator.team("team")?;
    let member = team.spawn(config, BackendType::ClaudeCode).await?;
    assert_eq!(soon(member.ask("[[say one two]]")).await?, "one two");
    // Both wait, and each has its own answer.
    let mut first = member.begin_turn("[[say first]]").await?;
    let mut second = member.begin_turn("[[say second]]").await?;
    assert_eq!((first.number(), second.number()), (2, 3));
    let outcome = soon(second.outcome()).await?;
    assert_eq!((outcome.turn, outcome.status, outcome.text.as_str()), (3, TurnStatus::Completed, "second"));
    assert!(outcome.usage.is_some(), "{outcome:?}");
    assert_eq!(soon(first.text()).await?, "first");
    let mut stopped = member.begin_turn("[[silence]]").await?;
    while !matches!(soon(stopped.events().next()).await?.expect("it runs").kind, EventKind::TurnStarted { .. }) {}
    member.interrupt().await?;
    let error = soon(stopped.text()).await.expect_err("it was interrupted");
    assert_eq!(error.kind(), ErrorKind::TurnInterrupted, "{error}");
    let mut cut_off = member.begin_turn("[[crash]]").await?;
    let error = soon(cut_off.text()).await.expect_err("its agent died");
    assert_eq!(error.kind(), ErrorKind::TurnFailed, "{error}");
    orchestrator.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn handles_are_the_verbs_of_a_team() -> agent_teams::Result<()> {
    let dir = tempfile::tempdir().expect("a folder");
    let orchestrator = orchestrator(dir.path());
    orchestrator.create_team("team", None).await?;
    let error = orchestrator.team("No Name").expect_err("that is no name");
    assert_eq!(error.kind(), ErrorKind::BadName, "{error}");
    let name: TeamName = "team".parse().expect("a name");
    let team = orchestrator.team(&name)?;
    let config = SpawnConfig { cwd: Some(dir.path().to_owned()), ..SpawnConfig::new("c", "") };
    let member = team.spawn(config, BackendType::Codex).await?;
    let request = CreateTaskRequest { subject: "Look".into(), ..Default::default() };
    let task = team.create_task(request).await?;
    let update = TaskUpdate { status: Some(TaskStatus::Completed), ..Default::default() };
    team.update_task(&task.id, update).await?;
    assert_eq!(team.tasks().await?[0].status, TaskStatus::Completed);
    let id = team.send_message("c", "[[say thanks]]").await?;
    let mut output = member.output(1).await?;
    let answered = async {
        loop {
            if let EventKind::TurnCompleted { text } = &output.next().await.expect("events").expect("one").kind {
                break text.clone();
            }
        }
    };
    assert!(soon(answered).await.contains("thanks"));
    assert!(!orchestrator.trace("team", &id).await?.is_empty());
    assert_eq!(team.members().await?.len(), 1);
    assert_eq!(member.stop().await?.left, 0);
    assert!(!member.status().await?.state.is_running());
    let error = team.member("nobody")?.status().await.expect_err("there is nobody");
    assert_eq!(error.kind(), ErrorKind::NoMember, "{error}");
    orchestrator.delete_team("team").await
}
