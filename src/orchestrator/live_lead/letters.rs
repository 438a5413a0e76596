//! Mail for a live lead that does not read its inbox: it looks there only while it has a teammate that it has started itself.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::Result;
use crate::model::change::{Change, Changed};
use crate::model::envelope::{self, Delivery};
use crate::model::lead_mail::{LeadMail, WaitingLetter};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::orchestrator::entry::TeamOrchestrator;

/// So much text is brought at once; the rest comes with the next answer.
const MOST_BYTES: usize = 32 << 10;
/// How long a letter may lie there, before the lead is taken for one that does not look. One that looks does so each second.
const PATIENCE: Duration = Duration::from_secs(3);

/// So many characters are told at once; a letter that is longer is not told, and its reader fetches it. A live lead is told no more than 3,000, and
/// what is said of other letters stands among them.
const BRIEF: usize = 2_200;

impl TeamOrchestrator {
    /// What an idle lead is told of its mail: letters that are short, which are out of the inbox then, and a line for each that waits for something else,
    /// by an id. Nothing of what the lead may fetch yet.
    ///
    /// # Errors
    /// The inbox cannot be read or written.
    pub async fn mail_of_idle_lead(&self, team: &TeamName) -> Result<LeadMail> {
        let before = jiff::Timestamp::now() - PATIENCE;
        let name = team.clone();
        let (taken, waiting) = self
            .with_store(move |store| {
                let (mut room, mut waiting) = (BRIEF, Vec::new());
                let taken = store.take_messages(&name, &AgentName::lead(), |message| {
                    match what_is_told(message, before, &name) {
                        Some(Told::Whole { size }) if size <= room => {
                            room -= size;
                            return true;
                        }
                        Some(Told::Line(line)) => waiting.push(line),
                        // It is told at the next look.
                        Some(Told::Whole { .. }) | None => {}
                    }
                    false
                })?;
                Ok((taken, waiting))
            })
            .await?;
        let letters = self.given_to_lead(team, &taken).map(|letters| {
            let from: BTreeSet<&str> = taken.iter().map(|message| message.from.as_str()).collect();
            // The user sees the first line of it.
            format!("Mail of {}.\n\n{letters}", from.into_iter().collect::<Vec<_>>().join(", "))
        });
        Ok(LeadMail { team: team.to_string(), letters, waiting })
    }

    /// What lies in a lead's inbox and was not fetched, as it is given with the answer of a tool; it is out of the inbox then. `None` where the
    /// lead fetches its mail, or has none.
    ///
    /// # Errors
    /// The inbox cannot be read or written.
    pub async fn letters_for_lead(&self, team: &TeamName) -> Result<Option<String>> {
        let before = jiff::Timestamp::now() - PATIENCE;
        let mut bytes = 0;
        let lies = move |message: &Message| is_brought(message, before, &mut bytes);
        let name = team.clone();
        let taken = self.with_store(move |store| store.take_messages(&name, &AgentName::lead(), lies)).await?;
        Ok(self.given_to_lead(team, &taken))
    }

    /// Letters that were taken out of a lead's inbox, as it sees them.
    fn given_to_lead(&self, team: &TeamName, taken: &[Message]) -> Option<String> {
        if taken.is_empty() {
            return None;
        }
        self.changes().note(Change::new(team.as_str(), Changed::Inbox, TEAM_LEAD));
        Some(envelope::wrap(taken, Delivery::First))
    }
}

/// What a lead is told of a letter.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// All of it, which has so many characters.
    Whole {
        size: usize,
    },
    Line(WaitingLetter),
}

/// What is told of a letter that was written before then, and was not fetched.
fn what_is_told(message: &Message, before: jiff::Timestamp, team: &TeamName) -> Option<Told> {
    if !lies(message, before) {
        return None;
    }
    let from = &message.from;
    let line = |id: String, text: String| Some(Told::Line(WaitingLetter { id, text }));
    match StructuredMessage::parse(&message.text) {
        Some(StructuredMessage::PermissionRequest { request_id, tool_name, description, .. }) => {
            let what: String = description.chars().take(200).collect();
            let hint = format!("Only the user answers that, with `teams approvals -t {team}`: tell them.");
            line(request_id, format!("{from} asks for permission to use {tool_name}: {what}. {hint}"))
        }
        _ => {
            let size = envelope::wrap(std::slice::from_ref(message), Delivery::First).chars().count();
            if size <= BRIEF {
                return Some(Told::Whole { size });
            }
            let bytes = message.text.len();
            let hint = "the tool read_messages of the team gives it to you";
            line(format!("{from} {}", message.timestamp), format!("A message of {from} has {bytes} bytes; {hint}."))
        }
    }
}

