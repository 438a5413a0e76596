//! Asks one Claude Code, and prints its answer: ten lines of a program that needs no daemon.

use agent_teams::prelude::*;

#[tokio::main]
async fn main() -> agent_teams::Result<()> {
    let orchestrator = TeamOrchestrator::builder().with_claude_code(ClaudeCodeBackend::new()).build()?;
    orchestrator.create_team("example", None).await?;
    let team = orchestrator.team("example")?;
    let anna = team.spawn(SpawnConfig::new("anna", "You answer in one sentence."), BackendType::ClaudeCode).await?;
    println!("{}", anna.ask("What is the fastest sorting algorithm?").await?);
    anna.stop().await?;
    orchestrator.delete_team("example").await
}
