//! What all pages are made of.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::time::iso;
use crate::visible::visible;
use crate::web::known::{Entries, Part};

/// What a page shows when it is opened.
pub(in crate::web) struct Shown {
    pub(in crate::web) parts: [(Part, Arc<str>); Part::ALL.len()],
    pub(in crate::web) entries: Arc<Entries>,
    pub(in crate::web) read_only: bool,
}

/// Text of others, as it may stand on a page: nothing in it hides a word or turns the direction of what is around it.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// Text of others within a line.
pub(super) fn inline(text: &str) -> Markup {
    html! { bdi { (safe(text)) } }
}

/// A moment. A script counts the time since it; without one its time of day is there.
pub(super) fn since(ms: i64) -> Markup {
    let time = Timestamp::from_millisecond(ms).map(iso).unwrap_or_default();
    let of_day = time.get(11..16).unwrap_or_default();
    html! { time datetime=(time) data-since=(ms) { (of_day) } }
}
