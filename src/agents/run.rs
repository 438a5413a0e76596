//! Runs a team of agents within this process: as a run of a team file that is made up for it, on an orchestrator of its own.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

use agent_backends::PermissionMode;
use agent_backends::native::{InProcessBackend, SubAgentRegistry};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::errors::{Error, Result};
use super::events::{AgentEvent, Translator};
use super::hooks::{Hooks, text_of};
use super::judge::Judge;
use super::members::Members;
use super::result::{ExecutionSummary, TeamResult};
use super::task::{ASSIGNED, Task, TaskId};
use super::team::AgentTeam;
use crate::model::approval::Verdict;
use crate::model::name::{AgentName, TeamName};
use crate::model::team_file::{LEAD_NAME, MemberSection, TaskSection, TeamFile, TeamSection};
use crate::orchestrator::{RunOptions, TeamOrchestrator};

/// What a team is called that has no name.
const NAMELESS: &str = "agents";
/// What the agents of a pool are called, before their number.
const POOL: &str = "agent";

impl AgentTeam {
    /// Has the team reach a goal, and waits for its end. The given tasks are the plan; without any, a lead is asked to plan, to start agents, and to say when
    /// the goal is reached.
    ///
    /// # Errors
    /// No model can be asked, a task waits for one that is not there, a name is bad, or the team's files cannot be written. That tasks fail is no error: see the
    /// [summary](super::ExecutionSummary).
    pub async fn run(&self, goal: impl Into<String>) -> Result<TeamResult> {
        run(self, &goal.into()).await.map(TeamResult::Team)
    }
}

async fn run(team: &AgentTeam, goal: &str) -> Result<ExecutionSummary> {
    check(team)?;
    let client = team.model()?;
    let name: TeamName = team.name.as_deref().unwrap_or(NAMELESS).parse().map_err(crate::error::Error::from)?;
    // Removed at the end, after the orchestrator, which is dropped first.
    let (_files, builder) = match &team.name {
        Some(_) => (None, TeamOrchestrator::builder()),
        None => {
            let files = TempDir::with_prefix("agent-team-").map_err(Error::Folder)?;
            let dir = files.path();
            let builder = TeamOrchestrator::builder()
                .teams_base(dir.join("teams"))
                .tasks_base(dir.join("tasks"))
                .state_dir(dir.join("state"));
            (Some(files), builder)
        }
    };
    // Whatever happens: a call of a tool that waits would keep what it waits for.
    let ended = CancellationToken::new();
    let _end = ended.clone().drop_guard();
    let orchestrator = Arc::new(OnceLock::new());
    let hooks = Hooks::new(team.hooks.clone(), Arc::clone(&orchestrator));
    let tasks = wanted(team, &hooks).await?;
    let leads = tasks.is_empty();
    let file = file(team, &name, &tasks);
    let judge = (!leads).then(|| Arc::new(Judge::new(Arc::clone(&client), team.config.settings(), goal)));
    let judged = judge.clone();
    let members = Arc::new(Members {
        team: name.clone(),
        setup: team.setup(),
        client,
        goal: goal.to_owned(),
        names: file.members.iter().filter_map(|member| member.name.clone()).collect(),
        lead: leads.then(|| LEAD_NAME.to_owned()),
        prompts: team.prompts.clone(),
        work_dir: team.write_side(),
        source_root: team.read_side(),
        judge,
        orchestrator: Arc::clone(&orchestrator),
        is_given: team.client.is_some(),
        ended: ended.clone(),
        kits: Mutex::default(),
    });
    let maker = Arc::clone(&members);
    let mut backend = InProcessBackend::made_by(move |config, work_dir| maker.make(config, work_dir))
        .with_subagents(SubAgentRegistry::builtin())
        .with_before_turn(members);
    if let Some(gate) = &team.gate {
        backend = backend.with_gate(Arc::clone(gate));
    }
    let running = builder.with_backend(backend).hook(hooks).build()?;
    // It is empty: nobody else has it yet.
    let _ = orchestrator.set(running.downgrade());
    let options = RunOptions {
        folder: team.write_side(),
        goal: leads.then(|| goal.to_owned()),
        timeout: team.config.timeout,
        // Its agents ask nobody: what they may do has been decided.
        attended: true,
        ..RunOptions::default()
    };
    // A program that was killed, or that did not wait, has left it.
    running.give_up_interrupted_run(&name).await?;
    let mut run = running.run(&file, options).await?;
    team.events.tell(AgentEvent::TeamSpawned { team: name.to_string(), goal: goal.to_owned() });
    let mut events = run.events().await?;
    let (listener, told, team_name) = (running.downgrade(), team.events.clone(), name.to_string());
    let listening = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut translator = Translator::default();
        while let Some(event) = events.next().await {
            let Some(orchestrator) = listener.upgrade() else { return };
            let event = translator.translate(&orchestrator, &team_name, &event).await;
            let is_last = matches!(event, Some(AgentEvent::TeamFinished { .. }));
            event.into_iter().for_each(|event| told.tell(event));
            if is_last {
                return;
            }
        }
    }));
    let report = run.wait().await?;
    // The end of the run is the last that is told.
    let _ = listening.await;
    let mut summary = ExecutionSummary::from(report);
    if let Some(judge) = judged {
        summary.count(judge.spent());
    }
    Ok(summary)
}

