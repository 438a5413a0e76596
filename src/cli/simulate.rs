//! `teams simulate` (hidden)

use std::path::{Path, PathBuf};

use agent_backends::process::LABEL_VARIABLE;
use agent_backends::simulate;
use anyhow::Context as _;

use super::Done;
use super::options::SimulatedAgent;
use crate::paths;
use crate::replay::run_agent;

/// Ends the process with the code that the real agent would end with.
pub(super) async fn run(agent: SimulatedAgent, script: Option<PathBuf>, args: Vec<String>) -> anyhow::Result<Done> {
    if args.iter().any(|arg| arg == "--version") {
        println!("0.0.0 (simulated)");
        return Ok(Done::Yes);
    }
    if let Some(socket) = std::env::var_os(paths::REPLAY_VARIABLE) {
        let variable = |name: &str| std::env::var(name).ok();
        let label = variable(LABEL_VARIABLE).unwrap_or_default();
        let played = run_agent(Path::new(&socket), label, args, variable(paths::TOKEN_VARIABLE));
        std::process::exit(played.await.context("nobody conducts this agent")?)
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
