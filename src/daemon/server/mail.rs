//! Writes messages, and reads inboxes.

use super::Server;
use crate::daemon::control::{
    InboxParams, MessageReply, SendMessageParams, SendMessageReply, TraceParams, UndeliveredParams,
};
use crate::error::Result;
use crate::model::launch::{ResumeOutcome, Resumed, Surroundings};
use crate::model::mail_step::MailStep;
use crate::model::message::Message;
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::orchestrator::Letter;

impl Server {
    pub(super) async fn send_message(&self, params: SendMessageParams) -> Result<SendMessageReply> {
        let SendMessageParams { team, from, to, text, summary, urgent, surroundings } = params;
        // Before the name of the recipient is looked at, so that the error names the right one.
        team.parse::<TeamName>()?;
        from.parse::<AgentName>()?;
        let via = (from != TEAM_LEAD).then(|| "somebody at the shell".to_owned());
        let letter = Letter { text, summary, via, urgent };
        let posted = self.orchestrator.send_messages(&team, &from, std::slice::from_ref(&to), letter).await?;
        let written: Vec<_> = posted.into_iter().map(|(to, message)| MessageReply { to, id: message.key() }).collect();
        let woken = match (surroundings, &written[..]) {
            // Nobody is woken by what was written to all.
            (Some(surroundings), [only]) if only.to == to => self.woken(&team, to, surroundings).await,
            _ => None,
        };
        Ok(SendMessageReply { written, woken })
    }

    /// Brings back the recipient of a message if it does not run. The message is written, whatever comes of it.
    async fn woken(&self, team: &str, name: String, surroundings: Surroundings) -> Option<Resumed> {
        let woken = self.orchestrator.wake(team, &name, &self.fitted(surroundings)).await;
        woken.unwrap_or_else(|error| {
            Some(Resumed { name, outcome: ResumeOutcome::Failed, reason: Some(error.to_string()) })
        })
    }

    pub(super) async fn inbox(&self, InboxParams { team, name }: InboxParams) -> Result<Vec<Message>> {
        self.orchestrator.read_inbox(&team, &name).await
    }

    pub(super) async fn trace(&self, TraceParams { team, id }: TraceParams) -> Result<Vec<MailStep>> {
        self.orchestrator.trace(&team, &id).await
    }

    pub(super) async fn undelivered(&self, params: UndeliveredParams) -> Result<Vec<MailStep>> {
        self.orchestrator.undelivered(&params.team).await
    }
}
