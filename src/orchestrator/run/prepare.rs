//! Sets up what a team file describes: the team's policy, its members and its tasks. What is there already is left as it is, so that it can
//! be done again after a crash.

use std::collections::HashMap;
use std::path::Path;

use agent_backends::{BackendType, Command, PermissionMode, SpawnConfig};
use tokio::task::JoinSet;

use super::lead::MAY_START;
use super::options::RunOptions;
use crate::error::{Error, Result};
use crate::model::hook::{HOOK_TIMEOUT_MS, HookCommand};
use crate::model::launch::{Supervise, WorktreeBranch};
use crate::model::name::TeamName;
use crate::model::run::RunId;
use crate::model::status::MemberStatus;
use crate::model::task::CreateTaskRequest;
use crate::model::team_file::{AUTO, HookSection, MemberSection, TeamFile, WorktreeKey};
use crate::model::time::milliseconds;
use crate::model::work::TaskPlan;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::members::auto::AutoSpawn;
use crate::sync::lock;

/// What is done about a member of the file that the team has already, and that does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It goes on with its conversation.
    Resume,
    /// It begins a new one.
    Replace,
}

impl TeamOrchestrator {
    /// Starts the members of a team file that do not run, each with its conversation if it has one, and sets the team's policy and budget as
    /// the file says. The team is created if there is none.
    ///
    /// # Errors
    /// A member cannot be started; those that could be run on.
    pub async fn up(&self, file: &TeamFile, options: &RunOptions) -> Result<Vec<MemberStatus>> {
        let team: TeamName = file.team.name.parse()?;
        self.ensure_team(&team, file, options).await?;
        self.set_up_policy(&team, file, options).await?;
        self.ensure_members(&team, file, options, Known::Resume).await?;
        Ok(self.status(&team).await?.members)
    }

    pub(super) async fn ensure_team(&self, team: &TeamName, file: &TeamFile, options: &RunOptions) -> Result<()> {
        let wanted = team.clone();
        if self.with_store(move |store| Ok(store.has_team(&wanted))).await? {
            return Ok(());
        }
        self.create_team_in(team, file.team.description.as_deref(), options.folder.clone()).await
    }

    pub(super) async fn set_up_policy(&self, team: &TeamName, file: &TeamFile, options: &RunOptions) -> Result<()> {
        *lock(&self.runtime(team)?.hook_environment) = options.surroundings.environment.clone();
        if let Some(on) = file.team.checkpoints {
            self.set_checkpoints(team, on).await?;
        }
        let hook = |hook: &HookSection| HookCommand {
            event: hook.event,
            command: hook.command.clone(),
            timeout_ms: hook.timeout.map_or(HOOK_TIMEOUT_MS, milliseconds),
            cwd: options.folder.clone(),
        };
        self.edit_policy(team, |policy| {
            policy.approvals = file.approvals();
            policy.hooks = file.hooks.iter().map(hook).collect();
            policy.budget = file.budget.to_budget();
            if let Some(lead) = &file.lead {
                // It grants what it may do itself.
                policy.approvals.lead_mode =
                    lead.permission_mode.as_deref().map(PermissionMode::from).unwrap_or_default();
                let members = file.members().len() as u64 + 1 + MAY_START;
                policy.budget.members.get_or_insert(members);
            }
            for (name, member) in file.members() {
                match member.budget.to_budget() {
                    budget if budget == Default::default() => policy.budgets.remove(&name),
                    budget => policy.budgets.insert(name, budget),
                };
            }
        })
    }

    /// Starts those members of the file that do not run, all at the same time.
    pub(super) async fn ensure_members(
        &self,
        team: &TeamName,
        file: &TeamFile,
        options: &RunOptions,
        known: Known,
    ) -> Result<()> {
        let mut starts = JoinSet::new();
        for (name, section) in file.members() {
            let (this, team, options) = (self.clone(), team.clone(), options.clone());
            let file = file.clone();
            starts.spawn(async move { this.ensure_member(&team, (&file, &name, &section), &options, known).await });
        }
        starts.join_all().await.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(())
    }

    async fn ensure_member(
        &self,
        team: &TeamName,
        (file, name, section): (&TeamFile, &str, &MemberSection),
        options: &RunOptions,
        known: Known,
    ) -> Result<()> {
        if self.is_running(team, name) {
            return Ok(());
        }
        let is_ours = self.roster(team).await?.member(name).is_some_and(|member| member.launch.is_some());
        if is_ours && known == Known::Resume {
            // What was given at the spawn was kept nowhere.
            let mut surroundings = options.surroundings.clone();
            let environment = surroundings.environment.get_or_insert_with(crate::paths::own_environment);
            environment.extend(section.env.clone());
            return match self.resume_member(team, name, &surroundings).await {
                Err(Error::Running { .. }) => Ok(()),
                resumed => resumed.map(drop),
            };
        }
        match self.launch_of_section(name, section, options)? {
            (Some(backend), spawn) => {
                self.spawn_teammate_with(team, spawn.config, backend, spawn.supervise).await.map(drop)
            }
            (None, spawn) => {
                let only = wanted_of(file, name).map(str::parse).transpose()?;
                let spawn = AutoSpawn { work: work_of(file, name), only, ..spawn };
                self.spawn_auto(team, spawn).await.map(drop)
            }
        }
    }

