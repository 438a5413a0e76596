//! The team's tools: the same for every agent, given without a change to anybody's files, each acting as its own member.

use serde_json::{Value, json};

use crate::support::{Agent, Client, Home, wait_for};

/// The name of a tool, as a model of this agent knows it.
fn tool(agent: Agent, name: &str) -> String {
    match (agent.real, agent.backend) {
        (true, "claude" | "codex") => format!("mcp__teams__{name}"),
        (true, "gemini" | "gemini-acp") => format!("mcp_teams_{name}"),
        _ => name.to_owned(),
    }
}

fn call(agent: Agent, name: &str, arguments: &Value) -> String {
    format!("[[call {} {arguments}]]", tool(agent, name))
}

fn agents_talk(agents: [Agent; 2], home: &Home) {
    home.teams(&["create", "crew"]);
    for agent in agents {
        home.teams(&["spawn", agent.backend, "--backend", agent.backend, "--model", agent.model()]);
    }
    let [first, second] = agents;
    // The first one is told to write to the second one, whose model does what it is written: it answers.
    let answer = call(second, "send_message", &json!({"to": first.backend, "message": "the plums are ripe"}));
    let report =
        home.ask(first.backend, &call(first, "task_create", &json!({"subject": "Pick plums", "description": "all"})));
    assert_eq!(report["status"], "completed", "{report}");
    home.teams(&["message", second.backend, &answer]);
    let mail = home.wait_for_event("the answer", |event| {
        event["type"] == "mail" && event["agent"] == first.backend && event["state"] == "acknowledged"
    });
    assert_eq!(mail["from"], second.backend);
    let start = home.wait_for_event("its turn", |event| {
        event["type"] == "turn-started" && event["agent"] == first.backend && event["from"] == second.backend
    });
    let input = start["input"].as_str().expect("an input");
    assert!(input.contains(&format!("<teammate-message teammate_id=\"{}\"", second.backend)), "{input}");
    assert!(input.contains("the plums are ripe"), "{input}");
    // A task that one has made, the other one claims.
    let report = home.ask(second.backend, &call(second, "task_claim", &json!({"taskId": "1"})));
    assert_eq!(report["status"], "completed", "{report}");
    let task = home.json(&["task", "show", "1"]);
    assert_eq!((&task["owner"], &task["status"]), (&second.backend.into(), &"in_progress".into()), "{task}");
    // The whole way of the message.
    let id = mail["id"].as_str().expect("an id");
    let trace = home.json(&["trace", id]);
    let states: Vec<&str> = trace.as_array().expect("steps").iter().filter_map(|step| step["state"].as_str()).collect();
    assert_eq!(states, ["queued", "injected", "acknowledged"], "{trace}");
    for agent in agents {
        home.wait_for_state(agent.backend, "idle");
    }
    assert_eq!(home.json(&["inbox", "--undelivered"]), json!([]));
}

fn simulated(backend: &'static str) -> Agent {
    Agent { backend, real: false }
}

fn real(backend: &'static str) -> Agent {
    Agent { backend, real: true }
}

