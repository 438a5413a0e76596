//! Mail for members: it becomes a turn, once, and everybody can see what became of it.

use serde_json::{Value, json};

use crate::support::{Agent, Home, daemon_pid, signal, wait_for};

/// A team of these members, each named after its backend.
fn crew(home: &Home, members: &[&str]) {
    home.teams(&["create", "crew"]);
    for backend in members {
        home.teams(&["spawn", backend, "--backend", backend]);
    }
}

fn mail(events: &[Value], agent: &str, state: &str) -> Vec<Value> {
    let wanted = |event: &&Value| event["type"] == "mail" && event["agent"] == agent && event["state"] == state;
    events.iter().filter(wanted).cloned().collect()
}

/// Waits until a member has acknowledged so many messages.
fn wait_for_mail(home: &Home, agent: &str, count: usize) -> Vec<Value> {
    wait_for("acknowledged mail", || {
        let events = home.events();
        (mail(&events, agent, "acknowledged").len() >= count).then_some(events)
    })
}

#[test]
fn a_message_becomes_a_turn_that_says_who_wrote_it() {
    let home = Home::simulated();
    let backends = ["claude", "codex", "gemini", "gemini-acp"];
    crew(&home, &backends);
    for backend in backends {
        home.teams(&["message", backend, "[[say got it]]", "--from", "anna"]);
        wait_for_mail(&home, backend, 1);
        let end = home.wait_for_event("its end", |event| {
            event["type"] == "turn-completed" && event["agent"] == backend && event["text"] == "got it"
        });
        let events = home.events();
        let start = events
            .iter()
            .find(|event| event["type"] == "turn-started" && event["agent"] == backend && event["turn"] == end["turn"])
            .expect("its beginning");
        let input = start["input"].as_str().expect("an input");
        assert!(input.contains("never the user's consent"), "{input}");
        assert!(input.contains("<teammate-message teammate_id=\"anna\""), "{input}");
        assert_eq!(start["from"], "anna");
        assert_eq!(home.json(&["inbox", backend]), json!([]));
        let text = home.teams(&["tail", backend]);
        assert!(text.contains("mail from anna: [[say got it]]"), "{text}");
    }
}

