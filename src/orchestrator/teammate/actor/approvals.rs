//! Questions of a member's agent: who asks what, who decides, and what happens when nobody does.

use std::time::Duration;

use agent_backends::{ApprovalId, Decision, PermissionMode};
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::event::EventKind;
use crate::model::message::StructuredMessage;
use crate::model::name::AgentName;
use crate::model::status::PendingApproval;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::dialog::Asked;
use crate::orchestrator::teammate::question::{Grant, Question};
use crate::store::new_message;
use crate::sync::lock;

impl Actor {
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        let waits = |open: &&Question| open.outcome.is_none() && open.at_hook.is_none();
        self.approvals.values().filter(waits).map(|open| open.expires).min()
    }

    pub(super) fn ask_for_approval(&mut self, approval: agent_backends::Approval) {
        // The number of the event that tells of it, or a little less: it never comes again, in no later session either.
        let id = format!("{}-{}", self.profile.name, self.services.feed.last_seq() + 1);
        let verdict = self.verdict(&approval);
        let pending = PendingApproval {
            id: id.clone(),
            member: self.profile.name.to_string(),
            tool: self.services.redactor.redact(&approval.tool).into_owned(),
            summary: self.services.redactor.redact(&approval.summary).into_owned(),
            kind: approval.kind,
            command: approval.command.as_ref().map(|command| self.services.redactor.redact(command).into_owned()),
            details: approval.details.as_ref().map(|details| self.services.redactor.redact(details).into_owned()),
            questions: {
                let redact = |text: String| self.services.redactor.redact(&text).into_owned();
                approval.questions.iter().map(|question| question.clone().map_text(redact)).collect()
            },
            decides: verdict,
        };
        let hook = (self.services.asks.0)();
        let question = Question {
            session_id: approval.id.clone(),
            grant: Grant::of(&approval),
            wants_answers: approval.questions.len(),
            expires: Instant::now(),
            decided: None,
            request_id: None,
            at_hook: hook.is_some().then(|| approval.clone()),
            outcome: None,
        };
        self.approvals.insert(id.clone(), question);
        lock(&self.shared).approvals.push(pending.clone());
        self.watchdog.waits_for_decision(true);
        self.note_state(format!("it asks for {}", approval.tool));
        let agent_backends::Approval { tool, summary, kind, command, details, questions, .. } = approval.clone();
        // What the embedding program leaves open is the policy's.
        let decides = if hook.is_some() { Verdict::Ask } else { verdict };
        self.emit(EventKind::Approval { id: id.clone(), tool, summary, kind, command, details, questions, decides });
        match hook {
            Some(hook) => self.hook_calls.ask(&hook, self.services.team.clone(), pending),
            None => self.leave_to_policy(&id, &approval, verdict),
        }
    }

    /// What holds by the team's policy; what was allowed for the session is allowed, unless the policy denies it.
    fn verdict(&self, approval: &agent_backends::Approval) -> Verdict {
        match self.services.ledger.policy().approvals.verdict(approval) {
            Verdict::Ask | Verdict::Lead if self.granted.contains(&Grant::of(approval)) => Verdict::Allow,
            verdict => verdict,
        }
    }

    /// The team's policy decides, or says who does.
    fn leave_to_policy(&mut self, id: &str, approval: &agent_backends::Approval, verdict: Verdict) {
        let by = if self.granted.contains(&Grant::of(approval)) { "session" } else { "policy" };
        let decided = match verdict {
            Verdict::Allow => Some((Decision::Allow, by)),
            Verdict::Deny => Some((Decision::Deny { reason: "the team's policy forbids it".to_owned() }, "policy")),
            Verdict::Ask | Verdict::Lead => None,
        };
        // The dialog of a lead that has started the member is the person's.
        let asks_lead = verdict == Verdict::Lead || verdict == Verdict::Ask && self.profile.native.is_some();
        // A dialog of yes and no answers no question.
        let asks_lead = asks_lead && approval.questions.is_empty();
        let request_id = asks_lead.then(|| self.ask_lead(approval));
        let wait = if decided.is_some() { Duration::ZERO } else { self.profile.approval_deadline };
        if let Some(open) = self.approvals.get_mut(id) {
            (open.expires, open.decided, open.request_id) = (Instant::now() + wait, decided, request_id);
        }
    }

    /// The embedding program has decided, or has not. Where somebody was faster, or the question is closed, nothing is done.
    pub(super) async fn hook_answered(&mut self, id: String, said: Result<Option<Decision>, String>) {
        let Some(open) = self.approvals.get_mut(&id).filter(|open| open.outcome.is_none()) else { return };
        let Some(approval) = open.at_hook.take() else { return };
        let decision = match said {
            Ok(Some(decision)) => decision,
            Ok(None) => {
                // As it is now: it may have been changed meanwhile.
                let verdict = self.verdict(&approval);
                return self.leave_to_policy(&id, &approval, verdict);
            }
            Err(reason) => {
                tracing::error!(member = %self.profile.name, %id, %reason, "a question is denied");
                Decision::Deny { reason }
            }
        };
        let outcome = if matches!(decision, Decision::Deny { .. }) { "denied" } else { "allowed" };
        if let Err(error) = self.decide(&id, decision, outcome, "hook").await {
            tracing::info!(%id, %error, "the program decided too late");
        }
    }

    /// Asks the lead, in Claude Code's words, and answers the request's id.
    fn ask_lead(&mut self, approval: &agent_backends::Approval) -> String {
        let now = jiff::Timestamp::now().as_millisecond();
        let tail: String = uuid::Uuid::new_v4().simple().to_string().chars().take(7).collect();
        let request_id = format!("perm-{now}-{tail}");
        let Asked { tool, input, description } = Asked::of(approval);
        let request = StructuredMessage::PermissionRequest {
            request_id: request_id.clone(),
            agent_id: self.profile.name.to_string(),
            tool_name: tool,
            tool_use_id: approval.id.0.clone(),
            description,
            input,
            permission_suggestions: Vec::new(),
        };
        let text = self.services.redactor.redact(&request.to_text()).into_owned();
        self.send(AgentName::lead(), new_message(&self.profile.name, &text, None, None));
        request_id
    }

    pub(super) fn approval_closed(&mut self, session_id: &ApprovalId) {
        let Some(id) = self.approvals.iter().find(|(_, open)| open.session_id == *session_id).map(|(id, _)| id.clone())
        else {
            return;
        };
        let (outcome, by) = self.approvals.remove(&id).and_then(|closed| closed.outcome).unwrap_or(("withdrawn", None));
        let outcome = outcome.to_owned();
        let known = lock(&self.shared).approvals.extract_if(.., |open| open.id == id).last();
        let kind = known.map(|known| known.kind).unwrap_or_default();
        if self.approvals.is_empty() {
            self.watchdog.waits_for_decision(false);
            self.note_state(format!("its question was {outcome}"));
        }
        self.emit(EventKind::ApprovalClosed { id, kind, outcome, by });
    }

    pub(super) async fn expire(&mut self) {
        let now = Instant::now();
        let expired: Vec<String> = self
            .approvals
            .iter()
            .filter(|(_, open)| open.outcome.is_none() && open.at_hook.is_none() && open.expires <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            let minutes = self.profile.approval_deadline.as_secs_f32() / 60.0;
            let decided = self.approvals.get(&id).and_then(|open| open.decided.clone());
            let (decision, outcome, by) = match decided {
                Some((decision @ Decision::Deny { .. }, by)) => (decision, "denied", by),
                Some((decision, by)) => (decision, "allowed", by),
                None => {
                    let reason = format!("nobody answered within {minutes:.1} minutes");
                    (Decision::Deny { reason }, "expired", "deadline")
                }
            };
            if let Err(error) = self.decide(&id, decision, outcome, by).await {
                tracing::info!(%id, %error, "an approval expired that was closed already");
                if let Some(open) = self.approvals.get_mut(&id) {
                    open.outcome = Some(("withdrawn", None));
                }
            }
        }
    }

    /// Lets the agent do what a mode allows, now and in its later sessions.
    pub(super) async fn set_mode(&mut self, mode: PermissionMode) -> Result<()> {
        if let Some(session) = self.session() {
            session.set_permission_mode(mode.clone()).await?;
        }
        self.emit(EventKind::Notice { message: format!("its permission mode is {mode} from now on") });
        self.launcher.config.permission_mode = Some(mode);
        Ok(())
    }

    pub(super) async fn decide(&mut self, id: &str, decision: Decision, outcome: &'static str, by: &str) -> Result<()> {
        let unknown = || Error::NoApproval { id: id.to_owned() };
        let by_request = |open: &Question| open.request_id.as_deref() == Some(id);
        let named = self.approvals.iter().find(|(_, open)| by_request(open)).map(|(id, _)| id.clone());
        let id = named.as_deref().unwrap_or(id);
        let open = self.approvals.get(id).filter(|open| open.outcome.is_none()).ok_or_else(unknown)?;
        let given = match &decision {
            Decision::Answer { answers } => Some(answers.len()),
            Decision::Deny { .. } => None,
            _ => Some(0),
        };
        if let Some(given) = given.filter(|given| *given != open.wants_answers) {
            return Err(Error::WrongAnswers { id: id.to_owned(), wanted: open.wants_answers, given });
        }
        let session_id = open.session_id.clone();
        let keeps = decision == Decision::AllowForSession && !self.launcher.backend.capabilities().keeps_grants;
        let grant = Some(open.grant.clone()).filter(|grant| keeps && grant.is_for_something());
        self.session().ok_or_else(unknown)?.answer(&session_id, decision).await?;
        self.granted.extend(grant);
        if let Some(open) = self.approvals.get_mut(id) {
            open.outcome = Some((outcome, Some(by.to_owned())));
        }
        Ok(())
    }
}
