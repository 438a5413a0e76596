//! A team of agents within this process, as a program describes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_backends::native::llm::{LlmClient, LlmConfig, create_client};
use agent_backends::native::{AgentLoopResult, AgentSetup, PermissionGate, SubAgentRegistry};
use tokio::sync::mpsc::UnboundedSender;

use super::config::AgentConfig;
use super::errors::Result;
use super::events::{AgentEvent, Events};
use super::hooks::Hook;
use super::prompt::PromptBuilder;
use super::task::Task;

/// A team of agents within this process: it works through tasks, or plans them itself.
///
/// Nothing happens until [`run`](Self::run). A run that is not waited for any more, because its future was dropped, ends with all of its agents.
#[derive(Clone)]
pub struct AgentTeam {
    pub(super) llm: LlmConfig,
    pub(super) config: AgentConfig,
    pub(super) name: Option<String>,
    pub(super) source_root: Option<PathBuf>,
    pub(super) work_dir: Option<PathBuf>,
    pub(super) prompts: Option<Arc<dyn PromptBuilder>>,
    pub(super) client: Option<Arc<dyn LlmClient>>,
    pub(super) gate: Option<Arc<dyn PermissionGate>>,
    pub(super) events: Events,
    pub(super) hooks: Vec<Arc<dyn Hook>>,
    pub(super) teammates: Vec<Teammate>,
    pub(super) tasks: Vec<Task>,
}

/// A named agent of a team.
#[derive(Clone, Debug)]
pub(super) struct Teammate {
    pub(super) name: String,
    pub(super) instructions: String,
    pub(super) plans_first: bool,
}

impl AgentTeam {
    /// A team whose agents ask this model, and work in the current folder.
    pub fn new(llm: LlmConfig, config: AgentConfig) -> Self {
        Self {
            llm,
            config,
            name: None,
            source_root: None,
            work_dir: None,
            prompts: None,
            client: None,
            gate: None,
            events: Events::default(),
            hooks: Vec::new(),
            teammates: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// The same with this name: the team's files are kept with those of all teams, where `teams status NAME` and `teams report` find them, and a run adds
    /// to what is there. Without a name they are in a folder of their own, and removed at the end.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same; the agents read from this folder.
    #[must_use]
    pub fn source_root(mut self, path: impl Into<PathBuf>) -> Self {
        self.source_root = Some(path.into());
        self
    }

    /// The same; the agents write to this folder, and run their commands in it. It is where they read from, too, unless
    /// [`source_root`](Self::source_root) says otherwise.
    #[must_use]
    pub fn work_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.work_dir = Some(path.into());
        self
    }

    /// The same; this writes what the agents are told about their tasks.
    #[must_use]
    pub fn prompt_builder(mut self, prompts: Arc<dyn PromptBuilder>) -> Self {
        self.prompts = Some(prompts);
        self
    }

    /// The same; this hears what happens.
    #[must_use]
    pub fn event_channel(mut self, events: UnboundedSender<AgentEvent>) -> Self {
        self.events = Events(Some(events));
        self
    }

    /// The same; all agents ask this model instead of the one that the settings name.
    #[must_use]
    pub fn llm_client(mut self, client: Arc<dyn LlmClient>) -> Self {
        self.client = Some(client);
        self
    }

    /// The same; the agents use a tool only if this allows it. Without, they use all of their tools.
    #[must_use]
    pub fn permission_gate(mut self, gate: Arc<dyn PermissionGate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The same; this has a say in what happens. The first hook that says no counts.
    #[must_use]
    pub fn add_hook(mut self, hook: impl Hook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// The same with an agent of this name and these standing instructions. A team without any has a pool of agents.
    #[must_use]
    pub fn add_teammate(self, name: impl Into<String>, instructions: impl Into<String>) -> Self {
        self.with_teammate(name.into(), instructions.into(), false)
    }

    /// As [`add_teammate`](Self::add_teammate); the agent changes nothing until its plan is approved. Where no agent leads, the model approves plans.
    #[must_use]
    pub fn add_teammate_with_plan_approval(self, name: impl Into<String>, instructions: impl Into<String>) -> Self {
        self.with_teammate(name.into(), instructions.into(), true)
    }

    fn with_teammate(mut self, name: String, instructions: String, plans_first: bool) -> Self {
        self.teammates.push(Teammate { name, instructions, plans_first });
        self
    }

    /// The same with this task. Without any, an agent leads the team, and plans.
    #[must_use]
    pub fn add_task(mut self, task: Task) -> Self {
        self.tasks.push(task);
        self
    }

    /// Has one agent do something, without a team.
    ///
    /// # Errors
    /// No model can be asked, or the agent's turn has failed.
    pub async fn run_single(&self, prompt: impl Into<String>) -> Result<AgentLoopResult> {
        let mut agent = self.setup().agent_of(self.model()?, &self.write_side())?;
        if let Some(gate) = &self.gate {
            agent = agent.with_gate(Arc::clone(gate));
        }
        let mut agent = agent.with_subagents(SubAgentRegistry::builtin(), None);
        Ok(agent.run(prompt).await?)
    }

    /// What its agents are made of.
    pub(super) fn setup(&self) -> AgentSetup {
        let source_root = Some(self.read_side());
        let (llm, settings) = (self.llm.clone(), self.config.settings());
        AgentSetup {
            llm,
            settings,
            commands: self.config.commands.clone(),
            web: self.config.web.clone(),
            source_root,
            ..AgentSetup::default()
        }
    }

    /// The model that all agents ask, so that its limits hold for all of them together.
    pub(super) fn model(&self) -> Result<Arc<dyn LlmClient>> {
        match &self.client {
            Some(client) => Ok(Arc::clone(client)),
            None => {
                let mut llm = self.llm.clone();
                llm.context_window = self.config.max_context_tokens.or(llm.context_window);
                Ok(create_client(&llm)?)
            }
        }
    }

    pub(super) fn write_side(&self) -> PathBuf {
        absolute(self.work_dir.as_deref().or(self.source_root.as_deref()))
    }

    pub(super) fn read_side(&self) -> PathBuf {
        absolute(self.source_root.as_deref().or(self.work_dir.as_deref()))
    }
}

/// A folder as it is seen from everywhere.
fn absolute(path: Option<&Path>) -> PathBuf {
    let path = path.unwrap_or_else(|| Path::new("."));
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
