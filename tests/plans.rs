//! Plans: nothing is changed before one is approved, and an approval is for one plan.

use serde_json::{Value, json};

use crate::support::{Agent, Home, daemon_pid, signal, wait_for};

struct Planner<'a> {
    home: &'a Home,
    agent: Agent,
}

impl Planner<'_> {
    /// Hands in a plan, and answers its request's id.
    fn submit(&self, plan: &str) -> String {
        let tool = match (self.agent.real, self.agent.backend) {
            (true, "gemini-acp") => "mcp_teams_submit_plan",
            (true, _) => "mcp__teams__submit_plan",
            _ => "submit_plan",
        };
        let report = self.home.ask("worker", &format!("[[call {tool} {}]]", json!({"plan": plan})));
        assert_eq!(report["status"], "completed", "{report}");
        let of_plan = |approval: &&Value| approval["tool"] == "plan";
        let said = report["text"].as_str().unwrap_or_default();
        assert!(said.contains("handed in"), "{} {plan}: {report}", self.agent.backend);
        wait_for("the plan", || {
            let open = self.home.json(&["approvals"]);
            let id = open.as_array().expect("approvals").iter().find(of_plan)?["id"].as_str()?.to_owned();
            Some(id)
        })
    }

    /// Tries to make a file, and answers whether that was possible.
    fn makes(&self, file: &str) -> bool {
        let prompt = if self.agent.real { format!("[[write {file}]]") } else { format!("[[run touch {file}]]") };
        self.home.teams(&["send", "worker", &prompt]);
        wait_for("the end of the turn", || {
            // What asks all the same is refused.
            let open = self.home.json(&["approvals"]);
            let question = open.as_array().expect("approvals").iter().find(|approval| approval["tool"] != "plan");
            if let Some(id) = question.and_then(|question| question["id"].as_str()) {
                self.home.teams(&["deny", id]);
            }
            Some(self.home.member("worker")).filter(|member| member["state"] == "idle")
        });
        self.home.work().join(file).exists()
    }

    /// The answer to a plan, as its author got it.
    fn answer(&self, id: &str) -> Value {
        let event = self.home.wait_for_event("the answer", |event| {
            let injected = event["type"] == "mail" && event["state"] == "injected";
            injected
                && event["text"]
                    .as_str()
                    .is_some_and(|text| text.contains("plan_approval_response") && text.contains(id))
        });
        self.home.wait_for_state("worker", "idle");
        serde_json::from_str(event["text"].as_str().expect("a text")).expect("JSON")
    }
}

fn a_plan_is_rejected_revised_and_approved(agent: Agent, home: &Home) {
    let then = if agent.real { "acceptEdits" } else { "bypassPermissions" };
    home.team_of(agent, &["--plan-approval", "--permission-mode", then]);
    let planner = Planner { home, agent };
    let first = planner.submit("# Everything at once");
    assert!(!planner.makes("too-early"));
    home.teams(&["deny", &first, "--reason", "smaller steps"]);
    let answer = planner.answer(&first);
    for (kind, outcome) in [("approval", Value::Null), ("approval-closed", "denied".into())] {
        let told = home.wait_for_event(kind, |event| event["type"] == kind && event["id"] == first.as_str());
        assert_eq!((&told["kind"], &told["outcome"]), (&"plan".into(), &outcome), "{told}");
    }
    assert_eq!((&answer["approved"], &answer["feedback"]), (&false.into(), &"smaller steps".into()), "{answer}");
    assert!(!planner.makes("still-too-early"));
    let second = planner.submit("# One step\n\nPick the plums.");
    assert_ne!(first, second);
    let (_, error) = home.fails(&["approve", &first]);
    assert!(error.contains("no open approval"), "{error}");
    // It waits for longer than a daemon lives. (To resume the real Gemini CLI takes a minute.)
    if !(agent.real && agent.backend == "gemini-acp") {
        signal("-9", daemon_pid(home));
        home.teams(&["resume"]);
        home.wait_for_state("worker", "idle");
    }
    assert_eq!(home.wait_for_approval(), second);
    assert!(
        home.teams(&["approvals", "show", &second]).contains("\nPick the plums."),
        "it is read before it is approved"
    );
    home.teams(&["approve", &second]);
    let answer = planner.answer(&second);
    assert_eq!((&answer["approved"], &answer["permissionMode"]), (&true.into(), &then.into()), "{answer}");
    assert_eq!(answer["planDigest"].as_str().map(str::len), Some(64));
    assert!(planner.makes("made"), "what was approved can be done");
    // Also by the next daemon.
    signal("-9", daemon_pid(home));
    home.teams(&["resume"]);
    home.wait_for_state("worker", "idle");
    assert!(planner.makes("made-later"));
    // Another plan is another plan.
    planner.submit("# Something else");
    assert!(!planner.makes("not-this"));
    let decided: Vec<Value> = home
        .events()
        .into_iter()
        .filter(|event| {
            event["type"] == "approval-closed" && event["id"].as_str().is_some_and(|id| id.starts_with("plan"))
        })
        .map(|event| json!([event["outcome"], event["by"]]))
        .collect();
    assert_eq!(decided, [json!(["denied", "user"]), json!(["allowed", "user"])]);
}

