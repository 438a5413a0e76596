//! Agents of which a test decides every line, for what no simulated one would say.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::Home;

/// The protocols that an agent can be made up for.
pub(crate) const PROTOCOLS: [&str; 4] = ["claude", "codex", "gemini", "acp"];

impl Home {
    /// A home with a team and a member `worker`, whose agent is a Python program: `tests/support/agent.py`, and then this.
    pub(crate) fn made_up(protocol: &str, program: &str) -> Self {
        Self::made_up_with(protocol, program, &[])
    }

    /// The same with more options of `teams spawn`.
    pub(crate) fn made_up_with(protocol: &str, program: &str, options: &[&str]) -> Self {
        let home = Self::simulated().with_env("TEAMS_SIMULATE", "0");
        let path = home.made_up_agent(protocol, program);
        let path = path.to_str().expect("UTF-8");
        let home = match protocol {
            "claude" => home.with_env("TEAMS_CLAUDE_COMMAND", path),
            "codex" => home.with_env("TEAMS_CODEX_COMMAND", path),
            "gemini" => home.with_env("TEAMS_GEMINI_COMMAND", path),
            _ => home,
        };
        home.teams(&["create", "crew"]);
        let mut args = vec!["spawn", "worker", "--backend", protocol];
        if protocol == "acp" {
            args.extend(["--command", path]);
        }
        args.extend(options);
        home.teams(&args);
        home
    }

    /// Writes such a program, and answers where it is.
    pub(crate) fn made_up_agent(&self, protocol: &str, program: &str) -> PathBuf {
        let file = format!("agent-{protocol}.py");
        let common = include_str!("agent.py");
        self.write(&file, &format!("#!/usr/bin/env python3\nPROTOCOL = \"{protocol}\"\n{common}\n{program}\n"));
        let path = self.path().join(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
        path
    }
}
