//! Asks a member to stop, which may refuse: the messages are those of Claude Code, the answer comes by tool.

use std::sync::Arc;
use std::time::Duration;

use agent_backends::StopReport;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::model::event::{EventKind, MailState};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, SYSTEM, TEAM_LEAD, TeamName};
use crate::model::status::ShutdownOutcome;
use crate::model::time::iso;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::mail_events::not_delivered;
use crate::orchestrator::mail::Letter;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::runtime::open_requests::ShutdownAnswer;
use crate::orchestrator::teammate::journal::Contents;
use crate::orchestrator::teammate::native::UNVERIFIED;
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::sync::lock;

/// How long a member may take to answer, where nobody says how long.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// Claude Code's word for a member without a pane.
const NO_PANE: &str = "in-process";
/// How long a member that has agreed to stop may take to end its turn.
const LAST_TURN: Duration = Duration::from_secs(60);

impl TeamOrchestrator {
    /// Asks a member to stop, and waits for its answer. One that agrees ends its turn, is stopped, and leaves the team; its tasks
    /// are free again. One that does not answer within `deadline` is stopped, and stays in the team.
    ///
    /// # Errors
    /// There is no such member of ours, it does not run, or it could not be stopped.
    pub async fn request_shutdown(
        &self,
        team: &str,
        member: &str,
        reason: Option<&str>,
        deadline: Duration,
    ) -> Result<ShutdownOutcome> {
        let (_, outcome) = self.begin_shutdown(team, member, reason, deadline).await?;
        outcome.await.map_err(|_| Error::ShuttingDown)?
    }

    /// As [`request_shutdown`](Self::request_shutdown), without waiting: answers the request's id.
    ///
    /// # Errors
    /// There is no such member of ours, or it does not run.
    pub async fn send_shutdown_request(&self, team: &str, member: &str, reason: Option<&str>) -> Result<String> {
        Ok(self.begin_shutdown(team, member, reason, ANSWER_LIMIT).await?.0)
    }

    async fn begin_shutdown(
        &self,
        team: &str,
        member: &str,
        reason: Option<&str>,
        deadline: Duration,
    ) -> Result<(String, oneshot::Receiver<Result<ShutdownOutcome>>)> {
        self.running_member(team, member).await?;
        let (team, member): (TeamName, AgentName) = (team.parse()?, member.parse()?);
        let runtime = self.runtime(&team)?;
        if runtime.requests.is_open_for(&member) {
            return Err(Error::AskedAlready { member: member.to_string() });
        }
        let now = jiff::Timestamp::now();
        let request_id = format!("shutdown-{}@{member}", now.as_millisecond());
        let request = StructuredMessage::ShutdownRequest {
            request_id: request_id.clone(),
            from: TEAM_LEAD.to_owned(),
            reason: reason.map(str::to_owned),
            timestamp: iso(now),
        };
        let (answer, answered) = oneshot::channel();
        lock(&runtime.requests.open).insert(request_id.clone(), answer);
        let posted = self.send_text(&team, TEAM_LEAD, &member, request.to_text()).await;
        let (told, outcome) = oneshot::channel();
        if posted.is_ok() {
            let asked = EventKind::ShutdownRequested { id: request_id.clone(), reason: reason.map(str::to_owned) };
            runtime.feed.append(&member, None, asked);
            // Goes on when whoever asks has hung up.
            let (this, shared) = (self.clone(), Arc::clone(&runtime));
            let id = request_id.clone();
            let follow = async move {
                let outcome = this.follow_shutdown(&team, &member, answered, deadline).await;
                if shared.requests.close(&id).is_some()
                    && let Err(error) = this.withdraw_request(&shared, &member, &id).await
                {
                    tracing::warn!(%team, %member, %error, "a request that nobody waits for is still in an inbox");
                }
                let _ = told.send(outcome);
            };
            runtime.requests.spawn(follow);
        } else {
            runtime.requests.close(&request_id);
        }
        posted?;
        Ok((request_id, outcome))
    }

