//! What every agent does, real or simulated, seen through the `teams` binary. The simulated ones are worth something only
//! as long as both pass the same tests.

use serde_json::Value;

use crate::support::{Agent, Home, wait_for};

/// A prompt whose turn begins, and does not end by itself.
fn never_ending(home: &Home) -> String {
    format!("the word is quince [[say one two three]] {}", home.hold("never"))
}

fn kinds(events: &[Value], turn: u64) -> Vec<String> {
    let of_turn = events.iter().filter(|event| event["turn"] == turn);
    of_turn.map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect()
}

fn two_turns_remember_each_other(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--prompt", "You like stone fruit."]);
    assert_eq!(home.member(&name)["turns"], 0, "spawning starts no turn");
    assert_eq!(home.teams(&["ask", &name, "the word is plum [[say noted with care]]"]), "noted with care\n");
    let second = home.ask(&name, "[[recall]]");
    assert_eq!((&second["turn"], &second["status"]), (&2.into(), &"completed".into()), "{second}");
    let text = second["text"].as_str().expect("a text");
    assert!(text.contains("the word is plum"), "{text}");
    assert!(second["usage"]["inputTokens"].as_u64() > Some(0), "{second}");

    let member = home.member(&name);
    assert_eq!((&member["state"], &member["turns"]), (&"idle".into(), &2.into()));
    assert!(member["sessionId"].is_string(), "{member}");
    assert_eq!(member["model"], agent.model());

    let events = home.events();
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>(), "numbered without a gap");
    assert_eq!([&events[0]["type"], &events[1]["type"]], ["team-created", "spawned"]);
    let first = kinds(&events, 1);
    assert_eq!(first.first().map(String::as_str), Some("turn-started"), "{first:?}");
    assert!(first.iter().filter(|kind| *kind == "delta").count() >= 2, "it was streamed: {first:?}");
    assert_eq!(first.iter().filter(|kind| *kind == "turn-completed").count(), 1, "{first:?}");
    let end = events.iter().find(|event| event["type"] == "turn-completed").expect("an end");
    assert_eq!(end["text"], "noted with care");
}

fn the_standing_prompt_reaches_the_model(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--prompt", "You like stone fruit."]);
    home.ask(&name, "[[say one]]");
    home.ask(&name, "[[say two]]");
    let requests = home.model.as_ref().expect("an endpoint").requests();
    let bodies: Vec<String> = requests.iter().map(|(_, body)| body.to_string()).collect();
    let last = bodies.iter().rfind(|body| body.contains("[[say two]]")).expect("a request");
    assert_eq!(last.matches("You like stone fruit.").count(), 1, "given, and given once");
}

fn input_while_busy_becomes_turns_of_its_own(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let hold = home.hold("go");
    home.teams(&["send", &name, &format!("[[say one two three four five]] {hold}")]);
    for text in ["second [[say 2]]", "third [[say 3]]"] {
        home.teams(&["send", &name, text]);
    }
    wait_for("both to wait", || (home.member(&name)["queued"] == 2).then_some(()));
    hold.release();
    home.wait_for_event("the third turn", |event| event["turn"] == 3 && event["type"] == "turn-completed");
    let events = home.events();
    let inputs: Vec<&str> = events.iter().filter_map(|event| event["input"].as_str()).collect();
    assert_eq!(inputs.len(), 3, "{inputs:?}");
    assert!(events.iter().filter(|event| event["type"] == "turn-started").all(|event| event["from"] == "user"));
    assert!(inputs[1].starts_with("second") && inputs[2].starts_with("third"), "{inputs:?}");
    let texts: Vec<&str> = events
        .iter()
        .filter(|event| event["type"] == "turn-completed")
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(texts, ["one two three four five", "2", "3"], "none was merged");
}

