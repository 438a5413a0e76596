//! Members that behave badly: silent ones, dying ones, flooding ones.

use serde_json::Value;

use crate::support::{Home, wait_for};

fn spawn_acp(home: &Home, script: &str) -> String {
    home.write("agent.sh", script);
    let command = format!("sh {}", home.path().join("agent.sh").display());
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "acp", "--command", &command]);
    "a".to_owned()
}

/// Shakes hands as an ACP agent, then does what comes after.
const HANDSHAKE: &str = r#"
read l; echo '{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":1}}'
read l; echo '{"jsonrpc":"2.0","id":1,"result":{"sessionId":"s"}}'
read l
"#;

#[test]
fn an_agent_that_dies_in_its_turn_is_not_shown_as_alive() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini-acp"] {
        home.teams(&["spawn", backend, "--backend", backend]);
        let report = home.ask(backend, "[[crash]]");
        assert_eq!(report["status"], "failed", "{report}");
        assert!(report["error"].as_str().is_some_and(|error| error.contains("exit code 9")), "{report}");
        let member = home.wait_for_state(backend, "failed");
        assert!(member["failure"].as_str().is_some_and(|failure| failure.contains("exit code 9")), "{member}");
        let events = home.events();
        let mut of_it = events.iter().rev().filter(|event| event["agent"] == backend);
        let (last, before) = (of_it.next().expect("a state"), of_it.next().expect("an end"));
        assert_eq!((&before["type"], &before["code"]), (&"exited".into(), &9.into()));
        assert_eq!((&last["type"], &last["state"]), (&"state".into(), &"failed".into()));
        assert!(last["reason"].as_str().is_some_and(|reason| reason.contains("exit code 9")), "{last}");
        // It can be started again under its name, and its turns are counted on.
        home.teams(&["spawn", backend, "--backend", backend]);
        assert_eq!(home.ask(backend, "[[say back]]")["turn"], 2);
    }
    // A process for each turn dies alone.
    home.teams(&["spawn", "gemini", "--backend", "gemini"]);
    assert_eq!(home.ask("gemini", "[[crash]]")["status"], "failed");
    assert_eq!(home.ask("gemini", "[[say back]]")["text"], "back");
}

#[test]
fn an_idle_agent_that_dies_says_why() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let pid = home.member("c")["pid"].to_string();
    assert!(
        std::process::Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status().expect("sh runs").success()
    );
    home.wait_for_state("c", "failed");
    let error = home.wait_for_event("the reason", |event| event["type"] == "error");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("signal 9")), "{error}");
    assert!(error["turn"].is_null(), "{error}");
}

#[test]
fn members_that_are_spawned_at_once_all_join() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    // The first use of the team, by all of them.
    let backends = ["claude", "codex", "gemini", "gemini-acp"];
    let spawns: Vec<_> = backends.iter().map(|backend| home.start(&["spawn", "--backend", backend])).collect();
    for spawn in spawns {
        let output = spawn.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(home.json(&["status"])["members"].as_array().map(Vec::len), Some(4));
}

#[test]
fn members_of_a_team_whose_files_are_gone_can_be_seen_and_stopped() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    // As a live Claude Code does when it ends.
    std::fs::remove_dir_all(home.claude("teams/crew")).expect("removed");
    let status = home.json(&["status", "crew"]);
    assert_eq!(status["members"][0]["state"], "idle", "{status}");
    let stopped = home.json(&["stop", "--all", "-t", "crew"]);
    assert_eq!((&stopped[0]["name"], &stopped[0]["left"]), (&"c".into(), &0.into()));
}

#[test]
fn a_member_that_starts_can_be_stopped() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    home.write("slow.sh", &format!("until [ -e go ]; do sleep 0.05; done; sleep 0.5\n{HANDSHAKE}\ncat >/dev/null"));
    let command = format!("sh {}", home.path().join("slow.sh").display());
    home.teams(&["create", "crew"]);
    let spawning = home.start(&["spawn", "a", "--backend", "acp", "--command", &command]);
    wait_for("its process", || {
        let is_agent = |process: &String| process.contains("slow.sh") && !process.contains("spawn");
        home.processes().iter().any(is_agent).then_some(())
    });
    assert_eq!(home.member("a")["state"], "starting");
    // Whichever comes first, its start or its end.
    home.write("project/go", "");
    let stopped = home.json(&["stop", "--all"]);
    assert_eq!((&stopped[0]["name"], &stopped[0]["left"]), (&"a".into(), &0.into()), "{stopped}");
    spawning.wait_with_output().expect("it ends");
    home.wait_for_only_the_daemon();
}

