//! `teams simulate` (hidden)

use std::path::PathBuf;

use agent_backends::simulate;
use anyhow::Context as _;

use super::Done;
use super::options::SimulatedAgent;

/// Ends the process with the code that the real agent would end with.
pub(super) async fn run(agent: SimulatedAgent, script: Option<PathBuf>, args: Vec<String>) -> anyhow::Result<Done> {
    if args.iter().any(|arg| arg == "--version") {
        println!("0.0.0 (simulated)");
        return Ok(Done::Yes);
    }
    let agent = match agent {
        SimulatedAgent::ClaudeCode => simulate::SimulatedAgent::ClaudeCode,
        SimulatedAgent::Codex => simulate::SimulatedAgent::Codex,
        SimulatedAgent::Gemini => simulate::SimulatedAgent::Gemini,
        SimulatedAgent::Acp => simulate::SimulatedAgent::Acp,
    };
    let code = simulate::run(agent, script.as_deref(), &args).await.context("the simulated agent failed")?;
    std::process::exit(code)
}
