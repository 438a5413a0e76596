//! From a process to a session that is ready for its first prompt.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::modes::{Modes, plain};
use super::protocol::{
    ConfigOptionReply, InitializeParams, InitializeReply, McpServerParams, SessionNotice, SessionParams, SessionReply,
    SetConfigOptionParams, SetModeParams, SetModelParams,
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
    /// It has a mode that asks, and is in it.
    pub(super) asks: bool,
    /// What its user has to know of it.
    pub(super) warnings: Vec<String>,
    pub(super) always_tells_usage: bool,
    /// Files that the agent was started with.
    pub(super) files: Option<OwnFiles>,
}

/// Reads what an agent says before there is a session to hear it: the replay of a loaded conversation. Where there is one,
/// it goes on until the agent has been quiet for a moment, since some of it comes after the reply.
///
/// # Errors
/// Those of `hands`, and that the agent speaks of another conversation than the one that it was to `load`: some begin one where
/// they do not have it, and say nothing.
pub(super) async fn shake_hands(
    backend: BackendType,
    wire: &Wire,
    incoming: &mut mpsc::Receiver<Incoming>,
    load: Option<&str>,
    hands: impl Future<Output = Result<Ready>>,
) -> Result<Ready> {
    const QUIET: Duration = Duration::from_millis(250);
    let mut other = None;
    let mut skip = |incoming: Option<Incoming>| match incoming {
        Some(Incoming::Question { id, method, .. }) => {
            let _ = wire.refuse(&id, -32601, &format!("`{method}` is not answered before the first turn"));
            true
        }
        Some(Incoming::Notice { method, params }) => {
            if method == "session/update"
                && let Ok(notice) = serde_json::from_str::<SessionNotice<'_>>(params.get())
                && load.is_some_and(|load| load != notice.session_id)
            {
                other.get_or_insert(notice.session_id);
            }
            true
        }
        Some(Incoming::Skipped { .. }) => true,
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
    while load.is_some() && open {
        match tokio::time::timeout(QUIET, incoming.recv()).await {
            Ok(heard) => open = skip(heard),
            Err(_) => break,
        }
    }
    match (load, other) {
        (Some(id), Some(other)) => Err(begun_anew(backend, id, &other)),
        _ => Ok(ready),
    }
}

/// An agent was to continue a conversation and has begun another one.
fn begun_anew(backend: BackendType, id: &str, other: &str) -> BackendError {
    let reason = format!("the agent has begun a new one instead ({other})");
    BackendError::ConversationLost { backend, id: id.to_owned(), reason }
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
        let mut reply = reply.unwrap_or_default();
        if let (Some(id), Some(other)) = (resume, reply.session_id.as_deref().filter(|other| Some(*other) != resume)) {
            return Err(begun_anew(backend, id, other));
        }
        let session_id = resume.map(str::to_owned).or(reply.session_id.clone()).ok_or_else(|| {
            BackendError::Refused { backend, call: method.into(), message: "it gave the session no id".into() }
        })?;
        let modes = Modes::of(&reply);
        let warning = modes.that_do_not_ask(mode);
        let set = Setter { wire, backend, session_id: &session_id, limit };
        if warning.is_none() && !(*mode == PermissionMode::Default && modes.ids.is_empty()) {
            set.mode(&modes, mode).await?;
        }
        let model = set_model(&set, &mut reply, config).await?;
        if let Some(effort) = &config.effort {
            set_effort(&set, &reply, model.as_deref(), effort).await?;
        }
        Ok(Self {
            session_id,
            model,
            asks: warning.is_none() && *mode == PermissionMode::Default,
            modes,
            warnings: warning.into_iter().collect(),
            always_tells_usage: agent.agent_info.always_tells_usage(),
            files: None,
        })
    }
}

/// Sets options of a session.
pub(super) struct Setter<'a> {
    pub(super) wire: &'a Wire,
    pub(super) backend: BackendType,
    pub(super) session_id: &'a str,
    /// How long each may take.
    pub(super) limit: Duration,
}

