//! The program as a lead calls it: for one teammate, in the pane that was opened for it.

use std::path::Path;

use agent_backends::claude::lead::TeammateCall;
use agent_backends::{PermissionMode, known};
use anyhow::Context as _;

use super::kinds::Kind;
use super::panes;
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, SpawnParams};
use crate::model::launch::Adoption;
use crate::model::status::MemberStatus;
use crate::model::team::{IfLost, OnLeadExit, RestartPolicy, TurnLimits};
use crate::paths;

/// Has the daemon adopt the member that the lead calls for: its entry stays as the lead has written it.
///
/// # Errors
/// Its backend is not installed or cannot be started, or there is no such entry. The lead is told, too.
pub(crate) async fn adopt(connection: &Connection, call: TeammateCall) -> anyhow::Result<MemberStatus> {
    let surroundings = surroundings(connection)?;
    let cwd = surroundings.cwd.context("the folder that the lead works in is gone")?;
    let kind = Kind::named(call.agent_type.as_deref(), &cwd).context("no backend has definitions of agents")?;
    let backend = kind.backend;
    let is_leads_kind = known::backend(backend).is_some_and(|known| known.capabilities().agent_types);
    let mut environment = surroundings.environment.unwrap_or_default();
    without_stand_in(&mut environment, &connection.daemon.state_dir);
    let params = SpawnParams {
        team: call.team,
        name: Some(call.name),
        backend,
        prompt: kind.prompt,
        // Of another make it is not the lead's.
        model: kind.model.or(call.model.filter(|_| is_leads_kind)),
        effort: kind.effort,
        cwd,
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
        plan_approval: call.plan_required || kind.plans,
        restart: RestartPolicy::default(),
        if_lost: IfLost::default(),
        limits: TurnLimits::default(),
        work: false,
        capabilities: Vec::new(),
        extra_args: kind.definition.map(|name| vec!["--agent".to_owned(), name]).unwrap_or_default(),
        on_lead_exit: on_lead_exit(),
        commands: Default::default(),
        routed: None,
        adopt: Some(Adoption { lead_key: call.lead_key }),
    };
    Ok(connection.call(params).await?)
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
    fn a_word_of_the_leads_own_is_to_ask() {
        assert_eq!(mode(Some("dontAsk".into())), PermissionMode::Default);
        assert_eq!(mode(Some(PermissionMode::AcceptEdits)), PermissionMode::AcceptEdits);
    }
}
