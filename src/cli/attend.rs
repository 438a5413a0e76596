//! `teams attend`: beside a live Claude Code that leads, as the monitor of its plugin. It wakes the lead when mail lies there that it does not fetch,
//! and brings its members back when it goes on with another conversation.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use agent_backends::claude::lead::{process_of, session_of};
use agent_backends::claude::plugin::{LONGEST_EVENT, LONGEST_LINE};
use agent_backends::process::{ProcessId, own_pid};

use super::{Context, Done};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{BelowParams, Connection, ErrorKind, Failure, LeadMailParams, RejoinParams};
use crate::model::lead_mail::{LeadMail, WaitingLetter};
use crate::paths;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);

/// How often is looked for members, after a lead has begun to lead a team: it may not have said at once which conversation goes on.
const LOOKS_FOR_MEMBERS: u32 = 20;

/// What is known from one look to the next.
struct Attendant {
    below: BelowParams,
    /// The team that the lead leads.
    team: String,
    /// How often is still looked for members to bring back into it.
    looks_for_members: u32,
    /// The letters that it was told of.
    told: HashSet<String>,
}

pub(super) async fn run(context: &Context<'_>) -> anyhow::Result<Done> {
    // A member of ours that has the person's plugins is no lead.
    if super::by_an_agent() {
        return Ok(Done::Yes);
    }
    let environment = paths::own_environment();
    let lead = process_of(&environment).unwrap_or_else(|| std::os::unix::process::parent_id().cast_signed());
    let lead = ProcessId::of(lead);
    let session = session_of(&environment).map(str::to_owned);
    let mut attendant = Attendant {
        below: BelowParams { pid: own_pid(), session },
        team: String::new(),
        looks_for_members: 0,
        told: HashSet::new(),
    };
    let mut connection: Option<Connection> = None;
    // One that is killed ends none of its monitors.
    while !lead.is_gone() {
        let known = match connection.take().filter(Connection::is_connected) {
            Some(connection) => Ok(connection),
            None => context.connect().await,
        };
        // Whatever fails may work the next time, and the lead's model can do nothing about it.
        match known {
            Ok(known) => {
                match attendant.look(&known).await {
                    Ok(Some(text)) => context.output.line(&text)?,
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, "the lead is told nothing"),
                }
                connection = Some(known);
            }
            Err(error) => tracing::debug!(%error, "no daemon"),
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Done::Yes)
}

impl Attendant {
    /// Looks once; answers what the lead is to be told.
    async fn look(&mut self, connection: &Connection) -> anyhow::Result<Option<String>> {
        let mail = match connection.call(LeadMailParams { below: self.below.clone() }).await {
            Err(Failure { kind: ErrorKind::NoTeam, .. }) => return Ok(None),
            mail => mail?,
        };
        if mail.team != self.team {
            self.team.clone_from(&mail.team);
            self.looks_for_members = LOOKS_FOR_MEMBERS;
        }
        // Its letters are taken, and told whatever becomes of the members.
        if let Some(left) = self.looks_for_members.checked_sub(1) {
            self.looks_for_members = if self.bring_back(connection).await { 0 } else { left };
        }
        Ok(self.news(mail))
    }

    /// Brings the members of a conversation that goes on back; answers whether there were any.
    async fn bring_back(&self, connection: &Connection) -> bool {
        let back = async {
            let surroundings = surroundings(connection)?;
            anyhow::Ok(connection.call(RejoinParams { below: self.below.clone(), surroundings }).await?)
        };
        back.await
            .inspect_err(|error| tracing::debug!(%error, "nobody comes back yet"))
            .is_ok_and(|back| !back.is_empty())
    }

    /// What of it was not told before.
    fn news(&mut self, mail: LeadMail) -> Option<String> {
        let mut text = mail.letters.unwrap_or_default();
        // One that was fetched is forgotten.
        self.told.retain(|told| mail.waiting.iter().any(|letter| letter.id == *told));
        for WaitingLetter { id, text: line } in mail.waiting {
            // The rest is told at the next look.
            if text.chars().count() + line.chars().count() < LONGEST_EVENT && self.told.insert(id) {
                let _ = writeln!(text, "\n{line}");
            }
        }
        let text = text.trim();
        (!text.is_empty()).then(|| folded(text, LONGEST_LINE))
    }
}

/// A text whose lines have no more characters than this: longer ones are broken, where there is room between words.
fn folded(text: &str, width: usize) -> String {
    let mut folded = String::with_capacity(text.len());
    for line in text.lines() {
        let mut rest = line;
        while let Some((end, _)) = rest.char_indices().nth(width) {
            let cut = rest[..end].rfind(' ').filter(|cut| *cut > 0).map_or(end, |cut| cut + 1);
            folded.push_str(rest[..cut].trim_end_matches(' '));
            folded.push('\n');
            rest = rest[cut..].trim_start_matches(' ');
        }
        folded.push_str(rest);
        folded.push('\n');
    }
    folded.pop();
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_told_of_once() {
        let mut attendant = Attendant {
            below: BelowParams { pid: 1, session: None },
            team: String::new(),
            looks_for_members: 0,
            told: HashSet::new(),
        };
        let waiting = |id: &str| WaitingLetter { id: id.into(), text: format!("{id} waits") };
        let mail = |letters: Option<&str>, ids: &[&str]| LeadMail {
            team: "t".into(),
            letters: letters.map(str::to_owned),
            waiting: ids.iter().map(|id| waiting(id)).collect(),
        };
        assert_eq!(attendant.news(mail(Some("hello"), &["a"])).as_deref(), Some("hello\na waits"));
        assert_eq!(attendant.news(mail(None, &["a"])), None);
        assert_eq!(attendant.news(mail(None, &["a", "b"])).as_deref(), Some("b waits"));
        assert_eq!(attendant.news(mail(None, &[])), None);
    }

    #[test]
    fn lines_are_broken_between_words_and_nothing_is_lost() {
        assert_eq!(folded("ab cd ef\n\ngh", 5), "ab\ncd ef\n\ngh");
        assert_eq!(folded("abcdefgh", 3), "abc\ndef\ngh");
        assert_eq!(folded("äöüß äöü", 4), "äöüß\näöü");
        let long = "word ".repeat(400);
        let lines = folded(&long, LONGEST_LINE);
        assert!(lines.lines().all(|line| line.chars().count() <= LONGEST_LINE));
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), long.split_whitespace().collect::<Vec<_>>());
        assert!(lines.len() < LONGEST_EVENT, "an event holds it");
    }
}
