//! What a provider takes, and what a team may use.

use serde_json::{Value, json};

use crate::support::{Home, wait_for};

fn crew(home: &Home, spawns: &[(&str, &str)]) {
    home.teams(&["create", "crew"]);
    for (name, backend) in spawns {
        home.teams(&["spawn", name, "--backend", backend]);
    }
}

#[test]
fn who_shares_an_account_waits_with_it_and_goes_on_by_itself() {
    let home = Home::simulated().with_env("TEAMS_RATE_LIMIT_WAIT", "3");
    crew(&home, &[("a", "claude"), ("b", "claude"), ("x", "codex")]);
    let limited = home.start(&["ask", "a", "[[limited 1]]", "--json"]);
    home.wait_for_state("a", "rate-limited");
    let neighbour = home.wait_for_state("b", "rate-limited");
    assert!(neighbour["rate_limited_until"].is_null() && neighbour["rateLimitedUntil"].is_string(), "{neighbour}");
    // Another provider, another account.
    assert_eq!(home.ask("x", "[[say mine is another]]")["status"], "completed");
    assert_eq!(home.member("b")["state"], "rate-limited");
    assert_eq!(home.ask("b", "[[say patience]]")["text"], "patience");
    let begun = home.wait_for_event("its turn", |event| event["agent"] == "b" && event["type"] == "turn-started");
    let (begun, until) = (begun["time"].as_str().expect("a time"), neighbour["rateLimitedUntil"].as_str());
    assert!(Some(begun) >= until, "it began at {begun}, and the limit holds until {until:?}");
    let report: Value = serde_json::from_slice(&limited.wait_with_output().expect("it ends").stdout).expect("a report");
    assert_eq!((&report["status"], &report["text"]), (&json!("completed"), &json!("the limit is lifted")));
    home.wait_for_state("a", "idle");
}

#[test]
fn a_turn_that_waits_for_its_provider_can_be_interrupted_and_stopped() {
    let home = Home::simulated().with_env("TEAMS_RATE_LIMIT_WAIT", "600");
    crew(&home, &[("a", "claude")]);
    let asking = home.start(&["ask", "a", "[[limited 9]]", "--json"]);
    home.wait_for_state("a", "rate-limited");
    home.teams(&["interrupt", "a"]);
    let report: Value = serde_json::from_slice(&asking.wait_with_output().expect("it ends").stdout).expect("a report");
    assert_eq!(report["status"], "interrupted", "{report}");
    home.teams(&["send", "a", "[[say later]]"]);
    assert_eq!(home.json(&["stop", "a"])[0]["left"], 0);
    let told = home.wait_for_event("a word", |event| event["turn"] == 2 && event["type"] == "error");
    assert!(told["message"].as_str().is_some_and(|message| message.contains("send it again")), "{told}");
}

#[test]
fn a_limit_beyond_the_turns_own_is_a_failure_that_says_so() {
    let home = Home::simulated().with_env("TEAMS_RATE_LIMIT_WAIT", "600");
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "claude", "--turn-limit", "60"]);
    let report = home.ask("a", "[[limited 9]]");
    let error = report["error"].as_str().expect("an error");
    assert!(report["status"] == "failed" && error.contains("429") && error.contains("rate-limited until"), "{report}");
}

