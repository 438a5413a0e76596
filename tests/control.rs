//! The control protocol as a face or a program sees it: named parameters, kinds of errors, and what has changed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use agent_teams::daemon::{
    CALLS, Connection, ErrorKind, Failure, ListApprovalsParams, SendMessageParams, SendParams, WatchReply, Watcher,
};
use agent_teams::model::change::{Change, Changed};
use serde_json::{Value, json};

use crate::support::{Home, daemon_pid, signal, wait_for};

/// A socket to the daemon, spoken to as it is.
struct Wire {
    stream: UnixStream,
    lines: std::io::Lines<BufReader<UnixStream>>,
}

impl Wire {
    fn to(home: &Home) -> Self {
        let stream = UnixStream::connect(home.state().join("daemon.sock")).expect("a daemon");
        let lines = BufReader::new(stream.try_clone().expect("a stream")).lines();
        Self { stream, lines }
    }

    /// The answer to a call, whole.
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.stream, "{request}").expect("it listens");
        serde_json::from_str(&self.lines.next().expect("an answer").expect("UTF-8")).expect("JSON")
    }
}

/// Runs a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

async fn connect(home: &Home) -> Connection {
    Connection::to_any(&home.state()).await.expect("a daemon of ours").expect("one runs")
}

/// Who chose is who knows why.
#[test]
fn a_client_does_not_say_why_a_backend_was_chosen() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let params = json!({
        "team": "crew", "name": "m", "backend": "claude-code", "prompt": "", "cwd": home.work(), "environment": {}, "env": {},
        "command": crate::library::simulated("claude-code"), "routed": "it is the best",
    });
    let member = Wire::to(&home).call("member.spawn", &params);
    assert_eq!(member["result"]["name"], "m", "{member}");
    assert!(member["result"]["routed"].is_null(), "{member}");
    assert!(home.member("m")["routed"].is_null());
}

#[test]
fn every_parameter_has_a_name() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut wire = Wire::to(&home);
    assert!(CALLS.len() > 35, "{CALLS:?}");
    for (method, params) in CALLS {
        assert!(params.ends_with("Params"), "{method}: {params}");
        let reply = wire.call(method, &json!(["crew", "x", "y"]));
        let error = &reply["error"];
        assert_eq!(error["data"]["kind"], "bad-request", "{method}: {reply}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains(method)), "{method}: {reply}");
    }
    for (params, says) in [
        (json!({}), "missing field `team`"),
        (json!({"team": "crew", "temr": 1}), "unknown field `temr`"),
        (json!({"team": 7}), "invalid type"),
    ] {
        let reply = wire.call("team.status", &params);
        assert!(reply["error"]["message"].as_str().is_some_and(|text| text.contains(says)), "{reply}");
    }
    // What every version understands.
    assert_eq!(wire.call("hello", &json!([]))["result"]["stateDir"], json!(home.state()));
    assert_eq!(wire.call("team.status", &json!({"team": "crew"}))["result"]["team"], "crew");
}

#[test]
fn an_error_has_its_kind_its_message_and_its_hint() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut wire = Wire::to(&home);
    let error = wire.call("team.status", &json!({"team": "crow"}))["error"].clone();
    let data =
        json!({"kind": "no-team", "message": "there is no team `crow`", "hint": "did you mean `crew`? teams: crew"});
    assert_eq!(error["data"], data);
    assert_eq!(error["message"], "there is no team `crow`; did you mean `crew`? teams: crew");
}

