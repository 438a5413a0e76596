//! The tool with which an agent has a piece of its work done by a team.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::native::llm::{LlmClient, LlmConfig, TokenUsage};
use agent_backends::native::{
    AgentLoop, AgentSetup, Background, BackgroundEnd, BackgroundResult, BackgroundResultKind, Error, PermissionGate,
    Result, Tool, ToolDefinition, ToolKind, ToolUse,
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::config::AgentConfig;
use super::events::AgentEvent;
use super::result::{ExecutionSummary, TeamResult};
use super::task::{ASSIGNED, Task};
use super::team::AgentTeam;
use crate::sync::lock;

/// How long a team may take where nobody says so.
const LONGEST_RUN: Duration = Duration::from_secs(2 * 3600);
/// What the tool is called.
const NAME: &str = "spawn_agent_team";

/// The tool with which an agent has a piece of its work done by a team of agents. Teams cannot start teams. Dropping it ends those that run in the
/// background.
#[derive(Clone, Default)]
pub struct SpawnAgentTeamTool {
    /// The model of the team's agents, where [`llm_client`](Self::llm_client) is `None`.
    pub llm: LlmConfig,
    /// How they work.
    pub config: AgentConfig,
    /// What they read from; `None` for the folder that they write to.
    pub source_root: Option<PathBuf>,
    /// What they write to; `None` for the current folder.
    pub work_dir: Option<PathBuf>,
    /// The model that they ask.
    pub llm_client: Option<Arc<dyn LlmClient>>,
    /// Who decides about their calls of tools. `None`: they use all that they have, and whoever decides about their caller's calls is asked for the team as for
    /// a command.
    pub gate: Option<Arc<dyn PermissionGate>>,
    /// Who hears what happens in the team.
    pub event_tx: Option<UnboundedSender<AgentEvent>>,
    /// Where the results of teams in the background go; [`AgentLoop::set_background_rx`](super::AgentLoop::set_background_rx) has the other end. Without it nothing runs in the background.
    pub background_tx: Option<UnboundedSender<BackgroundResult>>,
    /// Where it is added what the teams have used: [`AgentLoop::spent_by_others`](super::AgentLoop::spent_by_others) of their caller.
    pub spent: Option<Arc<Mutex<TokenUsage>>>,
    /// The teams that run in the background; a clone of the tool has none of them.
    pub running: Background,
}

#[derive(Debug, Deserialize)]
struct Call {
    goal: String,
    #[serde(default)]
    teammates: Vec<TeammateCall>,
    #[serde(default)]
    tasks: Vec<TaskCall>,
    #[serde(default)]
    background: bool,
}

#[derive(Debug, Deserialize)]
struct TeammateCall {
    name: String,
    prompt: String,
    #[serde(default)]
    plan_approval: bool,
}

#[derive(Debug, Deserialize)]
struct TaskCall {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    target_file: String,
    #[serde(default)]
    teammate: Option<String>,
    /// The places of the tasks that it waits for, from 1.
    #[serde(default)]
    depends_on: Vec<usize>,
}

impl SpawnAgentTeamTool {
    /// The tool for this agent: its teams ask the agent's model, with its permission, and what they use is the agent's. So this comes after everything else is
    /// set.
    pub fn of(agent: &AgentLoop, setup: &AgentSetup, work_dir: &Path) -> Self {
        let settings = setup.settings.clone();
        let config = AgentConfig {
            max_loop_iterations: settings.max_turns,
            compaction: settings.compaction,
            commands: setup.commands.clone(),
            web: setup.web.clone(),
            ..AgentConfig::default()
        };
        Self {
            llm: setup.llm.clone(),
            config,
            source_root: setup.source_root.clone(),
            work_dir: Some(work_dir.to_owned()),
            llm_client: Some(Arc::clone(agent.client())),
            gate: Some(Arc::clone(agent.gate())),
            event_tx: None,
            background_tx: Some(agent.background_tx()),
            spent: Some(agent.spent_by_others()),
            running: Background::default(),
        }
    }

    /// Notes what a team has used.
    fn count(spent: Option<&Arc<Mutex<TokenUsage>>>, result: &TeamResult) {
        if let (Some(spent), TeamResult::Team(summary)) = (spent, result) {
            let (input, output) = (summary.input_tokens, summary.output_tokens);
            *lock(spent) += TokenUsage { input, output, ..TokenUsage::default() };
        }
    }

    /// The team that a call describes.
    fn team(&self, call: &Call) -> Result<AgentTeam> {
        let mut team = AgentTeam::new(self.llm.clone(), self.config.clone());
        team.config.timeout.get_or_insert(LONGEST_RUN);
        team.source_root.clone_from(&self.source_root);
        team.work_dir.clone_from(&self.work_dir);
        team.client.clone_from(&self.llm_client);
        team.gate.clone_from(&self.gate);
        team.events.0.clone_from(&self.event_tx);
        for TeammateCall { name, prompt, plan_approval } in &call.teammates {
            team = match plan_approval {
                true => team.add_teammate_with_plan_approval(name, prompt),
                false => team.add_teammate(name, prompt),
            };
        }
        let mut tasks: Vec<Task> = call
            .tasks
            .iter()
            .map(|task| {
                let made = Task::new(&task.kind, &task.title, &task.description, &task.target_file);
                match &task.teammate {
                    Some(name) => {
                        made.with_context(Value::Object(Map::from_iter([(ASSIGNED.to_owned(), json!(name))])))
                    }
                    None => made,
                }
            })
            .collect();
        let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
        for (at, task) in call.tasks.iter().enumerate() {
            for place in &task.depends_on {
                let id = place.checked_sub(1).and_then(|place| ids.get(place)).copied();
                let missing = || {
                    Error::tool(NAME, format!("task {} waits for task {place}, and there are {}", at + 1, ids.len()))
                };
                tasks[at].dependencies.push(id.ok_or_else(missing)?);
            }
        }
        Ok(tasks.into_iter().fold(team, AgentTeam::add_task))
    }

    fn in_background(&self, team: AgentTeam, goal: String, results: UnboundedSender<BackgroundResult>) {
        let (name, spent) = (line(&goal), self.spent.clone());
        self.running.begin(name, BackgroundResultKind::AgentTeam, results, async move {
            let result = match team.run(goal).await {
                Ok(result) => result,
                Err(error) => return BackgroundEnd::failed(error),
            };
            Self::count(spent.as_ref(), &result);
            let (content, tokens_used) = (report(&result).to_string(), result.total_tokens());
            BackgroundEnd { content, failed: !result.is_success(), tokens_used }
        });
    }
}

/// The first line of a goal, and not too much of it.
fn line(goal: &str) -> String {
    goal.trim().lines().next().unwrap_or_default().chars().take(80).collect()
}

/// What a model is told of a team's end.
fn report(result: &TeamResult) -> Value {
    let TeamResult::Team(summary) = result else { return Value::Null };
    let ExecutionSummary { total_tasks, tasks_completed, tasks_failed, .. } = summary;
    let task = |task: &crate::model::run_report::TaskReport| json!({"title": task.subject, "state": task.state, "by": task.owner, "result": task.result, "reason": task.reason});
    json!({
        "state": summary.state.as_str(), "reason": summary.reason, "total_tasks": total_tasks, "tasks_completed": tasks_completed,
        "tasks_failed": tasks_failed, "agents": summary.agents_spawned, "total_tokens": summary.total_tokens_used,
        "tasks": summary.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}

#[async_trait]
impl Tool for SpawnAgentTeamTool {
    fn definition(&self) -> ToolDefinition {
        let text = |description: &str| json!({"type": "string", "description": description});
        ToolDefinition {
            name: NAME.to_owned(),
            description: "Has a team of agents do a large piece of work whose parts can be done at the same time, and tells you what came of each part. The agents know \
                          nothing but what you write. Without `tasks`, one of them plans. A team costs many times what one agent does: do small things yourself, or with a \
                          subagent."
                .to_owned(),
            parameters: json!({
                "type": "object",
                "properties": {
                    "goal": text("what the team is to reach, with all that it has to know"),
                    "teammates": {"type": "array", "items": {"type": "object", "required": ["name", "prompt"], "properties": {
                        "name": text("lower-case letters, digits, hyphens"),
                        "prompt": text("its standing instructions"),
                        "plan_approval": {"type": "boolean", "description": "it changes nothing before its plan is approved"},
                    }}},
                    "tasks": {"type": "array", "items": {"type": "object", "required": ["title"], "properties": {
                        "title": text("what is to be done, in a line"),
                        "description": text("what is to be done, with all that whoever does it has to know"),
                        "kind": text("what sort of work it is, in a word"),
                        "target_file": text("the file that it is about"),
                        "teammate": text("who is to do it; anybody, when left out"),
                        "depends_on": {"type": "array", "items": {"type": "integer", "minimum": 1}, "description": "the tasks that have to be done before, by their places in this list, from 1"},
                    }}},
                    "background": {"type": "boolean", "description": "go on meanwhile; you are told when it has ended"},
                },
                "required": ["goal"],
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        match self.gate {
            // What the agents do with their tools is asked for as if their caller did it.
            Some(_) => ToolKind::Read,
            None => ToolKind::Execute,
        }
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let goal = arguments["goal"].as_str().unwrap_or("?");
        ToolUse { title: format!("team: {}", line(goal)), ..ToolUse::default() }
    }

    /// The run has one.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    fn spawns_agents(&self) -> bool {
        true
    }

    fn running_in_background(&self) -> usize {
        self.running.running()
    }

    fn stop_background(&self) {
        self.running.stop();
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let call: Call = serde_json::from_value(arguments).map_err(|error| Error::tool(NAME, error.to_string()))?;
        if call.goal.trim().is_empty() {
            return Err(Error::tool(NAME, "`goal` is empty; say what the team is to reach"));
        }
        let team = self.team(&call)?;
        if let (true, Some(results)) = (call.background, self.background_tx.clone()) {
            self.in_background(team, call.goal, results);
            return Ok(
                json!({"status": "background", "note": "go on with something else; you are told when it has ended"}),
            );
        }
        let done = team.run(call.goal).await.map_err(|error| Error::tool(NAME, error.to_string()))?;
        Self::count(self.spent.as_ref(), &done);
        Ok(report(&done))
    }
}
