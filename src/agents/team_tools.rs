//! The team's tools, for an agent within this process.

use std::sync::Arc;
use std::time::Duration;

use agent_backends::native::{Error, Result, Tool, ToolDefinition, ToolKind, ToolRegistry, ToolUse};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use crate::model::launch::Surroundings;
use crate::model::tool::ToolDescription;
use crate::orchestrator::{Identity, TeamOrchestrator, WeakOrchestrator};

/// The tools that agents within a process know under another name than other members: the name here, and the tool.
const RENAMED: [(&str, &str); 3] =
    [("read_memory", "memory_read"), ("write_memory", "memory_write"), ("list_memory", "memory_list")];

/// The tool that hands in a plan.
const SUBMIT_PLAN: &str = "submit_plan";
/// The tools that wait for another model, and bound that themselves.
const PATIENT: [&str; 2] = [SUBMIT_PLAN, "ask_teammate"];

/// A tool of the team, as one of its members.
struct TeamTool {
    who: Identity,
    /// Its name for the agent.
    name: String,
    tool: ToolDescription,
    /// What its arguments always are.
    fixed: Map<String, Value>,
    orchestrator: WeakOrchestrator,
    /// Who judges plans, where no agent leads.
    judge: Option<Arc<Judge>>,
    /// Nobody waits for the run any more.
    ended: CancellationToken,
}

/// Adds the tools that somebody has for the team.
pub(super) fn add_team_tools(
    tools: &mut ToolRegistry,
    orchestrator: &TeamOrchestrator,
    who: &Identity,
    judge: Option<&Arc<Judge>>,
    ended: &CancellationToken,
) {
    let weak = orchestrator.downgrade();
    let mut add = |name: &str, tool: ToolDescription, fixed: Map<String, Value>| {
        let (who, name, judge, ended) = (who.clone(), name.to_owned(), judge.cloned(), ended.clone());
        tools.register(Arc::new(TeamTool { who, name, tool, fixed, orchestrator: weak.clone(), judge, ended }));
    };
    for tool in orchestrator.tools_of(who) {
        let renamed = RENAMED.iter().find(|(_, known)| *known == tool.name).map(|(name, _)| (*name).to_owned());
        match tool.name.as_str() {
            "task_get" => {
                let description = "What a task is, what came of it, and what it was given to know.".to_owned();
                add("get_task_context", ToolDescription { description, ..tool.clone() }, Map::new());
            }
            "task_list" => {
                let description = "The tasks that are done, and who did them.".to_owned();
                let input_schema = json!({"type": "object", "properties": {}}).as_object().cloned().unwrap_or_default();
                let fixed = Map::from_iter([("status".to_owned(), Value::from("completed"))]);
                add("list_completed_tasks", ToolDescription { description, input_schema, ..tool.clone() }, fixed);
            }
            _ => {}
        }
        let name = renamed.unwrap_or_else(|| tool.name.clone());
        add(&name, tool, Map::new());
    }
}

#[async_trait]
impl Tool for TeamTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: self.name.clone(),
            description: self.tool.description.clone(),
            parameters: Value::Object(self.tool.input_schema.clone()),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Given
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let title = match arguments.as_object() {
            Some(arguments) if arguments.is_empty() => self.name.clone(),
            _ => format!("{} {arguments}", self.name),
        };
        ToolUse { title, ..ToolUse::default() }
    }

    fn time_limit(&self) -> Option<Duration> {
        (!PATIENT.contains(&self.tool.name.as_str())).then_some(Duration::from_secs(600))
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        // A call that waits keeps the orchestrator, which would keep the call.
        tokio::select! {
            biased;
            () = self.ended.cancelled() => Err(Error::tool(&self.name, "the team has ended")),
            answer = self.call(arguments) => answer,
        }
    }
}

impl TeamTool {
    async fn call(&self, arguments: Value) -> Result<Value> {
        let ended = || Error::tool(&self.name, "the team has ended");
        let orchestrator = self.orchestrator.upgrade().ok_or_else(ended)?;
        let Value::Object(mut arguments) = arguments else {
            return Err(Error::tool(&self.name, "its arguments are a JSON object"));
        };
        arguments.extend(self.fixed.clone());
        // A value's name is its key in the documents of programs.
        if let Some(key) = arguments.shift_remove("key").filter(|_| RENAMED.iter().any(|(name, _)| *name == self.name))
        {
            arguments.entry("name").or_insert(key);
        }
        let outcome = orchestrator.use_tool(&self.who, &self.tool.name, arguments, Surroundings::default()).await;
        if outcome.failed {
            return Err(Error::tool(&self.name, outcome.text));
        }
        // While it waits, its agent is busy, and the run does not take it for one that can do nothing.
        if let (Some(judge), SUBMIT_PLAN) = (&self.judge, self.tool.name.as_str()) {
            judge.answer(&orchestrator, &self.who).await;
        }
        Ok(Value::String(outcome.text))
    }
}
