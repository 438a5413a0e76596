//! The pages: pure functions of what is known. What agents and people wrote stays text in them.

mod layout;
mod list;
mod markdown;
mod parts;
mod questions;
mod tabs;
mod transcript;

pub(super) use self::layout::{door, message, page};
pub(super) use self::parts::Shown;
use super::known::{Entries, Known, Part, Since};
use super::place::Place;

/// A part of a page, as it is now.
pub(super) fn part(known: &Known, part: Part, place: &Place) -> String {
    let markup = match part {
        Part::News => list::news(known),
        Part::List => list::list(known, place),
        Part::Head => list::head(known, place),
        Part::Questions => questions::questions(known, place),
        Part::Page => tabs::tab(known, place),
    };
    markup.into_string()
}

/// What was added to the transcript of a place since an event; all of it since event 0.
pub(super) fn entries(known: &Known, place: &Place, since: Since) -> Entries {
    transcript::entries(known, place, since)
}

#[cfg(test)]
mod tests;
