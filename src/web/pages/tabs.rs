//! What is shown of a place besides its transcript.

use maud::{Markup, PreEscaped, html};

use super::markdown::markdown;
use super::parts::{inline, safe};
use crate::model::graph::Graph;
use crate::model::message::StructuredMessage;
use crate::model::policy::BudgetStatus;
use crate::model::run_report::RunReport;
use crate::model::task::{Task, TaskStatus};
use crate::picture::spending::spending;
use crate::picture::timeline::timeline;
use crate::picture::words::{cost, duration, grouped};
use crate::web::known::Known;
use crate::web::place::{Place, Tab};

/// How many messages of an inbox are shown.
const MESSAGES: usize = 200;

pub(super) fn tab(known: &Known, place: &Place) -> Markup {
    match place.tab {
        // Entries are added to it one by one, and questions are above every page.
        Tab::Transcript => html! {},
        Tab::Approvals => {
            none(super::questions::questions(known, place).0.is_empty(), "Nobody asks for anything here.")
        }
        Tab::Tasks => tasks(known, place),
        Tab::Graph => graph(known, place),
        Tab::Mail => mail(known, place),
        Tab::Budget => budget(known, place),
        Tab::Timeline => pictures(known, place),
    }
}

/// What is said of something that the daemon has not told yet.
const READING: &str = "Waiting for the daemon to tell…";

fn is_read(known: &Known, place: &Place) -> bool {
    known.team(place).is_some_and(|team| team.facts.is_some())
}

fn none(is_empty: bool, text: &str) -> Markup {
    html! { @if is_empty { p.quiet { (text) } } }
}

fn tasks_of<'a>(known: &'a Known, place: &Place) -> &'a [Task] {
    let facts = known.team(place).and_then(|team| team.facts.as_ref());
    facts.map(|facts| facts.tasks.as_slice()).unwrap_or_default()
}

fn tasks(known: &Known, place: &Place) -> Markup {
    let all = tasks_of(known, place);
    let is_own = |task: &&Task| place.member.is_some() && task.owner == place.member;
    // The member's come first.
    let (own, others): (Vec<&Task>, Vec<&Task>) = all.iter().partition(is_own);
    html! {
        (none(all.is_empty(), if is_read(known, place) { "No tasks yet." } else { READING }))
        ol #all-tasks.tasks { @for task in own.into_iter().chain(others) { (task_row(task, is_own(&task))) } }
    }
}

fn task_row(task: &Task, is_own: bool) -> Markup {
    let work = task.work();
    let state = match (task.status, &work.failed) {
        (_, Some(_)) => "failed",
        (TaskStatus::Completed, _) => "completed",
        (TaskStatus::InProgress, _) => "in-progress",
        (TaskStatus::Pending, _) => "pending",
    };
    html! {
        li.{ (state) } .own[is_own] id={ "task-" (safe(&task.id.to_string())) } {
            span.state { (state.replace('-', " ")) } " #" (inline(&task.id.to_string())) " " strong { (inline(&task.subject)) }
            @if let Some(owner) = &task.owner { " " span.quiet { (inline(owner)) } }
            @if !task.blocked_by.is_empty() && task.status == TaskStatus::Pending {
                " " span.quiet { "after " @for id in &task.blocked_by { "#" (inline(&id.to_string())) " " } }
            }
            @if !task.description.is_empty() { details { summary { "Description" } div.words dir="auto" { (safe(&task.description)) } } }
            @for (title, text) in [("Why it has failed", &work.failed), ("Result", &work.result)] {
                @if let Some(text) = text { details { summary { (title) } div.words dir="auto" { (safe(text)) } } }
            }
        }
    }
}

fn graph(known: &Known, place: &Place) -> Markup {
    let tasks = tasks_of(known, place);
    html! {
        (none(tasks.is_empty(), "There are no tasks to draw."))
        @if !tasks.is_empty() {
            div.scroll tabindex="0" role="region" aria-label="Task graph" { (PreEscaped(Graph::new(tasks).to_svg_part())) }
            p.quiet { "What holds up the end of all is drawn bold." }
        }
    }
}

