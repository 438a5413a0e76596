//! Messages between members, from the one who writes to the inbox: who gets them, how many, how long.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::feed::Feed;
use super::{TeamOrchestrator, TeamRuntime};
use crate::error::{Error, Result};
use crate::model::event::{EventKind, MailState};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, SYSTEM, TEAM_LEAD, TeamName};
use crate::store::{StoreError, new_message};

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

/// How much members may write to each other; the lead and the person at the shell may write as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MailLimits {
    /// Messages from one member to another within a minute.
    pub per_minute: usize,
    /// The same within an hour.
    pub per_hour: usize,
    /// The longest text, in bytes; of everybody.
    pub bytes: usize,
}

impl Default for MailLimits {
    fn default() -> Self {
        Self { per_minute: 20, per_hour: 200, bytes: 256 << 10 }
    }
}

/// What tells a sender that a message did not reach its recipient.
pub(super) fn not_delivered(to: &AgentName, message: &Message, reason: &str) -> Message {
    let start: String = message.text.chars().take(80).collect();
    let text = format!("Your message to {to} was not delivered ({reason}): {start}");
    new_message(SYSTEM, &text, Some("not delivered"), None)
}

/// A message is in an inbox.
pub(super) fn tell_of_queued(feed: &Feed, to: &str, message: &Message) {
    // What is given to no agent of ours is told here, unless it is for programs.
    let text = Some(message.text.clone()).filter(|text| to == TEAM_LEAD && !StructuredMessage::is_one(text));
    let (id, from) = (message.key(), message.from.clone());
    feed.append(to, None, EventKind::Mail { id, from, state: MailState::Queued, text, reason: None });
}

/// Who wrote to whom, within the last hour.
#[derive(Debug, Default)]
pub(super) struct Damper(Mutex<HashMap<(AgentName, AgentName), VecDeque<Instant>>>);

impl Damper {
    /// Counts a message to each of these, or to none: then it answers to whom it would be one too many, after how long there
    /// may be another one, and how many were too many.
    fn count(
        &self,
        from: &AgentName,
        to: &[AgentName],
        limits: MailLimits,
        now: Instant,
    ) -> Result<(), (AgentName, Duration, usize)> {
        let mut pairs = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for to in to {
            let sent = pairs.entry((from.clone(), to.clone())).or_default();
            check_rate(sent, limits, now).map_err(|(wait, most)| (to.clone(), wait, most))?;
        }
        for to in to {
            pairs.entry((from.clone(), to.clone())).or_default().push_back(now);
        }
        Ok(())
    }
}

fn check_rate(sent: &mut VecDeque<Instant>, limits: MailLimits, now: Instant) -> Result<(), (Duration, usize)> {
    const WINDOWS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(3600)];
    while sent.front().is_some_and(|at| now.duration_since(*at) >= WINDOWS[1]) {
        sent.pop_front();
    }
    for (window, most) in WINDOWS.into_iter().zip([limits.per_minute, limits.per_hour]) {
        if sent.len() >= most {
            // The oldest of the last so many.
            let Some(oldest) = sent.len().checked_sub(most).and_then(|at| sent.get(at)) else {
                return Err((window, most));
            };
            let free = *oldest + window;
            if free > now {
                return Err((free - now, most));
            }
        }
    }
    Ok(())
}

impl TeamOrchestrator {
    /// Writes a message into the inboxes of these members, or of everybody else (`*`); all of them are looked at before the
    /// first is written to. Answers who got which message.
    ///
    /// # Errors
    /// There is no such team or recipient, the text is empty or too long, or only for programs, one of them was written to too
    /// often, or not all of them could be.
    pub async fn post(&self, team: &str, from: &str, to: &[String], letter: Letter) -> Result<Vec<(String, Message)>> {
        if StructuredMessage::is_one(&letter.text) {
            return Err(Error::OnlyForPrograms);
        }
        self.deliver(team, from, to, letter).await
    }

