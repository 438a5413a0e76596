//! What agents ask, whole, and the ways to answer.

use agent_backends::ApprovalKind;
use maud::{Markup, html};

use super::markdown::markdown;
use super::parts::{inline, safe};
use crate::model::status::PendingApproval;
use crate::web::known::Known;
use crate::web::place::Place;

/// The open questions of a place: of all teams, of a team, or of a member.
pub(super) fn questions(known: &Known, place: &Place) -> Markup {
    let is_here = |team: &str, open: &PendingApproval| {
        place.team.as_deref().is_none_or(|here| here == team)
            && place.member.as_ref().is_none_or(|name| *name == open.member)
    };
    html! {
        @for (team, view) in &known.teams {
            @for open in view.facts.iter().flat_map(|facts| &facts.approvals).filter(|open| is_here(team, open)) {
                (question(team, open, place, known.read_only))
            }
        }
    }
}

fn question(team: &str, open: &PendingApproval, place: &Place, read_only: bool) -> Markup {
    let what = open.command.as_ref().or(open.details.as_ref()).unwrap_or(&open.summary);
    let label = format!("{} asks for {}", open.member, safe(&open.tool));
    html! {
        article.question id={ "question-" (team) "-" (open.id) } aria-label=(label) tabindex="-1" {
            h2 {
                a href=(Place::of(team, Some(&open.member)).address()) { @if place.team.is_none() { (inline(team)) "/" } (inline(&open.member)) }
                @if open.kind == ApprovalKind::Plan { " hands in a plan" } @else { " asks for " (inline(&open.tool)) }
                " " small { (open.id) }
            }
            @if open.kind == ApprovalKind::Plan { div.words dir="auto" { (markdown(what)) } }
            @else if open.questions.is_empty() { (whole(what, open.kind == ApprovalKind::Edit)) }
            @if open.decides.is_final() { p.quiet { "A rule decides this." } }
            @else if !read_only {
                @if open.questions.is_empty() { (allow(team, open, place)) } @else { (answers(team, open, place)) }
                (deny(team, open, place))
            }
        }
    }
}

/// The whole command, or the whole of a change with its signs in colour.
fn whole(text: &str, is_change: bool) -> Markup {
    let shown = safe(text);
    html! {
        pre tabindex="0" dir="ltr" {
            @for line in shown.split_inclusive('\n') {
                @match line.chars().next() {
                    Some('+') if is_change => { ins { (line) } }
                    Some('-') if is_change => { del { (line) } }
                    _ => { (line) }
                }
            }
        }
    }
}

fn about(team: &str, open: &PendingApproval, place: &Place) -> Markup {
    html! {
        input type="hidden" name="team" value=(team);
        input type="hidden" name="id" value=(open.id);
        input type="hidden" name="back" value=(place.address());
    }
}

fn allow(team: &str, open: &PendingApproval, place: &Place) -> Markup {
    let is_plan = open.kind == ApprovalKind::Plan;
    html! {
        form.act method="post" action="/answer" {
            (about(team, open, place))
            button.allow name="decision" value="allow" { @if is_plan { "Approve" } @else { "Allow once" } }
            @if !is_plan { button name="decision" value="session" { "Allow for the session" } }
        }
    }
}

fn deny(team: &str, open: &PendingApproval, place: &Place) -> Markup {
    // A form of its own: the Enter key in a reason must never allow.
    html! {
        form.act method="post" action="/answer" {
            (about(team, open, place))
            input type="text" name="reason" placeholder="why not?" aria-label="Why it is denied" autocomplete="off";
            button.deny name="decision" value="deny" { @if open.kind == ApprovalKind::Plan { "Reject" } @else { "Deny" } }
        }
    }
}

fn answers(team: &str, open: &PendingApproval, place: &Place) -> Markup {
    html! {
        form.act method="post" action="/answer" {
            (about(team, open, place))
            @for (number, asks) in open.questions.iter().enumerate() {
                @let name = format!("answer-{number}");
                fieldset {
                    legend dir="auto" { (safe(&asks.text)) }
                    @for choice in &asks.choices {
                        label {
                            input type=(if asks.several { "checkbox" } else { "radio" }) name=(name) value=(choice);
                            " " (inline(choice))
                        }
                    }
                    input type="text" name=(name) aria-label="An answer of your own" autocomplete="off"
                        placeholder=(if asks.choices.is_empty() { "answer" } else { "or in your words" });
                }
            }
            button.allow name="decision" value="answer" { "Answer" }
        }
    }
}
