//! Pictures of what teams and runs have done, as SVG for pages: when turns were, and what they used.
//!
//! A picture is made from a [`RunReport`](crate::model::run_report::RunReport) alone. What agents and people wrote stays text in it.

mod axis;
pub(crate) mod spending;
pub(crate) mod timeline;
pub(crate) mod words;

/// The colours of pages, light and dark, and the looks of the pictures on them.
pub(crate) const STYLE: &str = include_str!("style.css");
