//! The agents of a team within this process: what each is made of, and what it is told for each of its turns.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use agent_backends::SpawnConfig;
use agent_backends::native::llm::{LlmClient, create_client};
use agent_backends::native::{AgentLoop, AgentSetup, BeforeTurn, Error, Result, SubAgentRegistry, ToolRegistry};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::judge::Judge;
use super::prompt::{PromptBuilder, of_the_team};
use super::task::{Task, TaskId};
use super::team_tools::add_team_tools;
use crate::model::name::{BadName, TeamName};
use crate::model::task::{self as shared, TaskStatus};
use crate::orchestrator::{Identity, TeamOrchestrator, WeakOrchestrator};
use crate::sync::lock;

/// Makes the agents of a team.
pub(super) struct Members {
    pub(super) team: TeamName,
    pub(super) setup: AgentSetup,
    pub(super) client: Arc<dyn LlmClient>,
    /// The program has given the client, so that no other model can be asked.
    pub(super) is_given: bool,
    pub(super) goal: String,
    /// Who is in the team from its beginning.
    pub(super) names: Vec<String>,
    /// The name of the agent that leads.
    pub(super) lead: Option<String>,
    pub(super) prompts: Option<Arc<dyn PromptBuilder>>,
    pub(super) work_dir: PathBuf,
    pub(super) source_root: PathBuf,
    pub(super) judge: Option<Arc<Judge>>,
    pub(super) orchestrator: Arc<OnceLock<WeakOrchestrator>>,
    /// Nobody waits for the run any more.
    pub(super) ended: CancellationToken,
    /// What each member has when it works on nothing, by name.
    pub(super) kits: Mutex<HashMap<String, Kit>>,
}

/// What a member has when it works on nothing.
#[derive(Clone)]
pub(super) struct Kit {
    who: Identity,
    /// Its tools, without those for its team.
    tools: ToolRegistry,
    /// Its standing instructions.
    prompt: String,
    /// What it has to know of its team.
    of_team: String,
    /// The attempt at a task that its last turn was about.
    begun: Option<(TaskId, u64)>,
}

impl Members {
    /// The agent of a session.
    pub(super) fn make(&self, config: &SpawnConfig, work_dir: &Path) -> Result<AgentLoop> {
        let orchestrator = self.orchestrator().ok_or_else(|| Error::Config("the team has ended".to_owned()))?;
        let name = config.name.parse().map_err(|error: BadName| Error::Config(error.to_string()))?;
        let leads_run = self.lead.as_ref() == Some(&config.name);
        let who = Identity { team: self.team.clone(), name, plans_first: config.later_mode.is_some(), leads_run };
        let mut setup = self.setup.clone();
        let others: Vec<&str> = self.names.iter().map(String::as_str).filter(|name| *name != config.name).collect();
        let of_team = of_the_team(&config.name, &config.prompt, &others, &self.goal, leads_run);
        setup.instructions.clone_from(&of_team);
        if let Some(most) = config.max_turns {
            setup.settings.max_turns = usize::try_from(most).unwrap_or(usize::MAX);
        }
        let mut agent = setup.agent_of(self.client_of(config)?, &self.folder(work_dir)?)?;
        let (tools, prompt) = (agent.tools().clone(), agent.system_prompt().to_owned());
        add_team_tools(agent.tools_mut(), &orchestrator, &who, self.judge.as_ref(), &self.ended);
        lock(&self.kits).insert(config.name.clone(), Kit { who, tools, prompt, of_team, begun: None });
        Ok(agent)
    }

    /// The model of a session, which a lead may have chosen.
    fn client_of(&self, config: &SpawnConfig) -> Result<Arc<dyn LlmClient>> {
        match &config.model {
            Some(model) if model != self.client.model() && self.is_given => Err(Error::Config(format!(
                "all agents of this team use the model {}; leave `model` out",
                self.client.model()
            ))),
            Some(model) if model != self.client.model() => {
                let mut llm = self.setup.llm.clone();
                llm.model = Some(model.clone());
                Ok(create_client(&llm)?)
            }
            _ => Ok(Arc::clone(&self.client)),
        }
    }

    /// The folder of a session, which a lead may have chosen: the team's, or one in it.
    fn folder(&self, asked: &Path) -> Result<PathBuf> {
        let folder = asked.canonicalize().unwrap_or_else(|_| asked.to_owned());
        match folder.starts_with(&self.work_dir) {
            true => Ok(folder),
            false => Err(Error::Config(format!(
                "{} is not below {}, where this team works; leave `cwd` out",
                folder.display(),
                self.work_dir.display()
            ))),
        }
    }

    fn orchestrator(&self) -> Option<TeamOrchestrator> {
        self.orchestrator.get().and_then(WeakOrchestrator::upgrade)
    }

    /// The task that a member works on, and which attempt at it that is.
    async fn task_of(&self, orchestrator: &TeamOrchestrator, member: &str) -> Option<(Task, u64)> {
        let tasks = orchestrator.list_tasks(&self.team).await.ok()?;
        let is_theirs =
            |task: &shared::Task| task.status == TaskStatus::InProgress && task.owner.as_deref() == Some(member);
        let found = tasks.tasks.iter().find(|task| is_theirs(task))?;
        Some((Task::of_shared(found, &tasks.tasks), found.work().attempt))
    }
}

#[async_trait]
impl BeforeTurn for Members {
    async fn before_turn(&self, session: &str, agent: &mut AgentLoop, input: String) -> String {
        let (Some(prompts), Some(orchestrator)) = (&self.prompts, self.orchestrator()) else { return input };
        let Some(kit) = lock(&self.kits).get(session).cloned() else { return input };
        let work = self.task_of(&orchestrator, session).await;
        let (prompt, mut tools) = match &work {
            None => (kit.prompt.clone(), kit.tools.clone()),
            Some((task, _)) => {
                let prompt = prompts.build_system_prompt(task, &self.source_root, &self.work_dir);
                (format!("{prompt}\n\n{}", kit.of_team), prompts.customize_tools(task, kit.tools.clone()))
            }
        };
        add_team_tools(&mut tools, &orchestrator, &kit.who, self.judge.as_ref(), &self.ended);
        agent.set_system_prompt(prompt);
        *agent.tools_mut() = tools;
        agent.set_subagents(SubAgentRegistry::builtin(), None);
        let about = work.as_ref().map(|(task, attempt)| (task.id, *attempt));
        let known = lock(&self.kits).get_mut(session).and_then(|kit| std::mem::replace(&mut kit.begun, about));
        match work {
            // It is told once what it is to do.
            Some((task, _)) if known != about => format!("{}\n\n{input}", prompts.build_user_message(&task)),
            _ => input,
        }
    }
}
