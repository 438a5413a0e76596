//! A plugin for a Claude Code that leads: the tools of its team, and what wakes it when mail comes that it does not fetch.
//!
//! It is a folder of three files, as 2.1.197 and later read it.

use std::path::Path;

use serde_json::{Value, json};

use crate::config::McpServer;

/// So many characters of a line of a monitor are told to the model; the rest is cut off.
pub const LONGEST_LINE: usize = 500;
/// So many characters of what a monitor writes at once are told.
pub const LONGEST_EVENT: usize = 3_000;

/// What a plugin is made of.
#[derive(Clone, Debug)]
pub struct Plugin<'a> {
    /// The tools of the team.
    pub tools: &'a McpServer,
    /// The command that writes what the lead is to be told, line by line, as words for a shell.
    pub monitor: &'a str,
}

impl Plugin<'_> {
    /// Its files: where each is in its folder, and what is in it.
    pub fn files(&self) -> [(&'static Path, String); 3] {
        let name = &self.tools.name;
        let manifest = json!({
            "name": name,
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Teammates of any make: the tools of their team, and their mail.",
        });
        let command = &self.tools.command;
        let servers = json!({
            "mcpServers": { name: { "command": command.program(), "args": command.args(), "env": self.tools.env } },
        });
        let monitors = json!([{
            "name": "mail",
            "description": "mail of teammates",
            "command": self.monitor,
        }]);
        let file = |path, content: &Value| (Path::new(path), format!("{content:#}\n"));
        [
            file(".claude-plugin/plugin.json", &manifest),
            file(".mcp.json", &servers),
            file("monitors/monitors.json", &monitors),
        ]
    }
}
