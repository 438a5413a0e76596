//! Codex: threads of a `codex app-server`, one server for all sessions of a backend value that share a command and an
//! environment.

mod approval;
mod open;
mod protocol;
mod server;
mod session;
mod settings;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::OnceCell;

use crate::backend::{AgentBackend, AgentSession};
use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::discover;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::lock::lock;
use crate::login;
use crate::process::{Grace, ProcessSpec};
use crate::session::Session;
use crate::usual::Maker;

use server::Server;

/// The program, when nobody says otherwise.
pub(crate) const PROGRAM: &str = "codex";
const PACKAGE: &str = "@openai/codex";
/// What marks a shell as Codex's.
pub(crate) const SHELL_MARKS: &[&str] =
    &["CODEX_CI", "CODEX_SANDBOX*", "CODEX_SESSION_ID", "CODEX_THREAD_ID", "CODEX_TOOL_CALL_ID"];

/// Runs Codex. Clones share their servers.
#[derive(Clone, Debug)]
pub struct CodexBackend {
    command: Command,
    servers: Arc<Servers>,
}

impl CodexBackend {
    /// Runs `codex` from PATH.
    ///
    /// # Errors
    /// It is not there.
    pub fn new() -> Result<Self> {
        discover::find(BackendType::Codex, PROGRAM, None, Some(PACKAGE))?;
        Ok(Self::with_command(Command::new(PROGRAM)))
    }

    /// Runs another command, which is looked for when a session is spawned.
    pub fn with_command(command: Command) -> Self {
        Self { command, servers: Arc::new(Servers::default()) }
    }
}

#[async_trait]
impl AgentBackend for CodexBackend {
    fn backend_type(&self) -> BackendType {
        BackendType::Codex
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            steers: true,
            asks: true,
            keeps_grants: true,
            resumes: true,
            changes_mode: true,
            account_variables: &["OPENAI_", "CODEX_", "AZURE_", "AWS_"],
            login: server::LOGIN,
            ..Capabilities::default()
        }
    }

    fn default_command(&self) -> Option<Command> {
        Some(self.command.clone())
    }

    fn npm_package(&self) -> Option<&'static str> {
        Some(PACKAGE)
    }

    fn tested_version(&self) -> Option<&'static str> {
        Some("0.169.0")
    }

    fn oldest_version(&self) -> Option<&'static str> {
        Some("0.145.0")
    }

    fn refuses(&self, config: &SpawnConfig) -> Option<String> {
        config.max_turns.map(|_| "limit the steps of a turn (--max-turns)".to_owned())
    }

    fn runs_model(&self, model: &str) -> Option<bool> {
        Maker::of(model).map(|maker| maker == Maker::OpenAi)
    }

    async fn login_state(&self, command: &Command) -> Option<bool> {
        login::by_start(self, command).await
    }

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>> {
        let mode = config.mode()?;
        let cwd = config.working_directory()?;
        if let Some(what) = self.refuses(&config) {
            return Err(BackendError::Unsupported { backend: BackendType::Codex, what });
        }
        let mut args = vec!["app-server".to_owned()];
        args.extend(config.extra_args.iter().cloned());
        let mut spec = config.process(BackendType::Codex, config.command_or(&self.command), args, cwd.clone());
        spec.package = Some(PACKAGE);
        let lease = self.servers.lease(spec, config.ready_limit()).await?;
        let driver = match open::Opened::open(lease.server(), &config, &mode, cwd).await {
            Ok(opened) => opened.with(lease),
            Err(error) => {
                lease.release(Grace::default()).await?;
                return Err(error);
            }
        };
        Ok(Session::start(config.name, driver))
    }
}

/// What must be the same for two sessions to share a server: what is run, and the environment less what every terminal
/// sets differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ServerKey {
    words: Vec<String>,
    env: Vec<(String, String)>,
    umask: Option<u32>,
    /// To what those belong who hear what is said to it.
    tap: Option<u64>,
}

/// Variables of a terminal, not of the work in it.
const SHELL_NOISE: [&str; 22] = [
    "_",
    "COLORTERM",
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "LINES",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "STY",
    "TERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "TMUX",
    "TMUX_PANE",
    "WAYLAND_DISPLAY",
    "WINDOW",
    "WINDOWID",
];

impl ServerKey {
    fn of(spec: &ProcessSpec) -> Self {
        let mut words = Vec::from(spec.command.clone());
        words.extend(spec.args.iter().cloned());
        let inherited = spec.inherit_env.clone().unwrap_or_else(|| std::env::vars().collect());
        let mut env: HashMap<String, String> = inherited.into_iter().collect();
        env.extend(spec.env.clone());
        env.retain(|name, _| !SHELL_NOISE.contains(&name.as_str()));
        let mut env: Vec<_> = env.into_iter().collect();
        env.sort();
        let tap = spec.supervision.tap.as_ref().map(|tap| tap.group());
        Self { words, env, umask: spec.umask, tap }
    }
}

#[derive(Debug, Default)]
struct Servers {
    slots: Mutex<HashMap<ServerKey, Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    cell: Arc<OnceCell<Arc<Server>>>,
    leases: usize,
}

impl Servers {
    /// A share in the server for this specification, which is started when there is none or the one there is has ended.
    async fn lease(self: &Arc<Self>, spec: ProcessSpec, limit: std::time::Duration) -> Result<Lease> {
        let key = ServerKey::of(&spec);
        let cell = {
            let mut slots = self.lock();
            let ended = slots.get(&key).is_some_and(|slot| slot.cell.get().is_some_and(|server| server.has_ended()));
            if ended {
                slots.remove(&key);
            }
            let slot = slots.entry(key.clone()).or_default();
            slot.leases += 1;
            Arc::clone(&slot.cell)
        };
        // Counted from here on, also when whoever waits for the server gives up.
        let share = Share { servers: Arc::clone(self), key, cell, given_back: false };
        let server = Arc::clone(share.cell.get_or_try_init(|| Server::start(spec, limit)).await?);
        Ok(Lease { share, server })
    }

    /// Answers whether that was the last share.
    fn give_back(&self, key: &ServerKey, cell: &Arc<OnceCell<Arc<Server>>>) -> bool {
        let mut slots = self.lock();
        // Another one took its place: it had ended, and its shares with it.
        let Some(slot) = slots.get_mut(key).filter(|slot| Arc::ptr_eq(&slot.cell, cell)) else {
            return cell.get().is_some_and(|server| server.has_ended());
        };
        slot.leases -= 1;
        let last = slot.leases == 0;
        if last {
            slots.remove(key);
        }
        last
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServerKey, Slot>> {
        lock(&self.slots)
    }
}

/// A place in a server's count.
#[derive(Debug)]
struct Share {
    servers: Arc<Servers>,
    key: ServerKey,
    cell: Arc<OnceCell<Arc<Server>>>,
    given_back: bool,
}

impl Share {
    /// Answers whether it was the last.
    fn give_back(&mut self) -> bool {
        !std::mem::replace(&mut self.given_back, true) && self.servers.give_back(&self.key, &self.cell)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // The last one to go takes the server with it, whose process is killed when it is dropped.
        self.give_back();
    }
}

/// A session's share in a server.
#[derive(Debug)]
struct Lease {
    share: Share,
    server: Arc<Server>,
}

impl Lease {
    fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// Gives the share back; the last one stops the server.
    async fn release(mut self, grace: Grace) -> Result<Option<crate::StopReport>> {
        if self.share.give_back() { self.server.stop(grace).await.map(Some) } else { Ok(None) }
    }
}
