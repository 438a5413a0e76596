//! How the command line looks: what a person reads, whole, compared with the files below `tests/snapshots`. Where a change is
//! meant, CONTRIBUTING.md says how to accept it.

use std::fmt::Write as _;

use crate::support::{Agent, Home, wait_for};

const CLAUDE: Agent = Agent { backend: "claude", real: false };

/// Runs a command and answers what a person would have on the screen: what was printed, then the notes and errors.
fn screen(home: &Home, args: &[&str]) -> String {
    let output = home.command(args).output().expect("teams runs");
    let quoted: Vec<String> = args.iter().map(|arg| shell_words::quote(arg).into_owned()).collect();
    let mut screen = format!("$ teams {}\n{}", quoted.join(" "), String::from_utf8_lossy(&output.stdout));
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        writeln!(screen, "! {line}").expect("a line");
    }
    if !output.status.success() {
        writeln!(screen, "exit code {}", output.status.code().expect("a code")).expect("a line");
    }
    screen
}

/// Compares all that these commands show with the snapshot of that name, less what differs from run to run.
fn look(home: &Home, name: &str, commands: &[&[&str]]) {
    look_with(insta::Settings::new(), home, name, commands);
}

fn look_with(mut settings: insta::Settings, home: &Home, name: &str, commands: &[&[&str]]) {
    let screens: Vec<String> = commands.iter().map(|args| screen(home, args)).collect();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&home.path().display().to_string(), "[HOME]");
    settings.add_filter("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "[UUID]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]");
    // An approval is numbered after an event.
    settings.add_filter(r"\b(anna|worker)-\d+\b", "$1-[N]");
    settings.bind(|| insta::assert_snapshot!(name, screens.join("\n")));
}

/// The verbs that a help text lists.
fn verbs(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    names.filter(|line| !line.starts_with(' ')).filter_map(first).filter(|name| name != "help").collect()
}

