//! Text as lines of a window: wrapped by what it takes on a screen, and safe to show.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::visible::visible;

/// Breaks a line at words, and words that are longer than the window anywhere.
pub(super) fn wrap(line: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        let wide = word.trim_end_matches(' ').width();
        if used > 0 && used + wide > width {
            lines.push(String::new());
            used = 0;
        }
        for char in word.chars() {
            let wide = char.width().unwrap_or(0);
            if used + wide > width {
                // The space at the end of a full line is the line's end.
                if char == ' ' {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().expect("there is one").push(char);
            used += wide;
        }
    }
    lines
}

/// A text in one style.
pub(super) fn plain(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let shown = visible(text);
    let shown = shown.replace('\t', "    ");
    shown.split('\n').flat_map(|line| wrap(line, width)).map(|line| Line::styled(line, style)).collect()
}

/// A text as people and models write it: headings, code, and what is emphasised stand out; everything else stays as it is.
pub(super) fn markdown(text: &str, width: usize, styles: &MarkdownStyles) -> Vec<Line<'static>> {
    let shown = visible(text);
    let shown = shown.replace('\t', "    ");
    let mut lines = Vec::new();
    let mut in_code = false;
    for line in shown.split('\n') {
        let is_fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        let style = match (in_code || is_fence, line.starts_with('#')) {
            (true, _) => styles.code,
            (false, true) => styles.heading,
            (false, false) => styles.plain,
        };
        in_code ^= is_fence;
        for part in wrap(line, width) {
            lines.push(match style == styles.plain {
                true => emphasised(&part, styles),
                false => Line::styled(part, style),
            });
        }
    }
    lines
}

/// The looks of Markdown.
pub(super) struct MarkdownStyles {
    pub(super) plain: Style,
    pub(super) heading: Style,
    pub(super) code: Style,
    pub(super) strong: Style,
}

/// `code` and **strong** words of a line. Marks that have no partner in it stay what they are.
fn emphasised(line: &str, styles: &MarkdownStyles) -> Line<'static> {
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some((before, inner, after, style)) = next_mark(rest, styles) {
        if !before.is_empty() {
            spans.push(Span::styled(before.to_owned(), styles.plain));
        }
        spans.push(Span::styled(inner.to_owned(), style));
        rest = after;
    }
    spans.push(Span::styled(rest.to_owned(), styles.plain));
    Line::from(spans)
}

fn next_mark<'a>(line: &'a str, styles: &MarkdownStyles) -> Option<(&'a str, &'a str, &'a str, Style)> {
    let find = |mark: &str, style: Style| {
        let at = line.find(mark)?;
        let inner = &line[at + mark.len()..];
        let end = inner.find(mark).filter(|end| *end > 0)?;
        Some((at, &line[..at], &inner[..end], &inner[end + mark.len()..], style))
    };
    let found = [find("`", styles.code), find("**", styles.strong)].into_iter().flatten().min_by_key(|found| found.0);
    found.map(|(_, before, inner, after, style)| (before, inner, after, style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_whatever_is_in_them() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("全部の仕事", 5), ["全部", "の仕", "事"]);
        for width in 1..12 {
            let text = "a 全部 \u{1b}[2J👩‍👩‍👧‍👦 verylongwordindeed\tx";
            for line in plain(text, width, Style::default()) {
                assert!(line.width() <= width.max(2), "{width}: {line:?}");
                assert!(!line.to_string().contains('\u{1b}'));
            }
            let line = crate::visible::visible_line(text);
            assert!(crate::visible::cut(&line, width).width() <= width);
        }
    }

    #[test]
    fn marks_without_a_partner_stay() {
        let styles = MarkdownStyles {
            plain: Style::new(),
            heading: Style::new().bold(),
            code: Style::new().dim(),
            strong: Style::new().italic(),
        };
        let shown = |text: &str| {
            let lines = markdown(text, 80, &styles);
            lines
                .iter()
                .map(|line| line.spans.iter().map(|span| span.content.to_string()).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown("a `b` **c** d"), [["a ", "b", " ", "c", " d"]]);
        assert_eq!(shown("2 ** 3, a ` b"), [["2 ** 3, a ` b"]]);
        assert_eq!(shown("```\n**x**\n```\n# y"), [["```"], ["**x**"], ["```"], ["# y"]]);
    }
}