fn lies(message: &Message, before: jiff::Timestamp) -> bool {
    !message.read && message.timestamp.parse::<jiff::Timestamp>().is_ok_and(|written| written < before)
}

/// Whether a letter is brought that was written before then: the first always is, and as many more as there is room for.
fn is_brought(message: &Message, before: jiff::Timestamp, bytes: &mut usize) -> bool {
    // A question is for its dialog, which opens as soon as the lead looks.
    let is_question =
        matches!(StructuredMessage::parse(&message.text), Some(StructuredMessage::PermissionRequest { .. }));
    if is_question || !lies(message, before) {
        return false;
    }
    let is_first = *bytes == 0;
    *bytes = bytes.saturating_add(message.text.len());
    is_first || *bytes <= MOST_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_keeps_another_from_being_brought_for_ever() {
        let letter = |text: String| Message { text, timestamp: "2026-11-27T23:33:52Z".into(), ..Message::default() };
        let question = r#"{"type":"permission_request","request_id":"r","agent_id":"a","tool_name":"Bash","tool_use_id":"t","description":"","input":{},"permission_suggestions":[]}"#;
        let inbox = [
            letter(
                question.replace("\"description\":\"\"", &format!("\"description\":\"{}\"", "x".repeat(MOST_BYTES))),
            ),
            Message { read: true, ..letter("x".repeat(MOST_BYTES)) },
            letter("long".repeat(MOST_BYTES)),
            letter("short".into()),
        ];
        let brought = |inbox: &[Message]| {
            let (mut bytes, before) = (0, "2026-11-27T23:34:00Z".parse().unwrap());
            inbox.iter().map(|message| is_brought(message, before, &mut bytes)).collect::<Vec<_>>()
        };
        assert_eq!(brought(&inbox), [false, false, true, false]);
        assert_eq!(brought(&inbox[3..]), [true], "with the next answer");
        let fresh = Message { timestamp: "2026-11-27T23:34:01Z".into(), ..letter("fresh".into()) };
        assert_eq!(brought(&[fresh]), [false], "it may be fetched yet");
    }

    #[test]
    fn what_is_short_is_told_whole_and_all_else_by_a_line() {
        let (team, before) = ("crew".parse().unwrap(), "2026-11-27T23:34:00Z".parse().unwrap());
        let letter = |text: &str| Message {
            from: "c".into(),
            text: text.into(),
            timestamp: "2026-11-27T23:33:52Z".into(),
            ..Message::default()
        };
        let told = |message: &Message| what_is_told(message, before, &team);
        assert!(matches!(told(&letter("done")), Some(Told::Whole { .. })));
        let line = |message: &Message| match told(message) {
            Some(Told::Line(WaitingLetter { id, text })) => (id, text),
            other => panic!("{other:?}"),
        };
        let (id, text) = line(&letter(&"x".repeat(BRIEF + 1)));
        assert_eq!(id, "c 2026-11-27T23:33:52Z");
        assert!(text.contains("has 2201 bytes; the tool read_messages"), "{text}");
        let question = r#"{"type":"permission_request","request_id":"r","agent_id":"c","tool_name":"Bash","tool_use_id":"t","description":"touch made","input":{},"permission_suggestions":[]}"#;
        let (id, text) = line(&letter(question));
        assert_eq!(id, "r");
        assert!(text.starts_with("c asks for permission to use Bash: touch made."), "{text}");
        assert_eq!(told(&Message { read: true, ..letter("done") }), None, "it was fetched");
        assert_eq!(told(&Message { timestamp: "2026-11-27T23:34:01Z".into(), ..letter("x") }), None, "it may be yet");
    }
}
