//! Where something stands in a team file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A way into a file: keys of tables, and places in arrays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    At(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(place: usize) -> Self {
        Self::At(place)
    }
}

/// The bytes of a file in which a value stands; of the last one on the way that is there.
pub(super) fn span(text: &str, way: &[Step]) -> Range<usize> {
    let Ok(table) = DeTable::parse(text) else { return 0..0 };
    let mut found = 0..0;
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for step in way {
        let next = match (value.map(Spanned::get_ref), step) {
            (None, Step::Key(key)) => table.get_ref().get(key.as_str()),
            (Some(DeValue::Table(table)), Step::Key(key)) => table.get(key.as_str()),
            (Some(DeValue::Array(array)), Step::At(place)) => array.get(*place),
            _ => None,
        };
        let Some(next) = next else { break };
        found = next.span();
        value = Some(next);
    }
    found
}

/// The line and the column of a byte, both from 1; columns are characters.
pub(super) fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
