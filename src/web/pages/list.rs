//! Who is there, and who needs the person.

use maud::{Markup, html};

use super::parts::{inline, since};
use crate::live::team::{Group, TeamView, needs, short, task_of};
use crate::model::status::MemberStatus;
use crate::model::task::TaskStatus;
use crate::web::known::Known;
use crate::web::place::Place;

/// Whether a daemon answers, and who needs the person.
pub(super) fn news(known: &Known) -> Markup {
    let needing = needs(&known.teams);
    html! {
        @if let Some(why) = &known.lost { p.lost role="alert" { "No daemon answers: " (inline(why)) } }
        @match needing.first() {
            None => { span.quiet { "Nobody needs you" } }
            Some(first) => {
                @let place = Place::of(&first.team, Some(&first.member));
                a.need href=(place.address()) { (needing.len()) @if needing.len() == 1 { " needs you" } @else { " need you" } }
            }
        }
        ul #needs hidden {
            @for need in &needing {
                @let place = Place::of(&need.team, Some(&need.member));
                li data-need=(need.key()) data-who={ (need.team) "/" (need.member) } data-href=(place.address()) { (super::parts::safe(&need.what)) }
            }
        }
    }
}

/// All teams and members.
pub(super) fn list(known: &Known, place: &Place) -> Markup {
    html! {
        @if known.teams.is_empty() && known.lost.is_none() { p.quiet { "There is no team yet: " code { "teams create NAME" } } }
        @for (name, team) in &known.teams {
            @let here = Place::of(name, None).with(place.tab);
            h2 id={ "team-" (name) } { a id={ "to-" (name) } href=(here.address()) aria-current=[current(&here, place)] { (inline(name)) } }
            @for group in Group::ALL {
                @let own: Vec<&MemberStatus> = team.members().iter().filter(|member| Group::of(team, member) == group).collect();
                @if !own.is_empty() {
                    h3.{ (class(group)) } id={ (class(group)) "-in-" (name) } { (group.name()) }
                    ul id={ (class(group)) "-of-" (name) } { @for member in own { (row(name, team, member, group, place)) } }
                }
            }
        }
    }
}

fn row(name: &str, team: &TeamView, member: &MemberStatus, group: Group, place: &Place) -> Markup {
    let here = Place::of(name, Some(&member.name)).with(place.tab);
    let tokens = member.usage.input_tokens.saturating_add(member.usage.output_tokens);
    html! {
        li id={ "row-" (name) "/" (member.name) } { a.{ (class(group)) } id={ "to-" (name) "/" (member.name) } href=(here.address()) aria-current=[current(&here, place)] {
            span.name { (inline(&member.name)) }
            @if let Some(backend) = &member.backend { span { (backend.short_name()) } }
            @if let Some(task) = task_of(team, member) { span { "#" (inline(&task)) } }
            @if tokens > 0 { span title="tokens" { (short(tokens)) } }
            @if let Some(cost) = member.usage.cost_usd { span { (format!("${cost:.2}")) } }
            @if member.unread > 0 { span.unread { (member.unread) " unread" } }
            @if let Some(ms) = team.since.get(&member.name) { (since(*ms)) }
        } }
    }
}

fn current(here: &Place, place: &Place) -> Option<&'static str> {
    (here == place).then_some("page")
}

/// A line about the place.
pub(super) fn head(known: &Known, place: &Place) -> Markup {
    let Some(name) = &place.team else {
        return html! {
            h1 { "All teams" }
            @for (name, team) in &known.teams {
                @let done = team.facts.iter().flat_map(|facts| &facts.tasks).filter(|task| task.status == TaskStatus::Completed).count();
                @let tasks = team.facts.as_ref().map_or(0, |facts| facts.tasks.len());
                @let works = team.members().iter().filter(|member| Group::of(team, member) == Group::Working).count();
                p {
                    a href=(Place::of(name, None).address()) { (inline(name)) } ": "
                    (works) " of " (team.members().len()) " work"
                    @if tasks > 0 { ", " (done) " of " (tasks) " tasks are done " meter min="0" max=(tasks) value=(done) aria-label="Tasks done" {} }
                }
            }
        };
    };
    let Some(team) = known.team(place) else {
        return html! { h1 { (inline(name)) } p.quiet { "There is no such team now." } };
    };
    let Some(member) = &place.member else {
        let description = team.facts.as_ref().and_then(|facts| facts.status.description.as_ref());
        let count = team.members().len();
        return html! {
            h1 { (inline(name)) }
            p {
                @if let Some(text) = description { (inline(text)) ", " }
                (count) @if count == 1 { " member" } @else { " members" }
            }
        };
    };
    let Some(status) = team.members().iter().find(|known| known.name == *member) else {
        return html! { h1 { (inline(member)) } p.quiet { "The team has no such member now." } };
    };
    let usage = &status.usage;
    html! {
        h1 { (inline(member)) " " span.state.{ (class(Group::of(team, status))) } { (status.state.as_str()) } }
        p {
            @if let Some(ms) = team.since.get(member) { "for " (since(*ms)) ", " }
            @if let Some(backend) = &status.backend { (backend.to_string()) ", " }
            @if let Some(model) = &status.model { (inline(model)) ", " }
            @if let Some(task) = task_of(team, status) { "task #" (inline(&task)) ", " }
            (status.turns) @if status.turns == 1 { " turn, " } @else { " turns, " }
            (usage.input_tokens.saturating_add(usage.output_tokens)) " tokens"
            @if let Some(cost) = usage.cost_usd { ", " (format!("${cost:.2}")) }
            @if status.queued > 0 { ", " (status.queued) " waiting" }
        }
        @if let Some(reason) = status.failure.as_ref().or(status.reason.as_ref()) { p.words { (inline(reason)) } }
    }
}

pub(super) fn class(group: Group) -> &'static str {
    match group {
        Group::NeedsYou => "needs",
        Group::Working => "working",
        Group::Idle => "idle",
        Group::Stopped => "stopped",
    }
}
