//! The loop of an agent: it asks a language model, does what the model calls for, and asks again, until the model is done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::compaction::{CompactionStrategy, ContextMeter, middle_out, size};
use super::conversation::Conversation;
use super::error::{Error, Result};
use super::events::{BackgroundResult, LoopEvent, Observer, ToolOutcome};
use super::llm::{
    ChatMessage, LlmClient, LlmError, LlmErrorKind, LlmReply, LlmRequest, RetryPolicy, TokenUsage, ToolCall,
};
use super::permission::{ModeGate, PermissionGate};
use super::tool::{Tool, ToolDefinition, ToolKind, ToolRegistry, ToolUse};
use crate::lock::lock;
use crate::permission::PermissionMode;

/// The most bytes of a tool's answer that a model is given.
const LONGEST_OUTPUT: usize = 128 << 10;

/// How often it is looked whether what runs in the background still does.
const LOOKS_AGAIN: Duration = Duration::from_secs(1);

/// How an [`AgentLoop`] works.
#[derive(Clone, Debug)]
pub struct LoopSettings {
    /// The most requests to the model in one turn; an agent that wants more fails.
    pub max_turns: usize,
    /// When the conversation is shortened.
    pub compaction: CompactionStrategy,
    /// When a request that failed is sent again.
    pub retry: RetryPolicy,
    /// Room for the answer, in tokens, in what the model reads at once.
    pub answer_tokens: u64,
    /// The turn goes on until everything has ended that was begun in the background.
    pub waits_for_background: bool,
}

impl Default for LoopSettings {
    fn default() -> Self {
        Self {
            max_turns: 100,
            compaction: CompactionStrategy::Auto,
            retry: RetryPolicy::default(),
            answer_tokens: 16_000,
            waits_for_background: true,
        }
    }
}

/// What came of a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentLoopResult {
    /// The agent.
    pub agent_id: Uuid,
    /// The last thing that the model has said.
    pub final_content: String,
    /// Tokens that were read and written.
    pub total_tokens: u64,
    /// The same, apart.
    pub usage: TokenUsage,
    /// What that costs in US dollars, where the price is known.
    pub cost_usd: Option<f64>,
    /// Requests to the model.
    pub iterations: usize,
    /// Calls of tools.
    pub tool_calls_count: usize,
}

/// An agent within this process: a language model with tools and a conversation.
pub struct AgentLoop {
    id: Uuid,
    pub(super) client: Arc<dyn LlmClient>,
    pub(super) tools: ToolRegistry,
    pub(super) system_prompt: String,
    pub(super) settings: LoopSettings,
    conversation: Conversation,
    pub(super) gate: Arc<dyn PermissionGate>,
    pub(super) observer: Observer,
    /// Where the results come from of what its own tools begin in the background.
    background: (mpsc::UnboundedSender<BackgroundResult>, mpsc::UnboundedReceiver<BackgroundResult>),
    /// Where a program sends more of them.
    given_background: Option<mpsc::UnboundedReceiver<BackgroundResult>>,
    pub(super) meter: ContextMeter,
    /// The calls of tools so far.
    calls: u64,
    /// The call of a tool that goes on, and the tool.
    running: Option<(String, String)>,
    /// What its subagents have used, and was not counted yet.
    spent_by_others: Arc<Mutex<TokenUsage>>,
}

impl AgentLoop {
    /// An agent that uses its tools without asking anybody, and remembers its conversation as long as it lives.
    pub fn new(client: Arc<dyn LlmClient>, tools: ToolRegistry, system_prompt: impl Into<String>) -> Self {
        Self {
            id: Uuid::new_v4(),
            client,
            tools,
            system_prompt: system_prompt.into(),
            settings: LoopSettings::default(),
            conversation: Conversation::new(),
            gate: Arc::new(ModeGate(PermissionMode::BypassPermissions)),
            observer: Arc::new(|_| {}),
            // As few as there are calls of such tools.
            background: mpsc::unbounded_channel(),
            given_background: None,
            meter: ContextMeter::default(),
            calls: 0,
            running: None,
            spent_by_others: Arc::default(),
        }
    }

