use agent_backends::Usage;

use super::*;
use crate::model::run::{BranchReport, MergeFate, RunState};
use crate::model::run_report::{MemberReport, RunSummary, TaskReport, TurnReport};
use crate::model::turn::TurnStatus;
use crate::picture::spending::spending;
use crate::picture::timeline::timeline;
use crate::picture::words::*;

const BEGAN: i64 = 1_795_225_298_979;

/// Whatever an agent could try, in one text.
const HOSTILE: &str = "</script><img src=x onerror=1>\"'&amp; ]]> --> | a\n| b |\n# head\r- item\r\n```\n[l](https://e.x) www.e.x \
                       <https://e.x> `c` *b* _u_ ~~s~~ @you #1 $x$ \\| \u{202e}txet\u{2069}\0\u{1b}[31m\u{7f}\u{85}\u{fffe}\u{ffff}\u{feff}";

fn empty() -> RunReport {
    RunReport {
        run: "alpha-1".to_owned(),
        team: "alpha".to_owned(),
        goal: None,
        state: RunState::Done,
        reason: None,
        began_ms: BEGAN,
        ended_ms: Some(BEGAN),
        summary: RunSummary::default(),
        tasks: Vec::new(),
        members: Vec::new(),
        turns: Vec::new(),
        branches: Vec::new(),
    }
}

fn task(id: &str, state: &str) -> TaskReport {
    TaskReport {
        id: id.to_owned(),
        subject: format!("Subject {id}"),
        state: state.to_owned(),
        owner: None,
        attempts: 1,
        blocked_by: Vec::new(),
        result: None,
        reason: None,
        began_ms: Some(BEGAN),
        ended_ms: Some(BEGAN + 1_500),
    }
}

fn turn(member: &str, number: u64, began: i64, ended: Option<i64>, status: Option<TurnStatus>) -> TurnReport {
    TurnReport {
        member: member.to_owned(),
        turn: number,
        task: Some("1".to_owned()),
        began_ms: BEGAN + began,
        ended_ms: ended.map(|ended| BEGAN + ended),
        status,
        usage: Usage { input_tokens: 100 * number, output_tokens: 1, cost_usd: None },
    }
}

fn with_tasks(state: RunState, states: &[&str]) -> RunReport {
    let tasks = states.iter().enumerate().map(|(place, state)| task(&(place + 1).to_string(), state)).collect();
    RunReport { state, tasks, ended_ms: Some(BEGAN + 10_000), ..empty() }
}

/// A report in which every text is hostile.
fn hostile() -> RunReport {
    let text = || HOSTILE.to_owned();
    let tasks = ["failed", "blocked", HOSTILE].map(|state| TaskReport {
        id: text(),
        subject: text(),
        owner: Some(text()),
        blocked_by: vec![text()],
        result: Some(text()),
        reason: Some(text()),
        ..task("", state)
    });
    let usage = Usage { input_tokens: u64::MAX, output_tokens: 0, cost_usd: Some(f64::NAN) };
    RunReport {
        run: text(),
        team: text(),
        goal: Some(text()),
        state: RunState::Failed,
        reason: Some(text()),
        tasks: tasks.into(),
        members: vec![MemberReport {
            name: text(),
            backend: text(),
            model: Some(text()),
            turns: 1,
            usage,
            busy_ms: u64::MAX,
        }],
        turns: vec![TurnReport {
            task: Some(text()),
            began_ms: i64::MIN,
            ended_ms: Some(i64::MAX),
            ..turn(HOSTILE, 1, 0, None, None)
        }],
        branches: vec![BranchReport { member: text(), branch: text(), fate: MergeFate::Conflict, note: Some(text()) }],
        ..empty()
    }
}