#[test]
fn what_comes_for_a_busy_member_is_one_turn_in_order() {
    let home = Home::simulated();
    crew(&home, &["claude"]);
    let hold = home.hold("go");
    home.teams(&["send", "claude", &format!("[[say a b]] {hold}")]);
    home.wait_for_state("claude", "busy");
    for text in ["one", "two", "three"] {
        home.teams(&["message", "claude", text, "--from", "bert"]);
    }
    assert_eq!(home.member("claude")["unread"], 3, "it waits in the inbox");
    hold.release();
    let events = wait_for_mail(&home, "claude", 3);
    let injected = mail(&events, "claude", "injected");
    let texts: Vec<&Value> = injected.iter().map(|event| &event["text"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert!(injected.iter().all(|event| event["turn"] == 2), "{injected:?}");
}

#[test]
fn what_waits_when_its_member_is_stopped_waits_on() {
    let home = Home::simulated();
    crew(&home, &["claude"]);
    home.teams(&["send", "claude", &format!("[[say a b]] {}", home.hold("never"))]);
    home.wait_for_state("claude", "busy");
    home.teams(&["message", "claude", "first", "--from", "bert"]);
    home.teams(&["stop", "claude"]);
    // Its inbox is looked at once more, and somebody else's letter changes nothing for it.
    home.teams(&["message", "team-lead", "hello", "--from", "bert"]);
    let status = home.member("claude");
    assert_eq!((&status["state"], &status["unread"]), (&json!("exited"), &json!(1)), "{status}");
    home.teams(&["message", "claude", "second", "--from", "bert"]);
    let injected = mail(&wait_for_mail(&home, "claude", 2), "claude", "injected");
    let texts: Vec<&Value> = injected.iter().map(|event| &event["text"]).collect();
    assert_eq!(texts, ["first", "second"]);
}

#[test]
fn another_program_s_message_is_delivered_too() {
    let home = Home::simulated();
    crew(&home, &["codex"]);
    // As a live Claude Code writes it, in an older version without an id.
    let inbox = home.claude("teams/crew/inboxes/codex.json");
    let message =
        json!([{"from": "planner", "text": "[[say done]]", "timestamp": "2026-11-21T01:41:38.979Z", "read": false}]);
    std::fs::write(inbox.with_extension("tmp"), message.to_string()).expect("written");
    std::fs::rename(inbox.with_extension("tmp"), &inbox).expect("moved");
    let events = wait_for_mail(&home, "codex", 1);
    assert_eq!(mail(&events, "codex", "injected")[0]["from"], "planner");
    wait_for("an empty inbox", || (home.json(&["inbox", "codex"]) == json!([])).then_some(()));
}

#[test]
fn the_lead_hears_how_each_turn_ended() {
    let home = Home::simulated();
    crew(&home, &["claude", "codex"]);
    home.ask("claude", "[[say the answer]]");
    home.ask("codex", "[[fail 500]]");
    home.ask("claude", &format!("[[say {}]]", "long ".repeat(4000)));
    let notifications: Vec<Value> = wait_for("three notifications", || {
        let inbox = home.json(&["inbox"]);
        let inbox = inbox.as_array().expect("messages");
        let parse = |message: &Value| serde_json::from_str(message["text"].as_str().expect("a text")).expect("JSON");
        (inbox.len() == 3).then(|| inbox.iter().map(parse).collect())
    });
    let of = |from: &str| notifications.iter().filter(|notification| notification["from"] == from).collect::<Vec<_>>();
    let (claude, codex) = (of("claude"), of("codex"));
    assert_eq!(claude[0]["type"], "idle_notification");
    assert_eq!((&claude[0]["idleReason"], &claude[0]["result"]), (&"available".into(), &"the answer".into()));
    assert_eq!(codex[0]["idleReason"], "failed");
    assert!(codex[0]["failureReason"].as_str().is_some_and(|reason| reason.contains("500")), "{codex:?}");
    let result = claude[1]["result"].as_str().expect("a result");
    assert!(result.len() < 9_000 && result.contains("teams tail claude --since"), "{} bytes", result.len());
}

#[test]
fn what_cannot_be_written_to_the_lead_is_written_later() {
    let home = Home::simulated();
    crew(&home, &["claude"]);
    home.ask("claude", "[[say 0]]");
    let inbox = home.path().join(".claude/teams/crew/inboxes/team-lead.json");
    let before = wait_for("the first", || std::fs::read(&inbox).ok().filter(|bytes| bytes.len() > 10));
    std::fs::write(&inbox, "[{\"torn").expect("written");
    for turn in 1..=5 {
        home.ask("claude", &format!("[[say {turn}]]"));
    }
    // Its own mail comes all the same.
    home.teams(&["message", "claude", "[[say mail]]", "--from", "anna"]);
    wait_for_mail(&home, "claude", 1);
    home.wait_for_state("claude", "idle");
    assert_eq!(std::fs::read_to_string(&inbox).expect("a file"), "[{\"torn");
    // What is known is told all the same.
    std::fs::write(home.claude("teams/crew/inboxes/claude.json"), "[{\"torn").expect("written");
    let undelivered = home.json(&["inbox", "--undelivered"]);
    assert_eq!((&undelivered[0]["to"], &undelivered[0]["state"]), (&json!("claude"), &json!("unreadable")));
    std::fs::write(home.claude("teams/crew/inboxes/claude.json"), "[]").expect("written");
    std::fs::write(&inbox, before).expect("written");
    let results: Vec<String> = wait_for("the rest", || {
        let messages = home.json(&["inbox"]);
        let texts = messages.as_array().expect("messages").iter().filter_map(|message| message["text"].as_str());
        let results: Vec<String> = texts
            .filter_map(|text| serde_json::from_str::<Value>(text).ok()?["result"].as_str().map(str::to_owned))
            .collect();
        (results.len() == 7).then_some(results)
    });
    assert_eq!(results, ["0", "1", "2", "3", "4", "5", "mail"]);
}

#[test]
fn mail_for_a_member_whose_daemon_was_killed_is_delivered_once() {
    let home = Home::simulated();
    let backends = ["claude", "codex", "gemini", "gemini-acp"];
    crew(&home, &backends);
    for backend in backends {
        home.ask(backend, "[[say ready]]");
        home.teams(&["send", backend, "[[silence]]"]);
        home.wait_for_state(backend, "busy");
        home.teams(&["message", backend, "[[say once]]", "--from", "anna"]);
    }
    signal("-9", daemon_pid(&home));
    home.teams(&["resume"]);
    for backend in backends {
        wait_for_mail(&home, backend, 1);
        home.wait_for_state(backend, "idle");
    }
    let events = home.events();
    for backend in backends {
        assert_eq!(mail(&events, backend, "injected").len(), 1, "{backend}");
        let recalled = home.ask(backend, "[[recall]]");
        assert_eq!(recalled["text"].as_str().expect("a text").matches("[[say once]]").count(), 1, "{recalled}");
    }
}

/// An agent that ends while it has a message and has not said so: asked, where it can be, else told of the doubt.
#[test]
fn an_agent_that_dies_of_a_message_gets_it_again_but_not_for_ever() {
    let home = Home::simulated().with_env("TEAMS_SIMULATE", "0");
    home.write(
        "agent.py",
        r#"
import json, sys, os
def say(**line): print(json.dumps({"jsonrpc": "2.0", **line}), flush=True)
for line in sys.stdin:
    line = json.loads(line)
    method, id = line.get("method"), line.get("id")
    if method == "initialize": say(id=id, result={"protocolVersion": 1, "agentCapabilities": {"loadSession": True}})
    elif method in ("session/new", "session/load"): say(id=id, result={"sessionId": "s"})
    elif method == "session/prompt":
        text = line["params"]["prompt"][0]["text"]
        if "hello" not in text:
            if "always" in text or not os.path.exists("died"):
                open("died", "w").close()
                sys.exit(3)
        update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "fine"}}
        say(method="session/update", params={"sessionId": "s", "update": update})
        say(id=id, result={"stopReason": "end_turn"})
"#,
    );
    let command = format!("python3 {}", home.path().join("agent.py").display());
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "a", "--backend", "acp", "--command", &command, "--restart", "always"]);
    home.ask("a", "hello");
    home.teams(&["message", "a", "once more", "--from", "anna"]);
    let events = wait_for_mail(&home, "a", 1);
    assert_eq!(mail(&events, "a", "returned").len(), 1);
    let injected = mail(&events, "a", "injected");
    assert_eq!(injected.len(), 2);
    assert_eq!(injected[0]["id"], injected[1]["id"]);
    let inputs: Vec<&str> = events.iter().filter_map(|event| event["input"].as_str()).collect();
    assert!(inputs.last().is_some_and(|input| input.contains("do not do again")), "{inputs:?}");
    assert_eq!(home.member("a")["inDoubt"], 1);
    // One that kills it each time is refused, and whoever wrote it hears so.
    home.teams(&["message", "a", "always"]);
    let refused = home.wait_for_event("a refusal", |event| event["type"] == "mail" && event["state"] == "refused");
    assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("3 times")), "{refused}");
    wait_for("the lead to hear so", || {
        let inbox = home.json(&["inbox"]);
        let told = |message: &Value| {
            message["from"] == "system"
                && message["text"].as_str().is_some_and(|text| text.contains("was not delivered"))
        };
        inbox.as_array().expect("messages").iter().any(told).then_some(())
    });
    signal("-9", daemon_pid(&home));
    assert_eq!(home.member("a")["inDoubt"], 3, "counted, whoever ends");
}

