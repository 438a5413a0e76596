//! What the pages make of what others have written.

use std::collections::BTreeMap;

use super::*;
use crate::live::facts::{Fact, TeamFacts};
use crate::live::team::learn;
use crate::model::event::{Event, EventKind};
use crate::model::status::{MemberState, MemberStatus, PendingApproval, TeamStatus};
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::web::place::Tab;

const EVIL: &str = "<script>alert('x')</script>\"onload=y \u{202e}\u{1b}[2J";

fn event(seq: u64, kind: EventKind) -> Event {
    let time = "2026-11-27T10:00:00.000Z".to_owned();
    Event { seq, time, team: "crew".into(), agent: "anna".into(), turn: Some(1), kind }
}

fn since(seq: u64) -> Since {
    Since { generation: 0, seq }
}

fn delta(seq: u64, text: &str) -> Event {
    event(seq, EventKind::Delta { text: text.to_owned() })
}

fn known() -> Known {
    let asks = PendingApproval {
        id: "anna-1".into(),
        member: "anna".into(),
        tool: EVIL.into(),
        summary: EVIL.into(),
        kind: agent_backends::ApprovalKind::Command,
        command: Some(format!("echo {EVIL}\nrm -r /")),
        details: None,
        questions: Vec::new(),
        decides: Default::default(),
    };
    let mut anna = MemberStatus::named("anna", None, MemberState::WaitingApproval);
    anna.model = Some(EVIL.into());
    let status = TeamStatus {
        team: "crew".into(),
        description: Some(EVIL.into()),
        members: vec![anna],
        lead_unread: 0,
        notes: vec![],
    };
    let mail = serde_json::json!({ "from": EVIL, "text": EVIL, "timestamp": EVIL, "read": false });
    let id = |text: &str| TaskId::from(text.to_owned());
    let task = Task {
        id: id(EVIL),
        subject: EVIL.into(),
        description: EVIL.into(),
        active_form: None,
        owner: Some(EVIL.into()),
        status: TaskStatus::Pending,
        blocks: Vec::new(),
        blocked_by: vec![id(EVIL)],
        metadata: None,
    };
    let facts = TeamFacts { status, tasks: vec![task], approvals: vec![asks], budgets: Vec::new() };
    let mut known = Known::default();
    for fact in [
        Fact::Teams(vec!["crew".into()]),
        Fact::Team(Box::new(facts)),
        Fact::Events(vec![
            event(3, EventKind::TurnStarted { input: Some(EVIL.into()), from: Some(EVIL.into()) }),
            delta(4, EVIL),
        ]),
        Fact::Mail {
            team: "crew".into(),
            member: "anna".into(),
            messages: vec![serde_json::from_value(mail).expect("a message")],
        },
    ] {
        learn(&mut known.teams, None, fact);
    }
    known
}

#[test]
fn nothing_that_others_wrote_is_a_tag_or_turns_a_line() {
    let known = known();
    let place = Place::of("crew", Some("anna"));
    let mut drawn = BTreeMap::new();
    for tab in Tab::ALL {
        for part in Part::ALL {
            drawn.insert(format!("{tab:?} {part:?}"), super::part(&known, part, &place.with(tab)));
        }
    }
    drawn.insert("entries".to_owned(), entries(&known, &place, since(0)).html);
    drawn.insert("all".to_owned(), super::part(&known, Part::Questions, &Place::default()));
    for (name, html) in drawn {
        for bad in ["<script", "\"onload=y \u{202e}", "\u{202e}", "\u{1b}"] {
            assert!(!html.contains(bad), "{name} has {bad:?}: {html}");
        }
    }
    let asked = super::part(&known, Part::Questions, &place);
    assert!(asked.contains("rm -r /") && asked.contains("Allow once"), "{asked}");
    let mut shows = known;
    shows.read_only = true;
    assert!(!super::part(&shows, Part::Questions, &place).contains("<form"));
}

#[test]
fn a_transcript_goes_on_where_a_page_has_it() {
    let mut known = known();
    let place = Place::of("crew", Some("anna"));
    let all = entries(&known, &place, since(0));
    assert!(
        all.html.contains("what came before this is in `teams tail anna`"),
        "events 1 and 2 were not heard: {}",
        all.html
    );
    assert!(all.is_all && all.last == since(4) && all.html.contains("id=\"e3\"") && all.html.contains("id=\"e4\""));
    assert_eq!(entries(&known, &place, since(4)), Entries { is_all: false, last: since(4), html: String::new() });
    let tool = |seq, status| {
        let (id, name, summary) = ("t".to_owned(), "Bash".to_owned(), "ls".to_owned());
        event(seq, EventKind::Tool { id, name, status, summary })
    };
    let mut hear = |events| learn(&mut known.teams, None, Fact::Events(events));
    hear(vec![delta(5, "more"), tool(6, agent_backends::ToolStatus::Started), delta(7, "then")]);
    let (grown, html) = (entries(&known, &place, since(4)), |seq| entries(&known, &place, since(seq)).html);
    assert!(
        !grown.is_all && grown.last == since(7) && !grown.html.contains("e3\"") && grown.html.contains("e4\""),
        "{grown:?}"
    );
    assert!(!html(6).contains("e6\"") && html(6).contains("e7\""));
    learn(&mut known.teams, None, Fact::Events(vec![tool(8, agent_backends::ToolStatus::Failed)]));
    let ended = entries(&known, &place, since(7)).html;
    assert!(ended.contains("id=\"e6\"") && ended.contains("failed") && !ended.contains("e3\""), "{ended}");
    assert!(entries(&known, &place, since(900)).is_all, "more than there is");
    learn(&mut known.teams, None, Fact::Anew { team: "crew".into() });
    learn(&mut known.teams, None, Fact::Events(vec![delta(9, "another team")]));
    let anew = entries(&known, &place, since(8));
    assert!(anew.is_all && anew.last == Since { generation: 1, seq: 9 } && !anew.html.contains("then"), "{anew:?}");
}
