//! Chooses a backend for a member that is started with backend `auto`: looks at what is there, and has the router decide.

use std::collections::{BTreeMap, HashMap, HashSet};

use agent_backends::simulate::is_simulated;
use agent_backends::{AgentBackend, BackendError, BackendType, Command, SpawnConfig, discover};

use crate::error::{Error, Result};
use crate::model::launch::Supervise;
use crate::model::name::TeamName;
use crate::model::status::MemberStatus;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::routing::{Candidate, Measured, Need, Route, RouteRequest};

/// How a member is started whose backend is to be chosen.
#[derive(Clone, Debug)]
pub(crate) struct AutoSpawn {
    /// All but its backend's command; without a name it gets one after its backend.
    pub(crate) config: SpawnConfig,
    pub(crate) supervise: Supervise,
    /// How to call the agents, where that is not as the backends would.
    pub(crate) commands: BTreeMap<BackendType, Command>,
    /// What it will have to do, as far as that is known, beside its instructions.
    pub(crate) work: String,
    /// The only one that will do, because its tasks want it.
    pub(crate) only: Option<BackendType>,
}

/// What becomes of a choice.
pub(crate) enum Attempt<'a> {
    /// A member of this name is started so.
    Begins(&'a str, &'a Route),
    /// That did not come about, and another choice is made.
    LeftOut(&'a str),
}

/// A choice that may have to be made again, when what was chosen cannot be started.
struct Choice {
    request: RouteRequest,
    candidates: Vec<Candidate>,
    /// What was chosen, and could not be started.
    failed: Vec<String>,
}

impl Choice {
    /// Leaves out what was chosen, when this error says that the agent cannot be used here. Whether another may be chosen.
    fn leave_out(&mut self, backend: BackendType, error: &Error) -> bool {
        let cannot_be_used = matches!(
            error,
            Error::Backend(
                BackendError::ProgramMissing { .. }
                    | BackendError::Start { .. }
                    | BackendError::NotReady { .. }
                    | BackendError::NotLoggedIn { .. }
                    | BackendError::Unsupported { .. }
                    | BackendError::Timeout { .. }
            )
        );
        let found = self.candidates.iter_mut().find(|candidate| candidate.backend == backend);
        let Some(candidate) = found.filter(|_| cannot_be_used) else { return false };
        candidate.unusable = Some(in_a_line(&error.to_string()));
        self.failed.push(backend.to_string());
        true
    }
}

