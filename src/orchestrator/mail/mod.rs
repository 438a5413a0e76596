//! Messages between members, from the one who writes to the inbox: who gets them, how many, how long.

pub(crate) mod handle;
pub(crate) mod trace;
pub(crate) mod watch;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::change::{Change, Changed};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::team::Team;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::mail_events::record_queued;
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::{Store, StoreError, new_message};

/// What somebody writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// Plain text.
    pub text: String,
    /// The same in a few words.
    pub summary: Option<String>,
    /// Who writes in the sender's name, if it is not the sender.
    pub via: Option<String>,
    /// It does not wait for the end of its recipient's turn.
    pub urgent: bool,
}

impl TeamOrchestrator {
    /// Writes a message into the inboxes of these members, or of everybody else (`*`); all of them are looked at before the
    /// first is written to. Answers who got which message.
    ///
    /// # Errors
    /// There is no such team or recipient, the text is empty or too long, or only for programs, one of them was written to too
    /// often, or not all of them could be.
    pub async fn send_messages(
        &self,
        team: &str,
        from: &str,
        to: &[String],
        letter: Letter,
    ) -> Result<Vec<(String, Message)>> {
        if StructuredMessage::is_one(&letter.text) {
            return Err(Error::OnlyForPrograms);
        }
        self.send_any(team, from, to, letter).await
    }

    /// As [`send_messages`](Self::send_messages), for what a program says, too.
    pub(crate) async fn send_any(
        &self,
        team: &str,
        from: &str,
        to: &[String],
        letter: Letter,
    ) -> Result<Vec<(String, Message)>> {
        let (team, from): (TeamName, AgentName) = (team.parse()?, from.parse()?);
        let (orchestrator, to) = (self.clone(), to.to_vec());
        // All of it where it may block: each step elsewhere would cost as much as a small write.
        self.with_store(move |store| Ok(orchestrator.send_now(store, &team, &from, &to, &letter))).await?
    }

    fn send_now(
        &self,
        store: &Store,
        team: &TeamName,
        from: &AgentName,
        to: &[String],
        letter: &Letter,
    ) -> Result<Vec<(String, Message)>> {
        let roster = store.team(team)?;
        let runtime = self.runtime(team)?;
        let recipients = recipients(&roster, from, to)?;
        self.check_letter(&runtime, from, &recipients, letter)?;
        for to in &recipients {
            store.check_inbox(team, to)?;
        }
        let mut written: Vec<(String, Message)> = Vec::with_capacity(recipients.len());
        for to in recipients {
            let mut message = new_message(from, &letter.text, letter.summary.as_deref(), None);
            message.via.clone_from(&letter.via);
            message.urgent = letter.urgent;
            runtime.own_letters.note(&to, &message);
            match store.send(&roster, &to, std::slice::from_mut(&mut message)) {
                Ok(()) => {
                    record_queued(&runtime.feed, to.as_str(), &message);
                    written.push((to.to_string(), message));
                }
                Err(error) if written.is_empty() => return Err(error.into()),
                Err(error) => {
                    let to = written.into_iter().map(|(to, _)| to).collect();
                    return Err(Error::PartlySent { to, reason: error.to_string() });
                }
            }
        }
        Ok(written)
    }

    /// Writes one message of a program's into an inbox.
    pub(crate) async fn send_prepared(&self, runtime: &TeamRuntime, to: AgentName, mut message: Message) -> Result<()> {
        runtime.own_letters.note(&to, &message);
        let (team, inbox) = (runtime.name.clone(), to.clone());
        let written = self.with_store(move |store| {
            store.send(&store.team(&team)?, &inbox, std::slice::from_mut(&mut message))?;
            Ok(message)
        });
        record_queued(&runtime.feed, to.as_str(), &written.await?);
        Ok(())
    }

    /// As [`send_any`](Self::send_any), to one.
    pub(crate) async fn send_text(&self, team: &str, from: &str, to: &str, text: String) -> Result<()> {
        self.send_any(team, from, &[to.to_owned()], Letter { text, ..Letter::default() }).await.map(|_| ())
    }

    fn check_letter(&self, runtime: &TeamRuntime, from: &AgentName, to: &[AgentName], letter: &Letter) -> Result<()> {
        let limits = runtime.ledger.policy().mail;
        if letter.text.trim().is_empty() {
            return Err(StoreError::EmptyMessage.into());
        }
        if letter.text.len() > limits.bytes {
            return Err(Error::LongMessage { bytes: letter.text.len(), limit: limits.bytes });
        }
        if from.as_str() == TEAM_LEAD || letter.via.is_some() {
            return Ok(());
        }
        runtime.damper.count(from, to, limits, Instant::now()).map_err(|(to, wait, most)| Error::TooManyMessages {
            to: to.to_string(),
            most,
            seconds: wait.as_secs() + 1,
        })
    }

    /// What is in an inbox and was not read, which it is from now on.
    pub(crate) async fn read_and_mark(&self, team: &str, member: &str) -> Result<Vec<Message>> {
        let (team, member): (TeamName, AgentName) = (team.parse()?, member.parse()?);
        let inbox = Change::new(team.as_str(), Changed::Inbox, member.as_str());
        let read = self.with_store(move |store| store.mark_read(&team, &member)).await?;
        if !read.is_empty() {
            self.changes().note(inbox);
        }
        Ok(read)
    }
}

/// Who of a team these names mean, each once. Everybody (`*`) is everybody but the sender.
fn recipients(roster: &Team, from: &AgentName, to: &[String]) -> Result<Vec<AgentName>> {
    let everybody = to.iter().any(|name| name == "*");
    let all = roster.members.iter().filter(|_| everybody).map(|member| AgentName::in_roster(&member.name));
    let mut recipients: Vec<AgentName> = all.collect();
    for name in to.iter().filter(|name| *name != "*") {
        let name = if name == "lead" { TEAM_LEAD } else { name };
        if roster.member(name).is_none() {
            let existing = roster.members.iter().map(|member| member.name.clone()).collect();
            let team = roster.name.to_string();
            return Err(StoreError::NoMember { team, member: name.to_owned(), existing }.into());
        }
        let name = AgentName::in_roster(name);
        if !recipients.contains(&name) {
            recipients.push(name);
        }
    }
    recipients.retain(|name| !everybody || name != from);
    Ok(recipients)
}
