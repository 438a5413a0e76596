//! What a shell gives to the members that it starts: its environment less what is not theirs, and how to call the agents.

use std::collections::BTreeMap;
use std::path::Path;

use agent_backends::process::MARK_VARIABLE;
use agent_backends::simulate::SimulatedAgent;
use agent_backends::{BackendType, Command, known};
use anyhow::Context as _;
use serde::Deserialize;

use super::client::Connection;
use super::files::own_umask;
use crate::model::launch::Surroundings;
use crate::paths;
use crate::routing::AUTO;

/// What this shell gives to the members that it starts, brings back or restarts.
pub(crate) fn surroundings(connection: &Connection) -> anyhow::Result<Surroundings> {
    let mask = own_umask();
    let mut environment = paths::own_environment();
    let denied = denied(&paths::config_file()?)?;
    environment.retain(|name, _| !denied.iter().any(|pattern| fits(pattern, name)));
    if simulates() {
        let dir = connection.daemon.state_dir.join("simulated");
        environment.entry(agent_backends::simulate::DIR_VARIABLE.into()).or_insert(dir.to_string_lossy().into_owned());
    }
    let mut commands = BTreeMap::new();
    for backend in BackendType::KNOWN {
        commands.extend(command(backend, None)?.map(|command| (backend, command)));
    }
    Ok(Surroundings { environment: Some(environment), umask: Some(mask), cwd: paths::current_dir()?, commands })
}

fn simulates() -> bool {
    std::env::var_os(paths::SIMULATE_VARIABLE).is_some_and(|value| value == "1")
}

/// How to call the agent, when anybody says so: a dry run, an option, the environment, the user's configuration; in that
/// order. A project's files have no say.
pub(crate) fn command(backend: BackendType, option: Option<&str>) -> anyhow::Result<Option<Command>> {
    let split = |text: &str, from: &str| -> anyhow::Result<Command> {
        let words = shell_words::split(text).with_context(|| format!("{from} cannot be split into words: {text}"))?;
        let mut words = words.into_iter();
        let program = words.next().with_context(|| format!("{from} names no program"))?;
        // The daemon works in another directory.
        let program = if program.contains('/') {
            std::path::absolute(&program).map_or(program, |path| path.to_string_lossy().into_owned())
        } else {
            program
        };
        let words = std::iter::once(program).chain(words).collect::<Vec<_>>();
        Command::try_from(words).with_context(|| format!("{from} names no program"))
    };
    if backend == AUTO {
        anyhow::ensure!(option.is_none(), "--command is for --backend acp; auto chooses among the other backends");
        return Ok(None);
    }
    if simulates() {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        return Ok(Some(SimulatedAgent::of(backend).command(program.to_string_lossy())));
    }
    let known = known::backend(backend);
    let any_program = known.as_ref().is_some_and(|known| known.capabilities().any_program);
    let usual = known.as_ref().and_then(|known| known.default_command());
    let family = known.map_or(backend, |known| known.family());
    let variable = format!("TEAMS_{}_COMMAND", family.short_name().to_ascii_uppercase().replace('-', "_"));
    if let Some(text) = option {
        anyhow::ensure!(
            any_program,
            "--command is for --backend acp; set {variable} to run another program for {backend}"
        );
        return split(text, "--command").map(Some);
    }
    let text = std::env::var(&variable).ok().filter(|text| !any_program && !text.trim().is_empty());
    match text {
        Some(text) => split(&text, &variable).map(Some),
        None => match configured(&paths::config_file()?, backend, family)? {
            None => by_ourselves(usual),
            configured => Ok(configured),
        },
    }
}

/// What this program runs itself is run by this very file, on PATH or not.
fn by_ourselves(usual: Option<Command>) -> anyhow::Result<Option<Command>> {
    let Some(usual) = usual.filter(|usual| usual.program() == "teams") else { return Ok(None) };
    let program = std::env::current_exe().context("cannot find the program itself")?;
    Ok(Some(Command::new(program.to_string_lossy()).with_args(usual.args().iter().cloned())))
}

