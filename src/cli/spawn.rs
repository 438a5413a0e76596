//! `teams spawn`

use std::collections::BTreeMap;
use std::path::Path;

use agent_backends::config::Command;
use agent_backends::process::MARK_VARIABLE;
use agent_backends::{BackendType, PermissionMode};
use anyhow::Context as _;
use serde::Deserialize;

use super::args::{RestartWhen, SpawnArgs};
use super::{Context, Done, asked};
use crate::daemon::{Connection, ControlClient, SpawnParams};
use crate::model::team::{RestartPolicy, TurnLimits};
use crate::orchestrator::{Surroundings, WorktreeBranch};
use crate::paths;

pub(super) async fn run(context: &Context<'_>, args: SpawnArgs) -> anyhow::Result<Done> {
    let prompt = match (&args.prompt, &args.prompt_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the standing instructions from {}", file.display()))?,
        (None, None) => String::new(),
    };
    let cwd = args.cwd.clone().unwrap_or_else(|| ".".into());
    let cwd = std::path::absolute(&cwd).with_context(|| format!("cannot tell where {} is", cwd.display()))?;
    let command = command(args.backend, args.command.as_deref())?;
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let Surroundings { environment, umask, .. } = surroundings(&connection)?;
    let limits = TurnLimits::default();
    let params = SpawnParams {
        team,
        name: args.name,
        backend: args.backend,
        prompt,
        model: args.model,
        effort: args.effort,
        cwd,
        permission_mode: args.permission_mode.map(PermissionMode::from),
        environment: environment.unwrap_or_default(),
        env: args.env.into_iter().collect(),
        umask,
        max_turns: args.max_turns,
        resume: args.resume,
        command,
        ready_timeout_ms: args.timeout.map(milliseconds),
        stop_grace_ms: args.stop_grace.map(milliseconds),
        worktree: args.worktree.map(|branch| match branch.is_empty() {
            true => WorktreeBranch::Own,
            false => WorktreeBranch::Named(branch),
        }),
        restart: match args.restart {
            RestartWhen::Never => RestartPolicy::Never,
            RestartWhen::OnFailure => RestartPolicy::OnFailure,
            RestartWhen::Always => RestartPolicy::Always,
        },
        limits: TurnLimits {
            turn_ms: args.turn_limit.map_or(limits.turn_ms, milliseconds),
            silence_ms: args.silence_limit.map_or(limits.silence_ms, milliseconds),
        },
    };
    let member = asked(connection.client.spawn(params).await)?;
    if context.output.json {
        context.output.json(&member)?;
    } else {
        let pid = member.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
        let model = member.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
        context.output.line(&format!("{}: {} is ready{model}{pid}", member.name, args.backend))?;
    }
    Ok(Done::Yes)
}

/// What this shell gives to the members that it starts, brings back or restarts.
pub(super) fn surroundings(connection: &Connection) -> anyhow::Result<Surroundings> {
    let mask = own_umask();
    let mut environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let denied = denied(&paths::config_file()?)?;
    environment.retain(|name, _| !denied.iter().any(|pattern| fits(pattern, name)));
    if simulates() {
        let dir = connection.daemon.state_dir.join("simulated");
        environment.entry(agent_backends::simulate::DIR_VARIABLE.into()).or_insert(dir.to_string_lossy().into_owned());
    }
    let mut commands = BTreeMap::new();
    for backend in BackendType::ALL {
        commands.extend(command(backend, None)?.map(|command| (backend, command)));
    }
    Ok(Surroundings { environment: Some(environment), umask: Some(mask), commands })
}

fn own_umask() -> u32 {
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::sys::stat::umask(mask);
    mask.bits()
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn simulates() -> bool {
    std::env::var_os(paths::SIMULATE_VARIABLE).is_some_and(|value| value == "1")
}

/// How to call the agent, when anybody says so: a dry run, an option, the environment, the user's configuration; in that
/// order. A project's files have no say.
pub(super) fn command(backend: BackendType, option: Option<&str>) -> anyhow::Result<Option<Command>> {
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
    if simulates() {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let agent = match backend {
            BackendType::ClaudeCode => "claude-code",
            BackendType::Codex => "codex",
            BackendType::GeminiCli => "gemini",
            _ => "acp",
        };
        return Ok(Some(Command::new(program.to_string_lossy()).arg("simulate").arg(agent).arg("--")));
    }
    if let Some(text) = option {
        anyhow::ensure!(
            backend == BackendType::Acp,
            "--command is for --backend acp; set TEAMS_{}_COMMAND to run another program for {backend}",
            variable_part(backend).unwrap_or_default()
        );
        return split(text, "--command").map(Some);
    }
    if let Some(part) = variable_part(backend) {
        let variable = format!("TEAMS_{part}_COMMAND");
        if let Some(text) = std::env::var(&variable).ok().filter(|text| !text.trim().is_empty()) {
            return split(&text, &variable).map(Some);
        }
    }
    configured(&paths::config_file()?, backend)
}

fn variable_part(backend: BackendType) -> Option<&'static str> {
    match backend {
        BackendType::ClaudeCode => Some("CLAUDE"),
        BackendType::Codex => Some("CODEX"),
        BackendType::GeminiCli | BackendType::GeminiAcp => Some("GEMINI"),
        _ => None,
    }
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
    let own = [
        MARK_VARIABLE,
        "CLAUDECODE",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_SSE_PORT",
        "CODEX_CI",
        "CODEX_SANDBOX*",
        "CODEX_SESSION_ID",
        "CODEX_THREAD_ID",
        "CODEX_TOOL_CALL_ID",
        "GEMINI_CLI",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LISTEN_*",
        "NOTIFY_SOCKET",
    ];
    Ok(own.into_iter().map(str::to_owned).chain(configuration(file)?.environment.deny).collect())
}

/// A name, or a beginning of names with a star.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

fn configured(file: &Path, backend: BackendType) -> anyhow::Result<Option<Command>> {
    let mut configuration = configuration(file)?;
    // `gemini` serves both ways of running it.
    let names = [backend.as_str(), backend.short_name(), if backend == BackendType::GeminiAcp { "gemini" } else { "" }];
    Ok(names.iter().find_map(|name| configuration.backends.remove(*name)?.command))
}