/// Waits until so many messages were given to a member's agent. That they are about to be is told before; none waits any more when
/// the agent has answered.
fn wait_until_given(home: &Home, name: &str, count: usize) {
    wait_for("it to be told", || (mail(&home.events(), name, "injected").len() == count).then_some(()));
    wait_for("its agent to have it", || (home.member(name)["queued"] == 0).then_some(()));
}

fn what_cannot_wait_interrupts(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    home.ask(&name, "[[say ready]]");
    let hold = home.hold("go");
    home.teams(&["send", &name, &format!("[[say a b c d e f g h i j k l]] {hold}")]);
    home.wait_for_event("its first words", |event| event["type"] == "delta" && event["turn"] == 2);
    home.teams(&["message", &name, "wait for me", "--from", "anna"]);
    home.teams(&["message", &name, "[[say stopped]]", "--from", "anna", "--urgent"]);
    wait_until_given(&home, &name, 2);
    hold.release();
    let events = wait_for_mail(&home, &name, 2);
    if matches!(agent.backend, "claude" | "codex") {
        return joins_the_turn(agent, &home, &events);
    }
    let interrupted = events.iter().find(|event| event["type"] == "turn-interrupted").expect("an end");
    assert_eq!(interrupted["turn"], 2, "{agent:?}");
    let texts: Vec<Value> = mail(&events, &name, "injected").iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["wait for me", "[[say stopped]]"], "in the order in which they were written");
    let start = events.iter().rfind(|event| event["type"] == "turn-started").expect("a beginning");
    let input = start["input"].as_str().expect("an input");
    assert!(input.contains("You were interrupted for this"), "{input}");
    assert!(input.contains("no part of the mail:\n\n[[say a b"), "{agent:?}: {input}");
    home.wait_for_state(&name, "idle");
}

