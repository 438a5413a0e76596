//! A program that shares the daemon has the verbs of one that owns its agents.

use std::path::Path;
use std::time::Duration;

use agent_teams::backend::process::Grace;
use agent_teams::prelude::*;

use crate::support::{Home, daemon_pid, teams_binary};

/// What a program does, whatever it holds.
async fn work<V: Verbs>(team: TeamHandle<V>, home: &Home) -> agent_teams::Result<()> {
    let config = SpawnConfig {
        cwd: Some(home.work()),
        command: Some(agent_backends::Command::new(teams_binary()).arg("simulate").arg("claude-code").arg("--")),
        inherit_env: Some([("HOME".to_owned(), home.path().to_string_lossy().into_owned())].into()),
        ..SpawnConfig::new("anna", "Be brief.")
    };
    let anna = team.spawn(config, BackendType::ClaudeCode).await?;
    assert_eq!(anna.ask("[[say one two]]").await?, "one two");
    let mut turn = anna.begin_turn("[[silence]]").await?;
    assert_eq!(turn.number(), 2);
    while !matches!(turn.events().next().await?.expect("it runs").kind, EventKind::TurnStarted { .. }) {}
    anna.interrupt().await?;
    assert_eq!(turn.outcome().await?.status, TurnStatus::Interrupted);
    let request = CreateTaskRequest { subject: "Look".into(), ..Default::default() };
    assert_eq!(team.create_task(request).await?.subject, "Look");
    assert_eq!(team.tasks().await?.len(), 1);
    assert!(!team.send_message("anna", "[[say thanks]]").await?.is_empty());
    let error = team.member("nobody")?.begin_turn("x").await.expect_err("there is nobody");
    assert_eq!(error.kind(), ErrorKind::NoMember, "{error}");
    assert_eq!(anna.stop().await?.left, 0);
    assert!(!anna.status().await?.state.is_running());
    Ok(())
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(60), future).await.expect("in time")
}

#[tokio::test]
async fn a_program_does_not_care_whose_agents_they_are() -> agent_teams::Result<()> {
    let home = Home::simulated();
    home.teams(&["daemon", "start"]);
    let client = Client::connect(&home.state()).await?;
    assert_eq!(u64::from(client.daemon().pid), daemon_pid(&home));
    client.create_team("shared", None).await?;
    in_time(work(client.team("shared")?, &home)).await?;
    let teams = client.list_teams().await?;
    assert_eq!(teams.iter().map(|team| team.team.as_str()).collect::<Vec<_>>(), ["shared"]);
    client.delete_team("shared").await?;

    let own = TeamOrchestrator::builder()
        .teams_base(home.path().join("own/teams"))
        .tasks_base(home.path().join("own/tasks"))
        .state_dir(home.path().join("own/state"))
        .with_claude_code(ClaudeCodeBackend::new())
        .build()?;
    own.create_team("own", None).await?;
    in_time(work(own.team("own")?, &home)).await?;
    own.delete_team("own").await
}

#[tokio::test]
async fn what_the_daemon_refuses_is_an_error_of_the_library() -> agent_teams::Result<()> {
    let home = Home::simulated();
    let error = Client::connect(&home.state()).await.expect_err("none runs");
    assert_eq!(error.kind(), ErrorKind::NoDaemon, "{error}");
    let missing = Client::connect_or_start_with(&home.state(), Path::new("/nowhere/teams")).await;
    assert!(missing.expect_err("there is no such program").to_string().contains("/nowhere/teams"));
    home.teams(&["create", "crew"]);
    let client = Client::connect(&home.state()).await?;
    let error = client.status("crow").await.expect_err("there is no such team");
    assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::NoTeam, true), "{error}");
    let error = client.ask("crew", "nobody", "x").await.expect_err("there is nobody");
    assert_eq!(error.kind(), ErrorKind::NoMember, "{error}");
    let plain = || SpawnConfig::new("a", "");
    let (ask, term) = (Duration::from_secs(1), Duration::from_secs(2));
    for config in [
        SpawnConfig { extra_args: vec!["--x".into()], ..plain() },
        SpawnConfig { later_mode: Some("acceptEdits".into()), ..plain() },
        SpawnConfig { stop_grace: Some(Grace { ask, term }), ..plain() },
    ] {
        let error =
            client.spawn_teammate("crew", config, BackendType::Codex).await.expect_err("it cannot be passed on");
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::BadInput, true), "{error}");
    }
    // The shell's word of a member reaches the program too.
    home.teams(&["spawn", "--backend", "codex", "-t", "crew"]);
    assert_eq!(in_time(client.ask("crew", "codex", "[[say hello]]")).await?, "hello");
    Ok(())
}
