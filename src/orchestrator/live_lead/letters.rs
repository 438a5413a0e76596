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
        let lies = move |message: &Message| {
            bytes += message.text.len();
            // A question is for its dialog, which opens as soon as it looks.
            let is_question =
                matches!(StructuredMessage::parse(&message.text), Some(StructuredMessage::PermissionRequest { .. }));
            bytes <= MOST_BYTES
                && !is_question
                && !message.read
                && message.timestamp.parse::<jiff::Timestamp>().is_ok_and(|written| written < before)
        };
        let name = team.clone();
        let taken = self.with_store(move |store| store.take_messages(&name, &AgentName::lead(), lies)).await?;
        if taken.is_empty() {
            return Ok(None);
        }
        self.changes().note(Change::new(team.as_str(), Changed::Inbox, TEAM_LEAD));
        Ok(Some(envelope::wrap(&taken, Delivery::First)))
    }
}