/// Asks for a command, answers the question with `verb`, and answers the turn's report.
fn answered(agent: Agent, verb: &str) -> (Home, Value) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let asking = home.start(&["ask", &name, "please [[run touch made]]", "--json"]);
    let id = home.wait_for_approval();
    home.wait_for_state(&name, "waiting-approval");
    let waits = home.wait_for_event("the question", |event| event["type"] == "approval");
    assert!(waits["summary"].as_str().is_some_and(|summary| summary.contains("touch made")), "{waits}");
    home.teams(&[verb, &id]);
    let output = asking.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(home.fails(&[verb, &id]).0, 1, "it is answered once");
    (home, report)
}

fn an_approval_is_answered(agent: Agent) {
    let (home, report) = answered(agent, "approve");
    assert_eq!(report["status"], "completed", "{report}");
    assert!(home.work().join("made").exists());
    let closed = home.wait_for_event("its end", |event| event["type"] == "approval-closed");
    assert_eq!(closed["outcome"], "allowed");
    home.wait_for_event("the tool's end", |event| event["type"] == "tool" && event["status"] == "completed");
}

fn an_approval_is_denied(agent: Agent) {
    let (home, report) = answered(agent, "deny");
    assert_eq!(report["status"], "completed", "the turn goes on: {report}");
    assert!(!home.work().join("made").exists());
    let closed = home.wait_for_event("its end", |event| event["type"] == "approval-closed");
    assert_eq!(closed["outcome"], "denied");
    home.wait_for_event("the tool's end", |event| event["type"] == "tool" && event["status"] == "denied");
}

/// One-shot Gemini CLI can ask nobody: what would have to be asked for is not there.
fn a_tool_that_would_ask_is_refused(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let report = home.ask(&name, "please [[run touch made]]");
    assert_eq!(report["status"], "completed", "{report}");
    assert!(!home.work().join("made").exists());
    home.wait_for_event("the tool's end", |event| event["type"] == "tool" && event["status"] == "denied");
}

fn who_bypasses_permissions_is_asked_nothing(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--permission-mode", "bypassPermissions"]);
    let report = home.ask(&name, "please [[run touch made]]");
    assert_eq!(report["status"], "completed", "{report}");
    assert!(home.work().join("made").exists());
    assert!(home.events().iter().all(|event| event["type"] != "approval"));
}

fn who_plans_changes_nothing(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--permission-mode", "plan"]);
    let asking = home.start(&["ask", &name, "please [[run touch made]]", "--json"]);
    // Where planning still lets the agent ask, nobody says yes.
    let id = wait_for("a question or an end", || {
        let state = home.member(&name)["state"].clone();
        let ended = home.events().iter().any(|event| event["type"] == "turn-completed" || event["type"] == "error");
        if state == "waiting-approval" { Some(Some(home.wait_for_approval())) } else { ended.then_some(None) }
    });
    if let Some(id) = id {
        home.teams(&["deny", &id]);
    }
    asking.wait_with_output().expect("it ends");
    assert!(!home.work().join("made").exists());
}

fn a_turn_is_interrupted(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    let asking = home.start(&["ask", &name, &never_ending(&home), "--json"]);
    home.wait_for_event("the first words", |event| event["type"] == "delta");
    home.teams(&["interrupt", &name]);
    let output = asking.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["status"], "interrupted", "{report}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(home.ask(&name, "[[say still here]]")["text"], "still here");
}

fn a_failure_of_the_model_is_a_failed_turn(agent: Agent, directive: &str, expect: &[&str]) {
    let home = Home::of(agent);
    if agent.real && agent.backend == "gemini-acp" {
        // It would try ten times in silence, for minutes.
        home.write(
            ".gemini/settings.json",
            r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"maxAttempts": 1}}"#,
        );
    }
    let name = home.team_of(agent, &[]);
    let report = home.ask(&name, &format!("{directive} [[say a b c d e f g]]"));
    assert_eq!(report["status"], "failed", "{report}");
    let error = report["error"].as_str().expect("a reason");
    assert!(expect.iter().any(|expect| error.contains(expect)), "{error}");
    let ends = home.events().iter().filter(|event| event["type"] == "turn-completed").count();
    assert_eq!(ends, 0, "a failed turn is not reported as complete");
    assert_eq!(home.ask(&name, "[[say still here]]")["text"], "still here");
}

