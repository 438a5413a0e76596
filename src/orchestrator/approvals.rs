//! What waits for somebody's decision, and the decisions of the lead.

use agent_backends::Decision;

use super::status::PendingApproval;
use super::teammate::Command;
use super::{TeamOrchestrator, TeamRuntime};
use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::message::StructuredMessage;
use crate::model::name::{AgentName, TEAM_LEAD};

impl TeamOrchestrator {
    /// Everything in a team that waits for somebody's decision: what agents ask for, and plans.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approvals(&self, team: &str) -> Result<Vec<PendingApproval>> {
        let status = self.status(team).await?;
        let mut open: Vec<PendingApproval> = status.members.into_iter().flat_map(|member| member.approvals).collect();
        let roster = self.team(team).await?;
        let plans = |name: &str| roster.member(name)?.launch.as_ref()?.plan.as_ref();
        let waiting = self.runtime(&team.parse()?)?.plans.pending();
        // Not those of who has left.
        open.extend(waiting.into_iter().filter(|plan| plans(&plan.member).is_some()));
        Ok(open)
    }

    /// Answers a question as the lead: only where the team's policy lets it, and only what it may do itself.
    ///
    /// # Errors
    /// There is no such question, a person has to decide, or the lead may not grant it.
    pub async fn answer_as_lead(&self, team: &str, id: &str, decision: Decision) -> Result<()> {
        let open = self.approvals(team).await?;
        let question = open.iter().find(|open| open.id == id).ok_or_else(|| Error::NoApproval { id: id.to_owned() })?;
        let policy = self.approval_policy(team).await?;
        if question.decides != Verdict::Lead {
            return Err(Error::NotTheLeads { id: id.to_owned(), reason: "the team's policy lets a person decide" });
        }
        let grants = !matches!(decision, Decision::Deny { .. });
        let may = match id.starts_with("plan_approval-") {
            true => self.lead_may_lift(team, &question.member).await?,
            false => policy.lead_may_grant(question.kind),
        };
        if grants && !may {
            return Err(Error::NotTheLeads {
                id: id.to_owned(),
                reason: "the lead may not do that itself without asking",
            });
        }
        self.answer_approval_as(team, id, decision, TEAM_LEAD).await
    }

    /// Whether the lead may let a member work in the mode that waits for its plan.
    pub(super) async fn lead_may_lift(&self, team: &str, member: &str) -> Result<bool> {
        let policy = self.approval_policy(team).await?;
        let gate = self.plan_gate(&team.parse()?, &member.parse()?).await?;
        Ok(gate.is_some_and(|gate| policy.lead_may_set(&gate.then)))
    }

    /// Looks for answers to a member's questions that a live Claude Code has written into its inbox. Whoever sits before it has
    /// decided.
    pub(super) async fn heed_permissions(&self, runtime: &TeamRuntime, member: &AgentName) -> Result<()> {
        let asks = runtime.teammate(member).filter(|teammate| !teammate.status().approvals.is_empty());
        let Some(teammate) = asks else { return Ok(()) };
        let is_answer = |text: &str| match StructuredMessage::parse(text) {
            Some(StructuredMessage::PermissionResponse { request_id, subtype, error }) => {
                Some((request_id, subtype, error))
            }
            _ => None,
        };
        let (team, name) = (runtime.name.clone(), member.clone());
        // They are not for its agent.
        let taken = self.with_store(move |store| {
            store.take_messages(&team, &name, |message| message.from == TEAM_LEAD && is_answer(&message.text).is_some())
        });
        for (id, subtype, error) in taken.await?.iter().filter_map(|message| is_answer(&message.text)) {
            let decision = match subtype.as_str() {
                "success" => Decision::Allow,
                _ => Decision::Deny { reason: error.unwrap_or_else(|| "the lead refuses".to_owned()) },
            };
            let by = TEAM_LEAD.to_owned();
            let answered = teammate.ask(|reply| Command::Answer { id, decision, by, reply }).await;
            if let Some(Err(error)) = answered {
                tracing::info!(%member, %error, "the lead answered too late");
            }
        }
        Ok(())
    }
}