/// `[backends.NAME] command = ["…"]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    backends: BTreeMap<String, BackendConfiguration>,
    environment: EnvironmentConfiguration,
}

/// `[environment] deny = ["NAME", "PREFIX_*"]`
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EnvironmentConfiguration {
    deny: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct BackendConfiguration {
    command: Option<Command>,
}

fn configuration(file: &Path) -> anyhow::Result<Configuration> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Configuration::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    toml::from_str(&text).with_context(|| format!("{} is not a configuration; repair it", file.display()))
}

/// What no agent gets of a shell's environment: what marks the shell as some agent's own, or as some supervisor's, which a
/// nested one would take for itself; and what the user's configuration adds.
fn denied(file: &Path) -> anyhow::Result<Vec<String>> {
    let own = [MARK_VARIABLE, paths::TOKEN_VARIABLE, paths::OWN_CLAUDE_DIR_VARIABLE];
    let own = own.into_iter().chain(["INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_*", "NOTIFY_SOCKET"]);
    let own = own.chain(known::shell_marks()).map(str::to_owned);
    Ok(own.chain(configuration(file)?.environment.deny).collect())
}

/// A name, or a beginning of names with a star.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

/// What the configuration says of a backend, or else of the other way of running the same program.
fn configured(file: &Path, backend: BackendType, family: BackendType) -> anyhow::Result<Option<Command>> {
    let mut configuration = configuration(file)?;
    let names = [backend.as_str(), backend.short_name(), family.as_str()];
    Ok(names.iter().find_map(|name| configuration.backends.remove(*name)?.command))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration file with this text.
    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        (dir, file)
    }

    #[test]
    fn a_backend_is_called_by_any_of_its_names() {
        let text = r#"
            later = "unknown, and of no interest"
            [backends.claude]
            command = ["claude", "--flag"]
            [backends.gemini]
            command = ["npx", "gemini"]
            [backends.codex]
        "#;
        let (_dir, file) = written(text);
        let words = |backend, family| {
            let command = configured(&file, backend, family).unwrap()?;
            Some(format!("{} {}", command.program(), command.args().join(" ")).trim().to_owned())
        };
        for (backend, family, expected) in [
            (BackendType::ClaudeCode, BackendType::ClaudeCode, Some("claude --flag")),
            (BackendType::GeminiCli, BackendType::GeminiCli, Some("npx gemini")),
            (BackendType::GeminiAcp, BackendType::GeminiCli, Some("npx gemini")),
            (BackendType::Codex, BackendType::Codex, None),
            (BackendType::Acp, BackendType::Acp, None),
        ] {
            assert_eq!(words(backend, family).as_deref(), expected, "{backend}");
        }
    }

    #[test]
    fn no_file_is_an_empty_configuration_and_a_wrong_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(configured(&dir.path().join("config.toml"), BackendType::Codex, BackendType::Codex).unwrap().is_none());
        for wrong in [
            "[backends.codex",
            "backends = 3",
            "[backends.codex]\ncommand = 3",
            "[backends.codex]\ncommand = []",
            "[environment]\ndeny = \"ALL\"",
        ] {
            let (_dir, file) = written(wrong);
            let error = format!("{:#}", configured(&file, BackendType::Codex, BackendType::Codex).expect_err(wrong));
            assert!(error.contains("config.toml") && error.contains("repair it"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_denied_is_a_name_or_a_beginning() {
        let (_dir, file) = written("[environment]\ndeny = [\"MINE\", \"SECRET_*\"]");
        let denied = denied(&file).unwrap();
        let is_denied = |name: &str| denied.iter().any(|pattern| fits(pattern, name));
        for name in ["MINE", "SECRET_", "SECRET_KEY", "CLAUDECODE", "CODEX_SANDBOX_NETWORK_DISABLED", "LISTEN_FDS"] {
            assert!(is_denied(name), "{name}");
        }
        for name in ["MINE_TOO", "MIN", "SECRET", "MY_SECRET_KEY", "CLAUDECODE_", "PATH", "HOME"] {
            assert!(!is_denied(name), "{name}");
        }
    }
}