/// An agent that can be steered goes on with the same turn. Codex drops the answer that it was in the midst of; Claude Code
/// ends it, where it uses no tool.
fn joins_the_turn(agent: Agent, home: &Home, events: &[Value]) {
    let injected = mail(events, "worker", "injected");
    let texts: Vec<&Value> = injected.iter().map(|event| &event["text"]).collect();
    assert_eq!(texts, ["wait for me", "[[say stopped]]"], "in the order in which they were written");
    let turns = events.iter().filter(|event| event["type"] == "mail" && event["state"] != "queued");
    assert_eq!(turns.map(|event| event["turn"].as_u64()).collect::<Vec<_>>(), [Some(2); 4]);
    let end = home.wait_for_event("its end", |event| event["turn"] == 2 && event["type"] == "turn-completed");
    let text = end["text"].as_str().expect("a text");
    assert!(text.ends_with("stopped") && text.contains("k l") == (agent.backend == "claude"), "{text}");
    let report = home.ask("worker", "[[recall]]");
    let recalled = report["text"].as_str().expect("a text");
    assert_eq!(recalled.matches("wait for me").count(), 1, "{recalled}");
    assert!(home.events().iter().all(|event| event["type"] != "turn-interrupted"));
}

/// Claude Code takes it after the tool that it uses, which is not cut off; whatever comes in between, it has it once.
fn joins_after_a_tool(agent: Agent, between: &str) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--permission-mode", "bypassPermissions"]);
    home.ask(&name, "[[say ready]]");
    let go = || std::fs::write(home.work().join("go"), "").expect("written");
    home.teams(&["send", &name, "[[run until test -e go; do sleep 0.05; done; echo done]]"]);
    home.wait_for_event("its tool", |event| event["type"] == "tool" && event["status"] == "started");
    home.teams(&["message", &name, "the plums are ripe", "--from", "anna", "--urgent"]);
    match between {
        // Perhaps before it is given.
        "an early kill" => drop(home.wait_for_event("it", |event| event["state"] == "injected")),
        _ => wait_until_given(&home, &name, 1),
    }
    match between {
        "nothing" | "a late kill" => go(),
        "an interrupt" => drop(home.teams(&["interrupt", &name])),
        _ => {}
    }
    if between.ends_with("kill") {
        if between == "a late kill" {
            wait_for_mail(&home, &name, 1);
        }
        signal("-9", daemon_pid(&home));
        go();
        assert_eq!(home.json(&["resume"])[0]["outcome"], "resumed");
    }
    let events = wait_for_mail(&home, &name, 1);
    if between == "nothing" {
        assert_eq!(mail(&events, &name, "acknowledged")[0]["turn"], 2, "{events:?}");
        let end = home.wait_for_event("its end", |event| event["turn"] == 2 && event["type"] == "turn-completed");
        assert!(end["text"].as_str().is_some_and(|text| text.contains("done")), "{end}");
    }
    home.wait_for_state(&name, "idle");
    let recalled = home.ask(&name, "[[recall]]")["text"].to_string();
    assert_eq!(recalled.matches("the plums are ripe").count(), 1, "{agent:?} {between} {recalled}");
    assert_eq!(home.member(&name)["inDoubt"], 0);
}