/// Runs a command that fails with `--json`; answers its exit code and the only thing that it prints.
fn failure(home: &Home, args: &[&str]) -> (i32, Failure) {
    let args = [args, &["--json"]].concat();
    let output = home.command(&args).output().expect("teams runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    assert_eq!(stdout.lines().count(), 1, "{args:?}: {stdout}");
    let mut document: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {stdout}"));
    assert_eq!(document.as_object().map(|object| object.len()), Some(1), "{document}");
    let failure = serde_json::from_value(document["error"].take()).expect("a failure");
    (output.status.code().expect("an exit code"), failure)
}

#[test]
fn with_json_an_error_is_a_document_on_standard_output() {
    let home = Home::simulated();
    let (code, none) = failure(&home, &["status"]);
    assert_eq!(
        (code, none.kind, none.hint.as_deref()),
        (1, ErrorKind::NoTeam, Some("create one with `teams create NAME`"))
    );
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "w", "--backend", "gemini"]);
    home.teams(&["budget", "--turns", "0"]);
    home.teams(&["task", "add", "one"]);
    home.teams(&["task", "add", "two", "--blocked-by", "1"]);
    home.teams(&["memory", "set", "plan", "1"]);
    for (args, kind) in [
        (&["status", "crow"][..], ErrorKind::NoTeam),
        (&["create", "A b"], ErrorKind::BadName),
        (&["create", "crew"], ErrorKind::Exists),
        (&["ask", "x", "hi"], ErrorKind::NoMember),
        (&["tail", "x"], ErrorKind::NoMember),
        (&["ask", "w", "hi"], ErrorKind::OverBudget),
        (&["ask", "w", ""], ErrorKind::BadInput),
        (&["spawn", "w", "--backend", "gemini"], ErrorKind::Running),
        (&["spawn", "v", "--backend", "codex", "--max-turns", "3"], ErrorKind::Unsupported),
        (&["spawn", "v", "--backend", "gemini", "--cwd", "/nowhere/at/all"], ErrorKind::BadInput),
        (&["spawn", "v", "--backend", "gemini", "--permission-mode", "yolo"], ErrorKind::BadInput),
        (&["delete", "crew"], ErrorKind::Running),
        (&["message", "w", " "], ErrorKind::BadInput),
        (&["inbox", "x"], ErrorKind::NoMember),
        (&["trace", "nothing"], ErrorKind::NoMessage),
        (&["approve", "x-1"], ErrorKind::NoApproval),
        (&["task", "show", "7"], ErrorKind::NoTask),
        (&["task", "done", "../1"], ErrorKind::BadInput),
        (&["task", "update", "1"], ErrorKind::BadInput),
        (&["task", "update", "2", "--status", "in_progress"], ErrorKind::Blocked),
        (&["task", "update", "1", "--add-blocked-by", "2"], ErrorKind::Cycle),
        (&["memory", "get", "other"], ErrorKind::NoMemory),
        (&["memory", "set", "plan", "2", "--expect", "7"], ErrorKind::Changed),
        (&["worktree", "remove", "w"], ErrorKind::Running),
        (&["mcp", "--as", "w"], ErrorKind::NotAllowed),
    ] {
        let (code, failure) = failure(&home, args);
        assert_eq!((code, failure.kind), (1, kind), "{args:?}: {failure}");
        // A person hears the same, on standard error.
        let (_, said) = home.fails(args);
        assert_eq!(said.trim_end(), format!("teams: {failure}"), "{args:?}");
    }
    home.teams(&["budget", "--turns", "none"]);
    let (code, late) = failure(&home, &["ask", "w", "[[say a b c]] [[slow 20000]]", "--timeout", "0.3"]);
    assert_eq!((code, late.kind), (124, ErrorKind::TimedOut), "{late}");
    assert!(late.hint.is_some_and(|hint| hint.contains("teams interrupt w")));
    home.teams(&["create", "other"]);
    assert_eq!(failure(&home, &["status"]).1.kind, ErrorKind::WhichTeam);
    // What is printed anyway is the only document, too.
    let output = home.command(&["status", "crew", "--frobnicate", "--json"]).output().expect("it runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "wrong usage is the parser's");
}

/// Everything that a watcher hears until it has heard of this.
async fn hear(watcher: &mut Watcher, connection: &Connection, of: &Change) -> Vec<Change> {
    let mut heard = Vec::new();
    while !heard.contains(of) {
        let reply = watcher.next(connection).await.expect("an answer");
        assert!(!reply.reset, "{reply:?}");
        heard.extend(reply.changes);
    }
    heard
}

