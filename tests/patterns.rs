//! `teams pipe` and `teams fan`, with simulated members.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::Home;

fn crew(names: &[&str]) -> Home {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for name in names {
        home.teams(&["spawn", name, "--backend", "codex"]);
    }
    home
}

fn piped(home: &Home, args: &[&str], text: &str) -> Output {
    let mut child = home
        .command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_is_given_the_answer_of_the_one_before() {
    let home = crew(&["a", "b", "c"]);
    let output = piped(&home, &["pipe", "a", "b", "c"], "one [[say two [[say three]]");
    assert!(output.status.success(), "{output:?}");
    let inputs: Vec<Value> = home.events().into_iter().filter(|event| event["type"] == "turn-started").collect();
    let of = |name: &str| inputs.iter().find(|event| event["agent"] == name).expect("a turn")["input"].clone();
    assert_eq!(of("a"), "one [[say two [[say three]]");
    let answers: Vec<Value> = home.events().into_iter().filter(|event| event["type"] == "turn-completed").collect();
    assert_eq!(of("b"), answers[0]["text"]);
    assert_eq!(of("c"), answers[1]["text"]);
    assert_eq!(text(&output.stdout).trim_end(), answers[2]["text"].as_str().expect("a text").trim_end());
}

#[test]
fn a_member_that_fails_ends_it_and_what_came_before_is_told() {
    let home = crew(&["a", "b", "c"]);
    let output = piped(&home, &["pipe", "a", "nobody", "c"], "[[say plums]]");
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("a has answered: plums") && said.contains("nobody"), "{said}");
    assert!(home.events().iter().all(|event| event["agent"] != "c" || event["type"] != "turn-started"));
    let output = piped(&home, &["pipe", "a", "nobody", "--json"], "[[say plums]]");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1));
    let executions = report["trace"]["agent_executions"].as_array().expect("a trace");
    assert_eq!((&executions[0]["success"], &executions[1]["success"]), (&true.into(), &false.into()), "{report}");
    assert!(report["result"].is_null() && report["error"].is_string(), "{report}");
}

#[test]
fn all_are_given_the_same_and_all_answers_are_kept() {
    let home = crew(&["a", "b", "c"]);
    let output = home.output(&["fan", "a", "b", "c", "--text", "[[say yes]]"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said, "## a\n\nyes\n\n## b\n\nyes\n\n## c\n\nyes\n");
    let output = home.output(&["fan", "a", "nobody", "--text", "[[say yes]]"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("## a\n\nyes") && text(&output.stderr).contains("nobody"), "{output:?}");
}

#[test]
fn one_answer_is_made_of_all() {
    let home = crew(&["a", "b", "chief"]);
    let vote = |rule: &[&str]| {
        let output = home.output(&[&["fan", "a", "b", "--text", "[[say yes]]"], rule].concat());
        (output.status.success(), text(&output.stdout).trim().to_owned(), text(&output.stderr))
    };
    assert_eq!(vote(&["--vote", "majority"]).1, "yes");
    assert_eq!(vote(&["--vote", "unanimous"]).1, "yes");
    let (well, merged, _) = vote(&["--merge", "chief"]);
    assert!(well && !merged.is_empty(), "{merged}");
    let asked = home.events().into_iter().rfind(|event| event["agent"] == "chief" && event["type"] == "turn-started");
    let asked = asked.expect("a turn")["input"].as_str().expect("a text").to_owned();
    assert!(asked.contains("## a\n\nyes") && asked.contains("## b\n\nyes") && asked.contains("[[say yes]]"), "{asked}");
    // Nobody is there to choose.
    let (well, _, error) = vote(&["--vote", "person"]);
    assert!(!well && error.contains("none of the answers was chosen"), "{error}");
    let (code, error) = home.fails(&["fan", "a", "--text", "x", "--vote", "majority", "--merge", "chief"]);
    assert!(code == 2 && error.contains("cannot be used with"), "{error}");
}