    /// The same agent with other settings.
    pub fn with_settings(mut self, settings: LoopSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The same agent, which goes on with this conversation.
    pub fn with_conversation(mut self, conversation: Conversation) -> Self {
        self.set_conversation(conversation);
        self
    }

    /// The same agent, whose calls of tools somebody decides about.
    pub fn with_gate(mut self, gate: Arc<dyn PermissionGate>) -> Self {
        self.gate = gate;
        self
    }

    /// The same agent, to which somebody listens.
    pub fn with_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// The agent's id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The model that it asks.
    pub fn model(&self) -> &str {
        self.client.model()
    }

    /// Goes on with this conversation instead of its own.
    pub fn set_conversation(&mut self, conversation: Conversation) {
        self.conversation = conversation;
        self.meter.forget();
    }

    /// The conversation so far.
    pub fn messages(&self) -> &[ChatMessage] {
        self.conversation.messages()
    }

    /// Who decides about the agent's calls of tools.
    pub fn gate(&self) -> &Arc<dyn PermissionGate> {
        &self.gate
    }

    /// The agent's standing instructions.
    pub fn system_prompt(&self) -> &str {
        &self.system_prompt
    }

    /// Gives the agent other standing instructions, from its next request on.
    pub fn set_system_prompt(&mut self, system_prompt: impl Into<String>) {
        self.system_prompt = system_prompt.into();
        self.meter.forget();
    }

    /// The tools that the agent has.
    pub fn tools(&self) -> &ToolRegistry {
        &self.tools
    }

    /// The tools that the agent has, to be changed.
    pub fn tools_mut(&mut self) -> &mut ToolRegistry {
        &mut self.tools
    }

    /// Asks another model from now on.
    pub fn set_client(&mut self, client: Arc<dyn LlmClient>) {
        self.client = client;
        self.meter.forget();
    }

    /// Where more results come from of what is begun in the background. Each is told to the model before its next request. The loop waits for such a result
    /// only while a tool of its own [runs something](Tool::running_in_background).
    pub fn set_background_rx(&mut self, results: mpsc::UnboundedReceiver<BackgroundResult>) {
        self.given_background = Some(results);
    }

    /// Where the agent's tools send the results of what they begin in the background.
    pub fn background_tx(&self) -> mpsc::UnboundedSender<BackgroundResult> {
        self.background.0.clone()
    }

    /// Where the agent's tools add what others have used for it. It counts with the agent's own.
    pub fn spent_by_others(&self) -> Arc<Mutex<TokenUsage>> {
        Arc::clone(&self.spent_by_others)
    }

    /// The model that the agent asks.
    pub fn client(&self) -> &Arc<dyn LlmClient> {
        &self.client
    }

    /// Gives the agent something to do, and waits until it is done.
    ///
    /// # Errors
    /// The model does not answer, the conversation does not fit, or the turn had as many requests as it may have. The conversation keeps what was
    /// said until then, and can go on.
    pub async fn run(&mut self, input: impl Into<String>) -> Result<AgentLoopResult> {
        self.run_until(input, &CancellationToken::new()).await
    }

    /// As [`run`](Self::run), until it is cancelled: then what goes on is dropped, a tool that runs included.
    ///
    /// # Errors
    /// As [`run`](Self::run); and it was cancelled.
    pub async fn run_until(&mut self, input: impl Into<String>, cancel: &CancellationToken) -> Result<AgentLoopResult> {
        let mut done = AgentLoopResult { agent_id: self.id, ..AgentLoopResult::default() };
        let input = input.into();
        if input.trim().is_empty() {
            return Err(Error::Config("the input is empty; give the agent something to do".to_owned()));
        }
        self.keep(|conversation| conversation.push(ChatMessage::user(input)))?;
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled),
            ended = self.turn(&mut done) => ended,
        };
        if let Err(error) = ended {
            self.tools.stop_background();
            if let Some((call, name)) = self.running.take() {
                let output = error.to_string();
                (self.observer)(LoopEvent::ToolEnded { call, name, outcome: ToolOutcome::Failed, output });
            }
            // What comes next must be able to go on from here.
            let why = format!("{error}; what of this was done by then is not known, so look before you do it again");
            self.keep(|conversation| conversation.answer_open_calls(&why))?;
            self.keep(|conversation| {
                conversation.push(ChatMessage::assistant(format!("(The turn has ended: {error}.)")))
            })?;
            return Err(error);
        }
        Ok(done)
    }

    async fn turn(&mut self, done: &mut AgentLoopResult) -> Result<()> {
        let mut text = String::new();
        loop {
            if done.iterations >= self.settings.max_turns {
                return Err(Error::TooManyTurns(done.iterations));
            }
            self.tell_of_background(false).await?;
            let definitions = self.tools.definitions();
            self.make_fit(&definitions, done, false).await?;
            let reply = self.ask(&definitions, done).await?;
            done.iterations += 1;
            let LlmReply { text: said, tool_calls, truncated, continuation, .. } = reply;
            if !said.is_empty() {
                (self.observer)(LoopEvent::Message(said.clone()));
            }
            text.push_str(&said);
            // No provider takes an empty one back.
            if !(said.is_empty() && tool_calls.is_empty()) {
                let message = ChatMessage::Assistant { text: said, tool_calls: tool_calls.clone(), continuation };
                self.keep(|conversation| conversation.push(message))?;
            }
            if tool_calls.is_empty() {
                if truncated {
                    let go_on =
                        "Your answer was cut off, because it was as long as one may be. Go on exactly where it ends.";
                    self.keep(|conversation| conversation.push(ChatMessage::user(go_on)))?;
                    continue;
                }
                if self.settings.waits_for_background && self.tell_of_background(true).await? {
                    text.clear();
                    continue;
                }
                done.final_content = text;
                return Ok(());
            }
            text.clear();
            for call in tool_calls {
                done.tool_calls_count += 1;
                self.use_tool(call).await?;
            }
        }
    }

    /// Sends one request, again if need be.
    async fn ask(&mut self, tools: &[ToolDefinition], done: &mut AgentLoopResult) -> Result<LlmReply> {
        let mut attempt = 0;
        let mut was_too_long = false;
        loop {
            let sent = size(self.messages()) + self.beside_with(tools);
            match self.ask_once(tools).await {
                Ok(reply) => {
                    if let Some(usage) = reply.usage {
                        self.meter.learn(self.messages().len() + 1, sent, usage);
                        self.count(usage, done);
                    }
                    return Ok(reply);
                }
                Err(error) if error.kind == LlmErrorKind::ContextTooLong && !was_too_long => {
                    was_too_long = true;
                    self.make_fit(tools, done, true).await?;
                }
                Err(error) => self.before_next(&mut attempt, error).await?,
            }
        }
    }

    /// Waits until a request that has failed may be sent again.
    ///
    /// # Errors
    /// It is given up.
    pub(super) async fn before_next(&self, attempt: &mut u32, error: LlmError) -> Result<()> {
        *attempt += 1;
        let Some(wait) = self.settings.retry.wait(*attempt, &error) else { return Err(error.into()) };
        (self.observer)(LoopEvent::Retrying { after: wait, reason: error.to_string() });
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn ask_once(&self, tools: &[ToolDefinition]) -> Result<LlmReply, LlmError> {
        let mut has_said = false;
        let observer = &self.observer;
        let request = LlmRequest { system: &self.system_prompt, messages: self.messages(), tools };
        let mut hear = |text: &str| {
            has_said |= !text.is_empty();
            observer(LoopEvent::Text(text.to_owned()));
        };
        let reply = self.client.complete(request, &mut hear).await;
        let reply = reply.and_then(|reply| {
            let is_empty = reply.text.is_empty() && reply.tool_calls.is_empty() && !reply.truncated;
            let nothing =
                || LlmError::new(LlmErrorKind::Malformed, format!("{} has answered nothing", self.client.model()));
            if is_empty { Err(nothing()) } else { Ok(reply) }
        });
        if reply.is_err() && has_said {
            (self.observer)(LoopEvent::Retracted);
        }
        reply
    }

    pub(super) fn count(&self, usage: TokenUsage, done: &mut AgentLoopResult) {
        done.usage += usage;
        done.usage += std::mem::take(&mut *lock(&self.spent_by_others));
        done.total_tokens = done.usage.total();
        done.cost_usd = self.client.facts().cost(done.usage);
        (self.observer)(LoopEvent::Usage { used: done.usage, cost_usd: done.cost_usd });
    }

    async fn use_tool(&mut self, given: ToolCall) -> Result<()> {
        self.calls += 1;
        // Some providers give each answer's calls the same names again.
        let call = ToolCall { id: format!("{}-{}", given.id, self.calls), ..given.clone() };
        self.running = Some((call.id.clone(), call.name.clone()));
        let tool = self.tools.get(&call.name).cloned();
        let kind = tool.as_ref().map_or(ToolKind::Other, |tool| tool.kind());
        let nameless = || ToolUse { title: call.name.clone(), ..ToolUse::default() };
        let what = tool.as_ref().map_or_else(nameless, |tool| tool.describe(&call.arguments));
        (self.observer)(LoopEvent::ToolStarted { call: call.clone(), kind, what: what.clone() });
        let (outcome, output) = match tool {
            None => {
                let known: Vec<&str> = self.tools.names().collect();
                (ToolOutcome::Failed, format!("there is no tool `{}`; there are {}", call.name, known.join(", ")))
            }
            Some(_) if !call.arguments.is_object() => {
                let given = middle_out(&call.arguments.to_string(), 500);
                (ToolOutcome::Failed, format!("the arguments have to be a JSON object, and are {given}"))
            }
            Some(tool) => match self.gate.decide(&call, kind, &what).await {
                Ok(()) => execute(tool, &call).await,
                Err(why) => (ToolOutcome::Denied, format!("not done: {why}")),
            },
        };
        let output = middle_out(&output, LONGEST_OUTPUT);
        self.running = None;
        let ended = LoopEvent::ToolEnded { call: call.id, name: call.name, outcome, output: output.clone() };
        (self.observer)(ended);
        let ToolCall { id, name, .. } = given;
        let failed = outcome != ToolOutcome::Completed;
        self.keep(|conversation| conversation.push(ChatMessage::Tool { call: id, name, output, failed }))
    }

    /// Tells the model what has ended in the background; waits for the next end, if one is to come. Answers whether there was anything.
    async fn tell_of_background(&mut self, wait: bool) -> Result<bool> {
        let mut ended = self.ended_in_background();
        while ended.is_empty() && wait && self.tools.running_in_background() > 0 {
            let given = async {
                match &mut self.given_background {
                    Some(results) => results.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                result = self.background.1.recv() => ended.extend(result),
                result = given => match result {
                    Some(result) => ended.push(result),
                    None => self.given_background = None,
                },
                // One that was ended tells nothing.
                () = tokio::time::sleep(LOOKS_AGAIN) => {}
            }
        }
        if ended.is_empty() {
            ended = self.ended_in_background();
        }
        let any = !ended.is_empty();
        for result in ended {
            let message = ChatMessage::user(result.to_message());
            (self.observer)(LoopEvent::Background(result));
            self.keep(|conversation| conversation.push(message))?;
        }
        Ok(any)
    }

    fn ended_in_background(&mut self) -> Vec<BackgroundResult> {
        let own = std::iter::from_fn(|| self.background.1.try_recv().ok());
        let given = std::iter::from_fn(|| self.given_background.as_mut()?.try_recv().ok());
        own.chain(given).collect()
    }

    pub(super) fn keep(&mut self, change: impl FnOnce(&mut Conversation) -> std::io::Result<()>) -> Result<()> {
        let what = "the conversation cannot be written down".to_owned();
        change(&mut self.conversation).map_err(|source| Error::Io { what, source })
    }
}

async fn execute(tool: Arc<dyn Tool>, call: &ToolCall) -> (ToolOutcome, String) {
    let (limit, arguments) = (tool.time_limit(), call.arguments.clone());
    // In a task of its own, because a panic of a tool is its failure only.
    let run = AbortOnDropHandle::new(tokio::spawn(async move { tool.execute(arguments).await }));
    let ended = match limit {
        Some(limit) => match tokio::time::timeout(limit, run).await {
            Ok(ended) => ended,
            Err(_) => {
                let what = format!("it was ended after {} s without an answer", limit.as_secs());
                return (ToolOutcome::Failed, what);
            }
        },
        None => run.await,
    };
    match ended {
        Ok(Ok(Value::String(text))) => (ToolOutcome::Completed, text),
        Ok(Ok(value)) => (ToolOutcome::Completed, value.to_string()),
        Ok(Err(error)) => (ToolOutcome::Failed, error.to_string()),
        Err(error) => (ToolOutcome::Failed, format!("the tool `{}` is broken: {error}", call.name)),
    }
}
