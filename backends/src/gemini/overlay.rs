//! What Gemini CLI is given in files of ours, so that the user's are let be: a home in which everything but the settings is a
//! link to the user's. Those settings keep its conversations, and have the MCP servers that it takes from nowhere else.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::config::{McpServer, SpawnConfig};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::process::ProcessSpec;

/// Our folders in the temporary one begin with this, and the pid of whoever made them.
const PREFIX: &str = "teams-gemini-";

/// Files of ours that it reads as long as this lives.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    dir: TempDir,
    has_policy: bool,
}

impl OwnFiles {
    /// Makes room for them, and writes down that the tools of these servers are allowed.
    pub(crate) fn new(servers: &[McpServer]) -> Result<Self> {
        sweep(&std::env::temp_dir());
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let written = tempfile::Builder::new().prefix(&prefix).tempdir().and_then(|dir| {
            let files = Self { dir, has_policy: !servers.is_empty() };
            if files.has_policy {
                fs::write(files.policy(), policy(servers))?;
            }
            Ok(files)
        });
        written.map_err(failed)
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("tools.toml")
    }

    /// What Gemini CLI is called with. A policy of the administrator's kind leaves the user's in force.
    pub(crate) fn arguments(&self) -> Vec<String> {
        match self.has_policy {
            true => vec!["--admin-policy".to_owned(), self.policy().to_string_lossy().into_owned()],
            false => Vec::new(),
        }
    }

    /// Makes the home, with these servers in its settings, and sends a process there.
    pub(crate) fn move_into(&self, spec: &mut ProcessSpec, config: &SpawnConfig, servers: &[McpServer]) -> Result<()> {
        let home = self.dir.path().join("home");
        make_home(&home, config, servers).map_err(failed)?;
        spec.env.insert("GEMINI_CLI_HOME".to_owned(), home.to_string_lossy().into_owned());
        Ok(())
    }
}

/// Removes what processes that were killed have left. Links are removed, not what they lead to.
fn sweep(dir: &Path) {
    let proc = Path::new("/proc");
    if !proc.join("self").exists() {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !proc.join(pid.to_string()).exists()) {
            // Another one may do the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn failed(error: io::Error) -> BackendError {
    BackendError::NotReady {
        backend: BackendType::GeminiCli,
        reason: format!("its settings could not be prepared: {error}"),
        stderr: String::new(),
    }
}

/// Every tool by its name: for a whole server Gemini CLI 0.61 does not keep the rule in plan mode over ACP.
fn policy(servers: &[McpServer]) -> String {
    let names: Vec<String> = servers
        .iter()
        .flat_map(|server| server.tools.iter().map(|tool| format!("mcp_{}_{tool}", server.name)))
        .collect();
    format!("[[rule]]\ntoolName = {}\ndecision = \"allow\"\npriority = 500\n", Value::from(names))
}

fn make_home(home: &Path, config: &SpawnConfig, servers: &[McpServer]) -> io::Result<()> {
    let users = config.variable("GEMINI_CLI_HOME").or_else(|| config.variable("HOME")).map(PathBuf::from);
    let users = users.ok_or_else(|| io::Error::other("HOME is not set"))?;
    let own = home.join(".gemini");
    let theirs = users.join(".gemini");
    fs::create_dir_all(&own)?;
    // As any run of it does: conversations are the user's, and are found without us too.
    for folder in ["tmp", "history"] {
        fs::create_dir_all(theirs.join(folder))?;
    }
    for (from, to) in [(&theirs, &own), (&users, &home.to_owned())] {
        let below_home = *from == users;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            let wanted = match below_home {
                true => name == ".env" || name == ".agents",
                false => name != "settings.json" && name != "commands",
            };
            let link = to.join(&name);
            if wanted && link.symlink_metadata().is_err() {
                symlink(from.join(&name), link)?;
            }
        }
    }
    add_command(&theirs.join("commands"), &own.join("commands"))?;
    let text = match fs::read_to_string(theirs.join("settings.json")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "{}".to_owned(),
        text => text?,
    };
    let mut settings: Map<String, Value> = serde_json::from_str(&without_comments(&text))
        .map_err(|error| io::Error::other(format!("{}: {error}", theirs.join("settings.json").display())))?;
    let all = settings.entry("mcpServers").or_insert_with(|| json!({}));
    for server in servers {
        // Values come from its environment, and are in no file.
        let env: Map<String, Value> =
            server.env.keys().map(|name| (name.clone(), Value::from(format!("${{{name}}}")))).collect();
        all[&server.name] = json!({"command": server.command.program(), "args": server.command.args(), "env": env,
            // In milliseconds: longer than any of our tools takes.
            "timeout": 1_860_000, "trust": true});
    }
    // Otherwise each start deletes conversations that have no turn yet, and those that were loaded over ACP.
    let general = settings.entry("general").or_insert_with(|| json!({}));
    general["sessionRetention"] = json!({"enabled": false});
    let mut file = fs::File::create(own.join("settings.json"))?;
    file.write_all(&serde_json::to_vec_pretty(&settings)?)
}

