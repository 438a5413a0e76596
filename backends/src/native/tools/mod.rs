//! The tools that an agent of our own has from the start: files below two [roots](super::Roots), and commands.
//!
//! What a tool answers is bounded, and says what was left out and how to get it. Nothing here decides whether a call is allowed: each tool says what it may do
//! ([`ToolKind`](super::ToolKind)) and what a call comes to, and whoever runs the agent asks.

mod blocking;
mod bounded;
mod call;
mod edit_file;
mod fields;
mod limits;
mod list_directory;
mod matches;
mod page_text;
mod program;
mod read_file;
mod run_command;
mod search_files;
pub(super) mod shown;
mod walk;
mod web_fetch;
mod write_file;

use std::sync::Arc;

pub use crate::process::confine::{Support, support as landlock_support};
pub use edit_file::EditFileTool;
pub use limits::CommandLimits;
pub use list_directory::ListDirectoryTool;
pub use read_file::ReadFileTool;
pub use run_command::RunCommandTool;
pub use search_files::SearchFilesTool;
pub use web_fetch::{BadHost, WebFetchTool, WebHosts};
pub use write_file::WriteFileTool;

use super::roots::Roots;
use super::tool::ToolRegistry;

/// All that every agent has; [`WebFetchTool`] is for whoever turns it on.
pub fn builtin(roots: &Roots, limits: CommandLimits) -> ToolRegistry {
    let mut registry = ToolRegistry::new();
    registry.register(Arc::new(ReadFileTool::new(roots.clone())));
    registry.register(Arc::new(WriteFileTool::new(roots.clone())));
    registry.register(Arc::new(EditFileTool::new(roots.clone())));
    registry.register(Arc::new(ListDirectoryTool::new(roots.clone())));
    registry.register(Arc::new(SearchFilesTool::new(roots.clone())));
    registry.register(Arc::new(RunCommandTool::new(roots.clone(), limits)));
    registry
}

#[cfg(test)]
mod command_tests;
#[cfg(test)]
mod escape_tests;
#[cfg(test)]
mod file_tests;
#[cfg(test)]
mod race_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod testing;
