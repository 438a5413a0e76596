//! The tool with which an agent calls subagents.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::definition::SubAgentDef;
use super::registry::SubAgentRegistry;
use super::runner::SubAgentRunner;
use crate::native::background::{Background, BackgroundEnd};
use crate::native::error::{Error, Result};
use crate::native::events::{BackgroundResult, BackgroundResultKind};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolUse};

/// What the tool is called.
pub(super) const NAME: &str = "spawn_subagent";

/// The tool with which an agent has a piece of its work done by a subagent: one of a registry, or one that the call describes. Dropping it ends those
/// that run in the background.
pub struct SpawnSubAgentTool {
    runner: SubAgentRunner,
    registry: Arc<SubAgentRegistry>,
    results: Option<UnboundedSender<BackgroundResult>>,
    background: Background,
}

#[derive(Debug, Deserialize)]
struct Call {
    name: String,
    prompt: String,
    #[serde(default)]
    system_prompt: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    allowed_tools: Vec<String>,
    #[serde(default)]
    disallowed_tools: Vec<String>,
    #[serde(default)]
    max_turns: Option<usize>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    background: bool,
}

impl SpawnSubAgentTool {
    /// The tool for the subagents of a registry. Without `results` nothing runs in the background.
    pub fn new(
        runner: SubAgentRunner,
        registry: SubAgentRegistry,
        results: Option<UnboundedSender<BackgroundResult>>,
    ) -> Self {
        Self { runner, registry: Arc::new(registry), results, background: Background::default() }
    }

    /// The subagent that a call means.
    fn definition_of(&self, call: &Call) -> Result<SubAgentDef> {
        let mut definition = match (&call.system_prompt, self.registry.get(&call.name)) {
            (Some(_), Some(_)) => {
                let what = format!(
                    "`{}` is a known subagent; leave `system_prompt` out, or give yours another name",
                    call.name
                );
                return Err(Error::tool(NAME, what));
            }
            (Some(prompt), None) => {
                let description = call.description.as_deref().unwrap_or("described by its call");
                SubAgentDef::new(&call.name, description, prompt).with_allowed_tools(call.allowed_tools.clone())
            }
            (None, Some(known)) => {
                let mut known = known.clone();
                if !call.allowed_tools.is_empty() {
                    // A call can take tools away from a known one, and give it none.
                    let is_kept = |tool: &String| known.allowed_tools.is_empty() || known.allowed_tools.contains(tool);
                    known.allowed_tools = call.allowed_tools.iter().filter(|tool| is_kept(tool)).cloned().collect();
                    if known.allowed_tools.is_empty() {
                        return Err(Error::tool(NAME, format!("`{}` may have none of these tools", call.name)));
                    }
                }
                known
            }
            (None, None) => {
                let known: Vec<&str> = self.registry.list().iter().map(|known| known.name.as_str()).collect();
                let what = format!(
                    "there is no subagent `{}`; there are {}; or describe one with `system_prompt`",
                    call.name,
                    known.join(", ")
                );
                return Err(Error::tool(NAME, what));
            }
        };
        definition.disallowed_tools.extend(call.disallowed_tools.iter().cloned());
        if let Some(most) = call.max_turns {
            definition.max_turns = most.min(self.runner.most_turns());
        }
        definition.model = call.model.clone().or(definition.model);
        Ok(definition)
    }

    fn in_background(&self, definition: SubAgentDef, prompt: String, results: UnboundedSender<BackgroundResult>) {
        let (name, runner) = (definition.name.clone(), self.runner.clone());
        self.background.begin(name, BackgroundResultKind::SubAgent, results, async move {
            match runner.run(&definition, &prompt).await {
                Ok(done) => {
                    BackgroundEnd { content: done.final_content, failed: false, tokens_used: done.total_tokens }
                }
                Err(error) => BackgroundEnd::failed(error),
            }
        });
    }
}

#[async_trait]
impl Tool for SpawnSubAgentTool {
    fn definition(&self) -> ToolDefinition {
        let known: Vec<String> =
            self.registry.list().iter().map(|known| format!("- {}: {}", known.name, known.description)).collect();
        let texts = json!({"type": "array", "items": {"type": "string"}});
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Has a subagent do a piece of work in a conversation of its own, and gives you its last answer. Use it for what would fill your own \
                 conversation, such as a wide search. It knows nothing but its prompt. Subagents cannot call subagents. With `system_prompt` you describe one yourself; \
                 known are:\n{}",
                known.join("\n")
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "a known subagent, or a name for the one that you describe"},
                    "prompt": {"type": "string", "description": "what it is to do, with all that it has to know"},
                    "system_prompt": {"type": "string", "description": "its standing instructions, if it is not a known one"},
                    "allowed_tools": texts,
                    "disallowed_tools": texts,
                    "max_turns": {"type": "integer", "minimum": 1},
                    "model": {"type": "string"},
                    "background": {"type": "boolean", "description": "go on meanwhile; you are told when it has ended"},
                },
                "required": ["name", "prompt"],
            }),
        }
    }

    /// What a subagent does with its tools is asked for as if its caller did it.
    fn kind(&self) -> ToolKind {
        ToolKind::Read
    }

    fn spawns_agents(&self) -> bool {
        true
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let name = arguments["name"].as_str().unwrap_or("?");
        let prompt: String = arguments["prompt"].as_str().unwrap_or_default().chars().take(100).collect();
        ToolUse { title: format!("subagent {name}: {prompt}"), ..ToolUse::default() }
    }

    /// It is bounded by its requests.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    fn running_in_background(&self) -> usize {
        self.background.running()
    }

    fn stop_background(&self) {
        self.background.stop();
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let call: Call = serde_json::from_value(arguments).map_err(|error| Error::tool(NAME, error.to_string()))?;
        if call.prompt.trim().is_empty() {
            return Err(Error::tool(NAME, "`prompt` is empty; say what the subagent is to do"));
        }
        let definition = self.definition_of(&call)?;
        if let (true, Some(results)) = (call.background || definition.background, self.results.clone()) {
            let name = definition.name.clone();
            self.in_background(definition, call.prompt, results);
            return Ok(
                json!({"status": "background", "name": name, "note": "go on with something else; you are told when it has ended"}),
            );
        }
        let done = self
            .runner
            .run(&definition, &call.prompt)
            .await
            .map_err(|error| Error::tool(NAME, format!("`{}` has failed: {error}", definition.name)))?;
        Ok(json!({
            "status": "completed", "name": done.name, "result": done.final_content, "total_tokens": done.total_tokens,
            "iterations": done.iterations, "tool_calls": done.tool_calls_count,
        }))
    }
}
