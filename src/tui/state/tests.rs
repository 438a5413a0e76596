use agent_backends::{ApprovalKind, BackendType, Decision, Usage, UserQuestion};

use super::*;
use crate::live::facts::{Fact, Request, TeamFacts};
use crate::model::approval::Verdict;
use crate::model::status::{MemberState, TeamStatus};
use crate::model::status::{MemberStatus, PendingApproval};

pub(in crate::tui) fn member(name: &str, state: MemberState) -> MemberStatus {
    MemberStatus {
        pid: Some(7),
        model: Some("simulated".into()),
        turns: 3,
        usage: Usage { input_tokens: 1200, output_tokens: 34, cost_usd: Some(0.25) },
        ..MemberStatus::named(name, Some(BackendType::named("codex")), state)
    }
}

pub(in crate::tui) fn asks(id: &str, member: &str, kind: ApprovalKind) -> PendingApproval {
    let asked = UserQuestion { text: "Which one?".into(), choices: vec!["this".into(), "that".into()], several: false };
    PendingApproval {
        id: id.to_owned(),
        member: member.to_owned(),
        tool: "Bash".into(),
        summary: "rm -r plums".into(),
        kind,
        command: Some("rm -r plums && echo done".into()).filter(|_| kind == ApprovalKind::Command),
        details: None,
        questions: if kind == ApprovalKind::Answer { vec![asked] } else { Vec::new() },
        decides: Verdict::Ask,
    }
}

/// A team of these members, whose questions are these.
pub(in crate::tui) fn team(name: &str, mut members: Vec<MemberStatus>, approvals: Vec<PendingApproval>) -> Fact {
    for member in &mut members {
        member.approvals = approvals.iter().filter(|asked| asked.member == member.name).cloned().collect();
    }
    let status = TeamStatus { team: name.to_owned(), description: None, members, lead_unread: 0, notes: vec![] };
    Fact::Team(Box::new(TeamFacts { status, tasks: Vec::new(), approvals, budgets: Vec::new() }))
}

pub(in crate::tui) fn seen(facts: impl IntoIterator<Item = Fact>) -> State {
    let mut state = State::new(None);
    state.apply(Fact::Time(1_000_000));
    state.apply(Fact::Connected);
    state.apply(Fact::Teams(vec!["crew".into(), "other".into()]));
    for fact in facts {
        state.apply(fact);
    }
    state
}

fn place(member: &str) -> Place {
    Place { team: "crew".into(), member: Some(member.into()) }
}

#[test]
fn who_needs_the_person_comes_first_and_the_order_is_stable() {
    let members = vec![
        member("anna", MemberState::Idle),
        member("bert", MemberState::Busy),
        member("cleo", MemberState::Failed),
        member("dora", MemberState::Busy),
        member("emil", MemberState::Stuck),
    ];
    let mut state = seen([team("crew", members, vec![asks("q1", "dora", ApprovalKind::Command)])]);
    let shown = |state: &State| -> Vec<String> {
        let name = |row: &Row<'_>| match row {
            Row::Team(team) => format!("[{team}]"),
            Row::Group(group) => group.name().to_owned(),
            Row::Member(_, member) => member.name.clone(),
        };
        state.rows().iter().map(name).collect()
    };
    let expected = [
        "[crew]",
        "needs you",
        "dora",
        "emil",
        "working",
        "bert",
        "idle",
        "anna",
        "stopped or failed",
        "cleo",
        "[other]",
    ];
    assert_eq!(shown(&state), expected);
    assert_eq!(state.need_you(), 2);
    let plan = PendingApproval { decides: Verdict::Lead, ..asks("p1", "anna", ApprovalKind::Plan) };
    let waits = team("crew", vec![member("anna", MemberState::Idle)], vec![plan]);
    assert_eq!(seen([waits]).need_you(), 1, "a plan waits, too");
    state.act(Action::NextInNeed);
    assert_eq!(state.selected, Some(place("dora")));
    state.act(Action::NextInNeed);
    assert_eq!(state.selected, Some(place("emil")));
    state.act(Action::Next);
    assert_eq!(state.selected, Some(place("bert")), "headings are passed over");
    for _ in 0..20 {
        state.act(Action::Next);
    }
    assert_eq!(state.selected, Some(Place { team: "other".into(), member: None }));
    state.apply(Fact::Teams(vec!["crew".into()]));
    assert_eq!(state.selected, Some(Place { team: "crew".into(), member: None }), "it is gone");
}