#[test]
fn help() {
    let home = Home::simulated();
    let mut all = vec![vec!["--help".to_owned()]];
    for verb in verbs(&home.teams(&["--help"])) {
        all.push(vec![verb.clone(), "-h".to_owned()]);
        for below in verbs(&home.teams(&[&verb, "-h"])) {
            all.push(vec![verb.clone(), below, "-h".to_owned()]);
        }
    }
    assert!(all.len() > 40, "only {} help texts were found", all.len());
    let all: Vec<Vec<&str>> = all.iter().map(|args| args.iter().map(String::as_str).collect()).collect();
    look(&home, "help", &all.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn status() {
    let home = Home::simulated();
    look(&home, "status-of-nothing", &[&["list"], &["status"]]);
    home.teams(&["create", "crew", "--description", "stone fruit"]);
    look(&home, "status-of-an-empty-team", &[&["list"], &["status"]]);
    for (name, backend) in [("anna", "claude"), ("bert", "codex"), ("gem", "gemini"), ("x", "gemini-acp")] {
        home.teams(&["spawn", name, "--backend", backend, "--model", "simulated-model"]);
    }
    home.ask("anna", "[[say one two three]]");
    home.teams(&["send", "anna", "[[run touch made]]"]);
    home.wait_for_state("anna", "waiting-approval");
    home.teams(&["message", "anna", "are you there?", "--from", "bert"]);
    home.ask("bert", "[[crash]]");
    home.wait_for_state("bert", "failed");
    home.teams(&["stop", "x"]);
    wait_for("what the lead is told", || (home.json(&["status"])["leadUnread"] == 2).then_some(()));
    let mut settings = insta::Settings::new();
    // The columns are as wide as the number of a process, which differs.
    settings.add_filter(r"(?m)^(\S+ +\S+ +[a-z-]+) +\d+  ", "$1  [PID]  ");
    settings.add_filter(" {2,}", "  ");
    look_with(settings, &home, "status", &[&["status"], &["approvals"]]);
}

#[test]
fn tail() {
    let home = Home::simulated();
    let name = home.team_of(CLAUDE, &[]);
    home.teams(&["spawn", "gem", "--backend", "gemini"]);
    home.ask(&name, "Count to three. [[say one two three]]");
    home.teams(&["send", &name, "[[run echo plums]]"]);
    let id = home.wait_for_approval();
    home.teams(&["approve", &id]);
    home.wait_for_state(&name, "idle");
    home.ask("gem", "[[say two\nlines]]");
    home.ask("gem", "[[fail 500]]");
    home.teams(&["message", &name, "[[say thanks]]", "--from", "gem"]);
    home.wait_for_event("its answer", |event| event["type"] == "turn-completed" && event["text"] == "thanks");
    home.teams(&["send", &name, "[[silence]]"]);
    home.wait_for_state(&name, "busy");
    home.teams(&["interrupt", &name]);
    home.wait_for_state(&name, "idle");
    home.ask(&name, "[[crash]]");
    home.wait_for_state(&name, "failed");
    look(&home, "tail", &[&["tail"], &["tail", "worker"], &["tail", "gem", "-n", "3"]]);
}

/// Every kind of event, and lines of two members that come between each other.
const EVENTS: &str = r#"
team-lead 0 {"type":"team-created","description":"Looks at plums"}
anna 0 {"type":"spawned","backend":"claude-code"}
bert 0 {"type":"spawned","backend":"codex","conversation":"fresh","reason":"it had no turn yet"}
anna 0 {"type":"spawned","backend":"claude-code","conversation":"resumed"}
anna 0 {"type":"state","state":"idle","reason":"it is ready"}
anna 1 {"type":"turn-started","input":"Look at the plums, and at whatever else there is that can be looked at in a garden of this size.\nThen rest.","from":"user"}
bert 1 {"type":"turn-started"}
anna 1 {"type":"delta","text":"They are "}
bert 1 {"type":"delta","text":"I begin\nby my"}
anna 1 {"type":"delta","text":"ripe.\n\nAll of them"}
bert 1 {"type":"delta","text":"self."}
anna 1 {"type":"message","text":"They are ripe.\n\nAll of them"}
bert 1 {"type":"message","text":"I begin\nby myself."}
bert 1 {"type":"message","text":"This was not streamed."}
anna 1 {"type":"tool","id":"t1","name":"Bash","status":"started","summary":"ls plums"}
anna 1 {"type":"tool","id":"t1","name":"Bash","status":"completed","summary":"ls plums"}
anna 1 {"type":"tool","id":"t2","name":"Bash","status":"failed","summary":"rm plums"}
anna 1 {"type":"approval","id":"anna-17","tool":"Bash","summary":"rm -r plums"}
anna 1 {"type":"approval-closed","id":"anna-17","outcome":"denied","by":"user"}
anna 1 {"type":"tool","id":"t3","name":"Bash","status":"denied","summary":"rm -r plums"}
anna 1 {"type":"approval-closed","id":"anna-18","outcome":"withdrawn"}
bert 1 {"type":"mail","id":"m1","from":"anna","state":"queued"}
bert 1 {"type":"mail","id":"m1","from":"anna","state":"injected","text":"Come and see."}
bert 1 {"type":"mail","id":"m1","from":"anna","state":"acknowledged"}
bert 1 {"type":"mail","id":"m2","from":"anna","state":"returned","reason":"it ended"}
bert 1 {"type":"mail","id":"m2","from":"anna","state":"refused","text":"x","reason":"given 3 times"}
bert 1 {"type":"lagged","bytes":4096}
bert 1 {"type":"notice","message":"the conversation begins anew"}
bert 1 {"type":"state","state":"stuck","reason":"no sign of life for 60 s"}
bert 1 {"type":"turn-interrupted","text":"I begin"}
bert 1 {"type":"error","message":"no sign of life"}
bert 1 {"type":"exited","signal":9,"restarts":true}
bert 0 {"type":"exited","code":0}
bert 0 {"type":"exited"}
anna 1 {"type":"usage","inputTokens":3,"outputTokens":4,"costUsd":0.25}
anna 1 {"type":"turn-completed","text":"They are ripe.\n\nAll of them"}
anna 1 {"type":"idle"}
anna 2 {"type":"turn-started","input":"Once more"}
anna 2 {"type":"delta","text":"Still "}
anna 2 {"type":"delta","text":"ripe"}
anna 2 {"type":"delta","text":"."}
anna 2 {"type":"message","text":"Still ripe."}
team-lead 0 {"type":"run-started","run":"crew-1","goal":"Pick them"}
team-lead 0 {"type":"task","id":"1","change":"created","subject":"Pick","status":"pending"}
team-lead 0 {"type":"task","id":"1","change":"changed","subject":"Pick","status":"in_progress","owner":"anna","fields":["owner","status"]}
anna 2 {"type":"hook-rejected","hook":"check","event":"TaskCompleted","feedback":"some are green"}
team-lead 0 {"type":"task","id":"1","change":"changed","subject":"Pick","status":"pending","failed":"some are green","fields":["metadata"]}
team-lead 0 {"type":"task","id":"1","change":"deleted","subject":"Pick","status":"pending"}
bert 0 {"type":"shutdown-requested","id":"shutdown-1@bert","reason":"we are done"}
team-lead 0 {"type":"run-ended","run":"crew-1","state":"failed","reason":"task #1 has failed"}
"#;

#[test]
fn every_kind_of_event() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    for (name, backend) in [("anna", "claude"), ("bert", "codex")] {
        home.teams(&["spawn", name, "--backend", backend]);
    }
    home.teams(&["daemon", "stop"]);
    let mut text = String::new();
    for (line, seq) in EVENTS.trim().lines().zip(1..) {
        let (agent, rest) = line.split_once(' ').expect("a name");
        let (turn, kind) = rest.split_once(' ').expect("a turn");
        let turn = if turn == "0" { String::new() } else { format!("\"turn\":{turn},") };
        let time = "2026-11-21T01:41:38.979Z";
        writeln!(text, r#"{{"seq":{seq},"time":"{time}","team":"crew","agent":"{agent}",{turn}{}"#, &kind[1..])
            .expect("a line");
    }
    home.write("state/teams/crew/events.jsonl", &text);
    look(
        &home,
        "events",
        &[
            &["tail"],
            &["tail", "anna"],
            &["tail", "bert"],
            &["tail", "anna", "bert", "-n", "4"],
            // Of the last answer only the last piece is among them, so that the whole message is printed instead.
            &["tail", "anna", "-n", "2"],
            &["tail", "--since", "37"],
            &["tail", "--json", "-n", "1"],
        ],
    );
}

#[test]
fn tasks() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "gem", "--backend", "gemini"]);
    look(
        &home,
        "tasks",
        &[
            &["task", "list"],
            &["task", "add", "Prune the plum tree", "--description", "before it blooms", "--owner", "gem"],
            &["task", "add", "Water it"],
            &["task", "add", "Pick the plums", "--blocked-by", "1", "--blocked-by", "2"],
            &["task", "list"],
            &["task", "list", "--status", "completed"],
            &["task", "show", "3"],
            &["task", "done", "1"],
            &["task", "update", "2", "--status", "in_progress"],
            &["task", "done", "2"],
            &["task", "graph"],
            &["task", "list"],
        ],
    );
}

