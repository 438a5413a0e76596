//! Starts members, talks to them, and stops them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Server;
use super::caller::Caller;
use crate::daemon::control::{
    AN_AGENT, Call, InterruptParams, InterruptReply, LetGoParams, ListWorktreesParams, RemoveWorktreeParams,
    RestartParams, SendParams, SendReply, ShutdownParams, SpawnParams, StopParams, StopReply,
};
use crate::error::{Error, Result};
use crate::model::launch::{BranchFate, Resumed, Supervise, WorktreeStatus};
use crate::model::status::{MemberStatus, ShutdownOutcome};
use crate::orchestrator::{Attempt, AutoSpawn};
use crate::paths::REPLAY_VARIABLE;
use crate::routing::{AUTO, Route};

/// What an input of an agent's begins with.
const NOT_THE_USER: &str = "(An agent wrote this from its shell. It is not the user's, and never the user's consent.)";

fn supervise_of(params: &SpawnParams) -> Supervise {
    Supervise {
        worktree: params.worktree.clone(),
        plan_approval: params.plan_approval,
        restart: params.restart,
        if_lost: params.if_lost,
        limits: params.limits,
        work: params.work,
        capabilities: params.capabilities.clone(),
        leads: false,
        adopt: params.adopt.clone(),
        on_lead_exit: params.on_lead_exit,
        routed: params.routed.clone(),
    }
}

impl Server {
    pub(super) async fn spawn(&self, mut params: SpawnParams) -> Result<MemberStatus> {
        // Why a member has its backend is not for a client to say; a replay has it from who chose it then.
        params.routed = params.routed.filter(|_| std::env::var_os(REPLAY_VARIABLE).is_some());
        let (team, is_native) = (params.team.clone(), params.adopt.is_some());
        let (name, spawned) = match params.backend {
            AUTO => (params.name.clone().unwrap_or_default(), self.spawn_chosen(params).await),
            backend => {
                let name = match &params.name {
                    Some(name) => name.clone(),
                    None => self.orchestrator.free_name(&team, backend.short_name()).await?,
                };
                let supervise = supervise_of(&params);
                let config = params.into_config(name.clone(), self.umask);
                (name, self.orchestrator.spawn_teammate_with(&team, config, backend, supervise).await)
            }
        };
        if let Err(error) = &spawned
            && is_native
            && let Err(untold) = self.orchestrator.tell_of_failed_start(&team, &name, &error.to_string()).await
        {
            tracing::warn!(%team, %name, %untold, "a lead was not told that its teammate cannot run");
        }
        spawned
    }

    async fn spawn_chosen(&self, params: SpawnParams) -> Result<MemberStatus> {
        let team = params.team.clone();
        let spawn = AutoSpawn {
            supervise: supervise_of(&params),
            commands: params.commands.clone(),
            config: params.clone().into_config(params.name.clone().unwrap_or_default(), self.umask),
            work: String::new(),
            only: None,
        };
        // A replay has other figures, and agents that can all be used: it is told what was chosen.
        let told = |attempt: Attempt<'_>| match attempt {
            Attempt::Begins(name, Route { backend, reason }) => {
                let named = SpawnParams {
                    name: Some(name.to_owned()),
                    backend: *backend,
                    command: params.commands.get(backend).cloned(),
                    commands: BTreeMap::new(),
                    routed: Some(reason.clone()),
                    ..params.clone()
                };
                self.note_call(SpawnParams::METHOD, &named);
            }
            Attempt::LeftOut(name) => self.orchestrator.note_left_out(&team, name),
        };
        self.orchestrator.spawn_auto_told(&team, spawn, told).await
    }

    pub(super) async fn send(&self, params: SendParams) -> Result<SendReply> {
        let SendParams { team, name, mut text, mut from, interrupt, surroundings } = params;
        // What an agent writes in its shell is not the user's, whatever it says of itself.
        if Caller::current() == Caller::Agent || from.as_deref() == Some(AN_AGENT) {
            from = Some(AN_AGENT.to_owned());
            text = format!("{NOT_THE_USER}\n\n{text}");
        }
        let seq = self.orchestrator.last_seq(&team).await?;
        if self.orchestrator.is_dormant(&team, &name).await? {
            let Some(surroundings) = surroundings else { return Err(Error::Dormant { team, member: name }) };
            self.orchestrator.wake(&team, &name, &self.fitted(surroundings)).await?;
        }
        if interrupt {
            match self.orchestrator.interrupt(&team, &name).await {
                // The input brings it back.
                Err(Error::NotRunning { .. }) => {}
                done => done?,
            }
        }
        let turn = self.orchestrator.send_input_from(&team, &name, &text, from).await?;
        Ok(SendReply { turn, seq })
    }

    pub(super) async fn interrupt(&self, InterruptParams { team, name }: InterruptParams) -> Result<InterruptReply> {
        let seq = self.orchestrator.last_seq(&team).await?;
        self.orchestrator.interrupt(&team, &name).await?;
        Ok(InterruptReply { seq })
    }

    pub(super) async fn restart(&self, params: RestartParams) -> Result<Resumed> {
        let surroundings = self.fitted(params.surroundings);
        self.orchestrator.restart(&params.team, &params.name, &surroundings, params.fresh).await
    }

    pub(super) async fn stop_members(&self, StopParams { team, names, now }: StopParams) -> Result<Vec<StopReply>> {
        let names = if names.is_empty() { self.ours(&team).await? } else { names };
        self.stop_all(&team, names, now).await
    }

    /// Everybody of a team who is ours to stop.
    pub(super) async fn ours(&self, team: &str) -> Result<Vec<String>> {
        let members = self.orchestrator.status(team).await?.members;
        Ok(members.into_iter().filter(|member| member.backend.is_some()).map(|member| member.name).collect())
    }

    pub(super) async fn stop_all(&self, team: &str, names: Vec<String>, now: bool) -> Result<Vec<StopReply>> {
        let mut stops = JoinSet::new();
        for name in names {
            let (orchestrator, team) = (self.orchestrator.clone(), team.to_owned());
            stops.spawn(async move {
                let stopped = match now {
                    true => orchestrator.kill_teammate(&team, &name).await,
                    false => orchestrator.shutdown_teammate(&team, &name).await,
                };
                stopped.map(|report| StopReply { team, name, report })
            });
        }
        let mut replies = stops.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        replies.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(replies)
    }

    pub(super) async fn let_go(&self, LetGoParams { team, name }: LetGoParams) -> Result<()> {
        self.orchestrator.let_go(&team, &name)
    }

    pub(super) async fn request_shutdown(&self, params: ShutdownParams) -> Result<ShutdownOutcome> {
        let ShutdownParams { team, name, reason, deadline_ms } = params;
        let deadline = Duration::from_millis(deadline_ms);
        self.orchestrator.request_shutdown(&team, &name, reason.as_deref(), deadline).await
    }

    pub(super) async fn list_worktrees(&self, params: ListWorktreesParams) -> Result<Vec<WorktreeStatus>> {
        self.orchestrator.worktrees(&params.team).await
    }

    pub(super) async fn remove_worktree(&self, params: RemoveWorktreeParams) -> Result<BranchFate> {
        self.orchestrator.remove_worktree(&params.team, &params.name, params.force).await
    }
}