#[test]
fn simulated_agents_talk_to_each_other() {
    for pair in [["codex", "gemini"], ["claude", "gemini-acp"]] {
        agents_talk(pair.map(simulated), &Home::simulated());
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn codex_and_gemini_talk_to_each_other() {
    agents_talk(["codex", "gemini"].map(real), &Home::real());
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn claude_and_gemini_acp_talk_to_each_other() {
    agents_talk(["claude", "gemini-acp"].map(real), &Home::real());
}

/// The asker's program waits for its tool as long as the teammate takes.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn agents_of_different_makes_ask_each_other() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    let agents = ["claude", "codex", "gemini", "gemini-acp"].map(real);
    for agent in agents {
        home.teams(&["spawn", agent.backend, "--backend", agent.backend, "--model", agent.model()]);
    }
    for (at, asker) in agents.into_iter().enumerate() {
        let asked = agents[(at + 1) % agents.len()].backend;
        let hold = home.hold(asker.backend);
        home.teams(&["send", asked, &format!("{hold} [[say busy]]")]);
        home.wait_for_state(asked, "busy");
        let question = call(asker, "ask_teammate", &json!({"name": asked, "question": "how many plums"}));
        home.teams(&["send", asker.backend, &question]);
        // It is asked after its turn, however long that takes.
        wait_for("the question to wait", || (home.member(asked)["queued"] == 1).then_some(()));
        hold.release();
        let turn = home.wait_for_event("the question", |event| {
            event["type"] == "turn-started" && event["agent"] == asked && event["from"] == asker.backend
        });
        assert!(turn["input"].as_str().is_some_and(|input| input.contains("how many plums")), "{turn}");
        let answered = home.wait_for_event("the end of the asker's turn", |event| {
            event["type"] == "turn-completed"
                && event["agent"] == asker.backend
                && event["text"].as_str().is_some_and(|text| text.contains("answers (these are"))
        });
        assert!(answered["text"].as_str().is_some_and(|text| text.contains(&format!("{asked} answers"))), "{answered}");
        home.wait_for_state(asker.backend, "idle");
    }
}

/// In each permission mode, also those that change nothing: the tools ask nobody.
#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn the_tools_need_no_permission() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        let home = Home::real();
        let agent = real(backend);
        home.teams(&["create", "crew"]);
        for mode in ["default", "plan", "acceptEdits", "bypassPermissions"] {
            let name = mode.to_lowercase();
            home.teams(&["spawn", &name, "--backend", backend, "--model", agent.model(), "--permission-mode", mode]);
            let write = json!({"name": name, "value": backend});
            let report = home.ask(&name, &call(agent, "memory_write", &write));
            assert_eq!(report["status"], "completed", "{backend} {mode} {report}");
            assert_eq!(home.json(&["memory", "get", &name])["value"], backend, "{backend} {mode}");
            assert_eq!(home.json(&["memory", "get", &name])["by"], name, "{backend} {mode}");
            home.teams(&["stop", &name]);
        }
    }
}

#[test]
fn the_lead_works_from_any_mcp_client() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut lead = Client::lead(&home);
    let names = lead.names();
    assert!(names.contains(&"spawn_teammate".to_owned()) && names.contains(&"send_message".to_owned()), "{names:?}");
    lead.does("spawn_teammate", json!({"name": "anna", "backend": "claude-code", "prompt": "Be brief."}));
    lead.does("task_create", json!({"subject": "Look", "description": "at it"}));
    lead.does("assign_task", json!({"taskId": "1", "owner": "anna"}));
    lead.does("send_message", json!({"to": ["anna"], "message": "[[say hello]]", "summary": "hi"}));
    wait_for("the end of its turns", || lead.does("team_status", json!({})).contains("\"idle\"").then_some(()));
    home.wait_for_event("its answer", |event| event["type"] == "turn-completed" && event["text"] == "hello");
    let mail = wait_for("the notification", || {
        Some(lead.does("read_messages", json!({}))).filter(|mail| mail.contains("hello"))
    });
    assert!(mail.contains("idle_notification"), "{mail}");
    assert_eq!(lead.does("read_messages", json!({})), "No message waits for you.");
    assert_eq!(
        lead.does("memory_write", json!({"name": "plan", "value": {"a": 1}})),
        "`plan` is remembered, version 1."
    );
    let stale = lead.refuses("memory_write", json!({"name": "plan", "value": 2, "expectedVersion": 0}));
    assert!(stale.contains("version 1"), "{stale}");
    lead.does("stop_teammate", json!({"name": "anna", "now": true}));
    assert_eq!(home.member("anna")["state"], "exited");
    let task = home.json(&["task", "show", "1"]);
    assert_eq!((&task["owner"], &task["status"]), (&Value::Null, &"pending".into()));
}