/// Checks that all tags are closed in order and all attributes are quoted, and answers the names of both.
fn checked(markup: &str) -> Vec<String> {
    let (mut open, mut names) = (Vec::new(), Vec::new());
    let mut pieces = markup.split('<');
    assert_eq!(pieces.next().unwrap().trim(), "", "text before the first tag");
    for piece in pieces {
        let (tag, text) = piece.split_once('>').unwrap();
        for entity in piece.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "&{entity}");
        }
        assert!(!text.contains("]]>"));
        if tag.starts_with(['!', '?']) {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "in {piece:?}");
            continue;
        }
        let is_closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        names.push(name.to_owned());
        while !rest.trim().is_empty() {
            if rest.trim() == "open" {
                break;
            }
            let (attribute, value) = rest.trim_start().split_once("=\"").unwrap();
            names.push(format!("{attribute}="));
            rest = value.split_once('"').unwrap().1;
        }
        if !is_closed && name != "meta" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    names.sort();
    names.dedup();
    names
}

#[test]
fn numbers_are_as_people_read_them() {
    for (ms, text) in [
        (0, "0 ms"),
        (850, "850 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (12_345, "12.3 s"),
        (59_949, "59.9 s"),
        (59_950, "1 min"),
        (250_000, "4 min 10 s"),
        (3_599_500, "1 h"),
        (7_500_000, "2 h 5 min"),
        (86_399_999, "1 d"),
        (273_600_000, "3 d 4 h"),
    ] {
        assert_eq!(duration(ms), text);
    }
    assert!(duration(u64::MAX).ends_with(" h") || duration(u64::MAX).ends_with(" d"));
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
    for (usd, text) in [
        (None, "-"),
        (Some(0.0), "$0.00"),
        (Some(0.42), "$0.42"),
        (Some(0.0042), "$0.0042"),
        (Some(1_234.5), "$1,234.50"),
        (Some(f64::NAN), "-"),
        (Some(f64::INFINITY), "-"),
        (Some(-1.0), "-"),
    ] {
        assert_eq!(cost(usd), text);
    }
    assert_eq!(date(BEGAN), "2026-11-21 01:41:38 UTC");
    assert_eq!(date(i64::MAX), "9223372036854775807 ms of Unix time");
}

#[test]
fn clean_texts_neither_hide_nor_turn_anything() {
    assert_eq!(clean("a\rb\r\nc\u{2028}d\te"), "a\nb\nc\nd\te");
    assert_eq!(clean("\u{202e}a\0\u{fffe}\u{1ffff}"), "\u{fffd}a\u{fffd}\u{fffd}\u{fffd}");
    assert_eq!(clean_line(" a \n\n b "), "a b");
    assert_eq!(shortened("äöüß", 3), "äö…");
}

#[test]
fn markdown_takes_no_markup_from_texts() {
    let text = markdown(&hostile());
    let mut cells = None;
    for line in text.lines() {
        let pipes = line.matches('|').count();
        match (line.starts_with('|'), cells) {
            (true, None) => cells = Some(pipes),
            (true, Some(expected)) => assert_eq!(pipes, expected, "{line}"),
            (false, _) => {
                assert_eq!(pipes, 0, "{line}");
                cells = None;
            }
        }
        let is_ours = ["# Run ", "## ", "### Task ", "**Outcome", "Team ", "Goal:", "|", ">"];
        assert!(line.is_empty() || is_ours.iter().any(|ours| line.starts_with(ours)), "{line}");
        if let Some(quoted) = line.strip_prefix("> ") {
            assert!(!quoted.starts_with(['#', '-', '>', ' ', '`', '+', '=']), "{line}");
        }
    }
    assert!(!text.contains('<') && !text.contains("https://") && !text.contains("www."), "{text}");
    let mut before = (' ', ' ');
    for char in text.chars() {
        if matches!(char, '`' | '[' | ']' | '_' | '@' | '~' | '$') {
            assert_eq!(before.1, '\\', "{char} in {text}");
        }
        // A backslash before a backslash escapes nothing more.
        before = if before.1 == '\\' && char == '\\' { (' ', ' ') } else { (before.1, char) };
    }
    assert!(!text.contains(is_odd));
}

#[test]
fn markdown_quotes_texts_line_for_line() {
    let mut report = with_tasks(RunState::Failed, &["completed", "failed", "failed"]);
    report.reason = Some("Task 2 failed.".to_owned());
    report.tasks[0].result = Some("1. One\n  - two\n\n===\n2) Three".to_owned());
    report.tasks[1].reason = Some("It broke.".to_owned());
    let text = markdown(&report);
    assert!(text.contains("**Outcome: failed.** Task 2 failed.\n"), "{text}");
    assert!(text.contains("> 1\\. One\\\n> \u{a0}\u{a0}\\- two\n>\n> \\===\\\n> 2\\) Three\n"), "{text}");
    assert!(text.contains("### Task 2: Subject 2\n\n> It broke.\n"), "{text}");
    assert!(text.contains("### Task 3: Subject 3\n\n> The reason is not known.\n"), "{text}");
    assert!(text.contains("| 1 | Subject 1 | completed | - | 1 | 1.5 s |"), "{text}");
    assert!(!text.contains("Branches"));
}

#[test]
fn junit_counts_each_task_once() {
    let mut report =
        with_tasks(RunState::Failed, &["completed", "failed", "blocked", "pending", "in_progress", "completed"]);
    report.tasks[2].blocked_by = vec!["1".to_owned(), "2".to_owned()];
    report.tasks[4].ended_ms = None;
    let xml = junit(&report);
    checked(&xml);
    assert_eq!(xml.matches("tests=\"6\" failures=\"1\" errors=\"0\" skipped=\"3\"").count(), 2, "{xml}");
    assert_eq!((xml.matches("<failure ").count(), xml.matches("<skipped ").count()), (1, 3));
    assert!(xml.contains("<skipped message=\"Blocked: it waits for #2.\"/>"), "{xml}");
    assert!(xml.contains("timestamp=\"2026-11-21T01:41:38.979Z\""));
    assert!(xml.contains("name=\"#1 Subject 1\" time=\"1.500\""), "{xml}");
    assert!(xml.contains("name=\"#5 Subject 5\" time=\"10.000\""), "{xml}");
    assert!(!xml.contains("name=\"run\" time"));
}

#[test]
fn junit_fails_when_the_run_is_not_done() {
    for state in [RunState::OverBudget, RunState::TimedOut, RunState::Unanswered, RunState::Cancelled, RunState::Failed]
    {
        let mut report = with_tasks(state, &["completed", "pending"]);
        report.reason = (state == RunState::OverBudget).then(|| "$2.00 are < what it took".to_owned());
        let xml = junit(&report);
        checked(&xml);
        assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("name=\"run\" time=\"0.000\">"), "{xml}");
        let why = if state == RunState::OverBudget { "$2.00 are &lt; what it took" } else { "The run is " };
        assert!(xml.contains(&format!("type=\"{}\" message=\"{why}", state.as_str())), "{xml}");
    }
    assert!(!junit(&with_tasks(RunState::Done, &["completed"])).contains("<failure"));
}