fn mail(known: &Known, place: &Place) -> Markup {
    let messages = known.team(place).and_then(|team| team.mail.get(place.agent())).map(Vec::as_slice);
    html! {
        @match messages {
            None => { p.quiet { (READING) } }
            Some([]) => { p.quiet { "The inbox is empty: what an agent has been given is in its transcript." } }
            Some(_) => {}
        }
        // The newest is the one that is looked for.
        @for message in messages.unwrap_or_default().iter().rev().take(MESSAGES) {
            article.mail {
                h2 { (inline(&message.from)) " " span.quiet { (inline(&message.timestamp)) } @if !message.read { " " span.unread { "unread" } } }
                @if StructuredMessage::parse(&message.text).is_some() { pre dir="ltr" { (safe(&message.text)) } }
                @else { div dir="auto" { (markdown(&message.text)) } }
            }
        }
    }
}

fn budget(known: &Known, place: &Place) -> Markup {
    let facts = known.team(place).and_then(|team| team.facts.as_ref());
    let all = facts.map(|facts| facts.budgets.as_slice()).unwrap_or_default();
    // What is the team's holds for a member without a budget of its own.
    let has_own = place.member.is_some() && all.iter().any(|budget| budget.member == place.member);
    let shown = all.iter().filter(|budget| match (&place.member, has_own) {
        (None, _) => true,
        (Some(_), true) => budget.member == place.member,
        (Some(_), false) => budget.member.is_none(),
    });
    html! {
        (none(all.is_empty(), if is_read(known, place) { "Nothing was used yet." } else { READING }))
        @for BudgetStatus { member, budget, spent } in shown {
            section {
                h2 { @if let Some(member) = member { (inline(member)) } @else { "The whole team" } }
                dl.used {
                    (used("Turns", spent.turns as f64, budget.turns.map(|most| most as f64), |value| grouped(value as u64)))
                    (used("Tokens", spent.tokens as f64, budget.tokens.map(|most| most as f64), |value| grouped(value as u64)))
                    (used("Cost", spent.cost_usd, budget.cost_usd, |value| cost(Some(value))))
                    (used("Busy time", spent.wall_ms as f64, budget.wall_ms.map(|most| most as f64), |value| duration(value as u64)))
                }
            }
        }
    }
}

fn used(what: &str, spent: f64, most: Option<f64>, word: impl Fn(f64) -> String) -> Markup {
    html! {
        dt { (what) }
        dd {
            (word(spent))
            @if let Some(most) = most { " of " (word(most)) " " meter min="0" max=(most) value=(spent) aria-label=(what) {} }
        }
    }
}

fn pictures(known: &Known, place: &Place) -> Markup {
    let Some(report) = place.team.as_ref().and_then(|team| known.reports.get(team)) else {
        return html! { p.quiet { (READING) } };
    };
    let drawn = timeline(report);
    html! {
        h2 { "Turns" }
        (none(report.turns.is_empty(), "There are no turns."))
        @if !report.turns.is_empty() {
            (PreEscaped(&drawn.legend))
            div.scroll tabindex="0" role="region" aria-label="Timeline of turns" { (PreEscaped(&drawn.svg)) }
            (PreEscaped(&drawn.note))
        }
        @if let Some(svg) = spending(report) {
            h2 { "Tokens over time" }
            div.scroll tabindex="0" role="region" aria-label="Tokens over time" { (PreEscaped(svg)) }
        }
        (by_member(report))
    }
}

fn by_member(report: &RunReport) -> Markup {
    let tokens = |usage: &agent_backends::Usage| usage.input_tokens.saturating_add(usage.output_tokens);
    let most = report.members.iter().map(|member| tokens(&member.usage)).max().unwrap_or(0).max(1);
    html! {
        h2 { "By member" }
        div.scroll tabindex="0" role="region" aria-label="Usage by member" { table {
            thead { tr { th { "Member" } th { "Backend" } th.num { "Turns" } th.num { "Busy" } th.num { "Cost" } th.num { "Tokens" } th {} } }
            tbody { @for member in &report.members { tr {
                th scope="row" { (inline(&member.name)) }
                td { (member.backend) }
                td.num { (grouped(member.turns)) }
                td.num { (duration(member.busy_ms)) }
                td.num { (cost(member.usage.cost_usd)) }
                td.num { (grouped(tokens(&member.usage))) }
                td { meter min="0" max=(most) value=(tokens(&member.usage)) aria-label="Share of tokens" {} }
            } } }
        } }
    }
}