#[test]
fn simulated_agents_plan_before_they_act() {
    for backend in ["claude", "codex", "gemini", "gemini-acp"] {
        a_plan_is_rejected_revised_and_approved(Agent { backend, real: false }, &Home::simulated());
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn real_agents_plan_before_they_act() {
    for backend in ["claude", "codex", "gemini-acp"] {
        a_plan_is_rejected_revised_and_approved(Agent { backend, real: true }, &Home::real());
    }
}

/// A live Claude Code that leads answers with its own tool: a line in the inbox.
#[test]
fn the_answer_of_a_live_lead_counts_too() {
    let home = Home::simulated();
    let agent = Agent { backend: "codex", real: false };
    home.team_of(agent, &["--plan-approval", "--permission-mode", "bypassPermissions"]);
    let planner = Planner { home: &home, agent };
    let id = planner.submit("# One step");
    let inbox = home.claude("teams/crew/inboxes/worker.json");
    let write = |from: &str, digest: &str| {
        let answer = json!({"type": "plan_approval_response", "requestId": id, "approved": true,
            "timestamp": "2026-11-21T01:41:38.979Z", "planDigest": digest});
        let message = json!([{"from": from, "text": answer.to_string(), "timestamp": format!("2026-11-21T01:41:38.{:03}Z", from.len() + digest.len())}]);
        std::fs::write(inbox.with_extension("tmp"), message.to_string()).expect("written");
        std::fs::rename(inbox.with_extension("tmp"), &inbox).expect("moved");
        wait_for("its delivery", || (home.json(&["inbox", "worker"]) == json!([])).then_some(()));
        home.wait_for_state("worker", "idle");
    };
    // No answer where nobody leads, nobody else's, and none to another text.
    write("team-lead", "b9e1811ece19da0efce5d4ada196d0c6f6c2be529823765a18dfba420456f6fa");
    assert!(!planner.makes("too-early"));
    home.has_live_lead("crew");
    write("anna", "");
    write("team-lead", "0000");
    assert!(!planner.makes("too-early"));
    let request = home.json(&["inbox"]);
    assert!(request.to_string().contains("plan_approval_request"), "{request}");
    write("team-lead", "b9e1811ece19da0efce5d4ada196d0c6f6c2be529823765a18dfba420456f6fa");
    assert!(planner.makes("made"));
}

#[test]
fn a_plan_that_was_replaced_lifts_nothing() {
    let home = Home::simulated();
    let agent = Agent { backend: "claude", real: false };
    home.team_of(agent, &["--plan-approval", "--permission-mode", "bypassPermissions"]);
    let planner = Planner { home: &home, agent };
    let first = planner.submit("# Remove everything");
    let second = planner.submit("# One step");
    assert_ne!(first, second, "the first one waits no more");
    let (_, error) = home.fails(&["approve", &first]);
    assert!(error.contains("no open approval"), "{error}");
    assert!(!planner.makes("too-early"));
    home.teams(&["approve", &second]);
    planner.answer(&second);
    assert!(planner.makes("made"));
}

/// The approval of one task is not used for the next.
#[test]
fn a_plan_for_one_task_is_no_plan_for_the_next() {
    for backend in ["claude", "codex", "gemini-acp", "gemini"] {
        let home = Home::simulated();
        let agent = Agent { backend, real: false };
        home.team_of(agent, &["--plan-approval", "--permission-mode", "bypassPermissions"]);
        for task in ["First", "Second"] {
            home.teams(&["task", "add", task]);
        }
        let planner = Planner { home: &home, agent };
        let claim = |id: &str| {
            let call = format!("[[call task_claim {}]]", json!({"taskId": id}));
            let report = home.ask("worker", &call);
            assert!(report["text"].as_str().is_some_and(|text| text.contains("is yours")), "{backend} {report}");
        };
        claim("1");
        let first = planner.submit("# The first task");
        home.teams(&["approve", &first]);
        planner.answer(&first);
        assert!(planner.makes("made"), "{backend}");
        // It is the same task when it is begun again.
        home.teams(&["task", "update", "1", "--status", "pending"]);
        claim("1");
        assert!(planner.makes("made-again"), "{backend}");
        let done = home.ask("worker", &format!("[[call task_complete {}]]", json!({"taskId": "1", "note": "done"})));
        assert!(done["text"].as_str().is_some_and(|text| text.contains("completed")), "{done}");
        claim("2");
        assert!(!planner.makes("too-early"), "{backend}");
        let second = planner.submit("# The second task");
        home.teams(&["approve", &second]);
        planner.answer(&second);
        assert!(planner.makes("made-then"), "{backend}");
    }
}