#[test]
fn junit_holds_what_xml_can_hold() {
    let xml = junit(&hostile());
    let names = checked(&xml);
    assert!(!names.iter().any(|name| ["img", "script", "src=", "onerror="].contains(&name.as_str())), "{names:?}");
    assert!(!xml.contains(is_odd) && !xml.contains("]]>"));
    assert!(xml.contains("]]&gt; --&gt; | a\n| b |\n# head\n- item\n```"), "{xml}");
}

#[test]
fn html_takes_no_markup_from_texts() {
    let page = html(&hostile(), "<svg role=\"img\"><title>Tasks</title></svg>");
    let names = checked(&page);
    let known = "aria-hidden= aria-label= b body charset= class= clip-path= clipPath code col content= d= datetime= dd defs details \
                 div dl dt g h1 h2 head header height= html http-equiv= id= lang= li main meta name= p path pattern \
                 patternUnits= rect role= rx= scope= section small span style style= summary svg tabindex= table tbody td \
                 text th thead time title tr ul viewBox= width= x= y=";
    let unknown: Vec<_> = names.iter().filter(|name| !known.split_whitespace().any(|known| known == *name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(!page.contains(is_odd));
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=1&gt;&quot;&#39;&amp;amp; ]]&gt;"));
}

#[test]
fn html_refers_to_nothing_outside() {
    let mut report = with_tasks(RunState::Failed, &["completed", "failed"]);
    report.turns.push(turn("ann", 1, 0, Some(1_000), Some(TurnStatus::Completed)));
    let graph = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"></svg>";
    let page = html(&report, graph);
    checked(&page);
    assert!(page.contains(graph), "the picture of the tasks is taken as it is");
    let rest = page.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http://", "https://", "src=", "href=", "<script", "@import", "url(h", "//"] {
        assert!(!rest.contains(outside), "{outside}");
    }
}

/// The rectangles of turns in a page, without those of its legend.
fn bars(page: &str) -> usize {
    page.matches("<g class=\"turn ").count() - page.matches("<li>").count()
}

#[test]
fn every_turn_has_a_bar() {
    let statuses =
        [Some(TurnStatus::Completed), Some(TurnStatus::Failed), Some(TurnStatus::Interrupted), None, None, None];
    // How long each turn is, how long after the one before it began, and how long after the run the first began.
    for (length, step, first) in [(0, 0, 0), (1, 1, 0), (3_000, 5_000, 0), (9, 0, -5_000), (90_000_000, 70_000_000, 0)]
    {
        for count in [1, 2, 500] {
            let mut report = empty();
            report.turns = (0..count)
                .map(|place| {
                    let status = statuses[place as usize % statuses.len()];
                    let (member, began) = (["ann", "bob"][place as usize % 2], first + step * place);
                    turn(member, place as u64, began, status.map(|_| began + length), status)
                })
                .collect();
            let page = html(&report, "");
            checked(&page);
            assert_eq!(bars(&page), count as usize);
            assert!(!page.contains("NaN") && !page.contains("inf\""));
            let ticks = timeline(&report).svg.matches("class=\"tick\"").count();
            assert!((5..=8).contains(&ticks), "{ticks} ticks for {count} turns of {length} ms");
        }
    }
}

#[test]
fn turns_of_the_same_instant_stand_below_each_other() {
    let mut report = empty();
    let at_once = |number| turn("ann", number, 0, Some(0), Some(TurnStatus::Completed));
    report.turns = (1..=3).map(at_once).collect();
    let page = html(&report, "");
    for y in ["y=\"38.0\"", "y=\"63.0\"", "y=\"88.0\""] {
        assert_eq!(page.matches(&format!("<rect x=\"150.0\" {y}")).count(), 1, "{y}");
    }
    assert!(!page.contains("bars overlap"));
    report.turns = (1..=20).map(at_once).collect();
    assert!(html(&report, "").contains("bars overlap: 12 of them"));
}

#[test]
fn turns_in_a_row_stand_beside_each_other() {
    let mut report = empty();
    let next = |at: i64| turn("ann", at as u64, at * 1_000, Some(at * 1_000 + 1_000), Some(TurnStatus::Completed));
    report.turns = (0..100).map(next).collect();
    assert_eq!(html(&report, "").matches("y=\"38.0\"").count(), 100);
}

#[test]
fn an_empty_run_has_a_report() {
    let report = empty();
    let page = html(&report, "<svg></svg>");
    checked(&page);
    assert!(!page.contains("<svg") && !page.contains("<table") && page.contains("There are no turns."));
    let xml = junit(&report);
    checked(&xml);
    assert!(xml.contains("tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0.000\""), "{xml}");
    assert!(markdown(&report).ends_with("## Tasks\n\nThere are no tasks.\n\n## Members\n\nThere are no members.\n"));
}

#[test]
fn what_was_used_is_drawn_over_time() {
    assert_eq!(spending(&empty()), None);
    let ended =
        |member: &str, number: u64| turn(member, number, 10, Some(1_000 * number as i64), Some(TurnStatus::Completed));
    let turns = vec![ended("anna", 1), ended("bert", 2), ended("anna", 3), turn("bert", 4, 10, None, None)];
    let report = RunReport { turns, ended_ms: Some(BEGAN + 5_000), ..empty() };
    let svg = spending(&report).expect("something was used");
    checked(&svg);
    for part in ["all: 603", "anna: 402", "bert: 201", "class=\"line line-1\"", "603 tokens over 5 s"] {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert!(html(&report, "").contains("Tokens over time"));
    // One member is all of them, and many lines are none that can be told apart.
    for count in [1, 9] {
        let turns = (0..count).map(|number| ended(&format!("m{number}"), 1)).collect();
        let svg = spending(&RunReport { turns, ..empty() }).expect("something was used");
        assert_eq!(svg.matches("class=\"line").count(), 1);
    }
}
