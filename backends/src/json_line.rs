//! A line of an agent's output as JSON values: what a terminal would swallow is no part of it, and half a surrogate pair costs nothing.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// The values that a line holds: the first, and the others, of which there are mostly none. A list of objects is its elements. A line that
/// is not JSON is one value, as it is.
pub fn values(line: String) -> (String, Vec<String>) {
    let start = skip_control(&line);
    let text = &line[start..];
    if !text.starts_with(['{', '[']) {
        return (line, Vec::new());
    }
    if text.starts_with('{') && !may_hold_two(text) {
        let one = if start == 0 { whole_characters(line) } else { whole_characters(text.to_owned()) };
        return (one, Vec::new());
    }
    let mut found = Vec::new();
    let mut rest = text;
    while rest.starts_with(['{', '[']) {
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let Some(Ok(value)) = values.next() else { break };
        let end = values.byte_offset();
        match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            Ok(list) if list.iter().all(|element| element.get().starts_with('{')) => {
                found.extend(list.iter().map(|element| element.get().to_owned()));
            }
            _ => found.push(value.get().to_owned()),
        }
        rest = &rest[end..];
        rest = &rest[skip_control(rest)..];
    }
    if found.is_empty() {
        return (whole_characters(line), Vec::new());
    }
    let mut found = found.into_iter().map(whole_characters);
    (found.next().unwrap_or_default(), found.collect())
}

/// Whether a second object may begin in it: within one, a comma or the end of a list stands between two.
fn may_hold_two(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'}', bytes).any(|end| {
        let next = bytes[end + 1..].iter().find(|byte| matches!(byte, b'{' | b'}' | b',' | b']' | b'"'));
        next == Some(&b'{')
    })
}

/// How many bytes at the beginning are no text: spaces, a byte order mark, control characters, and a terminal's escape sequences.
pub fn skip_control(text: &str) -> usize {
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = match char {
            '\u{1b}' | '\u{80}'..='\u{9f}' => &rest[escape_length(rest)..],
            '\u{feff}' | ' ' => &rest[char.len_utf8()..],
            char if char.is_ascii_control() => &rest[1..],
            _ => break,
        };
    }
    text.len() - rest.len()
}

/// The length in bytes of the escape sequence that a text begins with: CSI (colours, movements), a string that ST or BEL ends (window
/// titles), or one of two characters. Of a string that does not end, only its beginning.
pub fn escape_length(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, first)) = chars.next() else { return 0 };
    let kind = match first {
        '\u{1b}' => match chars.next() {
            Some((_, kind)) => kind,
            None => return text.len(),
        },
        // The single characters that stand for ESC and one of these.
        control => char::from_u32(u32::from(control) - 0x40).unwrap_or(control),
    };
    let begin = chars.offset();
    match kind {
        '[' => match chars.find(|(_, char)| ('@'..='~').contains(char)) {
            Some((at, _)) => at + 1,
            None => text.len(),
        },
        ']' | 'P' | 'X' | '^' | '_' => {
            for (at, char) in chars {
                match char {
                    '\u{7}' | '\u{9c}' => return at + char.len_utf8(),
                    '\u{1b}' if text[at + 1..].starts_with('\\') => return at + 2,
                    _ => {}
                }
            }
            begin
        }
        // Character sets: ESC, a character between space and slash, another one.
        ' '..='/' => chars.next().map_or(text.len(), |(at, char)| at + char.len_utf8()),
        _ => begin,
    }
}

/// JSON in which half a surrogate pair, which no text can hold, is written as U+FFFD.
fn whole_characters(json: String) -> String {
    if let Cow::Owned(replaced) = replace_halves(&json, |_| "\\ufffd".into()) {
        return replaced;
    }
    json
}

/// Replaces each escape in JSON that is half a surrogate pair without its other half; `by` is told its number.
pub fn replace_halves(json: &str, by: impl Fn(u32) -> Cow<'static, str>) -> Cow<'_, str> {
    let mut escapes = memchr::memmem::find_iter(json.as_bytes(), b"\\u");
    if !escapes.any(|at| matches!(json.as_bytes().get(at + 2), Some(b'd' | b'D'))) {
        return Cow::Borrowed(json);
    }
    let unit = |at: usize| -> Option<u32> {
        let digits = json.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let bytes = json.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'\\') {
        at += found;
        at += match unit(at) {
            Some(0xd800..0xdc00) if matches!(unit(at + 6), Some(0xdc00..0xe000)) => 12,
            Some(half @ 0xd800..0xe000) => {
                out.push_str(&json[copied..at]);
                out.push_str(&by(half));
                copied = at + 6;
                6
            }
            // The character that is escaped may be a backslash.
            _ => 2,
        };
        if at >= bytes.len() {
            break;
        }
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        let (first, others) = values(line.to_owned());
        assert_eq!([vec![first], others].concat(), expected, "{line:?}");
    }

    #[test]
    fn what_a_terminal_swallows_is_no_part_of_a_line() {
        for before in [
            "\u{feff}",
            "\u{1b}[0m",
            "\u{1b}]0;agent: {ready}\u{7}",
            "\u{1b}]0;title\u{1b}\\",
            "\u{1b}[?25l\u{1b}(B",
            "\u{9b}31m",
            "\0\r",
            "\u{1b}P1$r0m\u{1b}\\",
            " \u{1b}[1;31m \u{feff}",
            "\u{1b}7",
            "\u{1b}]0;not ended ",
        ] {
            let whole = before != "\u{1b}]0;not ended ";
            let line = format!("{before}{{\"a\":1}}");
            check(&line, &[if whole { "{\"a\":1}" } else { &line }]);
        }
        check("{\"a\":1}\u{1b}[0m", &["{\"a\":1}\u{1b}[0m"]);
        check("plain {\"a\":1}", &["plain {\"a\":1}"]);
        check("", &[""]);
        check("\u{1b}", &["\u{1b}"]);
    }

    #[test]
    fn a_line_may_hold_several_values() {
        check(r#"{"a":1}{"b":2}"#, &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("{\"a\":\"}{\"} \u{1b}[0m{\"b\":2} rubbish", &["{\"a\":\"}{\"}", "{\"b\":2}"]);
        check(r#"[{"a":1}, {"b":2}]"#, &[r#"{"a":1}"#, r#"{"b":2}"#]);
        check("[1]", &["[1]"]);
        check("[{", &["[{"]);
        check(r#"{"a":"}{""#, &[r#"{"a":"}{""#]);
    }

    #[test]
    fn half_a_pair_is_a_replacement_character() {
        for (json, expected) in [
            (r#"{"a":"x \ud83d y"}"#, r#"{"a":"x \ufffd y"}"#),
            (r#"{"a":"\uDE00\uD83D"}"#, r#"{"a":"\ufffd\ufffd"}"#),
            (r#"{"a":"\ud83d\ud83d\ude00"}"#, r#"{"a":"\ufffd\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d\u0041"}"#, r#"{"a":"\ufffd\u0041"}"#),
            // An escaped backslash before letters that look like one.
            (r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#),
            (r#"{"a":"\\\ud83d"}"#, r#"{"a":"\\\ufffd"}"#),
            (r#"{"a":"\ud83d\ude00"}"#, r#"{"a":"\ud83d\ude00"}"#),
            (r#"{"a":"\ud8"#, r#"{"a":"\ud8"#),
            (r#"{"a":"\ud83d\"#, r#"{"a":"\ufffd\"#),
        ] {
            check(json, &[expected]);
        }
    }
}
