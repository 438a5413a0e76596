//! One session of a served agent: its loop, its conversation on disk, and what its client hears and is asked.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Mutex as AsyncMutex;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::options::{Extend, ServeOptions};
use super::protocol::{OpenParams, retracted, text_update, tool_call, tool_ended, usage};
use crate::lock::lock;
use crate::native::agent_loop::AgentLoop;
use crate::native::conversation::{Conversation, Conversations};
use crate::native::error::Error;
use crate::native::events::{LoopEvent, ToolOutcome};
use crate::native::llm::{ChatMessage, LlmConfig, LlmError, LlmErrorKind, TokenUsage, ToolCall};
use crate::native::mcp;
use crate::native::permission::{DENIED, PLANNING, PermissionGate, Rule, rule};
use crate::native::setup::AgentSetup;
use crate::native::subagent::SubAgentRegistry;
use crate::native::tool::{ToolKind, ToolUse};
use crate::permission::PermissionMode;
use crate::process::Supervision;

/// ACP's code for credentials that are missing.
const AUTH_REQUIRED: i64 = -32000;
/// JSON-RPC's code for what fails within.
const INTERNAL: i64 = -32603;
/// How long is waited for whoever had the conversation before to let go of it.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// Why a call is not answered with a result.
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Llm(LlmError { status: Some(status), retry_after, message, .. }) => {
                let again = retry_after.map(|wait| format!("; try again in {} seconds", wait.as_secs_f64().ceil()));
                Self::new((*status).into(), format!("{message}{}", again.unwrap_or_default()))
            }
            Error::Llm(LlmError { kind: LlmErrorKind::Auth, .. }) => Self::new(AUTH_REQUIRED, error.to_string()),
            _ => Self::new(INTERNAL, error.to_string()),
        }
    }
}

/// A session that a client has opened.
pub(super) struct Session {
    pub(super) id: String,
    setup: AgentSetup,
    /// What the agent has besides, and where it works.
    extend: Option<(Extend, PathBuf)>,
    agent: AsyncMutex<AgentLoop>,
    shared: Arc<Shared>,
    model: Mutex<String>,
    /// Cancel the turns that were asked for and have not ended, by their numbers.
    turns: Mutex<BTreeMap<u64, CancellationToken>>,
}

/// What the loop's listeners know of the session.
struct Shared {
    id: String,
    client: Arc<Connection>,
    mode: Mutex<PermissionMode>,
    /// Commands and changes that the client has allowed for the session.
    granted: Mutex<Vec<ToolCallKey>>,
    used: Mutex<TokenUsage>,
}

/// What has to be the same for a call to be the one that was allowed.
type ToolCallKey = (String, Value);

impl Session {
    /// Opens a session: a new one, or the one with this id. Answers also the names of servers that cannot be used.
    pub(super) async fn open(
        options: &ServeOptions,
        client: &Arc<Connection>,
        params: OpenParams,
        load: Option<String>,
    ) -> Result<(Arc<Self>, Vec<String>), Refusal> {
        let cwd = params.cwd.clone();
        if !cwd.is_dir() {
            return Err(Refusal::new(INTERNAL, format!("{} is no directory", cwd.display())));
        }
        let mut agent = options.setup.agent(&cwd)?;
        let (id, conversation) = match &load {
            Some(id) => (id.clone(), continued(&options.conversations, id).await?),
            None => options.conversations.create().map_err(|source| {
                Refusal::from(Error::Io { what: "a conversation cannot be begun".to_owned(), source })
            })?,
        };
        if load.is_some() {
            replay(client, &id, conversation.messages());
        }
        let (servers, others) = params.servers();
        // A server ends with its input. A shim beside each would be as large as the server.
        let supervision = Supervision { shim: None, ..options.setup.commands.supervision.clone() };
        for server in &servers {
            match mcp::tools_of(server, &cwd, &supervision).await {
                Ok(tools) => tools.into_iter().for_each(|tool| agent.tools_mut().register(tool)),
                Err(error) => {
                    // Also where it goes into a log: an agent without its tools is not what was asked for.
                    eprintln!("{error}");
                    client.update(&id, &text_update("agent_thought_chunk", &format!("({error})")));
                }
            }
        }
        let shared = Arc::new(Shared {
            id: id.clone(),
            client: Arc::clone(client),
            mode: Mutex::new(options.mode.clone()),
            granted: Mutex::default(),
            used: Mutex::default(),
        });
        let heard = Arc::clone(&shared);
        let mut agent = agent
            .with_conversation(conversation)
            .with_observer(Arc::new(move |event| heard.tell(event)))
            .with_gate(Arc::clone(&shared) as Arc<dyn PermissionGate>)
            .with_subagents(SubAgentRegistry::builtin(), Some(options.setup.clients()));
        let extend = options.extend.clone().map(|extend| (extend, cwd));
        if let Some((extend, cwd)) = &extend {
            extend(&mut agent, cwd);
        }
        let model = named_model(&options.setup.llm)?;
        let session = Self {
            id,
            setup: options.setup.clone(),
            extend,
            agent: AsyncMutex::new(agent),
            shared,
            model: Mutex::new(model),
            turns: Mutex::default(),
        };
        Ok((Arc::new(session), others))
    }