#[test]
fn a_key_answers_the_question_that_was_read() {
    let members = || vec![member("anna", MemberState::WaitingApproval)];
    let open =
        |ids: &[&str]| team("crew", members(), ids.iter().map(|id| asks(id, "anna", ApprovalKind::Command)).collect());
    let mut state = seen([open(&["q1", "q2"])]);
    state.act(Action::Select(place("anna")));
    assert!(state.act(Action::Allow).is_empty(), "it was not read yet");
    assert!(state.notice.is_some());
    state.apply(Fact::Time(1_001_000));
    let answered = Request::Answer { team: "crew".into(), id: "q1".into(), decision: Decision::Allow };
    state.act(Action::Show(Tab::Tasks));
    assert!(state.act(Action::Allow).is_empty(), "it is not seen there");
    state.act(Action::Show(Tab::Approvals));
    assert!(state.act(Action::Allow).is_empty(), "it is seen from now on");
    state.apply(Fact::Time(1_002_000));
    assert_eq!(state.act(Action::Allow), [answered]);
    // Another one takes its place: the same key once more is not meant for it.
    state.apply(open(&["q2"]));
    assert!(state.act(Action::Allow).is_empty());
    state.apply(Fact::Time(1_003_000));
    assert!(state.act(Action::Deny).is_empty());
    state.act(Action::Insert("too much".into()));
    let denied = Decision::Deny { reason: "too much".into() };
    assert_eq!(state.act(Action::Submit), [Request::Answer { team: "crew".into(), id: "q2".into(), decision: denied }]);
    // Neither is what is closed meanwhile, nor one of the same name elsewhere.
    state.act(Action::Deny);
    state.act(Action::Select(Place { team: "other".into(), member: None }));
    assert_eq!(state.mode, Mode::Browse);
    state.act(Action::Select(place("anna")));
    state.apply(Fact::Time(1_004_000));
    state.act(Action::Deny);
    state.apply(open(&[]));
    assert_eq!(state.mode, Mode::Browse);
    assert!(state.act(Action::Submit).is_empty());
}

#[test]
fn an_answer_is_asked_for_and_not_a_permission() {
    let mut state = seen([team(
        "crew",
        vec![member("anna", MemberState::WaitingApproval)],
        vec![asks("q1", "anna", ApprovalKind::Answer)],
    )]);
    state.apply(Fact::Time(1_002_000));
    assert!(state.act(Action::Allow).is_empty());
    state.act(Action::Reply);
    assert!(state.act(Action::Submit).is_empty(), "nothing was written");
    assert!(matches!(state.mode, Mode::Reply(_)), "and it is still being written");
    state.act(Action::Insert("that".into()));
    let decision = Decision::Answer { answers: vec!["that".into()] };
    assert_eq!(state.act(Action::Submit), [Request::Answer { team: "crew".into(), id: "q1".into(), decision }]);
}

#[test]
fn words_for_one_member_never_go_to_another() {
    let mut state =
        seen([team("crew", vec![member("anna", MemberState::Idle), member("bert", MemberState::Idle)], vec![])]);
    assert!(state.act(Action::Write).is_empty());
    assert_eq!(state.mode, Mode::Browse, "a team is nobody to write to");
    state.act(Action::Select(place("anna")));
    state.act(Action::Write);
    state.act(Action::Insert("for anna".into()));
    state.act(Action::Leave);
    state.act(Action::Select(place("bert")));
    state.act(Action::Write);
    assert!(state.act(Action::Submit).is_empty());
    state.act(Action::Insert("for bert\n".into()));
    state.act(Action::Edit(Edit::Backspace));
    let sent =
        |member: &str, text: &str| Request::Send { team: "crew".into(), member: member.into(), text: text.into() };
    assert_eq!(state.act(Action::Submit), [sent("bert", "for bert")]);
    state.act(Action::Leave);
    state.act(Action::Select(place("anna")));
    state.act(Action::Write);
    assert_eq!(state.act(Action::Submit), [sent("anna", "for anna")]);
}

#[test]
fn a_palette_runs_verbs_and_says_what_came_of_them() {
    let mut state = seen([team("crew", vec![member("anna", MemberState::Idle)], vec![])]);
    state.act(Action::Palette);
    state.act(Action::Insert("task add 'Pick plums' --owner anna".into()));
    let words = ["task", "add", "Pick plums", "--owner", "anna"].map(str::to_owned).to_vec();
    assert_eq!(state.act(Action::Submit), [Request::Run { team: Some("crew".into()), words }]);
    state.apply(Fact::Done { say: Some("one\ntwo".into()) });
    assert_eq!(state.mode, Mode::Output("one\ntwo".into()));
    state.act(Action::Leave);
    state.act(Action::Palette);
    state.act(Action::Insert("task 'add".into()));
    assert!(state.act(Action::Submit).is_empty());
    assert!(state.notice.as_ref().is_some_and(|(_, text)| text.contains("cannot be read")), "{:?}", state.notice);
}
