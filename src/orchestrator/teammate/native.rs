//! A member that a live Claude Code has started itself: what ties it to that lead, and which messages are the lead's own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::lead_key::LeadKey;
use crate::model::message::Message;
use crate::model::name::TEAM_LEAD;
use crate::sync::lock;

/// What an event says of a message that says that it is the lead's.
pub(crate) const UNVERIFIED: &str = "nothing proves that the lead has written it";
/// So many of the letters that we wrote in the lead's name are known.
const MOST_KNOWN: usize = 4096;

/// What ties a member to the live lead that has started it. It is kept with what only we can read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Native {
    /// What the lead signs its messages with, as it says it.
    pub(crate) lead_key: Option<String>,
    /// The pane that the lead has opened for it.
    pub(crate) pane: Option<String>,
    /// The lead's word for where that is.
    pub(crate) pane_kind: Option<String>,
}

/// The letters that we wrote in the lead's name ourselves: a person's, from the shell.
#[derive(Debug, Default)]
pub(crate) struct OwnLetters(Mutex<VecDeque<Content>>);

/// All that a letter says, and to whom: nobody else's has the same.
type Content = [u8; 32];

fn content(to: &str, message: &Message) -> Content {
    let Message { id, from, text, summary, .. } = message;
    Sha256::digest(serde_json::json!([to, id, from, text, summary]).to_string()).into()
}

impl OwnLetters {
    /// Notes a letter in the lead's name, before anybody can read it.
    pub(crate) fn note(&self, to: &str, message: &Message) {
        if message.from != TEAM_LEAD {
            return;
        }
        let mut known = lock(&self.0);
        if known.len() == MOST_KNOWN {
            known.pop_front();
        }
        known.push_back(content(to, message));
    }

    fn has(&self, to: &str, message: &Message) -> bool {
        lock(&self.0).contains(&content(to, message))
    }
}

/// Tells the lead's own messages from those that only say so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    member: String,
    key: Signs,
    own: Arc<OwnLetters>,
}

/// Whether the lead signs.
#[derive(Debug, Clone, Default)]
enum Signs {
    /// An older version, or one that knows nothing of the member any more.
    #[default]
    No,
    With(LeadKey),
    /// In a form that is not known: nobody can tell.
    Unreadably,
}

impl Letters {
    pub(crate) fn new(member: &str, native: Option<&Native>, own: &Arc<OwnLetters>) -> Self {
        let said = native.and_then(|native| native.lead_key.as_deref());
        let key = said.map_or(Signs::No, |said| LeadKey::parse(said).map_or(Signs::Unreadably, Signs::With));
        Self { member: member.to_owned(), key, own: Arc::clone(own) }
    }

    /// Whether a message says that it is the lead's, and is neither signed by it nor written by us. A lead that signs nothing is believed.
    pub(crate) fn is_forged(&self, message: &Message) -> bool {
        let is_signed = match &self.key {
            Signs::No => true,
            Signs::With(key) => key.has_signed(message),
            Signs::Unreadably => false,
        };
        message.from == TEAM_LEAD && !is_signed && !self.own.has(&self.member, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_that_signs_is_believed_by_its_signature_only() {
        let key = "1795822432297.MCowBQYDK2VwAyEAwsfCIVVKtSzD4cZA8aFo1hshYk5S8erp_NNcwlq-bkw";
        let own = Arc::new(OwnLetters::default());
        let letter = Message { from: "team-lead".into(), id: Some("1".into()), ..Message::default() };
        let signs = Native { lead_key: Some(key.into()), ..Native::default() };
        assert!(!Letters::new("a", Some(&Native::default()), &own).is_forged(&letter));
        let unreadable = Native { lead_key: Some("another form".into()), ..Native::default() };
        assert!(Letters::new("a", Some(&unreadable), &own).is_forged(&letter));
        let letters = Letters::new("a", Some(&signs), &own);
        assert!(letters.is_forged(&letter));
        own.note("a", &letter);
        assert!(!letters.is_forged(&letter));
        let same_id = Message { text: "another text".into(), ..letter.clone() };
        assert!(letters.is_forged(&same_id), "an id proves nothing");
        assert!(Letters::new("b", Some(&signs), &own).is_forged(&letter), "it was for somebody else");
        (2..5000).for_each(|number| own.note("a", &Message { id: Some(number.to_string()), ..letter.clone() }));
        assert!(letters.is_forged(&letter), "too long ago");
    }
}