    async fn follow_shutdown(
        &self,
        team: &TeamName,
        member: &AgentName,
        answered: oneshot::Receiver<ShutdownAnswer>,
        deadline: Duration,
    ) -> Result<ShutdownOutcome> {
        match timeout(deadline, answered).await {
            Ok(Ok(ShutdownAnswer::Approved)) => {
                Ok(ShutdownOutcome::Approved { report: self.remove_after_turn(team, member).await? })
            }
            Ok(Ok(ShutdownAnswer::Rejected(reason))) => Ok(ShutdownOutcome::Rejected { reason }),
            Ok(Err(_)) | Err(_) => {
                let report = self.shutdown_teammate(team, member).await?;
                let text = format!(
                    "{member} did not answer the request to stop within {} s, and was stopped.",
                    deadline.as_secs()
                );
                let letter = Letter { text, via: Some("teams".to_owned()), ..Letter::default() };
                if let Err(error) = self.send_messages(team, SYSTEM, &[TEAM_LEAD.to_owned()], letter).await {
                    tracing::warn!(%team, %member, %error, "the lead was not told that a mute member was stopped");
                }
                Ok(ShutdownOutcome::Mute { report })
            }
        }
    }

    /// Stops a member after its turn, and takes it out of the team.
    async fn remove_after_turn(&self, team: &TeamName, member: &AgentName) -> Result<StopReport> {
        let runtime = self.runtime(team)?;
        if let Some(teammate) = runtime.teammate(member) {
            let _ = timeout(LAST_TURN, teammate.ask(MemberCommand::FinishTurn)).await;
        }
        let report = self.shutdown_teammate(team, member).await?;
        runtime.members().remove(member);
        {
            let (team, name) = (team.clone(), member.clone());
            self.with_store(move |store| store.remove_member(&team, &name)).await?;
        }
        runtime.feed.note_member(member);
        self.return_mail(&runtime, member).await?;
        Ok(report)
    }

    /// A request that was not delivered yet is not delivered any more.
    async fn withdraw_request(&self, runtime: &TeamRuntime, member: &AgentName, id: &str) -> Result<()> {
        let (team, name, id) = (runtime.name.clone(), member.clone(), id.to_owned());
        let taken =
            self.with_store(move |store| store.take_messages(&team, &name, |message| is_request(&message.text, &id)));
        for message in taken.await? {
            refused(runtime, member, &message, "nobody waits for an answer any more");
        }
        Ok(())
    }

    /// Whoever wrote to a member that has left, and was not read, is told; nothing of it is left for another one of its name.
    async fn return_mail(&self, runtime: &TeamRuntime, member: &AgentName) -> Result<()> {
        const WHY: &str = "it has left the team";
        let path = self.journal_path(&runtime.name, member);
        let contents = Contents::read(&path).map_err(Error::io("read", &path))?;
        let (team, name) = (runtime.name.clone(), member.clone());
        let mut mail = self.with_store(move |store| store.remove_inbox(&team, &name)).await?;
        for input in contents.unsure.into_iter().chain(contents.queued) {
            if input.mail.is_empty() {
                let message = WHY.to_owned();
                runtime.feed.append(member, Some(input.turn), EventKind::Error { message });
            }
            for message in input.mail {
                if mail.iter().all(|other| other.key() != message.key()) {
                    mail.push(message);
                }
            }
        }
        for message in mail.iter().filter(|message| !message.read) {
            refused(runtime, member, message, WHY);
            if message.from == SYSTEM || StructuredMessage::is_one(&message.text) {
                continue;
            }
            let Ok(to) = message.from.parse::<AgentName>() else { continue };
            if let Err(error) = self.send_prepared(runtime, to, not_delivered(member, message, WHY)).await {
                tracing::info!(%member, %error, "whoever wrote to a member that has left is not told");
            }
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", path)(error)),
            _ => Ok(()),
        }
    }

