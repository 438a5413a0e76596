//! A person sits in the real, interactive Claude Code, which leads; its teammates are of any make.

use serde_json::{Value, json};

use std::process::Command;

use crate::support::{Home, Screen, signal, teams_binary, wait_for};

/// A person before a Claude Code that leads.
struct Lead<'a> {
    home: &'a Home,
    screen: Screen,
    team: String,
}

impl<'a> Lead<'a> {
    /// Starts it with `teams claude`, and these arguments for it.
    fn start(home: &'a Home, arguments: &[&str]) -> Self {
        Self::start_with(home, arguments, |_| true)
    }

    /// Starts it with a conversation that goes on.
    fn resume(home: &'a Home, team: &str, session: &str) -> Self {
        Self::start_with(home, &["--resume", session], |found| found == team)
    }

    /// Starts it as people do who have never heard of `teams`, with this program as `tmux`.
    fn start_plain(home: &'a Home, arguments: &[&str], is_its: impl Fn(&str) -> bool) -> Self {
        let folder = home.path().join("bin");
        std::fs::create_dir_all(&folder).expect("a folder");
        let link = folder.join("tmux");
        if !link.exists() {
            std::os::unix::fs::symlink(teams_binary(), link).expect("a link");
        }
        let mut command = home.agent("claude", &[&["--model", "claude-sonnet-4-5"], arguments].concat());
        command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").expect("a PATH")));
        Self::in_terminal(home, command, is_its)
    }

    fn start_with(home: &'a Home, arguments: &[&str], is_its: impl Fn(&str) -> bool) -> Self {
        let all = [&["claude", "--model", "claude-sonnet-4-5"], arguments].concat();
        Self::in_terminal(home, home.command(&all), is_its)
    }

