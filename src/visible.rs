//! What an agent, a file or a program has written, as it may go to a person's terminal: nothing in it moves the cursor, hides a word, or
//! turns the direction of the text.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A text in which control characters and those that turn its direction can be seen; tabs and ends of lines stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            // The end of a line as some systems write it.
            '\r' if chars.peek().is_none_or(|next| *next == '\n') => {}
            '\u{7f}' => shown.push('\u{2421}'),
            char if is_odd(char) && char.is_ascii() => {
                // Pictures of the control characters stand in their order.
                shown.extend(char::from_u32(0x2400 + u32::from(char)));
            }
            char if is_odd(char) => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(char));
            }
            char => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// The same on one line.
pub(crate) fn visible_line(text: &str) -> String {
    visible(text).replace(['\n', '\t'], " ")
}

/// The beginning of a text of one line, no wider than so many columns.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let fits = |char: &char| {
        let wide = char.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    text.chars().take_while(fits).chain(['…'].into_iter().filter(|_| width > 0)).collect()
}

fn is_odd(char: char) -> bool {
    match char {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of text that runs from right to left; ends of lines and paragraphs of Unicode's own.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        // Characters that are none, of which our own marks are made, and those that only hide.
        '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => true,
        char => char.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text() {
        for (text, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[2K\u{1b}[1Gls", "␛[2K␛[1Gls"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("a\rb\r\nc\r", "a␍b\nc"),
            ("\u{8}\u{7f}\0", "␈␡␀"),
            ("\u{9b}31m", "<U+009B>31m"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a<U+202E>b<U+2066>c<U+200F>"),
            ("\u{fdd0}r", "<U+FDD0>r"),
            ("ünï 🦀 \u{300}", "ünï 🦀 \u{300}"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
        assert_eq!(visible_line("a\n\tb\u{1b}"), "a  b␛");
    }
}
