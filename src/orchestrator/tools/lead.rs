//! The tools of the lead.

use std::path::PathBuf;

use agent_backends::{BackendType, Decision, PermissionMode, SpawnConfig};

use super::params::{AnswerPermissionParams, AnswerPlanParams, SpawnTeammateParams, StopTeammateParams};
use super::{Identity, ToolAnswer, refuse};
use crate::model::launch::{Supervise, Surroundings};
use crate::model::status::ShutdownOutcome;
use crate::orchestrator::decisions::shutdown::ANSWER_LIMIT;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::members::auto::AutoSpawn;
use crate::routing::AUTO;

impl TeamOrchestrator {
    pub(super) async fn tool_spawn_teammate(
        &self,
        who: &Identity,
        params: SpawnTeammateParams,
        surroundings: Surroundings,
    ) -> ToolAnswer {
        // An agent passes on hardly a variable of its own: who it starts for a run gets what its other members got.
        let of_run = self.inner.runs.of(&who.team).filter(|_| who.leads_run);
        let surroundings = of_run.map_or(surroundings, |run| run.surroundings.clone());
        let backend = match params.backend.parse::<BackendType>() {
            Ok(AUTO) => AUTO,
            Ok(backend) if self.capabilities(backend)?.any_program => {
                return refuse(format!(
                    "which program a member of backend {backend} is, only a person says, at the shell"
                ));
            }
            Ok(backend) => backend,
            Err(error) => return refuse(error.to_string()),
        };
        let mode = params.permission_mode.as_deref().map(PermissionMode::from);
        if mode == Some(PermissionMode::BypassPermissions) {
            return refuse("only a person may start a teammate that asks nothing");
        }
        let own = self.approval_policy(&who.team).await?;
        if let Some(mode) = mode.as_ref().filter(|mode| !own.lead_may_set(mode)) {
            return refuse(format!(
                "a teammate in mode {mode} would be asked less than you are, whose mode is {}; leave permissionMode out, or let a \
                 person start it",
                own.lead_mode
            ));
        }
        let mut config = SpawnConfig::new(params.name, params.prompt);
        config.model = params.model;
        config.cwd = match (surroundings.cwd, params.cwd) {
            (Some(own), Some(cwd)) => Some(own.join(cwd)),
            (own, cwd) => cwd.map(PathBuf::from).or(own),
        };
        config.permission_mode = mode;
        config.command = surroundings.commands.get(&backend).cloned();
        config.inherit_env = surroundings.environment;
        config.umask = surroundings.umask;
        let supervise = Supervise { plan_approval: params.plan_approval, work: who.leads_run, ..Supervise::default() };
        let status = match backend {
            AUTO => {
                let (commands, work) = (surroundings.commands, String::new());
                self.spawn_auto(&who.team, AutoSpawn { config, supervise, commands, work, only: None }).await?
            }
            backend => self.spawn_teammate_with(&who.team, config, backend, supervise).await?,
        };
        let notes = self.status(&who.team).await.map(|status| status.notes).unwrap_or_default();
        let routed =
            status.backend.zip(status.routed).map(|(backend, reason)| format!("{backend} was chosen: {reason}."));
        let notes = routed.into_iter().chain(notes);
        Ok(std::iter::once(format!("{} is ready.", status.name)).chain(notes).collect::<Vec<_>>().join(" Note: "))
    }

    pub(super) async fn tool_answer_permission(&self, who: &Identity, params: AnswerPermissionParams) -> ToolAnswer {
        let decision = match (params.approve, params.answers) {
            (true, Some(answers)) => Decision::Answer { answers },
            (true, None) => Decision::Allow,
            (false, _) => Decision::Deny { reason: params.reason.unwrap_or_else(|| "the lead refuses".to_owned()) },
        };
        self.answer_as_lead(&who.team, &params.id, decision).await?;
        Ok(format!("{}: {}.", params.id, if params.approve { "allowed" } else { "denied" }))
    }

    pub(super) async fn tool_answer_plan(&self, who: &Identity, params: AnswerPlanParams) -> ToolAnswer {
        let (id, feedback) = (params.request_id, params.feedback);
        if !params.approve && feedback.is_none() {
            return refuse("say in feedback what to do better");
        }
        if params.approve {
            let open = self.approvals(&who.team).await?;
            if let Some(plan) = open.iter().find(|open| open.id == id) {
                self.check_grant(&who.team, plan).await?;
            }
        }
        self.answer_plan(&who.team, &id, params.approve, feedback.as_deref(), &who.name).await?;
        Ok(format!("The plan is {}; its author is told.", if params.approve { "approved" } else { "rejected" }))
    }

    pub(super) async fn tool_stop_teammate(&self, who: &Identity, params: StopTeammateParams) -> ToolAnswer {
        if params.now {
            let report = self.shutdown_teammate(&who.team, &params.name).await?;
            return Ok(format!("{} has stopped; {}.", params.name, report.remains()));
        }
        Ok(match self.request_shutdown(&who.team, &params.name, params.reason.as_deref(), ANSWER_LIMIT).await? {
            ShutdownOutcome::Approved { .. } => {
                format!("{} agreed, has stopped, and is in the team no more.", params.name)
            }
            ShutdownOutcome::Rejected { reason } => format!("{} goes on: {reason}", params.name),
            ShutdownOutcome::Mute { .. } => format!("{} did not answer, and was stopped.", params.name),
        })
    }
}
