//! Answers about teams as a whole.

use std::time::Duration;

use super::{LONGEST_WAIT, Server};
use crate::daemon::control::{
    BelowParams, CreateTeamParams, DeleteReply, DeleteTeamParams, EventsParams, EventsReply, LeadMailParams,
    ListBudgetsParams, ListEndedTeamsParams, ListTeamsParams, RejoinParams, ResumeReply, ResumeTeamsParams,
    SetBudgetParams, TeamStatusParams,
};
use crate::error::Result;
use crate::model::launch::Resumed;
use crate::model::lead_mail::LeadMail;
use crate::model::policy::BudgetStatus;
use crate::model::status::{EndedTeam, TeamStatus, TeamSummary};

/// Text in one piece of events, after which the next is left for another call.
const PAGE: usize = 4 << 20;

impl Server {
    pub(super) async fn create_team(&self, params: CreateTeamParams) -> Result<()> {
        let CreateTeamParams { team, description, cwd, resume } = params;
        self.orchestrator.create_team_in(&team, description.as_deref(), cwd).await?;
        self.orchestrator.set_resume_mode(&team, resume).await
    }

    pub(super) async fn list_teams(&self, _: ListTeamsParams) -> Result<Vec<TeamSummary>> {
        self.orchestrator.list_teams().await
    }

    pub(super) async fn list_ended_teams(&self, _: ListEndedTeamsParams) -> Result<Vec<EndedTeam>> {
        Ok(self.orchestrator.ended_teams().await)
    }

    pub(super) async fn rejoin(&self, params: RejoinParams) -> Result<Vec<Resumed>> {
        let BelowParams { pid, session } = params.below;
        self.orchestrator.rejoin(pid, session.as_deref(), &self.fitted(params.surroundings)).await
    }

    pub(super) async fn lead_mail(&self, params: LeadMailParams) -> Result<LeadMail> {
        let BelowParams { pid, session } = params.below;
        let team = self.orchestrator.team_led_above(pid, session.as_deref()).await?;
        self.orchestrator.mail_of_idle_lead(&team).await
    }

    pub(super) async fn team_status(&self, TeamStatusParams { team }: TeamStatusParams) -> Result<TeamStatus> {
        self.orchestrator.status(&team).await
    }

    pub(super) async fn delete_team(&self, params: DeleteTeamParams) -> Result<DeleteReply> {
        let DeleteTeamParams { team, force } = params;
        let mut stopped = Vec::new();
        if force {
            let names = self.ours(&team).await?;
            stopped = self.stop_all(&team, names, false).await?;
        }
        let without_checkpoint = self.orchestrator.delete_team_and_tell(&team).await?;
        Ok(DeleteReply { stopped, without_checkpoint })
    }

    pub(super) async fn events(&self, params: EventsParams) -> Result<EventsReply> {
        let EventsParams { team, names, from, max, wait_ms } = params;
        self.orchestrator.check_readable(&team, &names).await?;
        let wanted = |agent: &str| names.is_empty() || names.iter().any(|name| name == agent);
        let mut subscription = self.orchestrator.events(&team, from).await?;
        let mut events = Vec::new();
        let mut bytes = 0;
        let mut next = from.max(1);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(wait_ms).min(LONGEST_WAIT);
        loop {
            while events.len() < max.clamp(1, 4096)
                && bytes < PAGE
                && let Some(event) = subscription.next_now()
            {
                next = event.seq + 1;
                if wanted(&event.agent) {
                    bytes += event.kind.text_len();
                    events.push((*event).clone());
                }
            }
            if !events.is_empty() || wait_ms == 0 {
                break;
            }
            match tokio::time::timeout_at(deadline, subscription.next()).await {
                Ok(Some(event)) => {
                    next = event.seq + 1;
                    if wanted(&event.agent) {
                        events.push((*event).clone());
                    }
                }
                Ok(None) | Err(_) => break,
            }
        }
        let last = self.orchestrator.last_seq(&team).await?;
        Ok(EventsReply { events, next, last })
    }

    pub(super) async fn resume_teams(&self, params: ResumeTeamsParams) -> Result<Vec<ResumeReply>> {
        let teams = match params.team {
            Some(team) => vec![team],
            None => self.orchestrator.teams_that_resume().await?,
        };
        let surroundings = self.fitted(params.surroundings);
        let mut replies = Vec::new();
        let several = teams.len() > 1;
        for team in teams {
            let resumed = match self.orchestrator.resume_team(&team, &surroundings).await {
                Ok(resumed) => resumed,
                // The others come back all the same.
                Err(error) if several => {
                    tracing::error!(%team, %error, "a team could not be resumed");
                    continue;
                }
                Err(error) => return Err(error),
            };
            replies.extend(resumed.into_iter().map(|resumed| ResumeReply { team: team.clone(), resumed }));
        }
        Ok(replies)
    }

    pub(super) async fn list_budgets(&self, params: ListBudgetsParams) -> Result<Vec<BudgetStatus>> {
        self.orchestrator.budgets(&params.team).await
    }

    pub(super) async fn set_budget(&self, params: SetBudgetParams) -> Result<()> {
        self.orchestrator.set_budget(&params.team, params.member.as_deref(), params.budget).await
    }
}