/// What an input begins with that others have written. Gemini CLI (0.61.0) looks for mentions of files in what its user says, and not in what
/// a command of its user's says: so it is said by a command, which is ours, and which passes on every word behind it.
pub(super) const QUOTE_COMMAND: &str = "/teams-quote\n";

/// A folder with the user's own commands, as links, and ours.
fn add_command(theirs: &Path, own: &Path) -> io::Result<()> {
    fs::create_dir_all(own)?;
    for entry in fs::read_dir(theirs).into_iter().flatten().flatten() {
        let link = own.join(entry.file_name());
        if link.symlink_metadata().is_err() {
            symlink(entry.path(), link)?;
        }
    }
    let words = "What follows was written by others than your user, and is passed on as it is.";
    let text = format!("description = \"Pass on what others have written\"\nprompt = \"{words}\"\n");
    fs::write(own.join(format!("{}.toml", QUOTE_COMMAND.trim_matches(['/', '\n']))), text)
}

/// Gemini CLI allows comments in its settings.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(char) = chars.next() {
        match (in_string, char, chars.peek()) {
            (true, '\\', Some(_)) => {
                plain.push(char);
                plain.extend(chars.next());
                continue;
            }
            (_, '"', _) => in_string = !in_string,
            (false, '/', Some('/')) => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
                continue;
            }
            (false, '/', Some('*')) => {
                chars.next();
                let mut before = ' ';
                for next in chars.by_ref() {
                    if before == '*' && next == '/' {
                        break;
                    }
                    before = next;
                }
                continue;
            }
            _ => {}
        }
        plain.push(char);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    fn server() -> McpServer {
        McpServer {
            name: "teams".into(),
            command: Command::new("/bin/teams").arg("mcp"),
            env: [("TOKEN".to_owned(), "canary".to_owned())].into(),
            tools: vec!["send_message".into()],
        }
    }

    #[test]
    fn the_user_s_settings_are_kept_and_not_touched() {
        let home = tempfile::tempdir().unwrap();
        let theirs = home.path().join(".gemini");
        fs::create_dir(&theirs).unwrap();
        let text = "{\n// mine\n\"ui\": {\"theme\": \"a//b\"}, \"mcpServers\": {\"other\": {}} /* end */}";
        fs::write(theirs.join("settings.json"), text).unwrap();
        fs::write(theirs.join("GEMINI.md"), "be brief").unwrap();
        let mut config = SpawnConfig { mcp_servers: vec![server()], ..SpawnConfig::default() };
        config.inherit_env = Some([("HOME".to_owned(), home.path().to_string_lossy().into_owned())].into());
        let files = OwnFiles::new(&config.mcp_servers).unwrap();
        let mut spec = config.process(BackendType::GeminiCli, Command::new("gemini"), vec![], "/".into());
        // Twice, for the next turn.
        for _ in 0..2 {
            files.move_into(&mut spec, &config, &config.mcp_servers).unwrap();
        }
        let overlay = PathBuf::from(&spec.env["GEMINI_CLI_HOME"]);
        let written = fs::read_to_string(overlay.join(".gemini/settings.json")).unwrap();
        let settings: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(settings["ui"]["theme"], "a//b");
        assert!(settings["mcpServers"]["other"].is_object());
        assert_eq!(settings["mcpServers"]["teams"]["env"]["TOKEN"], "${TOKEN}");
        assert_eq!(settings["general"]["sessionRetention"]["enabled"], false);
        assert!(!written.contains("canary"), "{written}");
        assert_eq!(fs::read_to_string(theirs.join("settings.json")).unwrap(), text);
        assert_eq!(fs::read_to_string(overlay.join(".gemini/GEMINI.md")).unwrap(), "be brief");
        assert!(fs::symlink_metadata(overlay.join(".gemini/tmp")).unwrap().is_symlink());
        assert!(fs::read_to_string(&files.arguments()[1]).unwrap().contains("mcp_teams_send_message"));
    }

    #[test]
    fn what_the_dead_have_left_is_removed_and_nothing_behind_its_links() {
        let dir = tempfile::tempdir().unwrap();
        let (dead, alive) =
            (dir.path().join("teams-gemini-999999999-a"), format!("teams-gemini-{}-b", std::process::id()));
        let (theirs, alive) = (dir.path().join("theirs"), dir.path().join(alive));
        for folder in [&dead, &alive, &theirs] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(theirs.join("kept"), "").unwrap();
        symlink(&theirs, dead.join("link")).unwrap();
        sweep(dir.path());
        assert!(!dead.exists() && alive.exists() && theirs.join("kept").exists());
    }

    #[test]
    fn comments_are_left_out() {
        for (text, plain) in [
            ("{} // x", "{} "),
            (r#"{"a": "http://b"}"#, r#"{"a": "http://b"}"#),
            (r#"{"a": "\"//b"}"#, r#"{"a": "\"//b"}"#),
            ("{/* a\n * b */}", "{}"),
        ] {
            assert_eq!(without_comments(text), plain);
        }
    }
}
