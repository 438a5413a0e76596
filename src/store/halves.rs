//! Half surrogate pairs in JSON files. A program that cuts a text between two halves of a character writes one as an escape, which no text
//! of ours can hold. What we rewrite keeps it: meanwhile a character of a private plane stands for it.

use std::borrow::Cow;

use agent_backends::json_line::replace_halves;
use serde_json::Value;

/// Half `0xd800 + n` is the nth of these.
const FIRST: u32 = 0x10f800;
/// Stands before one of those characters where a file really has it.
const LITERAL: char = '\u{10f7ff}';

/// The private characters begin with this byte.
const PRIVATE_BYTE: u8 = 0xf4;

fn is_private(char: char) -> bool {
    char >= LITERAL
}

/// JSON in which each half is U+FFFD: for what is only read.
pub(super) fn without_halves(json: &str) -> Cow<'_, str> {
    replace_halves(json, |_| "\\ufffd".into())
}

/// JSON in which a private character stands for each half: for what is rewritten with [`with_halves`].
pub(super) fn kept_halves(json: &str) -> Cow<'_, str> {
    let own = |json: &str| -> String {
        let escape = |char: char| if is_private(char) { vec![LITERAL, char] } else { vec![char] };
        json.chars().flat_map(escape).collect()
    };
    let json = if json.as_bytes().contains(&PRIVATE_BYTE) { Cow::Owned(own(json)) } else { Cow::Borrowed(json) };
    let stand_in = |half: u32| char::from_u32(FIRST + half - 0xd800).map(String::from).unwrap_or_default().into();
    match json {
        Cow::Borrowed(json) => replace_halves(json, stand_in),
        Cow::Owned(json) => Cow::Owned(replace_halves(&json, stand_in).into_owned()),
    }
}

/// JSON with the halves in their places again.
pub(super) fn with_halves(json: String) -> String {
    if !json.as_bytes().contains(&PRIVATE_BYTE) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut chars = json.chars();
    while let Some(char) = chars.next() {
        match char {
            LITERAL => out.extend(chars.next()),
            char if is_private(char) => out.push_str(&format!("\\u{:04x}", u32::from(char) - FIRST + 0xd800)),
            char => out.push(char),
        }
    }
    out
}

/// What was read with [`kept_halves`], as a person or an agent may have it.
pub(super) fn readable(value: &Value) -> Cow<'_, Value> {
    fn has_private(value: &Value) -> bool {
        match value {
            Value::String(text) => text.as_bytes().contains(&PRIVATE_BYTE),
            Value::Array(list) => list.iter().any(has_private),
            Value::Object(object) => object.values().any(has_private),
            _ => false,
        }
    }
    if !has_private(value) {
        return Cow::Borrowed(value);
    }
    let json = with_halves(value.to_string());
    Cow::Owned(serde_json::from_str(&without_halves(&json)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_survive_byte_for_byte() {
        for text in [
            r#"{"a":"x \ud83d y","b":"\ude00"}"#,
            "{\"a\":\"\u{10f800}\u{10ffff}\u{10f7ff} \\ud83d\"}",
            r#"{"a":"plain 🦀"}"#,
            "{\"a\":\"\u{10fffd}\"}",
        ] {
            let value: Value = serde_json::from_str(&kept_halves(text)).unwrap();
            assert_eq!(with_halves(value.to_string()), text);
        }
    }

    #[test]
    fn what_is_read_has_a_replacement_character() {
        let value: Value = serde_json::from_str(&kept_halves("{\"a\":\"x \\ud83d\",\"b\":\"\u{10f800}\"}")).unwrap();
        assert_eq!(*readable(&value), serde_json::json!({"a": "x \u{fffd}", "b": "\u{10f800}"}));
    }
}
