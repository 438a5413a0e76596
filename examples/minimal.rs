//! One Gemini CLI as a team of one: the smallest program there is.

use agent_teams::prelude::*;
#[tokio::main]
async fn main() -> agent_teams::Result<()> {
    let orch = TeamOrchestrator::builder().with_gemini_cli(GeminiCliBackend::new()?).build()?;
    orch.create_team("my-team", None).await?;
    let cfg = SpawnConfig::new("assistant", "You are a helpful coding assistant.");
    orch.spawn_teammate("my-team", cfg, BackendType::GeminiCli).await?;
    orch.send_input("my-team", "assistant", "What is the fastest sorting algorithm?").await?;
    // take_output_receiver() returns Option — None if already taken (take-once semantics)
    let mut rx = orch.take_output_receiver("my-team", "assistant").await?.expect("receiver not yet taken");
    // Always use a timeout to avoid indefinite waits
    let timeout = tokio::time::timeout(std::time::Duration::from_secs(60), async {
        while let Some(output) = rx.recv().await {
            match output {
                AgentOutput::Delta(text) => print!("{text}"),
                AgentOutput::TurnComplete => {
                    println!();
                    break;
                }
                AgentOutput::Error(e) => {
                    eprintln!("Agent error: {e}");
                    break;
                }
                _ => {}
            }
        }
    })
    .await;
    if timeout.is_err() {
        eprintln!("Timed out waiting for agent response");
    }
    orch.shutdown_teammate("my-team", "assistant").await?;
    orch.delete_team("my-team").await?;
    Ok(())
}
