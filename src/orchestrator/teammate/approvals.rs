//! Questions of a member's agent: who asks what, who decides, and what happens when nobody does.

use agent_backends::{ApprovalId, Decision, PermissionMode};
use tokio::time::Instant;

use super::actor::Actor;
use super::lock;
use crate::error::{Error, Result};
use crate::model::event::EventKind;
use crate::orchestrator::status::PendingApproval;

pub(super) struct Question {
    session_id: ApprovalId,
    expires: Instant,
    /// What was decided, and by whom.
    outcome: Option<(&'static str, Option<String>)>,
}

impl Actor {
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.approvals.values().filter(|open| open.outcome.is_none()).map(|open| open.expires).min()
    }

    pub(super) fn ask_for_approval(&mut self, approval: agent_backends::Approval) {
        // The number of the event that tells of it, or a little less: it never comes again, in no later session either.
        let id = format!("{}-{}", self.identity.name, self.shelf.feed.last_seq() + 1);
        let expires = Instant::now() + self.identity.approval_deadline;
        self.approvals.insert(id.clone(), Question { session_id: approval.id, expires, outcome: None });
        lock(&self.shared).approvals.push(PendingApproval {
            id: id.clone(),
            member: self.identity.name.to_string(),
            tool: self.shelf.redactor.redact(&approval.tool).into_owned(),
            summary: self.shelf.redactor.redact(&approval.summary).into_owned(),
        });
        self.watchdog.waits_for_decision(true);
        self.note_state(format!("it asks for {}", approval.tool));
        self.emit(EventKind::Approval { id, tool: approval.tool, summary: approval.summary });
    }

    pub(super) fn approval_closed(&mut self, session_id: &ApprovalId) {
        let Some(id) = self.approvals.iter().find(|(_, open)| open.session_id == *session_id).map(|(id, _)| id.clone())
        else {
            return;
        };
        let (outcome, by) = self.approvals.remove(&id).and_then(|closed| closed.outcome).unwrap_or(("withdrawn", None));
        let outcome = outcome.to_owned();
        lock(&self.shared).approvals.retain(|open| open.id != id);
        if self.approvals.is_empty() {
            self.watchdog.waits_for_decision(false);
            self.note_state(format!("its question was {outcome}"));
        }
        self.emit(EventKind::ApprovalClosed { id, outcome, by });
    }

    pub(super) async fn expire(&mut self) {
        let now = Instant::now();
        let expired: Vec<String> = self
            .approvals
            .iter()
            .filter(|(_, open)| open.outcome.is_none() && open.expires <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in expired {
            let minutes = self.identity.approval_deadline.as_secs_f32() / 60.0;
            let reason = format!("nobody answered within {minutes:.1} minutes");
            if let Err(error) = self.decide(&id, Decision::Deny { reason }, "expired", "deadline").await {
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
        let open = self.approvals.get(id).filter(|open| open.outcome.is_none()).ok_or_else(unknown)?;
        let session_id = open.session_id.clone();
        self.session().ok_or_else(unknown)?.answer(&session_id, decision).await?;
        if let Some(open) = self.approvals.get_mut(id) {
            open.outcome = Some((outcome, Some(by.to_owned())));
        }
        Ok(())
    }
}
