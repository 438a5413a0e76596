//! A member that a live Claude Code has started itself: what ties it to that lead, and which messages are the lead's own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::model::lead_key::LeadKey;
use crate::model::message::Message;
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
pub(crate) struct OwnLetters(Mutex<VecDeque<String>>);

impl OwnLetters {
    /// Notes a letter, before anybody can read it.
    pub(crate) fn note(&self, message: &Message) {
        let mut known = lock(&self.0);
        if known.len() == MOST_KNOWN {
            known.pop_front();
        }
        known.push_back(message.key());
    }

    fn has(&self, message: &Message) -> bool {
        lock(&self.0).contains(&message.key())
    }
}

/// Tells the lead's own messages from those that only say so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    key: Option<LeadKey>,
    own: Arc<OwnLetters>,
}

impl Letters {
    pub(crate) fn new(native: Option<&Native>, own: &Arc<OwnLetters>) -> Self {
        let key = native.and_then(|native| LeadKey::parse(native.lead_key.as_deref()?));
        Self { key, own: Arc::clone(own) }
    }

    /// Whether a message says that it is the lead's, and is neither signed by it nor written by us. A lead that signs nothing is believed.
    pub(crate) fn is_forged(&self, message: &Message) -> bool {
        self.key.as_ref().is_some_and(|key| key.is_forged(message)) && !self.own.has(message)
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
        assert!(!Letters::new(Some(&Native::default()), &own).is_forged(&letter));
        let letters = Letters::new(Some(&signs), &own);
        assert!(letters.is_forged(&letter));
        own.note(&letter);
        assert!(!letters.is_forged(&letter));
        (2..5000).for_each(|number| own.note(&Message { id: Some(number.to_string()), ..Message::default() }));
        assert!(letters.is_forged(&letter), "too long ago");
    }
}