#[test]
fn a_budget_refuses_the_next_turn_and_says_why() {
    let home = Home::simulated();
    crew(&home, &[("a", "claude"), ("b", "codex")]);
    home.teams(&["budget", "a", "--turns", "2"]);
    home.ask("a", "[[say one]]");
    home.ask("a", "[[say two]]");
    let (code, error) = home.fails(&["ask", "a", "[[say three]]"]);
    assert!(code == 1 && error.contains("2 of 2 turns") && error.contains("teams budget"), "{error}");
    assert_eq!(home.ask("b", "[[say others may]]")["status"], "completed");
    // What was used survives the daemon.
    crate::support::signal("-9", crate::support::daemon_pid(&home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    home.teams(&["resume"]);
    let (_, error) = home.fails(&["ask", "a", "[[say three]]"]);
    assert!(error.contains("2 of 2 turns"), "{error}");
    home.teams(&["budget", "a", "--turns", "none"]);
    assert_eq!(home.ask("a", "[[say three]]")["text"], "three");
    // For the whole team.
    home.teams(&["budget", "--tokens", "10"]);
    let (_, error) = home.fails(&["ask", "b", "[[say more]]"]);
    assert!(error.contains("the team") && error.contains("of 10 tokens"), "{error}");
    let budgets = home.json(&["budget"]);
    assert!(budgets[0]["member"].is_null() && budgets[0]["budget"]["tokens"] == 10, "{budgets}");
    assert!(budgets[0]["spent"]["turns"] == 4 && budgets[0]["spent"]["members"] == 2, "{budgets}");
    assert!(home.teams(&["budget"]).contains("of 10"));
}

#[test]
fn a_budget_also_counts_what_waits_and_who_joins() {
    let home = Home::simulated();
    crew(&home, &[("a", "claude")]);
    home.teams(&["budget", "--turns", "2", "--members", "2"]);
    home.teams(&["send", "a", &format!("[[say a b]] {}", home.hold("never"))]);
    home.teams(&["send", "a", "[[say second]]"]);
    let (_, error) = home.fails(&["send", "a", "[[say third]]"]);
    assert!(error.contains("2 of 2 turns"), "{error}");
    home.teams(&["spawn", "b", "--backend", "claude"]);
    let (_, error) = home.fails(&["spawn", "c", "--backend", "claude"]);
    assert!(error.contains("2 of 2 members"), "{error}");
    let (code, error) = home.fails(&["budget", "nobody", "--turns", "1"]);
    assert!(code == 1 && error.contains("nobody"), "{error}");
    let (code, _) = home.fails(&["budget", "--turns", "few"]);
    assert_eq!(code, 2);
}

#[test]
fn a_budget_of_time_and_money_is_kept() {
    let home = Home::simulated();
    crew(&home, &[("a", "claude"), ("b", "claude")]);
    home.teams(&["budget", "a", "--wall", "0.2"]);
    home.ask("a", "[[slow 150]] [[say a b c]]");
    let (_, error) = home.fails(&["ask", "a", "[[say more]]"]);
    assert!(error.contains("of 0.2 s"), "{error}");
    home.teams(&["budget", "b", "--cost", "0"]);
    let (_, error) = home.fails(&["ask", "b", "[[say anything]]"]);
    assert!(error.contains("US dollars"), "{error}");
}

#[test]
fn everything_that_waits_hears_that_the_budget_is_used_up() {
    let home = Home::simulated();
    crew(&home, &[("a", "claude")]);
    home.teams(&["budget", "a", "--tokens", "50"]);
    let hold = home.hold("go");
    home.teams(&["send", "a", &format!("[[say a b]] {hold}")]);
    for _ in 0..4 {
        home.teams(&["send", "a", "[[say more]]"]);
    }
    hold.release();
    let refused = || home.events().iter().filter(|event| event["type"] == "error").count();
    wait_for("four refusals", || (refused() == 4).then_some(()));
    home.wait_for_state("a", "idle");
}

#[test]
fn a_turn_that_is_held_survives_its_agent_and_ends_once() {
    let home = Home::simulated().with_env("TEAMS_RATE_LIMIT_WAIT", "4");
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "claude", "--restart", "on-failure"]);
    let asking = home.start(&["ask", "a", "[[limited 1]]", "--json"]);
    let pid = home.wait_for_state("a", "rate-limited")["pid"].as_u64().expect("a process");
    crate::support::signal("-9", pid);
    let report: Value = serde_json::from_slice(&asking.wait_with_output().expect("it ends").stdout).expect("a report");
    assert_eq!((&report["turn"], &report["text"]), (&json!(1), &json!("the limit is lifted")), "{report}");
    let ends = ["turn-completed", "turn-interrupted", "error"];
    let ends = home.events().iter().filter(|event| ends.iter().any(|end| event["type"] == *end)).count();
    assert_eq!(ends, 1);
    assert_eq!(home.ask("a", "[[say next]]")["turn"], 2);
}
