//! Three agents of different makers as one team: a task, its owner, its answer. Every block of the project's first
//! announcement is in here or in `minimal.rs`.

use std::path::PathBuf;

use agent_teams::backend::claude_code::ClaudeCodeBackend;
use agent_teams::backend::codex::CodexBackend;
use agent_teams::backend::gemini::GeminiCliBackend;
use agent_teams::prelude::*;

#[tokio::main]
async fn main() -> agent_teams::Result<()> {
    // `cargo run --example review_team -- DIR` keeps the team's files below DIR.
    let base = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("review-team"), PathBuf::from);
    let orchestrator = TeamOrchestrator::builder()
        .teams_base(base.join("teams"))
        .tasks_base(base.join("tasks"))
        .state_dir(base.join("state"))
        .with_claude_code(ClaudeCodeBackend::new())
        .with_codex(CodexBackend::new()?)
        .with_gemini_cli(GeminiCliBackend::new()?)
        .build()?;

    orchestrator.create_team("review-team", Some("Code review squad")).await?;

    let claude_cfg = SpawnConfig::new("implementer", "You write Rust code.");
    orchestrator.spawn_teammate("review-team", claude_cfg, BackendType::ClaudeCode).await?;

    let gemini_cfg = SpawnConfig {
        name: "reviewer".into(),
        prompt: "You review Rust code for correctness and style.".into(),
        model: Some("gemini-2.5-pro".into()),
        ..Default::default()
    };
    orchestrator.spawn_teammate("review-team", gemini_cfg, BackendType::GeminiCli).await?;

    let task = orchestrator
        .create_task(
            "review-team",
            CreateTaskRequest {
                subject: "Review authentication module".into(),
                description: Some("Check for SQL injection and auth bypass.".into()),
                ..Default::default()
            },
        )
        .await?;
    orchestrator.assign_task("review-team", &task.id, "reviewer").await?;
    orchestrator.send_message("review-team", "team-lead", "implementer", "The review begins").await?;

    orchestrator.send_input("review-team", "reviewer", "Please review src/auth.rs").await?;

    let mut rx = orchestrator.take_output_receiver("review-team", "reviewer").await?.expect("receiver not yet taken");
    while let Some(output) = rx.recv().await {
        match output {
            AgentOutput::Delta(text) => print!("{text}"),
            AgentOutput::Error(e) => {
                eprintln!("Error: {e}");
                break;
            }
            AgentOutput::TurnComplete => break,
            _ => {}
        }
    }
    println!();

    orchestrator
        .update_task("review-team", &task.id, TaskUpdate { status: Some(TaskStatus::Completed), ..Default::default() })
        .await?;
    for (team, member, report) in orchestrator.shutdown().await {
        println!("{member} of {team}: {} processes left", report?.left);
    }
    orchestrator.delete_team("review-team").await
}
