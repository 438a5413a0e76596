//! Reports of runs for people and CI systems: Markdown, JUnit XML, and HTML in one file.
//!
//! A report is made from a [`RunReport`] alone. What agents and people wrote stays text in all three: it can neither end
//! a table, an element or an attribute, nor begin one, nor turn the direction of what stands around it.

mod html;
mod junit;
mod markdown;
#[cfg(test)]
mod tests;

use crate::model::run_report::RunReport;

/// The report in Markdown, as GitHub and others render it.
pub(super) fn markdown(report: &RunReport) -> String {
    markdown::markdown(report)
}

/// The report in JUnit XML: a test suite with a test case for each task.
pub(super) fn junit(report: &RunReport) -> String {
    junit::junit(report)
}

/// The report as an HTML file that refers to nothing outside. `graph_svg` is a picture of the tasks; it is taken as it is.
pub(super) fn html(report: &RunReport, graph_svg: &str) -> String {
    html::html(report, graph_svg)
}