#[test]
fn what_a_member_could_abuse_is_refused() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for name in ["anna", "bert"] {
        home.teams(&["spawn", name, "--backend", "claude"]);
    }
    home.teams(&["spawn", "carl", "--backend", "claude", "--plan-approval"]);
    // Only the environment says who somebody is, and only the daemon gives out what stands there.
    let (_, error) = home.fails(&["mcp", "--team", "crew", "--as", "anna"]);
    assert!(error.contains("nobody can be anna"), "{error}");
    let mut nobody = Client::start(&home, &["mcp"], &[("TEAMS_MEMBER_TOKEN", "0123456789abcdef")]);
    let refused = nobody.refuses("team_status", json!({}));
    assert!(refused.contains("unknown or expired member token"), "{refused}");
    let token = hidden_token_of(&home, "anna");
    let mut anna = Client::start(&home, &["mcp"], &[("TEAMS_MEMBER_TOKEN", &token)]);
    let not_hers =
        ["spawn_teammate", "stop_teammate", "answer_plan", "answer_permission", "assign_task", "submit_plan"];
    assert!(anna.names().iter().all(|name| !not_hers.contains(&name.as_str())));
    assert!(anna.refuses("submit_plan", json!({"plan": "x"})).contains("no approval"));
    let token = hidden_token_of(&home, "carl");
    assert!(
        Client::start(&home, &["mcp"], &[("TEAMS_MEMBER_TOKEN", &token)]).names().contains(&"submit_plan".to_owned())
    );
    let refused = anna.refuses("spawn_teammate", json!({"name": "x", "backend": "codex", "prompt": ""}));
    assert!(refused.contains("for the lead"), "{refused}");
    anna.refuses("send_message", json!({"to": "bert", "message": "x", "from": "team-lead"}));
    for name in ["../bert", "bert/../../x", "nobody", "BERT"] {
        let refused = anna.refuses("send_message", json!({"to": name, "message": "x"}));
        assert!(refused.contains("anna") && refused.contains("bert"), "it names those that there are: {refused}");
    }
    for name in ["../plan", "a/b", ".hidden"] {
        anna.refuses("memory_write", json!({"name": name, "value": 1}));
    }
    // Too long for a message, and too long for anything.
    for length in [300_000, 50_000_000] {
        let refused = anna.refuses("send_message", json!({"to": "bert", "message": "x".repeat(length)}));
        assert!(refused.contains("bytes") && refused.contains("file"), "{}", &refused[..200.min(refused.len())]);
    }
    // What is another's stays another's.
    home.teams(&["task", "add", "Bert's", "--owner", "bert"]);
    for change in [json!({"taskId": "1", "status": "completed"}), json!({"taskId": "1", "owner": "anna"})] {
        let refused = anna.refuses("task_update", change);
        assert!(refused.contains("bert's"), "{refused}");
    }
    anna.does("task_create", json!({"subject": "Anna's", "description": ""}));
    let refused = anna.refuses("task_update", json!({"taskId": "2", "owner": "bert"}));
    assert!(refused.contains("send_message"), "{refused}");
    // Too often.
    let mut sent = 0;
    let refused = loop {
        match anna.call("send_message", json!({"to": "bert", "message": "again"})) {
            (_, false) => sent += 1,
            (text, true) => break text,
        }
        assert!(sent < 100, "nobody stops a loop");
    };
    assert!(sent == 20 && refused.contains("; wait "), "{sent} {refused}");
    anna.does("send_message", json!({"to": "team-lead", "message": "bert does not answer"}));
    // With its agent ends what it may do.
    home.teams(&["stop", "anna"]);
    let refused = anna.refuses("team_status", json!({}));
    assert!(refused.contains("has ended"), "{refused}");
}

/// The token is in the environment of its agent, and nowhere else.
fn hidden_token_of(home: &Home, name: &str) -> String {
    let token = home.token_of(name);
    for pid in home.processes() {
        let pid = pid.split(' ').next().expect("a pid").to_owned();
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(&token), "on the command line of {pid}");
    }
    let found = std::process::Command::new("grep").args(["-rl", &token]).arg(home.path()).output().expect("grep runs");
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    token
}