    pub(super) fn mode(&self) -> PermissionMode {
        lock(&self.shared.mode).clone()
    }

    pub(super) fn set_mode(&self, mode: PermissionMode) {
        *lock(&self.shared.mode) = mode;
    }

    pub(super) fn model(&self) -> String {
        lock(&self.model).clone()
    }

    pub(super) async fn set_model(&self, model: &str) -> Result<(), Refusal> {
        let mut setup = self.setup.clone();
        setup.llm.model = Some(model.to_owned());
        let client = setup.client()?;
        let mut agent = self.agent.lock().await;
        agent.set_client(client);
        agent.set_subagents(SubAgentRegistry::builtin(), Some(setup.clients()));
        if let Some((extend, cwd)) = &self.extend {
            extend(&mut agent, cwd);
        }
        model.clone_into(&mut lock(&self.model));
        Ok(())
    }

    /// Tells the client something beside the conversation.
    pub(super) fn tell(&self, text: &str) {
        self.shared.update(&text_update("agent_thought_chunk", text));
    }

    /// Cancels all turns that were asked for.
    pub(super) fn cancel(&self) {
        lock(&self.turns).values().for_each(CancellationToken::cancel);
    }

    /// Ends what goes on, and waits for its end.
    pub(super) async fn close(&self) {
        self.cancel();
        drop(self.agent.lock().await);
    }

    /// Notes a turn as soon as it is asked for, so that whatever cancels it finds it; answers its number.
    pub(super) fn announce(&self) -> u64 {
        let mut turns = lock(&self.turns);
        let number = turns.last_key_value().map_or(0, |(last, _)| last + 1);
        turns.insert(number, CancellationToken::new());
        number
    }

    /// Runs the turn of this number to its end.
    pub(super) async fn prompt(&self, text: &str, number: u64) -> Result<Value, Refusal> {
        let cancel = lock(&self.turns).get(&number).cloned().unwrap_or_default();
        let ended = self.turn(text, &cancel).await;
        lock(&self.turns).remove(&number);
        ended
    }

    async fn turn(&self, text: &str, cancel: &CancellationToken) -> Result<Value, Refusal> {
        let mut agent = self.agent.lock().await;
        *lock(&self.shared.used) = TokenUsage::default();
        let ended = agent.run_until(text, cancel).await;
        let used = *lock(&self.shared.used);
        let reason = match ended {
            Ok(done) => {
                return Ok(
                    json!({"stopReason": "end_turn", "usage": usage(used), "_meta": {"costUsd": done.cost_usd}}),
                );
            }
            Err(Error::Cancelled) => "cancelled",
            Err(Error::TooManyTurns(_)) => "max_turn_requests",
            Err(error) => {
                let spent = json!({"sessionUpdate": "session_info_update", "_meta": {"usage": usage(used)}});
                self.shared.update(&spent);
                return Err(error.into());
            }
        };
        Ok(json!({"stopReason": reason, "usage": usage(used)}))
    }
}