const BETWEEN: [&str; 4] = ["nothing", "an interrupt", "an early kill", "a late kill"];

#[test]
fn urgent_mail_waits_for_a_tool_of_claude_code() {
    for between in BETWEEN {
        joins_after_a_tool(Agent { backend: "claude", real: false }, between);
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn urgent_mail_waits_for_a_tool_of_the_real_claude_code() {
    for between in BETWEEN {
        joins_after_a_tool(Agent { backend: "claude", real: true }, between);
    }
}

#[test]
fn what_cannot_wait_interrupts_simulated_agents() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        what_cannot_wait_interrupts(Agent { backend, real: false });
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn what_cannot_wait_interrupts_real_agents() {
    for backend in ["claude", "codex", "gemini-acp"] {
        what_cannot_wait_interrupts(Agent { backend, real: true });
    }
}

/// Killed at the beginning of the turn that a message became, or in its midst: asked afterwards, the agent has it once.
fn mail_is_in_one_turn_after_a_kill(agent: Agent) {
    for midst in [false, true] {
        let home = Home::of(agent);
        let name = home.team_of(agent, &[]);
        home.ask(&name, "[[say ready]]");
        let hold = home.hold("go");
        home.teams(&["message", &name, &format!("the plums are ripe [[say a b]] {hold}"), "--from", "anna"]);
        let wanted = if midst { "delta" } else { "turn-started" };
        home.wait_for_event("its turn", |event| event["type"] == wanted && event["turn"] == 2);
        signal("-9", daemon_pid(&home));
        let resumed = home.json(&["resume"]);
        assert_eq!(resumed[0]["outcome"], "resumed", "{agent:?} {resumed}");
        hold.release();
        wait_for_mail(&home, &name, 1);
        home.wait_for_state(&name, "idle");
        let recalled = home.ask(&name, "[[recall]]")["text"].to_string();
        assert_eq!(recalled.matches("the plums are ripe").count(), 1, "{agent:?} {midst} {recalled}");
        // Between telling and writing down it is told again, of the same turn.
        let acknowledged = mail(&home.events(), &name, "acknowledged");
        assert!(
            acknowledged.iter().all(|event| event["turn"] == acknowledged[0]["turn"]),
            "{agent:?} {acknowledged:?}"
        );
    }
}

fn what_joined_a_turn_is_there_once_after_a_kill(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &[]);
    home.ask(&name, "[[say ready]]");
    let hold = home.hold("go");
    home.teams(&["send", &name, &format!("[[say a b]] {hold}")]);
    home.wait_for_event("its first words", |event| event["type"] == "delta" && event["turn"] == 2);
    let urgent = format!("the plums are ripe [[say c d]] {hold}");
    home.teams(&["message", &name, &urgent, "--from", "anna", "--urgent"]);
    home.wait_for_event("it", |event| event["type"] == "mail" && event["state"] == "injected");
    signal("-9", daemon_pid(&home));
    assert_eq!(home.json(&["resume"])[0]["outcome"], "resumed");
    hold.release();
    wait_for_mail(&home, &name, 1);
    home.wait_for_state(&name, "idle");
    let recalled = home.ask(&name, "[[recall]]")["text"].to_string();
    assert_eq!(recalled.matches("the plums are ripe").count(), 1, "{agent:?} {recalled}");
    let acknowledged = mail(&home.events(), &name, "acknowledged");
    assert!(acknowledged.iter().all(|event| event["turn"] == acknowledged[0]["turn"]), "{agent:?} {acknowledged:?}");
}

#[test]
fn simulated_agents_have_a_message_once() {
    for backend in ["claude", "codex"] {
        mail_is_in_one_turn_after_a_kill(Agent { backend, real: false });
    }
    what_joined_a_turn_is_there_once_after_a_kill(Agent { backend: "codex", real: false });
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn real_agents_have_a_message_once() {
    for backend in ["claude", "codex"] {
        mail_is_in_one_turn_after_a_kill(Agent { backend, real: true });
    }
    what_joined_a_turn_is_there_once_after_a_kill(Agent { backend: "codex", real: true });
}

/// A mention of a file in what a teammate has written is text, whatever the recipient's CLI makes of what its user writes.
fn words_of_a_teammate_read_no_file(agent: Agent) {
    let home = Home::of(agent);
    let name = home.team_of(agent, &["--prompt", "You write Rust."]);
    home.write("project/secret.txt", "TOPSECRETCONTENT");
    home.write("project/src/main.rs", "TOPSECRETCONTENT");
    let text = "write to me@example.com about @secret.txt, @src and @./secret.txt; also \"@secret.txt\" $& $1\n\n/help  two  spaces";
    home.teams(&["message", &name, text, "--from", "anna"]);
    wait_for_mail(&home, &name, 1);
    home.wait_for_state(&name, "idle");
    let recalled = home.ask(&name, "[[recall]]")["text"].as_str().expect("a text").to_owned();
    assert!(recalled.contains(text), "{agent:?}: the text is as it was: {recalled}");
    let Some(model) = &home.model else { return };
    let was_read = || model.requests().iter().any(|(_, body)| body.to_string().contains("TOPSECRETCONTENT"));
    assert!(!was_read(), "{agent:?}");
    // A person's own input keeps the CLI's language, where it has one.
    if matches!(agent.backend, "claude" | "gemini") {
        home.ask(&name, "Look at @secret.txt [[say done]]");
        assert!(was_read(), "{agent:?}");
    }
}

#[test]
fn words_of_a_teammate_read_no_file_of_simulated_agents() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        words_of_a_teammate_read_no_file(Agent { backend, real: false });
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn words_of_a_teammate_read_no_file_of_real_agents() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        words_of_a_teammate_read_no_file(Agent { backend, real: true });
    }
}

