//! What differs with every run, and means the same: learnt by comparing what was with what is.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;

/// Which word of the recording has become which.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// From the recording's to ours, and back.
    ours: HashMap<String, String>,
    theirs: HashMap<String, String>,
    /// The folders of the recording, and those that take their place.
    places: Vec<(String, String)>,
}

impl Ids {
    /// Learns from two texts that mean the same. Each is a JSON value, or anything.
    pub(super) fn learn(&mut self, theirs: &str, ours: &str) {
        match (serde_json::from_str(theirs), serde_json::from_str(ours)) {
            (Ok(theirs), Ok(ours)) => drop(self.difference(&theirs, &ours)),
            _ => drop(self.is_same_text(theirs, ours)),
        }
    }

    /// Learns which folder takes the place of one of the recording.
    pub(super) fn learn_place(&mut self, theirs: &str, ours: &str) {
        if theirs != "/" && !self.places.iter().any(|(known, _)| known == theirs) {
            self.places.push((theirs.to_owned(), ours.to_owned()));
            // A folder in another one is looked for first.
            self.places.sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.len()));
        }
    }

    fn placed<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let exchanged = |text: Cow<'a, str>, (theirs, ours): &(String, String)| match text.contains(theirs.as_str()) {
            true => Cow::Owned(text.replace(theirs.as_str(), ours)),
            false => text,
        };
        self.places.iter().fold(Cow::Borrowed(text), exchanged)
    }

    /// The first place at which two values do not mean the same, and what is there.
    pub(super) fn difference(&mut self, theirs: &Value, ours: &Value) -> Option<String> {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                let mut first = None;
                for (name, theirs) in theirs {
                    let found = match ours.get(name) {
                        Some(ours) => self.difference(theirs, ours).map(|found| format!("{name}: {found}")),
                        None => Some(format!("{name} is missing")),
                    };
                    // What comes after it is learnt all the same.
                    first = first.or(found);
                }
                first.or_else(|| {
                    ours.keys().find(|name| !theirs.contains_key(*name)).map(|name| format!("{name} is new"))
                })
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                let pairs = theirs.iter().zip(ours).map(|(theirs, ours)| self.difference(theirs, ours));
                let first = pairs.fold(None, Option::or);
                first.or_else(|| {
                    (theirs.len() != ours.len()).then(|| format!("{} and {} values", theirs.len(), ours.len()))
                })
            }
            (Value::String(theirs), Value::String(ours)) => {
                (!self.is_same_text(theirs, ours)).then(|| format!("{theirs:?} and now {ours:?}"))
            }
            (theirs, ours) => (theirs != ours).then(|| format!("{theirs} and now {ours}")),
        }
    }

    /// Whether two texts differ in ids only, each in the place of the same one as before.
    fn is_same_text(&mut self, theirs: &str, ours: &str) -> bool {
        let (theirs, ours) = (timeless(&self.placed(theirs)), &timeless(ours));
        if theirs == *ours {
            return true;
        }
        let (mut left, mut right) = (words(&theirs), words(ours));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(theirs), Some(ours)) if theirs == ours => {}
                (Some(theirs), Some(ours)) if is_id(theirs) && is_id(ours) => {
                    let is_known = self.ours.get(theirs).is_some_and(|known| known == ours);
                    if !is_known && (self.ours.contains_key(theirs) || self.theirs.contains_key(ours)) {
                        return false;
                    }
                    self.ours.insert(theirs.to_owned(), ours.to_owned());
                    self.theirs.insert(ours.to_owned(), theirs.to_owned());
                }
                _ => return false,
            }
        }
    }

    /// A text of the recording with our ids in it.
    pub(super) fn exchange(&self, text: &str) -> String {
        let text = self.placed(text);
        let mut out = String::with_capacity(text.len());
        let mut rest: &str = &text;
        for word in words(&text) {
            let at = word.as_ptr() as usize - rest.as_ptr() as usize;
            out.push_str(&rest[..at]);
            out.push_str(self.ours.get(word).map_or(word, String::as_str));
            rest = &rest[at + word.len()..];
        }
        out.push_str(rest);
        out
    }

    /// The same for all texts of a value.
    pub(super) fn exchange_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.exchange(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.exchange_in(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.exchange_in(value)),
            _ => {}
        }
    }
}

/// A text with a word in the place of each moment that is written as ISO 8601.
fn timeless(text: &str) -> String {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00.000Z";
    let is_moment = |at: usize| {
        let written = text.as_bytes().get(at..at + PATTERN.len());
        written.is_some_and(|written| {
            written.iter().zip(PATTERN).all(|(byte, of)| if *of == b'0' { byte.is_ascii_digit() } else { byte == of })
        })
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for at in text.match_indices('T').filter_map(|(at, _)| at.checked_sub(10)).filter(|at| is_moment(*at)) {
        out.push_str(&text[rest..at]);
        out.push_str("MOMENT");
        rest = at + PATTERN.len();
    }
    out.push_str(&text[rest..]);
    out
}

/// The words of a text: letters, digits and `-`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '-')).filter(|word| !word.is_empty())
}

/// Whether a word can be an id: a UUID, or a name with the number of an event, as questions have.
fn is_id(word: &str) -> bool {
    let is_uuid = word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4;
    let is_hex = word.len() >= 24 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_numbered = word.rsplit_once('-').is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_uuid || is_hex || is_numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "4dc64ce9-75cd-4977-8449-f442e627c062";
    const B: &str = "80c3caf3-6b04-4165-9376-74d046b5c15e";
    const C: &str = "85a923be-0721-4600-b76d-8414d74d4d0c";

    #[test]
    fn ids_are_learnt_and_exchanged_and_nothing_else_is() {
        let mut ids = Ids::default();
        ids.learn(&format!(r#"{{"id":"{A}","text":"x"}}"#), &format!(r#"{{"id":"{B}","text":"y"}}"#));
        assert_eq!(ids.exchange(&format!("say \"{A}\": ä {C}")), format!("say \"{B}\": ä {C}"));
        ids.learn(&format!("--session-id={C}"), &format!("--session-id={A}"));
        assert_eq!(ids.exchange(C), A);
        assert_eq!(ids.exchange("x"), "x");
    }

    #[test]
    fn an_id_that_was_one_stays_one() {
        let mut ids = Ids::default();
        let value = |id: &str, text: &str| serde_json::json!({ "id": id, "text": [text], "n": 1 });
        assert_eq!(ids.difference(&value(A, "anna-108"), &value(B, "anna-107")), None);
        assert_eq!(ids.difference(&value(A, "anna-108"), &value(B, "anna-107")), None);
        assert!(ids.difference(&value(A, "x"), &value(C, "x")).unwrap().starts_with("id:"), "it was B");
        assert!(ids.difference(&value(C, "x"), &value(B, "x")).unwrap().starts_with("id:"), "that is A's");
        assert_eq!(ids.difference(&value("", "x"), &value("", "y")).unwrap(), "text: \"x\" and now \"y\"");
        assert!(ids.difference(&value("", "x"), &serde_json::json!({ "id": "" })).is_some());
        let at = |time: &str| serde_json::json!(format!("ä at 2026-11-27T21:13:{time}Z, T"));
        assert_eq!(ids.difference(&at("40.703"), &at("41.208")), None);
        assert!(ids.difference(&at("40.703"), &serde_json::json!("ä at 2026, T")).is_some());
    }
}
