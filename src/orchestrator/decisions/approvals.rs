//! What waits for somebody's decision, and the decisions of the lead.

use std::sync::Arc;

use agent_backends::Decision;
use agent_backends::process::{descends_from, own_pid};

use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::event::EventKind;
use crate::model::message::StructuredMessage;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::status::PendingApproval;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::native::UNVERIFIED;
use crate::orchestrator::teammate::parts::MemberCommand;

/// Who decides when nobody else is named.
const USER: &str = "user";

impl TeamOrchestrator {
    /// Answers a question of a member's agent, or a plan, as the user.
    ///
    /// # Errors
    /// There is no such question, or no longer.
    pub async fn answer_approval(&self, team: &str, id: &str, decision: Decision) -> Result<()> {
        self.answer_approval_as(team, id, decision, USER).await
    }

    /// As [`answer_approval`](Self::answer_approval), with a word about who decides, for the transcript.
    ///
    /// # Errors
    /// As [`answer_approval`](Self::answer_approval).
    pub async fn answer_approval_as(&self, team: &str, id: &str, decision: Decision, by: &str) -> Result<()> {
        if id.starts_with("plan_approval-") {
            return match decision {
                Decision::Deny { reason } => self.answer_plan(team, id, false, Some(&reason), by).await,
                _ => self.answer_plan(team, id, true, None, by).await,
            };
        }
        let name: TeamName = team.parse()?;
        let runtime = self.runtime(&name)?;
        let asks = |teammate: &Arc<Teammate>| teammate.status().approvals.iter().any(|open| open.id == id);
        let teammate =
            runtime.teammates().into_iter().find(asks).ok_or_else(|| Error::NoApproval { id: id.to_owned() })?;
        let (id, by) = (id.to_owned(), by.to_owned());
        teammate
            .ask(|reply| MemberCommand::Answer { id, decision, by, reply })
            .await
            .unwrap_or(Err(Error::ShuttingDown))
    }

    /// Everything in a team that waits for somebody's decision: what agents ask for, and plans.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn approvals(&self, team: &str) -> Result<Vec<PendingApproval>> {
        let status = self.status(team).await?;
        let mut open: Vec<PendingApproval> = status.members.into_iter().flat_map(|member| member.approvals).collect();
        let roster = self.roster(team).await?;
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
        if question.decides != Verdict::Lead {
            return Err(Error::NotTheLeads { id: id.to_owned(), reason: "the team's policy lets a person decide" });
        }
        if !matches!(decision, Decision::Deny { .. }) {
            self.check_grant(team, question).await?;
        }
        self.answer_approval_as(team, id, decision, TEAM_LEAD).await
    }

    /// The lead grants only what it may do itself: for a plan, the mode that waits for it.
    pub(crate) async fn check_grant(&self, team: &str, question: &PendingApproval) -> Result<()> {
        let policy = self.approval_policy(team).await?;
        let may = match self.plan_gate(&team.parse()?, &question.member.parse()?).await? {
            Some(gate) if question.id.starts_with("plan_approval-") => policy.lead_may_set(&gate.then),
            _ => policy.lead_may_grant(question.kind),
        };
        let reason = "the lead may not do that itself without asking";
        if may { Ok(()) } else { Err(Error::NotTheLeads { id: question.id.clone(), reason }) }
    }

    /// Whether a live Claude Code leads a team, so that what is written in the lead's name into a member's inbox may be its decision. Without
    /// one, whoever writes such a file is somebody else, the agent itself perhaps.
    pub(crate) async fn has_live_lead(&self, team: &TeamName) -> Result<bool> {
        let name = team.clone();
        let process = self.with_store(move |store| store.lead_process(&name)).await?;
        // One that an agent of ours has started leads nobody.
        Ok(process.is_some_and(|process| process.is_alive() && !descends_from(process.pid, own_pid())))
    }

    /// Looks for answers to a member's questions that a live Claude Code has written into its inbox. Whoever sits before it has
    /// decided.
    pub(crate) async fn apply_permission_answers(&self, runtime: &TeamRuntime, member: &AgentName) -> Result<()> {
        let asks = runtime.teammate(member).filter(|teammate| !teammate.status().approvals.is_empty());
        let Some(teammate) = asks else { return Ok(()) };
        if !self.has_live_lead(&runtime.name).await? {
            return Ok(());
        }
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
        let taken = taken.await?;
        let (forged, taken): (Vec<_>, Vec<_>) = taken.iter().partition(|message| teammate.is_forged(message));
        if !forged.is_empty() {
            let message = format!("an answer in the lead's name was not heeded: {UNVERIFIED}");
            runtime.feed.append(member, None, EventKind::Notice { message });
        }
        for (id, subtype, error) in taken.iter().filter_map(|message| is_answer(&message.text)) {
            let decision = match subtype.as_str() {
                "success" => Decision::Allow,
                _ => Decision::Deny { reason: error.unwrap_or_else(|| "the lead refuses".to_owned()) },
            };
            let by = TEAM_LEAD.to_owned();
            let answered = teammate.ask(|reply| MemberCommand::Answer { id, decision, by, reply }).await;
            if let Some(Err(error)) = answered {
                tracing::info!(%member, %error, "the lead answered too late");
            }
        }
        Ok(())
    }
}
