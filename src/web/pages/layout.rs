//! The pages as wholes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::{Shown, inline};
use crate::web::known::Part;
use crate::web::place::{Place, Tab};

fn document(title: &str, scripts: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/assets/page.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                @if scripts { script type="module" src="/assets/page.js" {} }
            }
            (body)
        }
    }
}

/// A place, as it is now; a script keeps it so.
pub(in crate::web) fn page(place: &Place, shown: &Shown) -> Markup {
    let part = |part: Part| {
        let html = shown.parts.iter().find(|(known, _)| *known == part).map(|(_, html)| html.to_string());
        PreEscaped(html.unwrap_or_default())
    };
    let title = match (&place.team, &place.member) {
        (Some(team), Some(member)) => format!("{member}, {team} — teams"),
        (Some(team), None) => format!("{team} — teams"),
        _ => "teams".to_owned(),
    };
    let live = place.address_under("/live");
    let body = html! {
        body data-live=(live) data-since=(shown.entries.last) data-title=(title) class=[place.team.is_none().then_some("all")] {
            a.skip href="#main" { "To what is shown" }
            header {
                a.home href="/" { "teams" }
                div #news aria-live="polite" { (part(Part::News)) }
                @if shown.read_only { span.quiet { "only looking on" } }
                button #notify type="button" hidden { "Notify me" }
                button #keys type="button" hidden aria-label="Keys" { "?" }
            }
            nav #list aria-label="Teams and members" { (part(Part::List)) }
            main #main tabindex="-1" {
                div #head { (part(Part::Head)) }
                @if place.team.is_some() { (tabs(place)) }
                p #said role="status" {}
                div #questions aria-live="polite" { (part(Part::Questions)) }
                @if place.tab == Tab::Transcript && place.team.is_some() { (transcript(shown)) }
                div #page { (part(Part::Page)) }
            }
            @if !shown.read_only && place.member.is_some() { (write(place)) }
        }
    };
    document(&title, true, &body)
}

fn tabs(place: &Place) -> Markup {
    html! {
        nav.tabs aria-label="What is shown" {
            @for tab in Tab::ALL {
                a href=(place.with(tab).address()) aria-current=[(tab == place.tab).then_some("page")] { (tab.name()) }
            }
        }
    }
}

fn transcript(shown: &Shown) -> Markup {
    html! {
        input #search type="search" hidden placeholder="look for text" aria-label="Look for text in the transcript";
        section #transcript role="log" aria-label="Transcript" { (PreEscaped(&shown.entries.html)) }
    }
}

/// The ways to speak to a member.
fn write(place: &Place) -> Markup {
    let about = html! {
        @for (name, value) in [("team", &place.team), ("member", &place.member)] {
            @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
        }
        input type="hidden" name="back" value=(place.address());
    };
    html! {
        footer {
            form.act.write method="post" action="/send" {
                (about)
                textarea #write name="text" rows="2" required aria-label="Write to the member" placeholder="write to the member" {}
                button.allow { "Send" }
            }
            div.row {
                form.act method="post" action="/interrupt" { (about) button { "End its turn" } }
                form.act method="post" action="/stop" data-confirm="Stop this member?" { (about) button { "Stop it" } }
            }
        }
    }
}

/// The page for whoever has not shown the token.
pub(in crate::web) fn door(is_wrong: bool, token_file: &str) -> Markup {
    let body = html! {
        body.door { main {
            h1 { "teams" }
            @if is_wrong { p.bad role="alert" { "This is not the token, or its link was used already." } }
            p { "Open the link that " code { "teams web" } " has printed; it works once. Or show the token, which is in the file " code { (inline(token_file)) } " on the machine that it runs on." }
            form method="post" action="/enter" {
                label { "Token " input type="password" name="key" required autocomplete="off" autofocus; }
                button.allow { "Enter" }
            }
        } }
    };
    document("teams", false, &body)
}

/// A page that only says something.
pub(in crate::web) fn message(title: &str, text: &str, back: &str) -> Markup {
    let body = html! {
        body.door { main {
            h1 { (title) }
            p.words { (inline(text)) }
            p { a href=(back) { "Back" } }
        } }
    };
    document(title, false, &body)
}
