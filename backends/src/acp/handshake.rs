//! From a process to a session that is ready for its first prompt.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use super::modes::Modes;
use super::protocol::{
    InitializeParams, InitializeReply, McpServerParams, SessionParams, SessionReply, SetConfigOptionParams,
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
    pub(super) modes: Modes,
    /// What its user has to know of it.
    pub(super) warning: Option<String>,
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
            Some(id) => {
                let (id, reason) = (id.to_owned(), "this agent continues no conversations".to_owned());
                return Err(BackendError::ConversationLost { backend, id, reason });
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
        let modes = Modes::of(&reply);
        let warning = modes.that_do_not_ask(mode);
        if warning.is_none() && !(*mode == PermissionMode::Default && modes.ids.is_empty()) {
            set_mode(wire, &modes, backend, mode, &session_id, limit).await?;
        }
        let model = set_model(wire, &reply, backend, config, &session_id, limit).await?;
        Ok(Self { session_id, model, modes, warning, files: None })
    }
}

/// Puts a session into a mode.
pub(super) async fn set_mode(
    wire: &Wire,
    modes: &Modes,
    backend: BackendType,
    mode: &PermissionMode,
    session_id: &str,
    limit: Duration,
) -> Result<()> {
    let Some(mode_id) = modes.id_of(mode) else {
        let names = if modes.ids.is_empty() { "none at all".to_owned() } else { modes.ids.join(", ") };
        let what = format!("work in permission mode `{mode}`; its modes are: {names}");
        return Err(BackendError::Unsupported { backend, what });
    };
    if modes.current.as_deref() == Some(mode_id) {
        return Ok(());
    }
    let (call, set) = match &modes.option {
        None => {
            let params = SetModeParams { session_id, mode_id };
            ("session/set_mode", wire.call::<_, serde::de::IgnoredAny>("session/set_mode", &params, limit).await)
        }
        Some(config_id) => {
            let params = SetConfigOptionParams { session_id, config_id, value: mode_id };
            let call = "session/set_config_option";
            (call, wire.call::<_, serde::de::IgnoredAny>(call, &params, limit).await)
        }
    };
    set.map(|_| ()).map_err(|error| error.in_call(backend, call))
}

async fn set_model(
    wire: &Wire,
    reply: &SessionReply,
    backend: BackendType,
    config: &SpawnConfig,
    session_id: &str,
    limit: Duration,
) -> Result<Option<String>> {
    // An option of this kind is the newer way; of several, the one that is called so is meant.
    let mut options = reply
        .config_options
        .iter()
        .filter(|option| option.category.as_deref() == Some("model") || option.id == "model");
    let option = options.clone().find(|option| option.id == "model").or_else(|| options.next());
    let current = option.and_then(|option| option.current_value.clone());
    let current = current.or_else(|| reply.models.as_ref().map(|models| models.current_model_id.clone()));
    let Some(model) = &config.model else { return Ok(current) };
    let ignore = |_: serde::de::IgnoredAny| Some(model.clone());
    if current.as_ref() == Some(model) {
        Ok(current)
    } else if let Some(option) = option {
        let params = SetConfigOptionParams { session_id, config_id: &option.id, value: model };
        let set = wire.call("session/set_config_option", &params, limit).await;
        set.map(ignore).map_err(|error| error.in_call(backend, "session/set_config_option"))
    } else if current.is_some() {
        let params = SetModelParams { session_id, model_id: model };
        let set = wire.call("session/set_model", &params, limit).await;
        set.map(ignore).map_err(|error| error.in_call(backend, "session/set_model"))
    } else {
        Err(BackendError::Unsupported { backend, what: "choose a model (--model); the agent offers no choice".into() })
    }
}