    fn in_terminal(home: &'a Home, command: Command, is_its: impl Fn(&str) -> bool) -> Self {
        // It has been asked all that it asks when it is new.
        let asked = json!({
            "hasCompletedOnboarding": true,
            "theme": "dark",
            "customApiKeyResponses": { "approved": ["none"], "rejected": [] },
            "projects": { home.work().to_str().expect("a path"): { "hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true } },
        });
        if !home.path().join(".claude.json").exists() {
            home.write(".claude.json", &asked.to_string());
        }
        let before = teams(home);
        let screen = Screen::run(command, 50, 130);
        let team = wait_for("its team", || teams(home).into_iter().find(|team| is_its(team) && !before.contains(team)));
        screen.wait_for("? for shortcuts");
        Self { home, screen, team }
    }

    /// Types a text to it, as a person does.
    fn say(&mut self, text: &str) {
        self.screen.press(text);
        // It is seen when its last words are.
        let end: String = text.chars().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect();
        self.screen.wait_for(&end);
        self.screen.press("\r");
    }

    /// Has its model use a tool.
    fn has_it_use(&mut self, tool: &str, input: &Value) {
        self.say(&format!("[[call {tool} {input}]]"));
    }

    fn tell(&mut self, to: &str, text: &str) {
        self.has_it_use("SendMessage", &json!({ "to": to, "summary": "a word", "message": text }));
    }

    /// Waits until its model was told this by a teammate.
    fn wait_until_told(&self, by: &str, what: &str) {
        let model = self.home.model.as_ref().expect("a model");
        let tag = format!("teammate_id=\\\"{by}\\\"");
        wait_for(what, || {
            let bodies = model.requests().into_iter().map(|(_, body)| body.to_string());
            bodies
                .filter(|body| body.contains("another Claude session") || body.contains("Another Claude session"))
                .any(|body| {
                    body.split(&tag)
                        .skip(1)
                        .any(|rest| rest.split("</teammate-message>").next().is_some_and(|said| said.contains(what)))
                })
                .then_some(())
        });
    }

    /// Whether its model was asked something in which both of these stand.
    fn was_asked(&self, one: &str, other: &str) -> bool {
        let requests = self.home.model.as_ref().expect("a model").requests();
        requests.into_iter().map(|(_, body)| body.to_string()).any(|body| body.contains(one) && body.contains(other))
    }

    fn config(&self) -> Value {
        let text = std::fs::read(self.home.claude(&format!("teams/{}/config.json", self.team))).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn entry(&self, name: &str) -> Option<Value> {
        self.config()["members"].as_array()?.iter().find(|member| member["name"] == name).cloned()
    }

    /// Presses a key until something is so: a dialog takes none in its first moment.
    fn press_until(&mut self, key: &str, what: &str, mut is_so: impl FnMut() -> bool) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || {
                if is_so() {
                    return Some(());
                }
                self.screen.press(key);
                std::thread::sleep(std::time::Duration::from_millis(300));
                None
            });
        }));
        assert!(found.is_ok(), "waited in vain for {what}:\n{}", self.screen.text());
    }

    /// Leaves, and takes the teammates along.
    fn exit(mut self) {
        self.say("/exit");
        let mut screen = self.screen;
        wait_for("its end", || {
            screen.press("\r");
            std::thread::sleep(std::time::Duration::from_millis(200));
            screen.child.try_wait().expect("it can be looked at")
        });
    }
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn its_members_end_with_it_and_come_back() {
    let home = home();
    let mut lead = Lead::start(&home, &[]);
    let (team, session) = (lead.team.clone(), lead.config()["leadSessionId"].as_str().expect("an id").to_owned());
    let tester = json!({ "name": "tester", "subagent_type": "codex", "description": "x", "prompt": "<<say remember the plums>>" });
    lead.has_it_use("Agent", &tester);
    lead.wait_until_told("tester", "remember the plums");
    lead.exit();
    home.wait_for_only_the_daemon();
    assert!(!home.claude(&format!("teams/{team}")).exists(), "the lead has deleted it");
    let ended = home.json(&["list", "--ended"]);
    assert_eq!((&ended[0]["team"], &ended[0]["members"]), (&json!(team), &json!(["tester"])), "{ended}");
    let why = home.wait_for_event("its end", |event| event["type"] == "lead-ended");
    assert!(why["reason"].to_string().contains("gone"), "{why}");
    assert!(home.teams(&["tail", "-t", &team]).contains("remember the plums"));
    assert!(home.teams(&["ps"]).is_empty());
    // The lead's conversation goes on, and so do its members'.
    let mut lead = Lead::resume(&home, &team, &session);
    wait_for("its entry", || lead.entry("tester"));
    home.wait_for_state("tester", "idle");
    assert!(home.ask("tester", "[[recall]]")["text"].to_string().contains("remember the plums"));
    lead.tell("tester", "<<say here again>>");
    home.wait_for_event("the answer", |event| event["type"] == "message" && event["text"] == "here again");
    assert_eq!(home.json(&["list", "--ended"]), json!([]));
    // It is killed in the middle of everything; what its member is about is done first.
    let hold = home.hold("hold");
    home.teams(&["send", "tester", &format!("[[say the last word]] {hold}")]);
    home.wait_for_state("tester", "busy");
    signal("-9", lead.screen.child.id().into());
    home.wait_for_event("its end", |event| {
        event["type"] == "lead-ended" && event["reason"].to_string().contains("process")
    });
    hold.release();
    home.wait_for_event("the answer", |event| event["type"] == "turn-completed" && event["text"] == "the last word");
    home.wait_for_only_the_daemon();
    assert_eq!(home.json(&["list"])[0]["leadGone"], true, "a lead that was killed leaves its files");
    // And once more, although these name the one that was killed.
    drop(lead);
    std::fs::remove_dir_all(home.claude(&format!("teams/{team}"))).expect("what a person would remove");
    let lead = Lead::resume(&home, &team, &session);
    wait_for("its entry", || lead.entry("tester"));
    home.wait_for_state("tester", "idle");
    lead.exit();
    home.wait_for_only_the_daemon();
    // The same from within another conversation.
    let mut lead = Lead::start(&home, &[]);
    lead.say(&format!("/resume {session}"));
    lead.team = team;
    wait_for("its entry", || lead.entry("tester"));
    home.wait_for_state("tester", "idle");
    lead.exit();
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_plan_is_handed_in_and_approved() {
    let home = home();
    // 2.1.329 asks no teammate for a plan by itself.
    home.write(
        "project/teams.toml",
        "[team]\nname = 'x'\n[[member]]\nname = 'planner'\nbackend = 'codex'\nplan-approval = true\n",
    );
    let mut lead = Lead::start(&home, &[]);
    let plan = "<<call submit_plan {\"plan\":\"Prune the plum tree\"}>>";
    let planner = json!({ "name": "planner", "subagent_type": "planner", "description": "x", "prompt": plan });
    lead.has_it_use("Agent", &planner);
    lead.wait_until_told("planner", "Prune the plum tree");
    let asked = home.wait_for_event("its plan", |event| event["type"] == "approval" && event["kind"] == "plan");
    let answer = json!({ "type": "plan_approval_response", "request_id": asked["id"], "approve": true });
    lead.has_it_use("SendMessage", &json!({ "to": "planner", "message": answer }));
    let closed = home.wait_for_event("the decision", |event| event["type"] == "approval-closed");
    assert_eq!((&closed["outcome"], &closed["by"]), (&json!("allowed"), &json!("team-lead")));
    let told = home.wait_for_event("the word", |event| {
        event["type"] == "turn-started" && event["input"].to_string().contains("Your plan is approved")
    });
    assert!(!told["input"].to_string().contains("verified"), "it is signed");
    lead.exit();
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn fifty_messages_each_way_at_once_arrive_once() {
    const EACH: usize = 50;
    let home = home();
    let mut lead = Lead::start(&home, &[]);
    let team = lead.team.clone();
    let tester = json!({ "name": "tester", "subagent_type": "codex", "description": "x", "prompt": "<<say here>>" });
    lead.has_it_use("Agent", &tester);
    lead.wait_until_told("tester", "here");
    let down = json!({ "to": "tester", "summary": "one", "message": "down-#. <<say ok>>" });
    lead.say(&format!("[[times {EACH} SendMessage {down}]]"));
    for number in 1..=EACH {
        home.teams(&["message", "team-lead", &format!("up-{number}."), "--from", "tester", "-t", &team]);
    }
    let given = |number: usize| {
        let has = |event: &&Value| {
            event["type"] == "mail"
                && event["agent"] == "tester"
                && event["state"] == "injected"
                && event["text"].to_string().contains(&format!("down-{number}."))
        };
        home.events().iter().filter(has).count()
    };
    wait_for("all to the tester", || (1..=EACH).all(|number| given(number) > 0).then_some(()));
    assert_eq!((1..=EACH).map(given).sum::<usize>(), EACH, "each once");
    // The lead's last request has its whole conversation.
    let heard = |number: usize| {
        let requests = home.model.as_ref().expect("a model").requests();
        let last = requests
            .iter()
            .rev()
            .find(|(path, body)| path.contains("messages") && body.to_string().contains("Another Claude session"));
        last.map_or(0, |(_, body)| body.to_string().matches(&format!("up-{number}.")).count())
    };
    wait_for("all to the lead", || (1..=EACH).all(|number| heard(number) > 0).then_some(()));
    assert_eq!((1..=EACH).map(heard).sum::<usize>(), EACH, "each once");
    lead.exit();
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn two_leads_in_one_folder_have_a_team_each() {
    let home = home();
    let mut leads = [Lead::start(&home, &[]), Lead::start(&home, &[])];
    for (number, lead) in leads.iter_mut().enumerate() {
        let said = format!("working for lead {number}");
        let prompt = format!("<<say {said}>>");
        lead.has_it_use(
            "Agent",
            &json!({ "name": "tester", "subagent_type": "codex", "description": "x", "prompt": prompt }),
        );
        lead.wait_until_told("tester", &said);
    }
    // One ends, and takes only its own along.
    let [first, mut second] = leads;
    first.exit();
    let left = json!([format!("tester@{}", second.team)]);
    wait_for("the end of its member", || {
        let agents = home.json(&["ps"]);
        agents.as_array().is_some_and(|all| all.iter().all(|agent| agent["members"] == left)).then_some(())
    });
    second.tell("tester", "<<say still here>>");
    second.wait_until_told("tester", "still here");
    second.exit();
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn any_claude_leads_once_that_is_installed() {
    let home = home();
    home.write(".claude/settings.json", "{\n\t\"theme\": \"dark\"}");
    let before = std::fs::read(home.claude("settings.json")).expect("settings");
    home.teams(&["claude", "install", "--yes"]);
    let mut lead = Lead::start_plain(&home, &[], |_| true);
    let (team, session) = (lead.team.clone(), lead.config()["leadSessionId"].as_str().expect("an id").to_owned());
    let tester =
        json!({ "name": "tester", "subagent_type": "codex", "description": "x", "prompt": "<<say installed>>" });
    lead.has_it_use("Agent", &tester);
    lead.wait_until_told("tester", "installed");
    assert_eq!(home.member("tester")["backend"], "codex");
    // A Claude Code that is a member has the same settings, and leads nobody.
    home.teams(&["spawn", "other", "-t", &team, "--backend", "claude", "--model", "claude-sonnet-4-5"]);
    assert_eq!(home.ask("other", "[[say plain]]")["text"], "plain");
    let other = home.member("other");
    assert!(other["warnings"].as_array().is_none_or(Vec::is_empty), "{other}");
    assert_eq!(other["turns"], 1, "{other}");
    lead.exit();
    home.wait_for_only_the_daemon();
    // It goes on with its conversation by itself, and its members with theirs.
    let lead = Lead::start_plain(&home, &["--resume", &session], |found| found == team);
    wait_for("its entry", || lead.entry("tester"));
    home.wait_for_state("tester", "idle");
    assert!(home.ask("tester", "[[recall]]")["text"].to_string().contains("installed"));
    lead.exit();
    home.wait_for_only_the_daemon();
    home.teams(&["claude", "remove", "--yes"]);
    assert_eq!(std::fs::read(home.claude("settings.json")).expect("settings"), before, "byte by byte");
    assert!(!home.claude("agents/codex.md").exists());
}

/// A member that the lead has not started, and which is all that its team has: the lead does not read its inbox.
fn with_a_worker_from_the_shell(home: &Home) -> Lead<'_> {
    let lead = Lead::start(home, &[]);
    let spawned = home.output(&["spawn", "worker", "-t", &lead.team, "--backend", "codex", "--model", "stub-model"]);
    let said = String::from_utf8_lossy(&spawned.stderr);
    assert!(spawned.status.success() && said.contains("reads its inbox only once"), "{said}");
    assert!(home.json(&["status", &lead.team])["notes"][0].to_string().contains("teams claude"));
    lead
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_member_from_the_shell_wakes_the_lead() {
    let home = home();
    let lead = with_a_worker_from_the_shell(&home);
    let unread = || home.json(&["status", &lead.team])["leadUnread"].clone();
    home.ask("worker", "[[say plums from the shell]]");
    wait_for("the letter", || lead.was_asked("Monitor event", "plums from the shell").then_some(()));
    wait_for("it to be taken", || (unread() == 0).then_some(()));
    // One that is too long for that is only told of.
    home.teams(&["message", "team-lead", &"and plums ".repeat(400), "-t", &lead.team]);
    let line = "; the tool read_messages of the team gives it";
    wait_for("what is said of it", || lead.was_asked("Monitor event", line).then_some(()));
    assert_eq!(unread(), 1);
    // So is a question for its dialog, which does not open.
    home.teams(&["policy", "--lead", "command", "-t", &lead.team]);
    home.teams(&["send", "worker", "[[run touch made]]"]);
    let approval = home.wait_for_approval();
    let line = format!("with `teams approvals -t {}`", lead.team);
    wait_for("what is said of it", || lead.was_asked("worker asks for permission", &line).then_some(()));
    home.teams(&["approve", &approval]);
    home.wait_for_state("worker", "idle");
    lead.exit();
    home.wait_for_only_the_daemon();
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_member_from_the_shell_is_heard_by_the_leads_tools() {
    let home = home();
    let mut lead = with_a_worker_from_the_shell(&home);
    let team = lead.team.clone();
    home.teams(&["message", "team-lead", &format!("{}of the long letter", "and plums ".repeat(400)), "-t", &team]);
    // It has lain there long enough to show that nobody fetches it.
    let written =
        home.json(&["inbox", "-t", &team])[0]["timestamp"].as_str().expect("a time").parse::<jiff::Timestamp>();
    let written = written.expect("a time").as_second();
    wait_for("some seconds", || (jiff::Timestamp::now().as_second() > written + 4).then_some(()));
    // The tool's answer brings it; the server has found the team by itself.
    lead.has_it_use("mcp__plugin_teams_teams__team_status", &json!({}));
    let model = home.model.as_ref().expect("a model");
    lead.press_until("\r", "the letter with a tool's answer", || {
        model.requests().iter().any(|(_, body)| body.to_string().contains("of the long letter"))
    });
    assert_eq!(home.json(&["status", &team])["leadUnread"], 0);
    // One that the lead starts itself opens its ears, and is shown as what it is.
    let native = json!({ "name": "nat", "subagent_type": "general-purpose", "description": "x", "prompt": "<<say nat is here>>" });
    lead.has_it_use("Agent", &native);
    lead.wait_until_told("nat", "nat is here");
    home.ask("worker", "[[say more plums]]");
    lead.wait_until_told("worker", "more plums");
    assert!(home.json(&["status", &team])["notes"].is_null());
    lead.exit();
    home.wait_for_only_the_daemon();
}

fn teams(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.claude("teams")).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.path().join("config.json").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn home() -> Home {
    Home::real().with_env("CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL", "1")
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn a_codex_tester_and_a_gemini_reviewer_are_its_own() {
    let home = home();
    let mut lead = Lead::start(&home, &[]);
    let call = |name: &str, kind: &str| json!({ "name": name, "subagent_type": kind, "description": "a part of it", "prompt": format!("<<say {name} is here>>") });
    lead.say(&format!("[[call Agent {}]] [[then Agent {}]]", call("tester", "codex"), call("reviewer", "gemini")));
    for (name, backend) in [("tester", "codex"), ("reviewer", "gemini")] {
        lead.screen.wait_for(&format!("◯ {name}"));
        lead.wait_until_told(name, &format!("{name} is here"));
        let turn = home.wait_for_event("its turn", |event| event["type"] == "turn-started" && event["agent"] == name);
        assert_eq!(turn["turn"], 1, "{turn}");
        let (member, entry) = (home.member(name), lead.entry(name).expect("its entry"));
        assert_eq!((&member["backend"], &entry["agentTeams"]["backend"]), (&json!(backend), &json!(backend)));
        assert_eq!((&entry["backendType"], &entry["agentType"]), (&json!("tmux"), &json!(backend)), "{entry}");
    }
    // It asks in the lead's dialog, and the person answers there.
    lead.tell("tester", "<<run touch made>>");
    lead.screen.wait_for("Bash command · from the tester agent");
    lead.screen.wait_for("touch made");
    lead.press_until("\r", "the answer", || home.work().join("made").exists());
    let closed = home.wait_for_event("the decision", |event| event["type"] == "approval-closed");
    assert_eq!((&closed["outcome"], &closed["by"]), (&json!("allowed"), &json!("team-lead")));
    // A dialog that was answered elsewhere decides nothing any more.
    home.wait_for_state("tester", "idle");
    lead.tell("tester", "<<run touch never>>");
    lead.screen.wait_for("touch never");
    home.teams(&["deny", &home.wait_for_approval()]);
    home.wait_for_state("tester", "idle");
    let late = |event: &Value| event["type"] == "mail" && event["state"] == "refused" && event["agent"] == "tester";
    lead.press_until("\r", "the late answer", || home.events().iter().any(late));
    assert!(!home.work().join("never").exists());
    // A task goes round.
    lead.has_it_use(
        "TaskCreate",
        &json!({ "subject": "Pick plums", "description": "<<call task_complete {\"taskId\":\"1\"}>>" }),
    );
    wait_for("the task", || {
        home.json(&["task", "list"]).as_array().is_some_and(|tasks| !tasks.is_empty()).then_some(())
    });
    lead.has_it_use("TaskUpdate", &json!({ "taskId": "1", "owner": "tester" }));
    wait_for("its end", || (home.json(&["task", "list"])[0]["status"] == "completed").then_some(()));
    lead.has_it_use("TaskList", &json!({}));
    lead.screen.wait_for("[completed]");
    // One refuses to stop, and then agrees.
    lead.has_it_use(
        "SendMessage",
        &json!({ "to": "reviewer", "message": { "type": "shutdown_request", "reason": "<<stop busy>>" } }),
    );
    lead.wait_until_told("reviewer", "shutdown_rejected");
    assert_eq!(home.member("reviewer")["state"], "idle");
    lead.has_it_use(
        "SendMessage",
        &json!({ "to": "reviewer", "message": { "type": "shutdown_request", "reason": "<<stop yes>>" } }),
    );
    lead.wait_until_told("reviewer", "shutdown_approved");
    wait_for("its entry to go", || lead.entry("reviewer").is_none().then_some(()));
    wait_for("its pane to close", || {
        let panes = std::fs::read_dir(home.state().join("panes")).expect("panes").flatten();
        let texts: Vec<String> = panes.filter_map(|entry| std::fs::read_to_string(entry.path()).ok()).collect();
        (!texts.iter().any(|text| text.contains(" reviewer"))).then_some(())
    });
    lead.exit();
    home.wait_for_only_the_daemon();
}