#[test]
fn a_silent_agent_can_be_interrupted_and_stopped() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        home.teams(&["spawn", backend, "--backend", backend]);
        home.teams(&["send", backend, "[[silence]]"]);
        home.wait_for_state(backend, "busy");
        home.teams(&["interrupt", backend]);
        home.wait_for_state(backend, "idle");
        home.teams(&["send", backend, "[[silence]]"]);
    }
    let stopped = home.json(&["stop", "--all"]);
    for member in stopped.as_array().expect("a list") {
        assert_eq!(member["left"], 0, "{member}");
    }
}

#[test]
fn what_waits_for_an_agent_that_dies_is_not_lost_silently() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let hold = home.hold("go");
    home.teams(&["send", "c", &format!("[[crash]] {hold}")]);
    home.teams(&["send", "c", "[[say never]]"]);
    hold.release();
    home.wait_for_state("c", "failed");
    let lost = home.wait_for_event("the loss", |event| event["turn"] == 2 && event["type"] == "error");
    assert!(lost["message"].as_str().is_some_and(|message| message.contains("send it again")), "{lost}");
}

#[test]
fn a_flood_is_kept_whole() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    let report = home.ask("c", "[[flood 100000]]");
    let text = report["text"].as_str().expect("a text");
    assert_eq!(text.lines().count(), 100_000);
    assert!(text.ends_with("line 99999\n"));
}

#[test]
fn rubbish_between_the_lines_harms_nobody() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let script = format!(
        "{HANDSHAKE}\necho 'not json'; printf 'bad \\377 byte\\n'; echo '[1,2]'; echo '{{\"id\":99,\"result\":{{}}}}'; echo\n\
         echo '{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"no/such\",\"params\":{{}}}}'\n\
         yes noise | head -c 3000000 >&2\n\
         echo '{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{{\"sessionUpdate\":\"new_kind\"}}}}}}'\n\
         echo '{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{{\"type\":\"text\",\"text\":\"whole\"}}}}}}}}'\n\
         read refusal; echo \"$refusal\" > refusal\n\
         echo '{{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{{\"stopReason\":\"end_turn\"}}}}'\ncat >/dev/null\n"
    );
    let name = spawn_acp(&home, &script);
    assert_eq!(home.ask(&name, "go")["text"], "whole");
    let refusal = std::fs::read_to_string(home.work().join("refusal")).expect("it was answered");
    let refusal: Value = serde_json::from_str(&refusal).expect("JSON");
    assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&7.into(), &(-32601).into()));
}

#[test]
fn an_empty_answer_is_a_failure() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let end = r#"echo '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}'; cat >/dev/null"#;
    let name = spawn_acp(&home, &format!("{HANDSHAKE}\n{end}\n"));
    let report = home.ask(&name, "go");
    assert_eq!(report["status"], "failed", "{report}");
    assert!(report["error"].as_str().is_some_and(|error| error.contains("without a word")), "{report}");
}

#[test]
fn an_agent_that_clings_to_life_is_ended_with_all_it_started() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let script = format!(
        "trap '' TERM INT HUP\n{HANDSHAKE}\nsetsid sh -c 'trap \"\" TERM; sleep 2718' &\n(setsid sleep 2719 &)\n\
         echo '{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{{\"type\":\"text\",\"text\":\"up\"}}}}}}}}'\n\
         while :; do sleep 1; done\n"
    );
    let name = spawn_acp(&home, &script);
    home.teams(&["send", &name, "go"]);
    home.wait_for_event("its words", |event| event["type"] == "delta");
    let running = |what: &str| home.processes().iter().any(|process| process.contains(what));
    wait_for("its children", || (running("sleep 2718") && running("sleep 2719")).then_some(()));
    let stopped = home.json(&["stop", &name, "--now"]);
    assert_eq!((&stopped[0]["step"], &stopped[0]["left"]), (&"killed".into(), &0.into()), "{stopped}");
    assert!(!running("sleep 271"), "{:?}", home.processes());
}

#[test]
fn an_agent_that_reports_other_settings_does_not_join() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    // It shakes hands like Claude Code, and says that it asks nothing.
    home.write(
        "liar.sh",
        "read l\necho '{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":\"initialize\",\
         \"response\":{\"current_permission_mode\":\"bypassPermissions\"}}}'\ncat > /dev/null\n",
    );
    let home = home.with_env("TEAMS_CLAUDE_COMMAND", "sh liar.sh");
    std::fs::copy(home.path().join("liar.sh"), home.work().join("liar.sh")).expect("a copy");
    home.teams(&["create", "crew"]);
    let (code, error) = home.fails(&["spawn", "--backend", "claude"]);
    assert_eq!(code, 1);
    assert!(error.contains("permission mode `bypassPermissions` although `default` was asked for"), "{error}");
    home.wait_for_only_the_daemon();
}

