//! From a process to a session that is ready for its first prompt.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use super::protocol::{
    InitializeParams, InitializeReply, McpServerParams, ModesReply, SessionParams, SessionReply, SetConfigOptionParams,
    SetModeParams, SetModelParams,
};
use crate::config::SpawnConfig;
use crate::error::{BackendError, Result};
use crate::gemini::OwnFiles;
use crate::kind::BackendType;
use crate::permission::PermissionMode;
use crate::wire::{CallError, Incoming, Wire};

/// Gemini CLI's code for "no credentials".
const AUTH_REQUIRED: i32 = -32000;

/// The agent after its handshake.
pub(super) struct Ready {
    pub(super) session_id: String,
    pub(super) model: Option<String>,
    pub(super) modes: Option<ModesReply>,
    /// Files that the agent was started with.
    pub(super) files: Option<OwnFiles>,
}

/// Reads what an agent says before there is a session to hear it: the replay of a loaded conversation. Where there is one,
/// it goes on until the agent has been quiet for a moment, since some of it comes after the reply.
pub(super) async fn shake_hands<T>(
    wire: &Wire,
    incoming: &mut mpsc::Receiver<Incoming>,
    loads: bool,
    hands: impl Future<Output = Result<T>>,
) -> Result<T> {
    const QUIET: Duration = Duration::from_millis(250);
    let skip = |incoming: Option<Incoming>| match incoming {
        Some(Incoming::Question { id, method, .. }) => {
            let _ = wire.refuse(&id, -32601, &format!("`{method}` is not answered before the first turn"));
            true
        }
        Some(Incoming::Notice { .. } | Incoming::Skipped { .. }) => true,
        Some(Incoming::Closed) | None => false,
    };
    tokio::pin!(hands);
    let mut open = true;
    let ready = loop {
        tokio::select! {
            biased;
            ready = &mut hands => break ready?,
            heard = incoming.recv(), if open => open = skip(heard),
        }
    };
    while loads && open {
        match tokio::time::timeout(QUIET, incoming.recv()).await {
            Ok(heard) => open = skip(heard),
            Err(_) => break,
        }
    }
    Ok(ready)
}

impl Ready {
    pub(super) async fn wait(
        wire: &Wire,
        config: &SpawnConfig,
        backend: BackendType,
        login: &str,
        mode: &PermissionMode,
        cwd: &Path,
        limit: Duration,
    ) -> Result<Self> {
        let agent: InitializeReply = wire
            .call("initialize", &InitializeParams::new(), limit)
            .await
            .map_err(|error| error.in_call(backend, "initialize"))?;
        if agent.protocol_version != 1 {
            return Err(BackendError::Mismatch {
                backend,
                what: "protocol version",
                asked: "1".into(),
                reported: agent.protocol_version.to_string(),
            });
        }
        let resume = config.resume.as_deref();
        let method = match resume {
            None => "session/new",
            Some(_) if agent.agent_capabilities.session_capabilities.resume.is_some() => "session/resume",
            Some(_) if agent.agent_capabilities.load_session => "session/load",
            Some(_) => {
                return Err(BackendError::Unsupported { backend, what: "continue a conversation (--resume)".into() });
            }
        };
        let mcp_servers = config.mcp_servers.iter().map(McpServerParams::of).collect();
        let params = SessionParams { session_id: resume, cwd, mcp_servers };
        // Some agents answer a load with null.
        let reply: Option<SessionReply> = wire.call(method, &params, limit).await.map_err(|error| match error {
            CallError::Refused { code: AUTH_REQUIRED, message } => {
                BackendError::NotLoggedIn { backend, reason: message, remedy: login.into() }
            }
            CallError::Refused { message, .. } if resume.is_some() => {
                BackendError::ConversationLost { backend, id: resume.unwrap_or_default().to_owned(), reason: message }
            }
            error => error.in_call(backend, method),
        })?;
        let reply = reply.unwrap_or_default();
        let session_id = resume.map(str::to_owned).or(reply.session_id.clone()).ok_or_else(|| {
            BackendError::Refused { backend, call: method.into(), message: "it gave the session no id".into() }
        })?;
        set_mode(wire, &reply, backend, mode, &session_id, limit).await?;
        let model = set_model(wire, &reply, backend, config, &session_id, limit).await?;
        Ok(Self { session_id, model, modes: reply.modes, files: None })
    }
}

async fn set_mode(
    wire: &Wire,
    reply: &SessionReply,
    backend: BackendType,
    mode: &PermissionMode,
    session_id: &str,
    limit: Duration,
) -> Result<()> {
    let known = reply.modes.as_ref();
    match known.and_then(|modes| modes.id_of(mode)) {
        Some(mode_id) if known.is_some_and(|modes| modes.current_mode_id == mode_id) => Ok(()),
        Some(mode_id) => wire
            .call::<_, serde::de::IgnoredAny>("session/set_mode", &SetModeParams { session_id, mode_id }, limit)
            .await
            .map(|_| ())
            .map_err(|error| error.in_call(backend, "session/set_mode")),
        // Asking is what an agent without modes does.
        None if *mode == PermissionMode::Default => Ok(()),
        None => Err(no_mode(backend, mode)),
    }
}

pub(super) fn no_mode(backend: BackendType, mode: &PermissionMode) -> BackendError {
    BackendError::Unsupported { backend, what: format!("work in permission mode `{mode}`; it has no such mode") }
}

async fn set_model(
    wire: &Wire,
    reply: &SessionReply,
    backend: BackendType,
    config: &SpawnConfig,
    session_id: &str,
    limit: Duration,
) -> Result<Option<String>> {
    let current = reply.models.as_ref().map(|models| models.current_model_id.clone());
    let Some(model) = &config.model else { return Ok(current) };
    let ignore = |_: serde::de::IgnoredAny| Some(model.clone());
    if current.as_ref() == Some(model) {
        Ok(current)
    } else if current.is_some() {
        let params = SetModelParams { session_id, model_id: model };
        let set = wire.call("session/set_model", &params, limit).await;
        set.map(ignore).map_err(|error| error.in_call(backend, "session/set_model"))
    } else if reply.config_options.iter().any(|option| option.id == "model") {
        let params = SetConfigOptionParams { session_id, config_id: "model", value: model };
        let set = wire.call("session/set_config_option", &params, limit).await;
        set.map(ignore).map_err(|error| error.in_call(backend, "session/set_config_option"))
    } else {
        Err(BackendError::Unsupported { backend, what: "choose a model (--model); the agent offers no choice".into() })
    }
}
