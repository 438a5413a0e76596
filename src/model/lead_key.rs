//! The signature of a live Claude Code that leads: who wrote a message in its name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::json;

use super::message::Message;

/// What stands before an Ed25519 key in the form (SubjectPublicKeyInfo) in which it is given.
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The first value of what is signed.
const SIGNED: &str = "claude-team-lead-entry-v1";

/// The key by which a lead's messages to one teammate are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeadKey(VerifyingKey);

impl LeadKey {
    /// Reads `MILLISECONDS.KEY`, as the lead gives it to the program that it starts for a teammate. `None` for what is no key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (_, key) = text.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(key).ok()?;
        let key: [u8; 32] = bytes.strip_prefix(&PREFIX)?.try_into().ok()?;
        VerifyingKey::from_bytes(&key).ok().map(Self)
    }

    /// Whether the lead has signed this message.
    pub(crate) fn has_signed(&self, message: &Message) -> bool {
        let signature = message.lead_signature.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let Some(signature) = signature.and_then(|bytes| Signature::from_slice(&bytes).ok()) else { return false };
        let Message { id, from, timestamp, text, summary, color, from_plugin, .. } = message;
        let signed = json!([SIGNED, id, from, timestamp, text, summary, color, from_plugin]).to_string();
        self.0.verify_strict(signed.as_bytes(), &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Claude Code 2.1.329 wrote it.
    const KEY: &str = "1795822432297.MCowBQYDK2VwAyEAwsfCIVVKtSzD4cZA8aFo1hshYk5S8erp_NNcwlq-bkw";

    fn message() -> Message {
        serde_json::from_value(json!({
            "from": "team-lead",
            "text": "hello there",
            "timestamp": "2026-11-27T23:33:52.298Z",
            "msgV": 1,
            "msg_id": "dc75427a-009b-49d0-8272-9aed2169b674",
            "type": "message",
            "read": false,
            "lead_sig": "VB5gNaeY8qf-FMpZemXmQhjoHJzgEMkWNV-L92Zf7psoabaVk9rWBWuUrhChJRY7kERkZ4jk4q_MooY6urLfDg",
        }))
        .unwrap()
    }

    #[test]
    fn the_leads_own_message_is_known_and_no_other() {
        let key = LeadKey::parse(KEY).unwrap();
        assert!(key.has_signed(&message()));
        let forgeries: [fn(&mut Message); 5] = [
            |message| message.text.push('!'),
            |message| message.id = None,
            |message| message.summary = Some("x".into()),
            |message| message.lead_signature = None,
            |message| message.lead_signature = Some("AAAA".into()),
        ];
        for forge in forgeries {
            let mut message = message();
            forge(&mut message);
            assert!(!key.has_signed(&message), "{message:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "1", "1.", "1.AAAA", "1.MCowBQYDK2VwAyEA", KEY.trim_end_matches('w')] {
            assert_eq!(LeadKey::parse(text), None, "{text}");
        }
    }
}