impl Setter<'_> {
    /// Puts the session into a mode.
    pub(super) async fn mode(&self, modes: &Modes, mode: &PermissionMode) -> Result<()> {
        let Some(mode_id) = modes.id_of(mode) else {
            let names = if modes.ids.is_empty() { "none at all".to_owned() } else { modes.ids.join(", ") };
            return self.unsupported(format!("work in permission mode `{mode}`; its modes are: {names}"));
        };
        if modes.current.as_deref() == Some(mode_id) {
            return Ok(());
        }
        let set = match &modes.option {
            None => {
                let params = SetModeParams { session_id: self.session_id, mode_id };
                self.call("session/set_mode", &params).await
            }
            Some(config_id) => self.option(config_id, mode_id).await,
        };
        set.map(|_| ())
    }

    /// Sets an option; answers all options as they are then, where the agent says it.
    async fn option(&self, config_id: &str, value: &str) -> Result<Vec<ConfigOptionReply>> {
        let params = SetConfigOptionParams { session_id: self.session_id, config_id, value };
        self.call("session/set_config_option", &params).await
    }

    async fn model(&self, model_id: &str) -> Result<()> {
        self.call("session/set_model", &SetModelParams { session_id: self.session_id, model_id }).await.map(|_| ())
    }

    async fn call<P: serde::Serialize>(&self, call: &'static str, params: &P) -> Result<Vec<ConfigOptionReply>> {
        let set = self.wire.call::<_, Value>(call, params, self.limit).await;
        let reply = set.map_err(|error| error.in_call(self.backend, call))?;
        // It is set, whatever else is said.
        Ok(serde_json::from_value::<SessionReply>(reply).unwrap_or_default().config_options)
    }

    fn unsupported<T>(&self, what: String) -> Result<T> {
        Err(BackendError::Unsupported { backend: self.backend, what })
    }
}

/// Chooses the model, if one was asked for; answers which one is in use.
async fn set_model(set: &Setter<'_>, reply: &mut SessionReply, config: &SpawnConfig) -> Result<Option<String>> {
    // An option of this kind is the newer way; of several, the one that is called so is meant.
    let mut options = reply
        .config_options
        .iter()
        .filter(|option| option.category.as_deref() == Some("model") || option.id == "model");
    let option = options.clone().find(|option| option.id == "model").or_else(|| options.next());
    let current = option.and_then(|option| option.current_value.clone());
    let current = current.or_else(|| reply.models.as_ref().map(|models| models.current_model_id.clone()));
    let Some(model) = &config.model else { return Ok(current) };
    if current.as_ref() == Some(model) {
        return Ok(current);
    } else if let Some(option) = option {
        let options = set.option(&option.id, model).await?;
        // Each model has its own.
        if !options.is_empty() {
            reply.config_options = options;
        }
    } else if current.is_some() {
        set.model(model).await?;
    } else {
        return set.unsupported("choose a model (--model); the agent offers no choice".into());
    }
    Ok(Some(model.clone()))
}

/// Sets how hard the model thinks: by an option of that kind, or in the name of the model, as `name[effort]`.
async fn set_effort(set: &Setter<'_>, reply: &SessionReply, model: Option<&str>, effort: &str) -> Result<()> {
    if let Some(option) = reply.config_options.iter().find(|option| option.is_effort()) {
        let values = option.values();
        let Some(value) = values.iter().find(|value| plain(value) == plain(effort)) else {
            return set.unsupported(format!("think at effort `{effort}`; its efforts are: {}", values.join(", ")));
        };
        return match option.current_value.as_ref() == Some(value) {
            true => Ok(()),
            false => set.option(&option.id, value).await.map(|_| ()),
        };
    }
    let current = reply.models.as_ref().map(|models| models.current_model_id.as_str());
    if let Some((name, _)) = current.and_then(|id| id.strip_suffix(']')).and_then(|id| id.rsplit_once('[')) {
        let model = model.map_or(name, |model| model.split('[').next().unwrap_or(model));
        return set.model(&format!("{model}[{effort}]")).await;
    }
    set.unsupported("set the effort (--effort); the agent offers no choice".into())
}