    /// How a member of a file is started; without a backend where that is to be chosen.
    pub(super) fn launch_of_section(
        &self,
        name: &str,
        section: &MemberSection,
        options: &RunOptions,
    ) -> Result<(Option<BackendType>, AutoSpawn)> {
        let surroundings = &options.surroundings;
        let backend = match section.backend.as_deref() {
            None => Some(BackendType::KNOWN[0]),
            Some(AUTO) => None,
            Some(name) => Some(name.parse()?),
        };
        let prompt = match (&section.prompt, &section.prompt_file) {
            (Some(prompt), _) => prompt.clone(),
            (None, Some(file)) => {
                let path = options.folder.join(file);
                std::fs::read_to_string(&path).map_err(Error::io("read the instructions in", path))?
            }
            (None, None) => String::new(),
        };
        let mut config = SpawnConfig::new(name, prompt);
        config.model = section.model.clone();
        config.effort = section.effort.clone();
        config.cwd = Some(section.cwd_from(&options.folder));
        config.permission_mode = section.permission_mode.as_deref().map(PermissionMode::from);
        config.max_turns = section.max_turns;
        config.env = section.env.clone();
        config.inherit_env = surroundings.environment.clone();
        config.umask = surroundings.umask;
        config.command = match &section.command {
            Some(text) => Some(command(text, &options.folder)?),
            None => backend.and_then(|backend| surroundings.commands.get(&backend).cloned()),
        };
        let supervise = Supervise {
            worktree: match &section.worktree {
                Some(WorktreeKey::Own(true)) => Some(WorktreeBranch::Own),
                Some(WorktreeKey::Branch(branch)) => Some(WorktreeBranch::Named(branch.clone())),
                _ => None,
            },
            plan_approval: section.plan_approval.unwrap_or_default(),
            restart: section.restart.unwrap_or_default(),
            if_lost: section.if_lost.unwrap_or_default(),
            limits: section.turn_limits(),
            work: section.works(),
            capabilities: section.capabilities.clone(),
            leads: false,
            adopt: None,
            on_lead_exit: Default::default(),
            routed: None,
        };
        let commands = surroundings.commands.clone();
        Ok((backend, AutoSpawn { config, supervise, commands, work: String::new(), only: None }))
    }

    /// Adds the tasks of the file that the run does not have yet, each after those that it waits for.
    pub(super) async fn ensure_tasks(&self, team: &TeamName, run: &RunId, file: &TeamFile) -> Result<()> {
        let run = run.to_string();
        let mut ids: HashMap<String, String> = HashMap::new();
        for task in &self.list_tasks(team).await?.tasks {
            let plan = task.work().plan;
            if let Some(name) = plan.name.filter(|_| plan.run.as_ref() == Some(&run)) {
                ids.insert(name, task.id.to_string());
            }
        }
        let mut left: Vec<_> = file.tasks.iter().filter(|task| !ids.contains_key(&task.name)).collect();
        while !left.is_empty() {
            let ready = |ids: &HashMap<String, String>, on: &[String]| on.iter().all(|name| ids.contains_key(name));
            // A file that was checked has no circle.
            let Some(place) = left.iter().position(|task| ready(&ids, &task.depends_on)) else { break };
            let task = left.remove(place);
            let request = CreateTaskRequest {
                subject: task.subject().to_owned(),
                description: task.description.clone(),
                active_form: None,
                owner: task.owner.clone(),
                blocked_by: task.depends_on.iter().filter_map(|name| ids.get(name).cloned()).collect(),
                plan: TaskPlan {
                    run: Some(run.clone()),
                    name: Some(task.name.clone()),
                    priority: task.priority,
                    max_retries: task.max_retries,
                    wants: task.wants.clone(),
                    target_file: task.target_file.clone(),
                    context: task.context.clone(),
                },
            };
            let created = self.create_task(team, request).await?;
            ids.insert(task.name.clone(), created.id.to_string());
        }
        Ok(())
    }
}

/// What the file has a member do, beside its instructions: the tasks that are its own.
fn work_of(file: &TeamFile, name: &str) -> String {
    let own = file.tasks.iter().filter(|task| task.owner.as_deref() == Some(name));
    let texts = own.flat_map(|task| [Some(task.subject()), task.description.as_deref()]).flatten();
    texts.collect::<Vec<_>>().join("\n")
}

/// The backend that tasks want of this member: each that tasks want, and that no member has by its file, is for one of those whose backend is chosen.
fn wanted_of<'a>(file: &'a TeamFile, name: &str) -> Option<&'a str> {
    let members = file.members();
    let parsed = |name: &str| name.parse::<BackendType>().ok();
    let backend = |section: &MemberSection| section.backend.as_deref().map_or(Some(BackendType::KNOWN[0]), parsed);
    let is_chosen = |section: &MemberSection| section.backend.as_deref() == Some(AUTO);
    let had: Vec<BackendType> =
        members.iter().filter(|(_, it)| !is_chosen(it)).filter_map(|(_, it)| backend(it)).collect();
    let mut missing: Vec<&str> = Vec::new();
    let open = file.tasks.iter().filter(|task| task.owner.is_none());
    for wanted in open.filter_map(|task| task.wants.backend.as_deref()) {
        let is_new = parsed(wanted).is_some_and(|of| !missing.iter().any(|known| parsed(known) == Some(of)));
        if is_new && !parsed(wanted).is_some_and(|of| had.contains(&of)) {
            missing.push(wanted);
        }
    }
    let place = members.iter().filter(|(_, it)| is_chosen(it) && it.works()).position(|(other, _)| other == name);
    missing.get(place?).copied()
}

/// A command of a file; a program with a slash is seen from the file's folder.
fn command(text: &str, folder: &Path) -> Result<Command> {
    let bad = || Error::BadCommand { command: text.to_owned() };
    let mut words = shell_words::split(text).map_err(|_| bad())?;
    let program = words.first_mut().ok_or_else(bad)?;
    if program.contains('/') {
        *program = folder.join(&*program).to_string_lossy().into_owned();
    }
    Command::try_from(words).map_err(|_| bad())
}