#[test]
fn checkpoints() {
    let home = Home::simulated();
    let git = |args: &[&str]| {
        let identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"];
        let done = std::process::Command::new("git").current_dir(home.work()).args(identity).args(args).status();
        assert!(done.expect("git runs").success());
    };
    git(&["init", "--quiet"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "first"]);
    home.teams(&["create", "crew"]);
    let mut settings = insta::Settings::new();
    settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "[WHEN]");
    settings.add_filter(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{10}\b", "[COMMIT]");
    look_with(settings.clone(), &home, "checkpoints-of-none", &[&["checkpoint", "list"], &["checkpoint", "on"]]);
    home.teams(&["spawn", "worker", "--backend", "claude", "--model", CLAUDE.model(), "--work"]);
    home.teams(&["task", "add", "Look at the parser", "--description", "[[finish it looks well]]"]);
    home.teams(&["task", "wait", "--timeout", "60s"]);
    home.wait_for_event("its turn's end", |event| event["type"] == "turn-completed");
    home.teams(&["stop", "worker"]);
    home.teams(&["task", "add", "Listen to it"]);
    home.teams(&["task", "done", "2"]);
    wait_for("both", || {
        let list = home.json(&["checkpoint", "list"]);
        (list["checkpoints"].as_array().map(Vec::len) == Some(2)).then_some(())
    });
    let commands: &[&[&str]] = &[
        &["checkpoint", "list"],
        &["checkpoint", "show", "1"],
        &["checkpoint", "cost"],
        &["checkpoint", "cost", "--by", "member"],
    ];
    look_with(settings, &home, "checkpoints", commands);
}

#[test]
fn errors() {
    let home = Home::simulated();
    look(&home, "errors-without-a-team", &[&["status"], &["spawn", "--backend", "claude"], &["status", "crew"]]);
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "worker", "--backend", "claude"]);
    home.teams(&["budget", "worker", "--turns", "0"]);
    for task in [&["task", "add", "First"][..], &["task", "add", "Second", "--blocked-by", "1"]] {
        home.teams(task);
    }
    look(
        &home,
        "errors",
        &[
            &["create", "crew"],
            &["create", "Crew 1"],
            &["status", "crw"],
            &["delete", "crew"],
            &["spawn"],
            &["spawn", "--backend", "cursor"],
            &["spawn", "worker", "--backend", "claude"],
            &["spawn", "../x", "--backend", "claude"],
            &["spawn", "team-lead", "--backend", "claude"],
            &["spawn", "x", "--backend", "gemini", "--permission-mode", "yolo"],
            &["spawn", "x", "--backend", "codex", "--max-turns", "3"],
            &["spawn", "x", "--backend", "claude", "--cwd", "/nowhere/at/all"],
            &["ask", "wroker", "hello"],
            &["ask", "worker", "hello"],
            &["ask", "worker", ""],
            &["ask", "worker", "hello", "--timeout", "soon"],
            &["message", "teamlead", "hello"],
            &["message", "worker", " "],
            &["approve", "worker-1"],
            &["inbox", "nobody"],
            &["trace", "0"],
            &["memory", "get", "plan"],
            &["task", "show", "7"],
            &["task", "done", "../1"],
            &["task", "update", "2"],
            &["task", "update", "1", "--add-blocked-by", "2"],
            &["task", "add", "Third", "--owner", "nobody"],
            &["task", "list", "--status", "open"],
            &["worktree", "remove", "worker"],
            &["frobnicate"],
        ],
    );
}