/// A live Claude Code allows more in a name than we do for a new one.
#[test]
fn members_of_any_name_get_mail() {
    let home = Home::simulated();
    home.team_of(Agent { backend: "claude", real: false }, &[]);
    let config = home.claude("teams/crew/config.json");
    let mut team: Value = serde_json::from_slice(&std::fs::read(&config).expect("a file")).expect("JSON");
    for name in ["Bug_Hunter", "QA Lead", "../../up"] {
        let member = json!({"agentId": format!("{name}@crew"), "name": name});
        team["members"].as_array_mut().expect("members").push(member);
    }
    std::fs::write(&config, team.to_string()).expect("written");
    let inbox = |file: &str| -> Value {
        let file = home.claude(&format!("teams/crew/inboxes/{file}.json"));
        serde_json::from_slice(&std::fs::read(file).expect("an inbox")).expect("JSON")
    };
    for (name, file) in [("Bug_Hunter", "Bug_Hunter"), ("QA Lead", "QA-Lead"), ("../../up", "------up")] {
        home.teams(&["message", name, "hello"]);
        assert_eq!(inbox(file)[0]["text"], "hello", "{name}");
        assert_eq!(home.json(&["inbox", name])[0]["text"], "hello", "{name}");
        home.teams(&["task", "add", "something", "--owner", name]);
        assert!(inbox(file)[1]["text"].as_str().is_some_and(|text| text.contains("task_assignment")), "{name}");
    }
    home.ask("worker", r#"[[call send_message {"to": "QA Lead", "message": "from a member"}]]"#);
    assert_eq!(inbox("QA-Lead")[2]["text"], "from a member");
    let (_, said) = home.fails(&["spawn", "QA Lead", "--backend", "claude"]);
    assert!(said.contains("not a valid member name") && said.contains("`qa-lead` would do"), "{said}");
}