#[test]
fn the_death_of_a_shared_server_is_told_to_every_session() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for name in ["a", "b"] {
        home.teams(&["spawn", name, "--backend", "codex"]);
    }
    assert_eq!(home.member("a")["pid"], home.member("b")["pid"]);
    home.teams(&["send", "b", "[[silence]]"]);
    home.wait_for_state("b", "busy");
    assert_eq!(home.ask("a", "[[crash]]")["status"], "failed");
    for name in ["a", "b"] {
        home.wait_for_state(name, "failed");
    }
    let told = home.wait_for_event("its failed turn", |event| event["agent"] == "b" && event["type"] == "error");
    assert!(told["message"].as_str().is_some_and(|message| message.contains("exit code 9")), "{told}");
    home.teams(&["spawn", "a", "--backend", "codex"]);
    assert_eq!(home.ask("a", "[[say a new server]]")["text"], "a new server");
}

#[test]
fn a_simulated_agent_follows_its_script() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    home.write(
        "script.json",
        r#"{"turns": [[{"do": "say", "text": "first"}, {"do": "usage", "inputTokens": 11, "outputTokens": 5}],
                     [{"do": "wait", "ms": 10}, {"do": "fail", "status": 503}]]}"#,
    );
    let script = home.path().join("script.json");
    let teams = env!("CARGO_BIN_EXE_teams");
    let command = format!("{teams} simulate acp --script {}", script.display());
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "acp", "--command", &command]);
    let first = home.ask("a", "anything");
    assert_eq!((&first["text"], &first["usage"]["inputTokens"]), (&"first".into(), &111.into()));
    let second = home.ask("a", "anything");
    assert!(second["error"].as_str().is_some_and(|error| error.contains("503")), "{second}");
    assert_eq!(home.ask("a", "beyond")["text"], "echo: beyond");
}

#[test]
fn a_gemini_conversation_that_was_lost_starts_anew_and_says_so() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "g", "--backend", "gemini", "--prompt", "You like plums."]);
    home.ask("g", "[[say one]]");
    let before = home.member("g")["sessionId"].clone();
    // Given once: the second turn carries the conversation on.
    assert_eq!(home.ask("g", "[[recall]]")["text"].to_string().matches("You like plums.").count(), 1);
    std::fs::remove_dir_all(home.state().join("simulated")).expect("forgotten");
    let report = home.ask("g", "[[recall]]");
    assert_eq!(report["text"], "recalled: You like plums.\n\n[[recall]]", "given again");
    home.wait_for_event("a word about it", |event| event["type"] == "notice");
    assert_ne!(home.member("g")["sessionId"], before);
}

#[test]
fn a_codex_turn_whose_reply_is_lost_or_late_ends_all_the_same() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    let script = r#"
say() { printf '{"method":"%s","params":{"threadId":"t",%s}}\n' "$1" "$2"; }
turn() {
  say turn/started "\"turn\":{\"id\":\"$1\",\"status\":\"inProgress\"}"
  say item/completed "\"turnId\":\"$1\",\"item\":{\"type\":\"agentMessage\",\"id\":\"m$1\",\"text\":\"answer $1\"}"
  say turn/completed "\"turn\":{\"id\":\"$1\",\"status\":\"completed\"}"
}
read l; echo '{"id":0,"result":{}}'
read l
read l; echo '{"id":1,"result":{"account":null,"requiresOpenaiAuth":false}}'
read l; printf '{"id":2,"result":{"thread":{"id":"t"},"model":"m","cwd":"%s","approvalPolicy":"on-request","sandbox":{"type":"readOnly"}}}\n' "$PWD"
# The first reply never comes. What it asks is none of our business.
read l; echo '{"id":0,"method":"attestation/generate","params":{"threadId":"t"}}'; read refusal; echo "$refusal" > refusal; turn a
# The second comes after its turn has ended, and the turn of another thread is not ours.
read l; echo '{"method":"turn/completed","params":{"threadId":"other","turn":{"id":"x","status":"completed"}}}'
turn b; echo '{"id":4,"result":{"turn":{"id":"b","status":"inProgress"}}}'
read l; echo '{"id":5,"result":{"turn":{"id":"c","status":"inProgress"}}}'; turn c
cat > /dev/null
"#;
    home.write("codex.sh", script);
    let command = format!("sh {}", home.path().join("codex.sh").display());
    let home = home.with_env("TEAMS_CODEX_COMMAND", &command);
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "codex"]);
    for answer in ["answer a", "answer b", "answer c"] {
        assert_eq!(home.ask("c", "go")["text"], answer);
    }
    let refusal = std::fs::read_to_string(home.work().join("refusal")).expect("it was answered");
    assert!(refusal.contains("-32601"), "{refusal}");
}

#[test]
fn what_stops_on_a_server_that_others_use_is_not_said_to_be_gone() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "codex"]);
    home.teams(&["spawn", "b", "--backend", "codex"]);
    let first = home.teams(&["stop", "a"]);
    assert!(first.contains("a: stopped, the process that it shared runs on"), "{first}");
    let last = home.teams(&["stop", "b"]);
    assert!(last.contains("b: stopped when asked (exit code 0), 0 processes left"), "{last}");
}
