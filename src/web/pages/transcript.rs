//! What a member has said and done.

use agent_backends::ToolStatus;
use maud::{Markup, html};

use super::markdown::markdown;
use super::parts::{inline, safe};
use crate::live::transcript::{Entry, Piece, Tone, before_it};
use crate::web::known::{Entries, Known, Since};
use crate::web::place::Place;

/// How many pieces a page begins with.
const AT_FIRST: usize = 300;
/// How much text it begins with, in bytes.
const BYTES_AT_FIRST: usize = 1 << 20;

/// What was added since an event; all of it where that is not known any more.
pub(super) fn entries(known: &Known, place: &Place, since: Since) -> Entries {
    let Some(team) = known.team(place) else { return Entries { is_all: true, ..Entries::default() } };
    let (generation, asked) = (team.generation, since);
    let Some(transcript) = team.transcripts.get(place.agent()) else {
        return Entries { is_all: true, last: Since { generation, seq: 0 }, html: String::new() };
    };
    let (last, since) = (transcript.last(), asked.seq);
    let oldest = transcript.entries().next().map_or(0, |entry| entry.first);
    // It is another team, or more has happened than is kept.
    let is_all = asked.generation != generation || since == 0 || since > last || since < oldest;
    let mut new: Vec<&Entry> =
        transcript.entries().rev().take_while(|entry| is_all || entry.last > since || entry.first > since).collect();
    let mut is_cut = is_all && transcript.is_cut();
    if is_all {
        let all = new.len();
        new.truncate(AT_FIRST);
        let mut left = BYTES_AT_FIRST;
        new.retain(|entry| {
            let fits = left > 0;
            left = left.saturating_sub(entry.piece.length());
            fits
        });
        is_cut |= new.len() < all;
    } else {
        // A tool's end touches a piece above others.
        let below = new.len();
        new.extend(transcript.entries().rev().skip(below).take(100).filter(|entry| entry.last > since));
    }
    let html = html! {
        @if is_cut { p.note.plain { (before_it(place.agent())) } }
        @for entry in new.into_iter().rev() { (piece(entry)) }
    };
    Entries { is_all, last: Since { generation, seq: last }, html: html.into_string() }
}

fn piece(entry: &Entry) -> Markup {
    html! {
        @match &entry.piece {
            Piece::Input { turn, from, text } => {
                article.input id={ "e" (entry.first) } {
                    h2 { "turn " (turn) @if let Some(from) = from { ", " (inline(from)) } }
                    div.words dir="auto" { (safe(text)) }
                }
            }
            Piece::Said { text, is_whole } => {
                article.said id={ "e" (entry.first) } aria-busy=(!is_whole) dir="auto" { (markdown(text.trim_end())) }
            }
            Piece::Tool { name, summary, status, .. } => {
                @let (mark, class) = match status {
                    ToolStatus::Started => ("runs", "running"),
                    ToolStatus::Completed => ("done", "done"),
                    ToolStatus::Failed => ("failed", "bad"),
                    ToolStatus::Denied => ("denied", "warning"),
                };
                article.tool id={ "e" (entry.first) } {
                    details {
                        summary { span.mark.{ (class) } { (mark) } " " (inline(name)) " " code { (safe(summary.lines().next().unwrap_or_default())) } }
                        pre dir="ltr" { (safe(summary)) }
                    }
                }
            }
            Piece::Note { tone, text } => {
                article.note.{ (tone_class(*tone)) } id={ "e" (entry.first) } dir="auto" { (safe(text)) }
            }
        }
    }
}

fn tone_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    }
}
