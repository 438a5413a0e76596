//! The panes that a live lead opens: in each of them one member of ours works.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::error::Result;
use crate::model::message::StructuredMessage;
use crate::model::name::{AgentName, TeamName};
use crate::model::time::iso;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::store::new_message;

/// How long a member may take to end its turn that nobody looks at any more.
pub(super) const LAST_TURN: Duration = Duration::from_secs(60);

impl TeamOrchestrator {
    /// Tells a live lead that a member that it has started cannot run: its pane would be dead, and nobody would say why.
    ///
    /// # Errors
    /// There is no such team, or its inbox cannot be written.
    pub async fn tell_of_failed_start(&self, team: &str, member: &str, why: &str) -> Result<()> {
        let team: TeamName = team.parse()?;
        let notification = StructuredMessage::IdleNotification {
            from: member.to_owned(),
            timestamp: iso(jiff::Timestamp::now()),
            idle_reason: Some("failed".to_owned()),
            summary: None,
            completed_task_id: None,
            completed_status: None,
            failure_reason: Some(format!("it could not be started: {why}")),
            result: None,
        };
        let text = self.inner.redactor.redact(&notification.to_text()).into_owned();
        let runtime = self.runtime(&team)?;
        self.send_prepared(&runtime, AgentName::lead(), new_message(member, &text, None, None)).await
    }

    /// Has a member of ours end its turn, and stops it then: nobody looks at it any more. It stays in the team, with its conversation. Does not
    /// wait for that; a member that does not run is left alone.
    ///
    /// # Errors
    /// There is no such team.
    pub fn let_go(&self, team: &str, member: &str) -> Result<()> {
        let runtime = self.runtime(&team.parse()?)?;
        let (this, member) = (self.clone(), member.to_owned());
        let (shared, team) = (Arc::clone(&runtime), runtime.name.clone());
        runtime.requests.spawn(async move {
            // One that is being started is waited for.
            let Some(teammate) = shared.started(&member).await.filter(|teammate| teammate.is_running()) else { return };
            let _ = timeout(LAST_TURN, teammate.ask(MemberCommand::FinishTurn)).await;
            if let Err(error) = this.shutdown_teammate(&team, &member).await {
                tracing::warn!(%team, %member, %error, "a member that nobody looks at was not stopped");
            }
        });
        Ok(())
    }
}
