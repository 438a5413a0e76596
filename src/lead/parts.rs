//! What a lead is given of this program: itself for its teammates, the tools of its team, and the types of agents.

use std::path::{Path, PathBuf};

use agent_backends::claude::lead::AgentType;
use agent_backends::{AgentBackend, McpServer, discover, known};
use anyhow::Context as _;

use super::kinds;
use crate::daemon::surroundings::command;
use crate::paths;

/// What every lead is given of this program.
pub(crate) struct Parts {
    /// The program.
    pub(crate) own: PathBuf,
    /// Its tools of a team.
    pub(crate) tools: McpServer,
    /// The types of agents whose programs are there.
    pub(crate) agent_types: Vec<AgentType>,
}

impl Parts {
    /// With the kinds of teammates that there are for a folder.
    ///
    /// # Errors
    /// The program cannot find itself.
    pub(crate) fn of_this_program(folder: &Path) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot find the program itself")?;
        let command = [own.to_string_lossy().as_ref(), "mcp", "--as", "team-lead"].map(str::to_owned).to_vec();
        let (name, command) = ("teams".to_owned(), command.try_into()?);
        let tools = McpServer { name, command, env: paths::places(), tools: Vec::new() };
        Ok(Self { own, tools, agent_types: usable(folder).collect() })
    }
}

/// The kinds of teammates whose programs are there.
fn usable(folder: &Path) -> impl Iterator<Item = AgentType> {
    let is_there = |backend: &dyn AgentBackend| {
        let call = command(backend.backend_type(), None).ok().flatten().or_else(|| backend.default_command());
        call.is_some_and(|call| discover::find(backend.backend_type(), call.program(), None, None).is_ok())
    };
    let kinds = kinds::all(folder).into_iter();
    let kinds = kinds.filter(move |kind| known::backend(kind.backend).is_some_and(|known| is_there(&*known)));
    kinds.map(|kind| AgentType { description: kind.description(), name: kind.name })
}
