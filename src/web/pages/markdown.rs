//! What models write, as HTML. Tags in it are text, nothing is loaded from anywhere, and a link can only be one to a page.

use maud::PreEscaped;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::parts::safe;

/// A text in Markdown.
pub(super) fn markdown(text: &str) -> PreEscaped<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    // Which of the links that are open are shown as such.
    let mut links = Vec::new();
    let events = Parser::new_ext(text, options).filter_map(|event| match event {
        // Marks of Markdown are read before: it has ways of its own to write any character.
        Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(shown(&text))),
        Event::Code(text) => Some(Event::Code(shown(&text))),
        // Which side its columns are on would stand in a style, and none may stand in the page.
        Event::Start(Tag::Table(_)) => Some(Event::Start(Tag::Table(Vec::new()))),
        Event::Start(Tag::Link { link_type, dest_url, title, id } | Tag::Image { link_type, dest_url, title, id }) => {
            let is_page = dest_url.starts_with("https://") || dest_url.starts_with("http://");
            links.push(is_page);
            is_page.then(|| Event::Start(Tag::Link { link_type, dest_url, title: shown(&title), id }))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => links.pop().unwrap_or(false).then_some(Event::End(TagEnd::Link)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        // The page has headings of its own above these.
        Event::Start(Tag::Heading { level, .. }) => {
            Some(Event::Start(Tag::Heading { level: below(level), id: None, classes: Vec::new(), attrs: Vec::new() }))
        }
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
        event => Some(event),
    });
    let mut out = String::with_capacity(text.len() * 5 / 4);
    html::push_html(&mut out, events);
    PreEscaped(out)
}

fn shown(text: &str) -> CowStr<'static> {
    safe(text).into_owned().into()
}

fn below(level: HeadingLevel) -> HeadingLevel {
    level.max(HeadingLevel::H4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_is_a_tag_of_its_writer() {
        for (text, expected) in [
            ("**bold** `x<y`", "<p><strong>bold</strong> <code>x&lt;y</code></p>\n"),
            ("# Title", "<h4>Title</h4>\n"),
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("a <img src=x onerror=alert(1)> b", "<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n"),
            ("[go](javascript:alert(1))", "<p>go</p>\n"),
            ("[go](JaVaScRiPt:alert(1))", "<p>go</p>\n"),
            ("[go](//evil.example)", "<p>go</p>\n"),
            ("<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"),
            ("[go](https://a.example/\"onclick=x)", "<p><a href=\"https://a.example/%22onclick=x\">go</a></p>\n"),
            ("![pic](https://a.example/x.png)", "<p><a href=\"https://a.example/x.png\">pic</a></p>\n"),
            ("![pic](data:image/svg+xml,x)", "<p>pic</p>\n"),
            ("[![x](https://a.example/x)](javascript:y)", "<p><a href=\"https://a.example/x\">x</a></p>\n"),
            ("&#x202e;&rlm;&#27;x", "<p>&lt;U+202E&gt;&lt;U+200F&gt;␛x</p>\n"),
            ("`a\u{202e}`", "<p><code>a&lt;U+202E&gt;</code></p>\n"),
            (
                "[a](https://b.example '\u{202e}')",
                "<p><a href=\"https://b.example\" title=\"&lt;U+202E&gt;\">a</a></p>\n",
            ),
            ("\u{1b}[2J\u{202e}x", "<p>␛[2J&lt;U+202E&gt;x</p>\n"),
        ] {
            assert_eq!(markdown(text).0, expected, "{text}");
        }
        let code = markdown("```html\"onload=x\n<b>\n```").0;
        assert_eq!(code, "<pre><code class=\"language-html&quot;onload=x\">&lt;b&gt;\n</code></pre>\n");
    }
}