fn a_killed_agent_is_seen_and_its_conversation_goes_on(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    home.ask(&name, "the word is plum [[say noted]]");
    let asking = home.start(&["ask", &name, &never_ending(&home), "--json"]);
    home.wait_for_event("the first words", |event| event["type"] == "delta" && event["turn"] == 2);
    let member = home.member(&name);
    let pid = member["pid"].as_i64().expect("a process");
    let kill = std::process::Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().expect("sh runs");
    assert!(kill.success());
    let output = asking.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["status"], "failed", "{report}");
    assert!(report["error"].as_str().is_some_and(|error| error.contains("signal 9")), "{report}");
    if agent.backend == "gemini" {
        // A process for each turn: the next one carries on.
        home.wait_for_state(&name, "idle");
    } else {
        let member = home.wait_for_state(&name, "failed");
        assert!(member["pid"].is_null(), "{member}");
        assert!(member["reason"].as_str().is_some_and(|reason| reason.contains("signal 9")), "{member}");
    }
    // An input brings it back.
    let report = home.ask(&name, "[[recall]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("the word is plum")), "{report}");
    assert_eq!(report["turn"], 3, "turns are counted on");
}

fn a_stop_leaves_no_process(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--permission-mode", "bypassPermissions"]);
    home.teams(&["send", &name, "please [[run touch log-3141; tail -f log-3141]]"]);
    let running = || home.processes().iter().any(|process| process.contains("tail -f log-3141"));
    // Claude Code refuses a plain sleep.
    wait_for("the command", || running().then_some(()));
    let stopped = home.json(&["stop", "--all"]);
    assert_eq!((&stopped[0]["name"], &stopped[0]["left"]), (&"worker".into(), &0.into()), "{stopped}");
    assert!(!running(), "{:?}", home.processes());
    assert_eq!(home.member(&name)["state"], "exited");
    let agents: Vec<String> = home.processes().into_iter().filter(|process| !process.contains("daemon run")).collect();
    assert!(agents.is_empty(), "{agents:?}");
}

/// The same tests for each agent, simulated and real.
macro_rules! behaviours {
    ($($module:ident: $backend:literal [$($test:ident$(($($arg:expr),*))?),* $(,)?])*) => {
        mod simulated {$(
            mod $module {
                const AGENT: crate::support::Agent = crate::support::Agent { backend: $backend, real: false };
                $(behaviours!(@test AGENT $test$(($($arg),*))?);)*
            }
        )*}
        mod real {$(
            mod $module {
                const AGENT: crate::support::Agent = crate::support::Agent { backend: $backend, real: true };
                $(behaviours!(@real AGENT $test$(($($arg),*))?);)*
            }
        )*}
    };
    (@test $agent:ident $test:ident) => {
        #[test]
        fn $test() {
            super::super::$test($agent);
        }
    };
    (@real $agent:ident $test:ident) => {
        #[test]
        #[ignore = "needs the real agent CLIs; run scripts/test"]
        fn $test() {
            super::super::$test($agent);
        }
    };
}