#[test]
fn one_call_tells_what_changes() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["create", "other"]);
    run(async {
        let connection = connect(&home).await;
        let mut crew = Watcher::new(Some("crew".to_owned()));
        let mut all = Watcher::new(None);
        for watcher in [&mut crew, &mut all] {
            let WatchReply { reset, changes, .. } = watcher.next(&connection).await.expect("an answer");
            assert!(reset && changes.is_empty(), "who knows nothing reads everything");
        }
        // In the other team, of which the first watcher hears nothing.
        home.teams(&["task", "add", "elsewhere", "-t", "other"]);
        let in_other = Change::new("other", Changed::Task, "1");
        // What may have changed is told too: whoever begins to look at inboxes knows nothing of them.
        hear(&mut all, &connection, &in_other).await;

        home.teams(&["task", "add", "here", "-t", "crew"]);
        let heard = hear(&mut crew, &connection, &Change::new("crew", Changed::Task, "1")).await;
        assert!(heard.iter().all(|change| change.team == "crew"), "{heard:?}");
        home.teams(&["spawn", "c", "--backend", "claude", "-t", "crew"]);
        hear(&mut crew, &connection, &Change::new("crew", Changed::Member, "c")).await;
        home.teams(&["message", "team-lead", "hello", "-t", "crew"]);
        hear(&mut crew, &connection, &Change::new("crew", Changed::Inbox, "team-lead")).await;

        // Whoever is told of a question finds it.
        home.teams(&["send", "c", "please [[run touch made]]", "-t", "crew"]);
        let asks = |change: &Change| change.what == Changed::Approval;
        let id = loop {
            let reply = crew.next(&connection).await.expect("an answer");
            if let Some(change) = reply.changes.into_iter().find(asks) {
                break change.name;
            }
        };
        let open = connection.call(ListApprovalsParams { team: "crew".to_owned() }).await.expect("a list");
        assert_eq!(open.iter().map(|open| open.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
        home.teams(&["deny", &id, "-t", "crew"]);
        hear(&mut crew, &connection, &Change::new("crew", Changed::Approval, &id)).await;

        // One that was slow hears of all of it at once.
        let heard = hear(&mut all, &connection, &Change::new("crew", Changed::Approval, &id)).await;
        for (what, name) in [(Changed::Task, "1"), (Changed::Inbox, "team-lead"), (Changed::Member, "c")] {
            assert_eq!(
                heard.iter().filter(|change| **change == Change::new("crew", what, name)).count(),
                1,
                "{heard:?}"
            );
        }
        home.teams(&["delete", "other"]);
        hear(&mut all, &connection, &Change::team("other")).await;
        let gone = Watcher::new(Some("other".to_owned())).next(&connection).await.expect_err("it is gone");
        assert_eq!(gone.kind, ErrorKind::NoTeam);
    });
}

#[test]
fn with_the_next_daemon_a_watcher_reads_everything_anew() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    run(async {
        let connection = connect(&home).await;
        let mut watcher = Watcher::new(Some("crew".to_owned()));
        let first = watcher.next(&connection).await.expect("an answer");
        signal("-9", daemon_pid(&home));
        assert_eq!(watcher.next(&connection).await.expect_err("it is gone").kind, ErrorKind::NoDaemon);
        home.teams(&["task", "add", "meanwhile"]);
        let connection = connect(&home).await;
        let next = watcher.next(&connection).await.expect("an answer");
        assert!(next.reset && next.epoch != first.epoch, "{next:?}");
        home.teams(&["task", "add", "afterwards"]);
        hear(&mut watcher, &connection, &Change::new("crew", Changed::Task, "2")).await;
    });
}

#[test]
fn a_number_from_the_future_is_none() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    let mut wire = Wire::to(&home);
    let start = wire.call("watch", &json!({}))["result"].clone();
    assert_eq!((&start["reset"], &start["changes"]), (&json!(true), &json!([])));
    let far =
        wire.call("watch", &json!({"epoch": start["epoch"], "from": 1_000_000, "waitMs": 60_000}))["result"].clone();
    assert_eq!((&far["reset"], &far["next"]), (&json!(true), &start["next"]));
    let none = wire.call("watch", &json!({"epoch": start["epoch"], "from": start["next"]}))["result"].clone();
    assert_eq!((&none["reset"], &none["changes"]), (&json!(false), &json!([])), "without a time it does not wait");
}

#[test]
fn a_message_wakes_its_recipient_in_the_same_call() {
    let home = Home::simulated();
    home.teams(&["create", "crew"]);
    home.teams(&["spawn", "c", "--backend", "claude"]);
    home.ask("c", "[[say hello]]");
    signal("-9", daemon_pid(&home));
    wait_for("its agents to end", || home.processes().is_empty().then_some(()));
    home.teams(&["status"]);
    let message = |surroundings| SendMessageParams {
        team: "crew".to_owned(),
        from: "team-lead".to_owned(),
        to: "c".to_owned(),
        text: "[[say here]]".to_owned(),
        summary: None,
        urgent: false,
        surroundings,
    };
    let input = SendParams {
        team: "crew".to_owned(),
        name: "c".to_owned(),
        text: "hi".to_owned(),
        from: None,
        interrupt: false,
        surroundings: None,
    };
    run(async {
        let connection = connect(&home).await;
        let asleep = connection.call(message(None)).await.expect("it is written");
        assert!(asleep.written.len() == 1 && asleep.woken.is_none(), "{asleep:?}");
        assert_eq!(
            connection.call(input).await.expect_err("nobody says in which surroundings").kind,
            ErrorKind::Dormant
        );
        assert_eq!(home.member("c")["state"], "lost");
    });
    let output = home.command(&["message", "c", "[[say here]]", "--json"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("c did not run, and was brought back"));
    let sent: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(sent["to"], json!(["c"]));
    home.wait_for_event("its answer", |event| event["type"] == "turn-completed" && event["turn"] == 2);
}
