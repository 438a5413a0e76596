//! The program as a lead calls it: for one teammate, in the pane that was opened for it.

use std::path::Path;

use agent_backends::claude::lead::TeammateCall;
use agent_backends::{AgentBackend, BackendType, PermissionMode, known};
use anyhow::Context as _;

use super::panes;
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, SpawnParams};
use crate::model::launch::Adoption;
use crate::model::status::MemberStatus;
use crate::model::team::{IfLost, OnLeadExit, RestartPolicy, TurnLimits};
use crate::paths;

/// What a type of agent begins with that our plugin brings.
const OF_PLUGIN: &str = "teams:";
/// The types that are an agent without a definition of its own.
const PLAIN: [&str; 2] = ["general-purpose", "claude"];

/// Has the daemon adopt the member that the lead calls for: its entry stays as the lead has written it.
///
/// # Errors
/// Its backend is not installed or cannot be started, or there is no such entry. The lead is told, too.
pub(crate) async fn adopt(connection: &Connection, call: TeammateCall) -> anyhow::Result<MemberStatus> {
    let surroundings = surroundings(connection)?;
    let (backend, agent) = backend_of(call.agent_type.as_deref()).context("no backend has types of agents")?;
    let is_leads_kind = known::backend(backend).is_some_and(|known| known.capabilities().agent_types);
    let mut environment = surroundings.environment.unwrap_or_default();
    without_stand_in(&mut environment, &connection.daemon.state_dir);
    let params = SpawnParams {
        team: call.team,
        name: Some(call.name),
        backend,
        prompt: String::new(),
        // Of another make it is not.
        model: call.model.filter(|_| is_leads_kind),
        effort: None,
        cwd: surroundings.cwd.context("the folder that the lead works in is gone")?,
        permission_mode: Some(mode(call.permission_mode)),
        environment,
        env: Default::default(),
        umask: surroundings.umask,
        max_turns: None,
        resume: None,
        command: surroundings.commands.get(&backend).cloned(),
        ready_timeout_ms: None,
        stop_grace_ms: None,
        worktree: None,
        plan_approval: call.plan_required,
        restart: RestartPolicy::default(),
        if_lost: IfLost::default(),
        limits: TurnLimits::default(),
        work: false,
        capabilities: Vec::new(),
        extra_args: agent.map(|agent| vec!["--agent".to_owned(), agent]).unwrap_or_default(),
        on_lead_exit: on_lead_exit(),
        adopt: Some(Adoption { lead_key: call.lead_key }),
    };
    Ok(connection.call(params).await?)
}

/// The backend that a type of agent names; where it names none, the one that has such types, and the type.
fn backend_of(agent_type: Option<&str>) -> Option<(BackendType, Option<String>)> {
    let own = agent_type.map(|name| name.strip_prefix(OF_PLUGIN).unwrap_or(name));
    if let Some(backend) = own.and_then(|name| types().find(|(known, _)| known == name)) {
        return Some((backend.1, None));
    }
    let leads = known::backends().find(|backend| backend.capabilities().agent_types)?;
    let agent = agent_type.filter(|name| !PLAIN.contains(name)).map(str::to_owned);
    Some((leads.backend_type(), agent))
}

/// The types of agents that name a backend.
pub(super) fn types() -> impl Iterator<Item = (String, BackendType)> {
    let other = |backend: &dyn AgentBackend| {
        let capabilities = backend.capabilities();
        !capabilities.agent_types && !capabilities.any_program
    };
    known::backends().filter(move |backend| other(&**backend)).map(|backend| {
        let backend = backend.backend_type();
        (backend.short_name().to_owned(), backend)
    })
}

/// What the person who has started the lead wants to become of its teammates.
fn on_lead_exit() -> OnLeadExit {
    let said = std::env::var(paths::LEAD_EXIT_VARIABLE).ok();
    said.and_then(|said| serde_json::from_value(said.into()).ok()).unwrap_or_default()
}

/// What a member may do; where the lead has a word for it that is its own, it asks.
fn mode(mode: Option<PermissionMode>) -> PermissionMode {
    match mode {
        None | Some(PermissionMode::Other(_)) => PermissionMode::Default,
        Some(mode) => mode,
    }
}

/// A member's shell has the real `tmux`.
fn without_stand_in(environment: &mut std::collections::BTreeMap<String, String>, state_dir: &Path) {
    let stand_in = panes::stand_in(state_dir);
    if let Some(path) = environment.get_mut("PATH") {
        let kept: Vec<&str> = path.split(':').filter(|folder| Path::new(folder) != stand_in).collect();
        *path = kept.join(":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_names_a_backend_or_an_agent_of_the_leads_own() {
        let leads = known::backends().find(|backend| backend.capabilities().agent_types).unwrap().backend_type();
        for (name, backend) in types() {
            assert_eq!(backend_of(Some(&name)), Some((backend, None)));
            assert_eq!(backend_of(Some(&format!("teams:{name}"))), Some((backend, None)));
        }
        assert!(types().any(|(name, _)| name == "codex"));
        assert_eq!(backend_of(None), Some((leads, None)));
        assert_eq!(backend_of(Some("general-purpose")), Some((leads, None)));
        assert_eq!(backend_of(Some("my-reviewer")), Some((leads, Some("my-reviewer".into()))));
        assert_eq!(mode(Some("dontAsk".into())), PermissionMode::Default);
    }
}