behaviours! {
    claude: "claude" [
        two_turns_remember_each_other,
        input_while_busy_becomes_turns_of_its_own,
        an_approval_is_answered,
        an_approval_is_denied,
        who_bypasses_permissions_is_asked_nothing,
        who_plans_changes_nothing,
        a_turn_is_interrupted,
        failure_401,
        a_rate_limit_is_waited_for,
        failure_500,
        a_killed_agent_is_seen_and_its_conversation_goes_on,
        a_stop_leaves_no_process,
    ]
    codex: "codex" [
        two_turns_remember_each_other,
        input_while_busy_becomes_turns_of_its_own,
        an_approval_is_answered,
        an_approval_is_denied,
        who_bypasses_permissions_is_asked_nothing,
        who_plans_changes_nothing,
        a_turn_is_interrupted,
        failure_401,
        a_rate_limit_is_waited_for,
        failure_500,
        a_killed_agent_is_seen_and_its_conversation_goes_on,
        a_stop_leaves_no_process,
    ]
    gemini: "gemini" [
        two_turns_remember_each_other,
        input_while_busy_becomes_turns_of_its_own,
        a_tool_that_would_ask_is_refused,
        who_bypasses_permissions_is_asked_nothing,
        who_plans_changes_nothing,
        a_turn_is_interrupted,
        failure_401,
        a_rate_limit_is_waited_for,
        failure_500,
        a_killed_agent_is_seen_and_its_conversation_goes_on,
        a_stop_leaves_no_process,
    ]
    gemini_acp: "gemini-acp" [
        two_turns_remember_each_other,
        input_while_busy_becomes_turns_of_its_own,
        an_approval_is_answered,
        an_approval_is_denied,
        who_bypasses_permissions_is_asked_nothing,
        who_plans_changes_nothing,
        a_turn_is_interrupted,
        failure_401,
        a_rate_limit_is_waited_for,
        failure_500,
        a_killed_agent_is_seen_and_its_conversation_goes_on,
        a_stop_leaves_no_process,
    ]
    native: "native" [
        two_turns_remember_each_other,
        input_while_busy_becomes_turns_of_its_own,
        an_approval_is_answered,
        an_approval_is_denied,
        who_bypasses_permissions_is_asked_nothing,
        who_plans_changes_nothing,
        a_turn_is_interrupted,
        failure_401,
        a_rate_limit_is_waited_for,
        failure_500,
        a_killed_agent_is_seen_and_its_conversation_goes_on,
        a_stop_leaves_no_process,
    ]
}

fn failure_401(agent: Agent) {
    a_failure_of_the_model_is_a_failed_turn(agent, "[[fail 401]]", &["401"]);
}

fn a_rate_limit_is_waited_for(agent: Agent) {
    let home = Home::of(agent).with_env("TEAMS_RATE_LIMIT_WAIT", "1");
    if agent.backend == "gemini-acp" && agent.real {
        let settings = r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"maxAttempts": 1}}"#;
        home.write(".gemini/settings.json", settings);
    }
    let name = home.team_of(agent, &[]);
    // How often each asks before it gives up is its own affair.
    let times = match (agent.real, agent.backend) {
        (true, "claude") => 2,
        (true, "gemini") => 3,
        (true, "native") => 2,
        _ => 1,
    };
    let report = home.ask(&name, &format!("[[limited {times}]]"));
    assert_eq!((&report["status"], &report["turn"]), (&"completed".into(), &1.into()), "{report}");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("the limit is lifted")), "{report}");
    let events = wait_for("its rest", || {
        let events = home.events();
        let last = events.iter().rfind(|event| event["type"] == "state" || event["type"] == "turn-completed")?;
        (last["state"] == "idle").then_some(events)
    });
    assert!(events.iter().any(|event| event["state"] == "rate-limited"), "{events:?}");
    assert_eq!(events.iter().filter(|event| event["type"] == "turn-started").count(), 1);
    assert!(!events.iter().any(|event| event["type"] == "error"), "{events:?}");
}

fn failure_500(agent: Agent) {
    // Codex names the kind, and not the number.
    a_failure_of_the_model_is_a_failed_turn(agent, "[[fail 500]]", &["500", "internalServerError"]);
}

/// What only a real CLI and a model endpoint can show.
mod real_only {
    use super::*;

    macro_rules! each {
        ($($module:ident: $backend:literal)*) => {$(
            mod $module {
                use super::*;
                const AGENT: Agent = Agent { backend: $backend, real: true };

                #[test]
                #[ignore = "needs the real agent CLIs; run scripts/test"]
                fn a_cut_connection_is_a_failed_turn() {
                    a_failure_of_the_model_is_a_failed_turn(AGENT, "[[cut]]", &[""]);
                }

                #[test]
                #[ignore = "needs the real agent CLIs; run scripts/test"]
                fn the_standing_prompt_reaches_the_model() {
                    super::the_standing_prompt_reaches_the_model(AGENT);
                }
            }
        )*};
    }

    each! { claude: "claude" codex: "codex" gemini: "gemini" gemini_acp: "gemini-acp" native: "native" }
}