    /// As [`post`](Self::post), for what a program says, too.
    pub(super) async fn deliver(
        &self,
        team: &str,
        from: &str,
        to: &[String],
        letter: Letter,
    ) -> Result<Vec<(String, Message)>> {
        let team: TeamName = team.parse()?;
        let from: AgentName = from.parse()?;
        let roster = self.team(&team).await?;
        let runtime = self.runtime(&team)?;
        let mut recipients: Vec<AgentName> = Vec::new();
        let everybody = to.iter().any(|name| name == "*");
        for member in roster.members.iter().filter(|_| everybody) {
            // A member whose name is none of ours cannot have an inbox of ours.
            recipients.extend(member.name.parse::<AgentName>().ok().filter(|name| *name != from));
        }
        for name in to.iter().filter(|name| *name != "*") {
            let name = if name == "lead" { TEAM_LEAD } else { name };
            if roster.member(name).is_none() {
                let existing = roster.members.iter().map(|member| member.name.clone()).collect();
                return Err(StoreError::NoMember { team: team.to_string(), member: name.to_owned(), existing }.into());
            }
            let name: AgentName = name.parse()?;
            if !recipients.contains(&name) {
                recipients.push(name);
            }
        }
        self.check_letter(&runtime, &from, &recipients, &letter)?;
        let (written, failed) = self
            .with_store(move |store| {
                for to in &recipients {
                    store.read_inbox_of(&team, to)?;
                }
                let mut written = Vec::with_capacity(recipients.len());
                for to in recipients {
                    let mut message = new_message(&from, &letter.text, letter.summary.as_deref(), None);
                    message.via.clone_from(&letter.via);
                    message.urgent = letter.urgent;
                    if let Err(error) = store.post(&team, &to, std::slice::from_mut(&mut message)) {
                        return Ok((written, Some(error)));
                    }
                    written.push((to.to_string(), message));
                }
                Ok((written, None))
            })
            .await?;
        for (to, message) in &written {
            tell_of_queued(&runtime.feed, to, message);
        }
        match failed {
            None => Ok(written),
            Some(error) if written.is_empty() => Err(error.into()),
            Some(error) => {
                let to = written.into_iter().map(|(to, _)| to).collect();
                Err(Error::PartlySent { to, reason: error.to_string() })
            }
        }
    }

    /// Writes one message of a program's into an inbox.
    pub(super) async fn write(&self, runtime: &TeamRuntime, to: AgentName, mut message: Message) -> Result<()> {
        let (team, inbox) = (runtime.name.clone(), to.clone());
        let written = self.with_store(move |store| {
            store.post(&team, &inbox, std::slice::from_mut(&mut message))?;
            Ok(message)
        });
        tell_of_queued(&runtime.feed, to.as_str(), &written.await?);
        Ok(())
    }

    /// As [`deliver`](Self::deliver), to one.
    pub(super) async fn tell(&self, team: &str, from: &str, to: &str, text: String) -> Result<()> {
        self.deliver(team, from, &[to.to_owned()], Letter { text, ..Letter::default() }).await.map(|_| ())
    }

    fn check_letter(&self, runtime: &TeamRuntime, from: &AgentName, to: &[AgentName], letter: &Letter) -> Result<()> {
        let limits = runtime.account.policy().mail;
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
    pub(super) async fn read_and_mark(&self, team: &str, member: &str) -> Result<Vec<Message>> {
        let (team, member): (TeamName, AgentName) = (team.parse()?, member.parse()?);
        self.with_store(move |store| store.mark_read(&team, &member)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_too_often_waits() {
        let [a, b, c]: [AgentName; 3] = ["a", "b", "c"].map(|name| name.parse().unwrap());
        let limits = MailLimits { per_minute: 3, per_hour: 5, bytes: 10 };
        let damper = Damper::default();
        let (to_a, to_b) = (std::slice::from_ref(&a), std::slice::from_ref(&b));
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..3 {
            assert_eq!(damper.count(&a, to_b, limits, at(second)), Ok(()));
        }
        assert_eq!(damper.count(&a, to_b, limits, at(10)), Err((b.clone(), Duration::from_secs(50), 3)));
        for _ in 0..9 {
            damper.count(&a, &[c.clone(), b.clone()], limits, at(10)).unwrap_err();
        }
        assert_eq!(damper.count(&a, &[c], limits, at(10)), Ok(()), "what was not sent does not count");
        assert_eq!(damper.count(&b, to_a, limits, at(10)), Ok(()), "the other way round is another pair");
        assert_eq!(damper.count(&a, to_b, limits, at(60)), Ok(()));
        assert_eq!(damper.count(&a, to_b, limits, at(62)), Ok(()));
        assert_eq!(damper.count(&a, to_b, limits, at(200)), Err((b.clone(), Duration::from_secs(3400), 5)));
        assert_eq!(damper.count(&a, to_b, limits, at(3601)), Ok(()));
        let none = MailLimits { per_minute: 0, ..limits };
        assert_eq!(damper.count(&b, to_a, none, at(9000)), Err((a.clone(), Duration::from_secs(60), 0)));
    }
}