/// The model as a client is told it: as it was named, or as it was found.
fn named_model(llm: &LlmConfig) -> Result<String, Refusal> {
    let found = || llm.resolve(|name| std::env::var(name).ok()).map_err(Error::from);
    Ok(llm.model.clone().map_or_else(found, Ok)?)
}

/// The conversation of this name. Whoever had it before may still be on its way out.
async fn continued(conversations: &Conversations, name: &str) -> Result<Conversation, Refusal> {
    let deadline = tokio::time::Instant::now() + LOCK_LIMIT;
    loop {
        match conversations.open(name) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            opened => return opened.map_err(|error| Refusal::new(INTERNAL, error.to_string())),
        }
    }
}

/// Tells a client what was said so far.
fn replay(client: &Connection, id: &str, messages: &[ChatMessage]) {
    for message in messages {
        match message {
            ChatMessage::User { text } => client.update(id, &text_update("user_message_chunk", text)),
            ChatMessage::Assistant { text, tool_calls, .. } => {
                if !text.is_empty() {
                    client.update(id, &text_update("agent_message_chunk", text));
                }
                for call in tool_calls {
                    let what = ToolUse { title: call.name.clone(), ..ToolUse::default() };
                    let mut told = tool_call(&call.id, &call.name, ToolKind::Other, &what, &call.arguments);
                    told["sessionUpdate"] = json!("tool_call");
                    client.update(id, &told);
                }
            }
            ChatMessage::Tool { call, output, failed, .. } => {
                let outcome = if *failed { ToolOutcome::Failed } else { ToolOutcome::Completed };
                client.update(id, &tool_ended(call, outcome, output));
            }
        }
    }
}

impl Shared {
    fn update(&self, update: &Value) {
        self.client.update(&self.id, update);
    }

    fn tell(&self, event: LoopEvent) {
        match event {
            LoopEvent::Text(text) => self.update(&text_update("agent_message_chunk", &text)),
            LoopEvent::Retracted => self.update(&retracted()),
            LoopEvent::ToolStarted { call, kind, what } => {
                let mut told = tool_call(&call.id, &call.name, kind, &what, &call.arguments);
                told["sessionUpdate"] = json!("tool_call");
                self.update(&told);
            }
            LoopEvent::ToolEnded { call, outcome, output, .. } => self.update(&tool_ended(&call, outcome, &output)),
            LoopEvent::Usage { used, .. } => *lock(&self.used) = used,
            LoopEvent::Retrying { after, reason } => {
                let text = format!("({reason}; the next attempt is in {} s)", after.as_secs_f32());
                self.update(&text_update("agent_thought_chunk", &text));
            }
            LoopEvent::Compacted { before, after } => {
                let text =
                    format!("(The older part of the conversation was summed up: {before} tokens are {after} now.)");
                self.update(&text_update("agent_thought_chunk", &text));
            }
            LoopEvent::Message(_) | LoopEvent::Background(_) => {}
        }
    }
}

#[async_trait]
impl PermissionGate for Shared {
    async fn decide(&self, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Result<(), String> {
        let mode = lock(&self.mode).clone();
        match rule(&mode, kind) {
            Rule::Allow => return Ok(()),
            Rule::Deny => return Err(PLANNING.to_owned()),
            Rule::Ask => {}
        }
        let key = (call.name.clone(), call.arguments.clone());
        if lock(&self.granted).contains(&key) {
            return Ok(());
        }
        let mut told = tool_call(&call.id, &call.name, kind, what, &call.arguments);
        told["status"] = json!("pending");
        let params = json!({
            "sessionId": self.id,
            "toolCall": told,
            "options": [
                {"optionId": "once", "name": "Allow", "kind": "allow_once"},
                {"optionId": "session", "name": "Allow exactly this for the session", "kind": "allow_always"},
                {"optionId": "no", "name": "Reject", "kind": "reject_once"},
            ],
        });
        let answer = self.client.ask("session/request_permission", &params).await.unwrap_or_default();
        match answer.pointer("/outcome/optionId").and_then(Value::as_str) {
            Some("once") => Ok(()),
            Some("session") => {
                lock(&self.granted).push(key);
                Ok(())
            }
            _ => Err(DENIED.to_owned()),
        }
    }
}
