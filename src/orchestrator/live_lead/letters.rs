//! Mail for a live lead that does not read its inbox: it looks there only while it has a teammate that it has started itself.

use std::time::Duration;

use crate::error::Result;
use crate::model::change::{Change, Changed};
use crate::model::envelope::{self, Delivery};
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::orchestrator::entry::TeamOrchestrator;

/// So much text is brought at once; the rest comes with the next answer.
const MOST_BYTES: usize = 32 << 10;
/// How long a letter may lie there, before the lead is taken for one that does not look. One that looks does so each second.
const PATIENCE: Duration = Duration::from_secs(3);

impl TeamOrchestrator {
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
        if taken.is_empty() {
            return Ok(None);
        }
        self.changes().note(Change::new(team.as_str(), Changed::Inbox, TEAM_LEAD));
        Ok(Some(envelope::wrap(&taken, Delivery::First)))
    }
}

/// Whether a letter is brought that was written before then: the first always is, and as many more as there is room for.
fn is_brought(message: &Message, before: jiff::Timestamp, bytes: &mut usize) -> bool {
    // A question is for its dialog, which opens as soon as the lead looks.
    let is_question =
        matches!(StructuredMessage::parse(&message.text), Some(StructuredMessage::PermissionRequest { .. }));
    let lies = message.timestamp.parse::<jiff::Timestamp>().is_ok_and(|written| written < before);
    if message.read || is_question || !lies {
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
}
