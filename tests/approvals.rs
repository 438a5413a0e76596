//! Who decides what agents ask for: a person, the lead, or the team's policy.

use serde_json::{Value, json};

use crate::support::{Agent, Client, Home, teams_binary, wait_for};

/// How the question of an agent was closed.
fn closed(home: &Home) -> Value {
    let event = home.wait_for_event("its end", |event| event["type"] == "approval-closed");
    json!([event["outcome"], event["by"]])
}

fn a_policy_decides(agent: Agent) {
    let home = Home::of(agent);
    home.team_of(agent, &[]);
    home.teams(&["policy", "--allow", "command touch", "--deny", "command rm"]);
    let report = home.ask("worker", "[[run touch made]]");
    assert_eq!(report["status"], "completed", "{} {report}", agent.backend);
    assert!(home.work().join("made").exists(), "{}", agent.backend);
    assert_eq!(closed(&home), json!(["allowed", "policy"]), "{}", agent.backend);
    home.ask("worker", "[[run rm made]]");
    assert!(home.work().join("made").exists(), "{}", agent.backend);
    let last = home.events().into_iter().rfind(|event| event["type"] == "approval-closed").expect("an end");
    assert_eq!(json!([last["outcome"], last["by"]]), json!(["denied", "policy"]), "{}", agent.backend);
    // What begins well and goes on otherwise is for a person.
    home.teams(&["send", "worker", "[[run touch made; rm made]]"]);
    let id = home.wait_for_approval();
    home.teams(&["deny", &id]);
    home.wait_for_state("worker", "idle");
    assert!(home.work().join("made").exists(), "{}", agent.backend);
}

