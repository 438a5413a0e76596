//! Whatever members write, their mail has one opening and one closing tag for each message, and comes in order.
//!
//! An input is messages with a NUL between them; each is a sender, a line's end, and a text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use model::envelope::{Delivery, harmless, wrap};
use model::message::Message;

/// Plain data, compiled here by itself: the whole of `agent-teams` takes long to build with what the fuzzer looks at in it.
#[allow(dead_code)]
#[path = "../../src/model"]
mod model {
    pub mod envelope;
    pub mod message;
    pub mod name;
}

/// How often a `<` is followed by a tag's name before the next one, whatever stands between its letters that is no letter.
fn tags(text: &str) -> usize {
    let begins = |rest: &str| {
        let letters = rest.chars().take_while(|char| *char != '<').filter(|char| char.is_alphanumeric());
        let mut letters = letters.map(|char| char.to_ascii_lowercase());
        "teammatemessage".chars().all(|expected| letters.next() == Some(expected))
    };
    text.match_indices('<').filter(|(at, _)| begins(&text[at + 1..])).count()
}

fuzz_target!(|text: &str| {
    let message = |part: &str| {
        let (from, text) = part.split_once('\n').unwrap_or(("anna", part));
        let summary = Some(text.to_owned()).filter(|_| from.len() % 2 == 0);
        Message { from: from.into(), text: text.into(), summary, ..Message::default() }
    };
    let messages: Vec<Message> = text.split('\0').map(message).collect();
    let mail = wrap(&messages, Delivery::First);
    assert_eq!(tags(&mail), 2 * messages.len(), "{mail}");
    let mut rest = mail.as_str();
    for message in &messages {
        let safe = harmless(&message.text);
        assert_eq!(harmless(&safe), safe, "what is harmless stays as it is");
        let inside = format!(">\n{safe}\n</teammate-message>");
        let at = rest.find(&inside).expect("every message is there, in its turn");
        rest = &rest[at + inside.len()..];
    }
});
