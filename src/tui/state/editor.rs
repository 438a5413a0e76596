//! A text that a person writes: several lines, a cursor, and what was written before.

/// A text with a cursor in it.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct Editor {
    text: String,
    /// A byte of the text, at the beginning of a character.
    cursor: usize,
    history: Vec<String>,
    /// Which one of the history is shown, from the newest, with what was being written before.
    recalled: Option<(usize, String)>,
}

impl Editor {
    pub(in crate::tui) fn text(&self) -> &str {
        &self.text
    }

    /// The line and the text before the cursor in it.
    pub(in crate::tui) fn cursor(&self) -> (usize, &str) {
        let before = &self.text[..self.cursor];
        (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default())
    }

    /// Puts a text in where the cursor is: a key, or what is pasted.
    pub(in crate::tui) fn insert(&mut self, text: &str) {
        // A terminal ends the lines of what is pasted in its own way.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        self.text.insert_str(self.cursor, &text);
        self.cursor += text.len();
        self.recalled = None;
    }

    pub(in crate::tui) fn backspace(&mut self) {
        if let Some(before) = self.before() {
            self.text.remove(before);
            self.cursor = before;
        }
    }

    /// Takes the word before the cursor away.
    pub(in crate::tui) fn delete_word(&mut self) {
        let kept = self.text[..self.cursor].trim_end();
        let from =
            kept.rfind(char::is_whitespace).map_or(0, |at| at + kept[at..].chars().next().map_or(0, char::len_utf8));
        self.text.replace_range(from..self.cursor, "");
        self.cursor = from;
    }

    pub(in crate::tui) fn delete(&mut self) {
        if self.cursor < self.text.len() {
            self.text.remove(self.cursor);
        }
    }

    pub(in crate::tui) fn left(&mut self) {
        self.cursor = self.before().unwrap_or(0);
    }

    pub(in crate::tui) fn right(&mut self) {
        self.cursor += self.text[self.cursor..].chars().next().map_or(0, char::len_utf8);
    }

    /// To the beginning of the line.
    pub(in crate::tui) fn home(&mut self) {
        self.cursor = self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1);
    }

    /// To the end of the line.
    pub(in crate::tui) fn end(&mut self) {
        self.cursor += self.text[self.cursor..].find('\n').unwrap_or(self.text.len() - self.cursor);
    }

    /// To the same place in the line above; in the first one, to what was written before.
    pub(in crate::tui) fn up(&mut self) {
        let (line, before) = self.cursor();
        let column = before.chars().count();
        match line {
            0 => self.recall(true),
            line => self.go_to(line - 1, column),
        }
    }

    /// To the same place in the line below; in the last one, to what was written after.
    pub(in crate::tui) fn down(&mut self) {
        let (line, before) = self.cursor();
        let column = before.chars().count();
        match line == self.text.matches('\n').count() {
            true => self.recall(false),
            false => self.go_to(line + 1, column),
        }
    }

    /// The text, which is written now; it is remembered, and there is a new one.
    pub(in crate::tui) fn take(&mut self) -> String {
        const MOST: usize = 100;
        let text = std::mem::take(&mut self.text);
        (self.cursor, self.recalled) = (0, None);
        if !text.trim().is_empty() && self.history.last() != Some(&text) {
            self.history.push(text.clone());
            if self.history.len() > MOST {
                self.history.remove(0);
            }
        }
        text
    }

    fn before(&self) -> Option<usize> {
        self.text[..self.cursor].char_indices().next_back().map(|(at, _)| at)
    }

    fn go_to(&mut self, line: usize, column: usize) {
        let start = self.text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
        let rest = self.text[start..].split('\n').next().unwrap_or_default();
        self.cursor = start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
    }

    fn recall(&mut self, older: bool) {
        let (place, written) = match self.recalled.take() {
            Some((place, written)) => (Some(place), written),
            None => (None, self.text.clone()),
        };
        let place = match (place, older) {
            (None, true) => Some(0),
            (Some(place), true) => Some((place + 1).min(self.history.len().saturating_sub(1))),
            (Some(0) | None, false) => None,
            (Some(place), false) => Some(place - 1),
        };
        let known = place.and_then(|place| self.history.iter().rev().nth(place)).cloned();
        (self.text, self.recalled) = match (known, place) {
            (Some(text), Some(place)) => (text, Some((place, written))),
            _ => (written, None),
        };
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_changed_and_recalled() {
        let mut editor = Editor::default();
        editor.insert("one\r\ntwö three");
        editor.delete_word();
        assert_eq!((editor.text(), editor.cursor()), ("one\ntwö ", (1, "twö ")));
        editor.up();
        assert_eq!(editor.cursor(), (0, "one"));
        editor.home();
        editor.delete();
        editor.down();
        editor.end();
        editor.backspace();
        editor.left();
        editor.backspace();
        editor.right();
        editor.insert("!");
        assert_eq!(editor.text(), "ne\ntö!");
        assert_eq!(editor.take(), "ne\ntö!");
        editor.insert("second");
        editor.take();
        editor.insert("being written");
        editor.up();
        assert_eq!(editor.text(), "second");
        editor.up();
        editor.up();
        assert_eq!(editor.text(), "ne\ntö!");
        editor.end();
        // Over its second line.
        for _ in 0..3 {
            editor.down();
        }
        assert_eq!(editor.text(), "being written", "what was not sent is not lost");
    }
}