/// That the tasks and the teammates fit together.
fn check(team: &AgentTeam) -> Result<()> {
    let mut names = HashSet::new();
    for teammate in &team.teammates {
        AgentName::for_member(&teammate.name).map_err(crate::error::Error::from)?;
        if teammate.name == LEAD_NAME && team.tasks.is_empty() {
            return Err(Error::NameOfLead(teammate.name.clone()));
        }
        if !names.insert(teammate.name.as_str()) {
            return Err(Error::SameTeammate(teammate.name.clone()));
        }
    }
    let mut ids = HashSet::new();
    for task in &team.tasks {
        if !ids.insert(task.id) {
            return Err(Error::SameTask(task.id));
        }
        if let Some(teammate) = task.assigned().filter(|name| !names.contains(name)) {
            let known = team.teammates.iter().map(|teammate| teammate.name.clone()).collect();
            let (task, teammate) = (task.title.clone(), teammate.to_owned());
            return Err(Error::UnknownTeammate { task, teammate, known });
        }
    }
    for task in &team.tasks {
        if let Some(missing) = task.dependencies.iter().find(|id| !ids.contains(id)) {
            return Err(Error::UnknownDependency { task: task.title.clone(), missing: *missing });
        }
    }
    // What is left when everything that can be done is done waits for itself.
    let mut left: Vec<&Task> = team.tasks.iter().collect();
    let mut done: HashSet<TaskId> = HashSet::new();
    loop {
        let before = left.len();
        left.retain(|task| {
            let ready = task.dependencies.iter().all(|id| done.contains(id));
            if ready {
                done.insert(task.id);
            }
            !ready
        });
        match left.len() {
            0 => return Ok(()),
            now if now == before => return Err(Error::Cycle(left.iter().map(|task| task.title.clone()).collect())),
            _ => {}
        }
    }
}

/// The tasks that no hook refuses. What waits for one that is refused is refused with it.
async fn wanted(team: &AgentTeam, hooks: &Hooks) -> Result<Vec<Task>> {
    if team.hooks.is_empty() {
        return Ok(team.tasks.clone());
    }
    let mut refused: HashMap<TaskId, String> = HashMap::new();
    for task in &team.tasks {
        if let Some(feedback) = hooks.refuses(task).await {
            let event = crate::model::hook::HookEvent::TaskCreated.as_str().to_owned();
            team.events.tell(AgentEvent::HookRejected { event, feedback: feedback.clone() });
            refused.insert(task.id, feedback);
        }
    }
    loop {
        let waits = team.tasks.iter().find(|task| {
            !refused.contains_key(&task.id) && task.dependencies.iter().any(|id| refused.contains_key(id))
        });
        let Some(task) = waits else { break };
        refused.insert(task.id, "it waits for a task that was refused".to_owned());
    }
    let kept: Vec<Task> = team.tasks.iter().filter(|task| !refused.contains_key(&task.id)).cloned().collect();
    if kept.is_empty() && !team.tasks.is_empty() {
        return Err(Error::AllRefused(refused.into_values().next().unwrap_or_default()));
    }
    hooks.accepted(&kept);
    Ok(kept)
}

/// The team file that the run is one of.
fn file(team: &AgentTeam, name: &TeamName, tasks: &[Task]) -> TeamFile {
    let mut members: Vec<MemberSection> = team
        .teammates
        .iter()
        .map(|teammate| MemberSection {
            name: Some(teammate.name.clone()),
            prompt: Some(teammate.instructions.clone()),
            plan_approval: Some(teammate.plans_first),
            ..MemberSection::default()
        })
        .collect();
    if members.is_empty() && !tasks.is_empty() {
        let count = tasks.len().min(team.config.max_parallel_agents.max(1));
        let name = |number: usize| MemberSection { name: Some(format!("{POOL}-{number}")), ..MemberSection::default() };
        members = (1..=count).map(name).collect();
    }
    let defaults = MemberSection {
        backend: Some(InProcessBackend::KIND.to_string()),
        permission_mode: Some(PermissionMode::BypassPermissions.to_string()),
        ..MemberSection::default()
    };
    let mut file = TeamFile {
        team: TeamSection { name: name.to_string(), ..TeamSection::default() },
        members,
        tasks: tasks.iter().map(|task| section(team, task)).collect(),
        ..TeamFile::default()
    };
    file.policy.otherwise = Verdict::Allow;
    if tasks.is_empty() {
        let most = team.config.max_parallel_agents.max(file.members.len()) as u64 + 1;
        file.budget.members = Some(most);
        file.lead = Some(defaults.clone());
    }
    file.defaults = defaults;
    file
}

fn section(team: &AgentTeam, task: &Task) -> TaskSection {
    let target_file = Some(task.target_file.to_string_lossy().into_owned()).filter(|path| !path.is_empty());
    let mut context = task.shared_context();
    let owner = task.assigned().map(str::to_owned);
    context.shift_remove(ASSIGNED);
    TaskSection {
        name: task.id.to_string(),
        subject: Some(task.title.clone()),
        description: Some(text_of(task)),
        owner,
        depends_on: task.dependencies.iter().map(TaskId::to_string).collect(),
        priority: task.priority,
        max_retries: Some(task.max_retries.unwrap_or(team.config.max_task_retries)),
        target_file,
        context,
        ..TaskSection::default()
    }
}