    /// A member's answer to a request to stop.
    ///
    /// # Errors
    /// There is no such request for it, or the lead cannot be told.
    pub(crate) async fn answer_shutdown(
        &self,
        team: &TeamName,
        member: &AgentName,
        request_id: &str,
        rejected: Option<String>,
    ) -> Result<()> {
        let runtime = self.runtime(team)?;
        let (request_id, from) = (request_id.to_owned(), member.to_string());
        let timestamp = iso(jiff::Timestamp::now());
        let known = lock(&runtime.requests.open).contains_key(&request_id);
        let own = request_id.ends_with(&format!("@{member}"));
        let closed = runtime.requests.is_closed(&request_id);
        // A live Claude Code's request is known from its delivery only.
        if !own || closed || (!known && !was_asked(&runtime, member, &request_id)) {
            return Err(Error::NoRequest { id: request_id });
        }
        // A live lead closes the pane that it has opened for it.
        let native = runtime.teammate(member).and_then(|teammate| teammate.native().cloned()).unwrap_or_default();
        let (pane, kind) =
            native.pane.zip(native.pane_kind).unwrap_or_else(|| (NO_PANE.to_owned(), NO_PANE.to_owned()));
        let answer = match &rejected {
            None => StructuredMessage::ShutdownApproved {
                request_id: request_id.clone(),
                from,
                timestamp,
                pane_id: Some(pane),
                backend_type: Some(kind),
            },
            Some(reason) => StructuredMessage::ShutdownRejected {
                request_id: request_id.clone(),
                from,
                reason: reason.clone(),
                timestamp,
            },
        };
        self.send_text(team, member, TEAM_LEAD, answer.to_text()).await?;
        if rejected.is_none()
            && let Some(teammate) = runtime.teammate(member)
        {
            // Before it hears that it may stop: nothing that waits begins any more.
            teammate.begin_nothing_more().await;
        }
        let waits = runtime.requests.close(&request_id);
        match (waits, rejected) {
            (Some(waits), Some(reason)) => drop(waits.send(ShutdownAnswer::Rejected(reason))),
            (Some(waits), None) => drop(waits.send(ShutdownAnswer::Approved)),
            (None, Some(_)) => {}
            (None, None) => {
                let (this, team, member) = (self.clone(), team.clone(), member.clone());
                runtime.requests.spawn(async move {
                    if let Err(error) = this.remove_after_turn(&team, &member).await {
                        tracing::error!(%team, %member, %error, "a member that agreed to stop was not stopped");
                    }
                });
            }
        }
        Ok(())
    }
}

fn refused(runtime: &TeamRuntime, member: &AgentName, message: &Message, reason: &str) {
    let event = EventKind::Mail {
        id: message.key(),
        from: message.from.clone(),
        state: MailState::Refused,
        text: Some(message.text.clone()),
        reason: Some(reason.to_owned()),
    };
    runtime.feed.append(member, None, event);
}

fn is_request(text: &str, id: &str) -> bool {
    match StructuredMessage::parse(text) {
        Some(StructuredMessage::ShutdownRequest { request_id, .. }) => request_id == id,
        _ => false,
    }
}

/// Whether the lead's request was given to this member, not long ago.
fn was_asked(runtime: &TeamRuntime, member: &AgentName, request_id: &str) -> bool {
    const BACK: u64 = 4096;
    let mut events = runtime.feed.subscribe(runtime.feed.last_seq().saturating_sub(BACK));
    std::iter::from_fn(|| events.next_now()).any(|event| match &event.kind {
        EventKind::Mail { from, state: MailState::Injected, text: Some(text), reason, .. } => {
            let is_its = event.agent == member.as_str() && from == TEAM_LEAD;
            is_its && reason.as_deref() != Some(UNVERIFIED) && is_request(text, request_id)
        }
        _ => false,
    })
}