/// An agent's last words may have lines.
fn in_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl TeamOrchestrator {
    /// Starts a member with the backend that the router chooses. One that turns out not to be usable here is left out, and another one chosen.
    ///
    /// # Errors
    /// No backend can be used, and why each of them cannot; or as [`spawn_teammate`](Self::spawn_teammate).
    pub(crate) async fn spawn_auto(&self, team: &str, spawn: AutoSpawn) -> Result<MemberStatus> {
        self.spawn_auto_told(team, spawn, |_| {}).await
    }

    /// As [`spawn_auto`](Self::spawn_auto); `told` hears of each choice.
    pub(crate) async fn spawn_auto_told(
        &self,
        team: &str,
        spawn: AutoSpawn,
        told: impl Fn(Attempt<'_>) + Send + Sync,
    ) -> Result<MemberStatus> {
        let mut choice = self.choice(team, &spawn).await?;
        loop {
            let route = self.choose(&choice)?;
            let (config, supervise) = self.as_chosen(team, &spawn, &route).await?;
            let name = config.name.clone();
            told(Attempt::Begins(&name, &route));
            match self.spawn_teammate_with(team, config, route.backend, supervise).await {
                Err(error) if choice.leave_out(route.backend, &error) => told(Attempt::LeftOut(&name)),
                done => return done,
            }
        }
    }

    /// How the member is started with what was chosen.
    async fn as_chosen(&self, team: &str, spawn: &AutoSpawn, route: &Route) -> Result<(SpawnConfig, Supervise)> {
        let mut config = spawn.config.clone();
        if config.name.is_empty() {
            config.name = self.free_name(team, route.backend.short_name()).await?;
        }
        config.command = spawn.commands.get(&route.backend).cloned();
        let supervise = Supervise { routed: Some(route.reason.clone()), ..spawn.supervise.clone() };
        Ok((config, supervise))
    }

    /// The name for a member that has none: `gemini`, `gemini-2`, … .
    ///
    /// # Errors
    /// There is no such team.
    pub(crate) async fn free_name(&self, team: &str, short: &str) -> Result<String> {
        let status = self.status(team).await?;
        // Nobody is replaced without being named: an ended member's conversation could still be continued.
        let taken: HashSet<String> = status.members.into_iter().map(|member| member.name).collect();
        let numbered = (2..).map(|number| format!("{short}-{number}"));
        let mut names = std::iter::once(short.to_owned()).chain(numbered);
        Ok(names.find(|name| !taken.contains(name)).unwrap_or_default())
    }

    /// What there is to choose from.
    async fn choice(&self, team: &str, spawn: &AutoSpawn) -> Result<Choice> {
        if spawn.config.resume.is_some() {
            return Err(Error::WhoseConversation);
        }
        if spawn.config.command.is_some() {
            return Err(Error::WhoseCommand);
        }
        let team: TeamName = team.parse()?;
        // Before anything is looked for.
        self.roster(&team).await?;
        let measured = self.measured(&team).await;
        let mut known: Vec<BackendType> = self.inner.backends.keys().copied().collect();
        let place = |name: &BackendType| BackendType::KNOWN.iter().position(|known| known == name);
        known.sort_by_key(|name| (place(name).unwrap_or(usize::MAX), *name));
        let candidates =
            known.iter().filter_map(|name| Some(self.candidate(&self.inner.backends.get(name)?.0, spawn, &measured)));
        let candidates = candidates.collect();
        let text = format!("{}\n{}", spawn.config.prompt, spawn.work).trim().to_owned();
        let name = Some(spawn.config.name.clone()).filter(|name| !name.is_empty());
        let needs = if spawn.supervise.plan_approval { vec![Need::ChangesMode] } else { Vec::new() };
        let request = RouteRequest { name, text, model: spawn.config.model.clone(), needs };
        Ok(Choice { request, candidates, failed: Vec::new() })
    }

    fn candidate(
        &self,
        backend: &std::sync::Arc<dyn AgentBackend>,
        spawn: &AutoSpawn,
        measured: &HashMap<BackendType, Measured>,
    ) -> Candidate {
        let name = backend.backend_type();
        let unusable = match spawn.only.filter(|only| *only != name) {
            Some(only) => Some(format!("a task wants {only}, which nobody else in the team is")),
            None => unusable(&**backend, spawn),
        };
        Candidate {
            backend: name,
            capabilities: backend.capabilities(),
            unusable,
            runs_model: spawn.config.model.as_deref().and_then(|model| backend.runs_model(model)),
            measured: measured.get(&name).cloned().unwrap_or_default(),
        }
    }

    /// Has the router choose.
    fn choose(&self, choice: &Choice) -> Result<Route> {
        let Choice { request, candidates, failed } = choice;
        let why_not = |candidate: &Candidate| Some((candidate.backend.to_string(), candidate.fits(request).err()?));
        let Some(mut route) = self.inner.router.0.route(request, candidates) else {
            return Err(Error::NoRoute { why: candidates.iter().filter_map(why_not).collect() });
        };
        let chosen = candidates.iter().find(|candidate| candidate.backend == route.backend);
        let reason = match chosen.map(|candidate| candidate.fits(request)) {
            Some(Ok(())) => None,
            Some(Err(reason)) => Some(reason),
            None => Some("no such backend is set up".to_owned()),
        };
        if let Some(reason) = reason {
            let router = self.inner.router.0.name().to_owned();
            return Err(Error::BadRoute { router, backend: route.backend.to_string(), reason });
        }
        if !failed.is_empty() {
            route.reason.push_str(&format!(", after {} could not be started", failed.join(" and ")));
        }
        Ok(route)
    }
}

/// Why a backend cannot be used as this member is to be started, as far as that shows without starting it.
fn unusable(backend: &dyn AgentBackend, spawn: &AutoSpawn) -> Option<String> {
    let (name, config) = (backend.backend_type(), &spawn.config);
    if backend.capabilities().any_program && backend.default_command().is_none() {
        return Some(format!("which program it runs, only a person says: --backend {name} --command \"PROGRAM ARGS\""));
    }
    if let Some(what) = backend.refuses(config) {
        return Some(format!("it cannot {what}"));
    }
    let command = spawn.commands.get(&name).cloned().or_else(|| backend.default_command());
    // A backend of a program's own may need none.
    let command = command?;
    if is_simulated(&command) {
        return None;
    }
    let path = config.variable("PATH");
    match discover::find(name, command.program(), path.as_deref(), backend.npm_package()) {
        Err(BackendError::ProgramMissing { program, remedy, .. }) => {
            Some(format!("the program `{program}` was not found; {remedy}"))
        }
        Err(error) => Some(error.to_string()),
        Ok(_) => backend.lacks_login(config),
    }
}
