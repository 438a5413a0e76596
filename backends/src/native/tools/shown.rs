//! What others have written, as it may stand in one line for people, and in an error for a model.

/// The longest name that is shown whole, in characters.
const LONGEST: usize = 300;

/// A text in one line: control characters and those that turn the direction of writing are escaped, and a long one is cut.
pub(in crate::native) fn shown(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LONGEST));
    for (count, char) in text.chars().enumerate() {
        if count == LONGEST {
            line.push('…');
            break;
        }
        if char.is_control()
            || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// How long the text is that a byte sequence can begin with without cutting a character in two.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    match str::from_utf8(bytes) {
        // Cut at its end; anything else is no UTF-8 anyway.
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

/// A number with its noun, which takes an `s` unless it is one.
pub(super) fn count_of(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// An answer with its notes below it, each in a line of its own.
pub(super) fn with_notes(mut text: String, notes: &[String]) -> String {
    if !text.is_empty() && !text.ends_with('\n') && !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text.push_str(&format!("[{note}]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_and_does_not_turn_around() {
        assert_eq!(shown("a\nb\u{1b}[2J\u{202e}c ü"), "a\\nb\\u{1b}[2J\\u{202e}c ü");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn characters_are_not_cut() {
        assert_eq!(whole_characters("aü".as_bytes()), 3);
        assert_eq!(whole_characters(&"aü".as_bytes()[..2]), 1);
        assert_eq!(whole_characters(b"a\xffb"), 3);
    }
}
