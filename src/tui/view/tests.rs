use agent_backends::{ApprovalKind, ToolStatus, Usage};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::live::facts::Fact;
use crate::model::event::{Event, EventKind};
use crate::model::status::MemberState;
use crate::tui::state::tests::{asks, member, seen, team};
use crate::tui::state::{Action, Place, State};

fn event(agent: &str, turn: u64, kind: EventKind) -> Event {
    let time = "1970-01-01T00:16:00.000Z".to_owned();
    Event { seq: 1, time, team: "crew".into(), agent: agent.into(), turn: Some(turn), kind }
}

/// A team at work: one asks, one works, one has ended.
fn at_work() -> State {
    let said = "## Plums\nThey are **ripe**, as `ls` shows:\n```\nplum 全部の仕事 \u{1b}[2J\n```\nAll of them.";
    let tool = |status| EventKind::Tool { id: "t".into(), name: "Bash".into(), status, summary: "ls -l plums".into() };
    let mut working = member("bert", MemberState::Busy);
    working.unread = 2;
    seen([
        team(
            "crew",
            vec![member("anna", MemberState::WaitingApproval), working, member("cleo", MemberState::Exited)],
            vec![asks("anna-1", "anna", ApprovalKind::Command)],
        ),
        Fact::Events(vec![
            event("anna", 1, EventKind::State { state: "busy".into(), reason: String::new() }),
            event(
                "anna",
                1,
                EventKind::TurnStarted { input: Some("Look at the plums.".into()), from: Some("user".into()) },
            ),
            event("anna", 1, tool(ToolStatus::Started)),
            event("anna", 1, tool(ToolStatus::Completed)),
            event("anna", 1, EventKind::Message { text: said.into() }),
            event("anna", 1, EventKind::Notice { message: "a word of \u{202e}warning".into() }),
            event("bert", 4, EventKind::Delta { text: "I am at ".into() }),
            event("bert", 4, EventKind::Delta { text: "it".into() }),
            event("bert", 4, EventKind::Usage { usage: Usage::default() }),
        ]),
    ])
}

fn select(state: &mut State, name: &str) {
    state.act(Action::Select(Place { team: "crew".into(), member: Some(name.into()) }));
}

fn screen(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen");
    terminal.draw(|frame| drop(draw(frame, state, Theme { colour: true }))).expect("drawn");
    terminal.backend().to_string()
}

#[test]
fn a_member_that_asks() {
    let mut state = at_work();
    select(&mut state, "anna");
    insta::assert_snapshot!("transcript", screen(&state, 100, 24));
    state.act(Action::Show(Tab::Approvals));
    insta::assert_snapshot!("approvals", screen(&state, 100, 12));
}

#[test]
fn a_member_that_works_and_is_written_to() {
    let mut state = at_work();
    select(&mut state, "bert");
    state.act(Action::Write);
    assert!(screen(&state, 80, 14).contains("│> "), "there is a place to write");
    state.act(Action::Insert("first line\nsecond".into()));
    insta::assert_snapshot!("write", screen(&state, 80, 14));
    state.act(Action::Leave);
    state.act(Action::Help);
    insta::assert_snapshot!("help", screen(&state, 80, 24));
}

#[test]
fn a_question_that_does_not_fit_says_so() {
    let long = asks("q1", "anna", ApprovalKind::Command);
    let long = crate::model::status::PendingApproval { command: Some("ls\n".repeat(99) + "rm -r plums"), ..long };
    let mut state = seen([team("crew", vec![member("anna", MemberState::WaitingApproval)], vec![long])]);
    let shown = screen(&state, 80, 24);
    assert!(shown.contains("more lines: 5 shows it whole") && !shown.contains("rm -r"), "{shown}");
    state.act(Action::Show(Tab::Approvals));
    for _ in 0..9 {
        state.act(Action::Scroll(-15));
    }
    assert!(screen(&state, 80, 24).contains("rm -r plums"));
}

#[test]
fn what_is_wrong_with_an_answer_is_seen() {
    let asking = asks("q1", "anna", ApprovalKind::Answer);
    let mut state = seen([team("crew", vec![member("anna", MemberState::WaitingApproval)], vec![asking])]);
    state.apply(Fact::Time(2_000_000));
    state.act(Action::Reply);
    state.act(Action::Submit);
    let shown = screen(&state, 100, 12);
    assert!(shown.contains("it asks 1 question") && shown.contains("answer: "), "{shown}");
    assert!(shown.contains("Which one?") && shown.contains("- that"), "{shown}");
}

#[test]
fn no_screen_is_too_small_and_nothing_on_it_moves_the_cursor() {
    let mut state = at_work();
    for (width, height) in [(20, 5), (1, 1), (59, 7), (60, 8), (300, 100), (3, 40)] {
        for tab in Tab::ALL {
            for name in ["anna", "bert", "cleo"] {
                select(&mut state, name);
                state.act(Action::Show(tab));
                for action in [Action::Leave, Action::Write, Action::Help, Action::Palette, Action::Deny] {
                    state.act(action);
                    state.act(Action::Scroll(7));
                    let shown = screen(&state, width, height);
                    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
                }
                state.act(Action::Leave);
            }
        }
    }
    insta::assert_snapshot!("small", screen(&state, 20, 5));
}

#[test]
fn what_is_scrolled_back_comes_back() {
    let mut state = at_work();
    select(&mut state, "bert");
    let lines: Vec<Event> =
        (0..500).map(|number| event("bert", 5, EventKind::Message { text: format!("line {number}") })).collect();
    state.apply(Fact::Events(lines));
    assert!(screen(&state, 80, 24).contains("line 499"));
    for _ in 0..100 {
        state.act(Action::Scroll(15));
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a screen");
        let mut places = Places::default();
        terminal.draw(|frame| places = draw(frame, &state, Theme { colour: false })).expect("drawn");
        state.clamp_scroll(places.most_scrolled, places.most_window);
    }
    assert!(screen(&state, 80, 24).contains("line 0 "), "{}", screen(&state, 80, 24));
    state.act(Action::Scroll(-15));
    assert!(!screen(&state, 80, 24).contains("line 0 "), "one step is one step");
    state.act(Action::ScrollToEnd);
    assert!(screen(&state, 80, 24).contains("line 499"));
}
