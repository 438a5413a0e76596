//! The text of an HTML page, for a model: without tags, scripts and styles. It is no parser: what is odd comes out odd, and nothing is run.

/// Elements whose content is not text of the page.
const HIDDEN: [&str; 5] = ["noscript", "script", "style", "svg", "template"];
/// Elements that begin a new line.
const BLOCKS: [&str; 24] = [
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dt",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
const ENTITIES: [(&str, &str); 8] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("mdash", "—"),
    ("hellip", "…"),
];

/// The text of a page.
pub(super) fn page_text(html: &str) -> String {
    // Once, and with the same offsets, because only ASCII changes.
    let lower = html.to_ascii_lowercase();
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        push(&mut text, &rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.find("-->").map_or("", |end| &after[end + 3..]);
            continue;
        }
        let name: String = rest[1..].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        let is_tag = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
        if !is_tag {
            push(&mut text, "<");
            rest = &rest[1..];
            continue;
        }
        let is_opening = !rest.starts_with("</");
        let end = rest.find('>').unwrap_or(rest.len());
        let is_empty = rest[..end].ends_with('/');
        rest = rest.get(end + 1..).unwrap_or_default();
        if is_opening && !is_empty && HIDDEN.contains(&name.as_str()) {
            let at = html.len() - rest.len();
            rest = &rest[end_of(&lower[at..], &name)..];
        } else if BLOCKS.contains(&name.as_str()) && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    push(&mut text, rest);
    text.trim().to_owned()
}

/// Where what comes after an element begins, in text of lower case.
fn end_of(lower: &str, name: &str) -> usize {
    let tag = format!("</{name}");
    let is_whole = |at: &usize| !lower[at + tag.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    let at = lower.match_indices(&tag).map(|(at, _)| at).find(is_whole);
    at.and_then(|at| Some(at + lower[at..].find('>')? + 1)).unwrap_or(lower.len())
}

/// Adds text with single spaces and without entities.
fn push(text: &mut String, piece: &str) {
    let mut rest = piece;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            if !text.ends_with([' ', '\n']) && !text.is_empty() {
                text.push(' ');
            }
        } else if let Some((decoded, length)) = entity(rest) {
            text.push_str(&decoded);
            rest = &rest[length..];
            continue;
        } else {
            text.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
}

/// The text of an entity at the beginning, and how long the entity is.
fn entity(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix('&')?;
    let end = inner.bytes().take(12).position(|byte| byte == b';')?;
    let name = &inner[..end];
    let number = match name.strip_prefix('#') {
        Some(hex) if hex.starts_with(['x', 'X']) => u32::from_str_radix(&hex[1..], 16).ok(),
        Some(number) => number.parse().ok(),
        None => None,
    };
    let decoded = match number.and_then(char::from_u32) {
        Some(c) => c.to_string(),
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
    };
    Some((decoded, end + 2))
}

#[cfg(test)]
mod tests {
    use super::page_text;

    #[test]
    fn a_page_is_its_text() {
        for (html, expected) in [
            (
                "<html><head><title>T</title></head><body><h1>A  &amp; B</h1>\n<p>one<br>two</p></body></html>",
                "T\nA & B\none\ntwo",
            ),
            ("<p>x</p><SCRIPT>if (a < b) { c() }</Script><p>y", "x\ny"),
            ("a <!-- <p>no</p> --> b", "a b"),
            ("1 < 2 &#65;&#x42;&unknown; & c", "1 < 2 AB&unknown; & c"),
            ("<style>p{}", ""),
            ("<p", ""),
            ("ü<script>ü", "ü"),
            ("<svg/>a<script src='x'/>b<style></styles>x</style >c", "abc"),
        ] {
            assert_eq!(page_text(html), expected, "{html}");
        }
    }
}