#[test]
fn what_a_team_remembers_is_everybody_s() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "anna", "--backend", "codex"]);
    assert_eq!(home.json(&["memory", "set", "plan", r#"{"steps": 3}"#])["version"], 1);
    let report = home.ask("anna", r#"[[call memory_read {"name":"plan"}]]"#);
    assert!(report["text"].as_str().is_some_and(|text| text.contains(r#""steps":3"#)), "{report}");
    let (_, error) = home.fails(&["memory", "set", "plan", "4", "--expect", "0"]);
    assert!(error.contains("at version 1"), "{error}");
    home.teams(&["memory", "set", "motto", "plain words", "--expect", "0"]);
    assert_eq!(home.json(&["memory", "get", "motto"])["value"], "plain words");
    assert_eq!(home.json(&["memory", "list"]).as_array().map(Vec::len), Some(2));
    home.teams(&["memory", "delete", "plan"]);
    let (_, error) = home.fails(&["memory", "get", "plan"]);
    assert!(error.contains("motto"), "{error}");
}

/// A request to stop is refused with a reason, and then accepted.
fn shutdown_is_negotiated(agent: Agent, home: &Home) {
    let name = home.team_of(agent, &[]);
    home.teams(&["task", "add", "Look", "--owner", &name]);
    home.wait_for_state(&name, "idle");
    let mut seen = 0;
    for approve in [false, true] {
        let request = home.start(&["shutdown", &name, "--reason", "we are done", "--json", "--deadline", "60"]);
        let asked = home.wait_for_event("the request", |event| {
            let injected =
                event["type"] == "mail" && event["state"] == "injected" && event["seq"].as_u64() > Some(seen);
            injected && event["text"].as_str().is_some_and(|text| text.contains("shutdown_request"))
        });
        seen = asked["seq"].as_u64().expect("a number");
        let told = home.events().into_iter().rfind(|event| event["type"] == "shutdown-requested").expect("it is told");
        assert_eq!((&told["agent"], &told["reason"]), (&json!(name), &json!("we are done")), "{told}");
        let asked: Value = serde_json::from_str(asked["text"].as_str().expect("a text")).expect("JSON");
        let reason = "the plums are not ripe";
        let answer = json!({"requestId": asked["requestId"], "approve": approve, "reason": reason});
        let report = home.ask(&name, &call(agent, "answer_shutdown", &answer));
        assert_eq!(report["status"], "completed", "{report}");
        let output = request.wait_with_output().expect("it ends");
        let outcome: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(output.status.success(), approve, "{outcome}");
        if approve {
            assert_eq!((&outcome["outcome"], &outcome["report"]["left"]), (&"approved".into(), &0.into()), "{outcome}");
        } else {
            let refused = json!({"outcome": "rejected", "reason": "the plums are not ripe"});
            assert_eq!(outcome, refused);
            home.wait_for_state(&name, "idle");
        }
    }
    let inbox = home.json(&["inbox"]);
    let kinds: Vec<String> = inbox
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| {
            serde_json::from_str::<Value>(message["text"].as_str()?).ok()?["type"].as_str().map(str::to_owned)
        })
        .filter(|kind| kind.starts_with("shutdown"))
        .collect();
    assert_eq!(kinds, ["shutdown_rejected", "shutdown_approved"]);
    assert_eq!(home.json(&["status"])["members"], json!([]), "it is in the team no more");
    let story = home.teams(&["tail", &name]);
    assert!(story.contains("[started ("), "it has left, and can be read about: {story}");
    let task = home.json(&["task", "show", "1"]);
    assert_eq!((&task["owner"], &task["status"]), (&Value::Null, &"pending".into()), "{task}");
    home.wait_for_only_the_daemon();
}

#[test]
fn a_simulated_agent_negotiates_its_end() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        shutdown_is_negotiated(simulated(backend), &Home::simulated());
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn the_real_agents_negotiate_their_end() {
    for backend in ["claude", "codex", "gemini-acp"] {
        shutdown_is_negotiated(real(backend), &Home::real());
    }
}

#[test]
fn who_does_not_answer_is_stopped_in_the_end() {
    let home = Home::simulated();
    let name = home.team_of(simulated("claude"), &[]);
    let outcome = home.json(&["shutdown", &name, "--deadline", "1"]);
    assert_eq!((&outcome["outcome"], &outcome["report"]["left"]), (&"mute".into(), &0.into()), "{outcome}");
    assert_eq!(home.member(&name)["state"], "exited");
    // Nobody stops by an answer that nobody asked for.
    home.teams(&["resume"]);
    let said = home.ask(&name, r#"[[call answer_shutdown {"requestId":"shutdown-1@worker","approve":true}]]"#);
    assert!(said["text"].as_str().is_some_and(|text| text.contains("no open request")), "{said}");
}