#[test]
fn a_policy_decides_for_simulated_agents() {
    for backend in ["claude", "codex", "gemini-acp"] {
        a_policy_decides(Agent { backend, real: false });
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_policy_decides_for_claude_code_and_gemini() {
    for backend in ["claude", "gemini-acp"] {
        a_policy_decides(Agent { backend, real: true });
    }
}

#[test]
fn the_lead_decides_where_it_may() {
    let home = Home::simulated();
    home.team_of(Agent { backend: "codex", real: false }, &[]);
    let mut lead = Client::lead(&home);
    let ask = || {
        home.teams(&["send", "worker", "[[run touch made]]"]);
        home.wait_for_approval()
    };
    // A person, who is asked by default.
    let id = ask();
    let refused = lead.refuses("answer_permission", json!({"id": id, "approve": true}));
    assert!(refused.contains("lets a person decide") && refused.contains("teams approve"), "{refused}");
    home.teams(&["deny", &id]);
    home.wait_for_state("worker", "idle");
    // The lead, which cannot grant what it may not do.
    home.teams(&["policy", "--otherwise", "lead"]);
    let id = ask();
    let refused = lead.refuses("answer_permission", json!({"id": id, "approve": true}));
    assert!(refused.contains("may not do that itself"), "{refused}");
    lead.does("answer_permission", json!({"id": id, "approve": false, "reason": "not now"}));
    home.wait_for_state("worker", "idle");
    assert!(!home.work().join("made").exists());
    home.teams(&["policy", "--lead-mode", "bypassPermissions"]);
    let id = ask();
    lead.does("answer_permission", json!({"id": id, "approve": true}));
    wait_for("the file", || home.work().join("made").exists().then_some(()));
    home.wait_for_state("worker", "idle");
    let by: Vec<Value> = home
        .events()
        .iter()
        .filter(|event| event["type"] == "approval-closed")
        .map(|event| json!([event["outcome"], event["by"]]))
        .collect();
    assert_eq!(by, [json!(["denied", "user"]), json!(["denied", "team-lead"]), json!(["allowed", "team-lead"])]);
}

/// An agent's shell is no person's.
#[test]
fn an_agent_does_not_decide_for_itself() {
    let home = Home::simulated();
    home.team_of(Agent { backend: "claude", real: false }, &["--permission-mode", "bypassPermissions"]);
    home.teams(&["spawn", "other", "--backend", "codex"]);
    home.teams(&["send", "other", "[[run touch made]]"]);
    let id = home.wait_for_approval();
    let teams = teams_binary();
    for verb in [
        format!("approve {id}"),
        "policy --otherwise allow".to_owned(),
        "budget --turns 999".to_owned(),
        "message other hello".to_owned(),
        "create another".to_owned(),
        "interrupt other".to_owned(),
        "send other hello --interrupt".to_owned(),
        "task add mine --owner worker".to_owned(),
        "task update 1 --owner worker".to_owned(),
        "task delete 1".to_owned(),
        "task retry 1".to_owned(),
        "task fail 1".to_owned(),
        "worktree remove other".to_owned(),
        "resume".to_owned(),
        "daemon stop".to_owned(),
    ] {
        // Neither in its shell, nor in one that has forgotten whose it is.
        for shell in [
            "",
            "env -i PATH=$PATH HOME=$HOME TEAMS_STATE_DIR=$TEAMS_STATE_DIR ",
            "setsid env -u AGENT_BACKENDS_PROCESS ",
        ] {
            let said = home.ask("worker", &format!("[[run {shell}{teams} {verb} 2>&1]]"))["text"].to_string();
            assert!(said.contains("only a person decides"), "{shell}{verb}: {said}");
        }
    }
    home.ask("worker", &format!("[[run {teams} task add ours && {teams} task done 1 && {teams} status]]"));
    assert_eq!(home.json(&["task", "list"])[0]["status"], "completed");
    // The tools of the lead are not for it either.
    let lead = "printf '%s\\n' '{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{\"name\":\"x\",\"version\":\"1\"}}}' '{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}' '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}' | (cat; sleep 1) | env -u AGENT_BACKENDS_PROCESS -u TEAMS_MEMBER_TOKEN";
    let said =
        home.ask("worker", &format!("[[run {lead} {teams} mcp --team crew --as team-lead 2>&1]]"))["text"].to_string();
    assert!(said.contains("only a person decides") && !said.contains("spawn_teammate"), "{said}");
    home.teams(&["deny", &id]);
    home.wait_for_state("other", "idle");
    assert!(!home.work().join("made").exists());
    home.ask("worker", &format!("[[run env -u AGENT_BACKENDS_PROCESS {teams} ask other hello]]"));
    let turn = home.wait_for_event("its turn", |event| event["type"] == "turn-started" && event["from"] == "an agent");
    assert!(turn["input"].as_str().is_some_and(|input| input.contains("not the user's")), "{turn}");
}

/// A live Claude Code that leads shows its own dialog, and writes the answer into the member's inbox.
#[test]
fn the_dialog_of_a_live_lead_is_heeded() {
    let home = Home::simulated();
    home.team_of(Agent { backend: "claude", real: false }, &[]);
    home.teams(&["policy", "--otherwise", "lead"]);
    home.teams(&["send", "worker", "[[run touch made]]"]);
    let request = wait_for("the question", || {
        let inbox = home.json(&["inbox"]);
        let parse = |message: &Value| serde_json::from_str::<Value>(message["text"].as_str()?).ok();
        inbox.as_array()?.iter().filter_map(parse).find(|message| message["type"] == "permission_request")
    });
    assert_eq!((&request["agent_id"], &request["tool_name"]), (&"worker".into(), &"Bash".into()));
    assert_eq!(request["input"]["command"], "touch made");
    let answer = json!({"type": "permission_response", "request_id": request["request_id"], "subtype": "success",
        "response": {}});
    let message = json!([{"from": "team-lead", "text": answer.to_string(), "timestamp": "2026-11-21T01:41:38.979Z"}]);
    let inbox = home.claude("teams/crew/inboxes/worker.json");
    let write = || {
        std::fs::write(inbox.with_extension("tmp"), message.to_string()).expect("written");
        std::fs::rename(inbox.with_extension("tmp"), &inbox).expect("moved");
    };
    // Nobody leads: whoever has written that decides nothing. What is written after it is seen only when it was looked at.
    write();
    home.teams(&["message", "worker", "hello", "--from", "anna"]);
    home.wait_for_event("the mail", |event| event["type"] == "mail" && event["agent"] == "worker");
    assert_eq!(home.member("worker")["state"], "waiting-approval");
    home.has_live_lead("crew");
    write();
    home.wait_for_state("worker", "idle");
    assert!(home.work().join("made").exists());
    assert_eq!(closed(&home), json!(["allowed", "team-lead"]));
    let given = |event: &Value| event["text"].as_str().is_some_and(|text| text.contains("permission_response"));
    assert!(!home.events().iter().any(given), "not for its agent");
}
