//! The agent of our own as its user sees it: one prompt, a terminal, a client that speaks ACP, and a member; each of them against the model
//! endpoint of the tests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::model::ModelEndpoint;
use crate::support::{Home, Screen, signal, teams_binary, wait_for};

const MODELS: [&str; 5] = [
    "anthropic/claude-sonnet-4-5",
    "openai/gpt-4o",
    "openai-responses/gpt-5",
    "gemini/gemini-2.5-pro",
    "ollama/qwen3:8b",
];

/// A home whose only way to a model is our endpoint.
struct Place {
    home: Home,
    model: ModelEndpoint,
}

impl Place {
    fn new() -> Self {
        Self { home: Home::simulated(), model: ModelEndpoint::start() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(teams_binary());
        command.arg("agent").args(args).current_dir(self.home.work()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.home.path()).env("TEAMS_STATE_DIR", self.home.state());
        for provider in ["ANTHROPIC", "OPENAI", "GEMINI"] {
            command
                .env(format!("{provider}_API_KEY"), "none")
                .env(format!("{provider}_API_BASE_URL"), self.model.url());
        }
        command.env("OLLAMA_HOST", self.model.url());
        command
    }

    /// One prompt: whether it went well, and what was printed on both.
    fn ask(&self, args: &[&str]) -> (bool, String, String) {
        let output = self.command(args).stdin(Stdio::null()).output().expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout).trim().to_owned(), text(&output.stderr))
    }
}

#[test]
fn every_provider_is_asked_in_its_own_protocol() {
    let place = Place::new();
    for model in MODELS {
        let (well, said, error) = place.ask(&["--model", model, "[[say hello from afar]]"]);
        assert!(well && said == "hello from afar", "{model}: {said}{error}");
        let file = format!("made-{}", model.replace(['/', ':'], "-"));
        let prompt = format!("[[write {file}]]");
        let (well, said, error) = place.ask(&["--model", model, "--permission-mode", "acceptEdits", &prompt]);
        assert!(well && said.contains("tool said"), "{model}: {said}{error}");
        assert_eq!(std::fs::read_to_string(place.home.work().join(&file)).expect("a file"), "written\n");
        let (well, _, error) = place.ask(&["--model", model, "[[fail 401]]"]);
        assert!(!well && error.contains("answered 401") && error.contains("scripted failure"), "{model}: {error}");
    }
    let paths: Vec<String> = place.model.requests().into_iter().map(|(path, _)| path).collect();
    for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
        assert!(paths.iter().any(|asked| asked == path), "{path}: {paths:?}");
    }
    assert!(paths.iter().any(|path| path.contains("gemini-2.5-pro:streamGenerateContent")), "{paths:?}");
}

#[test]
fn what_is_wrong_with_the_model_is_said() {
    let place = Place::new();
    let bare = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.command(args);
        for name in ["ANTHROPIC", "OPENAI", "GEMINI"] {
            command.env_remove(format!("{name}_API_KEY")).env_remove(format!("{name}_API_BASE_URL"));
        }
        command.env_remove("OLLAMA_HOST").envs(variables.iter().copied());
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let nowhere = format!("http://{nowhere}");
    for (args, variables, expected) in [
        (&["hi"][..], &[][..], &["no language model is set up", "ANTHROPIC_API_KEY"][..]),
        (&["--model", "openai/gpt-4o", "hi"], &[], &["no key for openai", "OPENAI_API_KEY"]),
        (&["--model", "ollama/", "hi"], &[("OLLAMA_HOST", nowhere.as_str())], &["cannot be reached", "OLLAMA_HOST"]),
        (&["--effort", "enormous", "--model", "ollama/x", "hi"], &[], &["no effort `enormous`"]),
        (&["--permission-mode", "reckless", "hi"], &[], &["no permission mode `reckless`", "acceptEdits"]),
    ] {
        let error = bare(args, variables);
        assert!(expected.iter().all(|expected| error.contains(expected)), "{args:?}: {error}");
    }
}

#[test]
fn what_the_model_does_wrong_is_its_to_mend() {
    let place = Place::new();
    let (well, said, _) = place.ask(&["[[call fly {}]]"]);
    assert!(well && said.contains("there is no tool `fly`"), "{said}");
    std::fs::write(place.home.path().join("secret"), "outside").expect("a file");
    std::os::unix::fs::symlink(place.home.path().join("secret"), place.home.work().join("link")).expect("a link");
    for path in ["../secret", "link", "/proc/self/environ", "/etc/passwd"] {
        let (well, said, _) = place.ask(&[&format!(r#"[[call read_file {{"path": "{path}"}}]]"#)]);
        assert!(
            well && said.contains("out") && !said.contains("outside\\n") && !said.contains("root:"),
            "{path}: {said}"
        );
        let call = format!(r#"[[call write_file {{"path": "{path}", "content": "changed"}}]]"#);
        let (well, said, _) = place.ask(&["--permission-mode", "bypassPermissions", &call]);
        assert!(well && said.contains("out"), "{path}: {said}");
    }
    assert_eq!(std::fs::read_to_string(place.home.path().join("secret")).expect("a file"), "outside");
    // Nobody is there who could allow it.
    let (well, said, _) = place.ask(&["[[run touch made]]"]);
    assert!(well && said.contains("nobody is there") && !place.home.work().join("made").exists(), "{said}");
    let (well, said, _) =
        place.ask(&["--permission-mode", "bypassPermissions", "--allow-command", "git status", "[[run touch made]]"]);
    assert!(well && said.contains("git status") && !place.home.work().join("made").exists(), "{said}");
}

#[test]
fn a_stream_that_is_cut_is_asked_for_again_and_given_up() {
    let place = Place::new();
    let (well, _, error) = place.ask(&["[[cut]] [[say one two three four five six]]"]);
    assert!(!well && error.contains("broke off") && error.contains("the next attempt"), "{error}");
    let asked = place.model.requests().len();
    assert_eq!(asked, 4, "as often as it says");
}

#[test]
fn a_person_at_the_terminal_is_asked_and_sees_what_it_costs() {
    let place = Place::new();
    let mut screen = Screen::run(place.command(&[]), 30, 100);
    screen.wait_for("/help shows");
    screen.press("/help\r");
    screen.wait_for("begin a new conversation");
    screen.press("the word is \\\rplum [[say no]]\r");
    wait_for("its answer", || (screen.text().matches("no\n").count() > 0).then_some(()));
    screen.press("[[run touch made]]\r");
    screen.wait_for("Allow?");
    assert!(screen.text().contains("touch made"), "{}", screen.text());
    screen.press("y\r");
    screen.wait_for("tool said");
    wait_for("the file", || place.home.work().join("made").exists().then_some(()));
    screen.press("/cost\r");
    screen.wait_for("USD");
    screen.press("/status\r");
    screen.wait_for("claude-sonnet-4-5; 6 messages");
    screen.press("[[recall]]\r");
    screen.wait_for("the word is");
    screen.press("/new\r");
    screen.wait_for("a new conversation");
    screen.press("/fly\r");
    screen.wait_for("there is no command `/fly`");
    // Ctrl-C ends a turn, and twice the whole.
    let hold = place.home.hold("never");
    screen.press(&format!("[[say quince quince]] {hold}\r"));
    let is_asked = || place.model.requests().iter().any(|(_, body)| body.to_string().contains("quince"));
    wait_for("the turn", || is_asked().then_some(()));
    // The terminal of this test is nobody's, so that its keys are no signals.
    let press_ctrl_c = |screen: &Screen| signal("-INT", screen.child.id().into());
    press_ctrl_c(&screen);
    screen.wait_for("(ended)");
    press_ctrl_c(&screen);
    screen.wait_for("Ctrl-C once more");
    press_ctrl_c(&screen);
    wait_for("its end", || screen.child.try_wait().expect("it can be looked at"));
}

/// A client that speaks ACP, as an editor does.
struct Client {
    agent: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    calls: u64,
    updates: Vec<Value>,
}

impl Client {
    fn start(place: &Place, args: &[&str]) -> Self {
        let mut agent = place.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let (input, output) = (agent.stdin.take().expect("piped"), agent.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).expect("JSON")).is_err() {
                    break;
                }
            }
        });
        let mut client = Self { agent, input, lines, calls: 0, updates: Vec::new() };
        let hello = client.call("initialize", &json!({"protocolVersion": 1, "clientCapabilities": {}}));
        assert_eq!((&hello["protocolVersion"], &hello["agentCapabilities"]["loadSession"]), (&json!(1), &json!(true)));
        client
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.input, "{line}").expect("it reads");
    }

    fn next(&mut self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("it speaks")
    }

    /// Calls a method, answers questions with `answer`, and gives back the whole reply.
    fn reply(&mut self, method: &str, params: &Value, answer: &str) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let line = self.next();
            if line["method"] == "session/update" {
                self.updates.push(line["params"]["update"].clone());
            } else if line["method"].is_string() {
                let outcome = json!({"outcome": {"outcome": "selected", "optionId": answer}});
                self.say(&json!({"jsonrpc": "2.0", "id": line["id"], "result": outcome}));
            } else if line["id"] == id {
                return line;
            }
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        let reply = self.reply(method, params, "no");
        assert!(reply["error"].is_null(), "{method}: {reply}");
        reply["result"].clone()
    }

    fn open(&mut self, place: &Place) -> String {
        let opened = self.call("session/new", &json!({"cwd": place.home.work(), "mcpServers": []}));
        assert_eq!(opened["modes"]["currentModeId"], "default");
        opened["sessionId"].as_str().expect("an id").to_owned()
    }

    fn prompt(&mut self, session: &str, text: &str, answer: &str) -> Value {
        self.updates.clear();
        let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": text}]});
        self.reply("session/prompt", &params, answer)
    }

    fn text(&self) -> String {
        let chunks = self.updates.iter().filter(|update| update["sessionUpdate"] == "agent_message_chunk");
        chunks.filter_map(|update| update["content"]["text"].as_str()).collect()
    }
}

#[test]
fn it_fetches_pages_only_where_it_is_told_to() {
    let place = Place::new();
    let url = format!("{}/v1/models", place.model.url());
    let prompt = format!("[[call web_fetch {{\"url\":\"{url}\"}}]]");
    let bypass = ["--permission-mode", "bypassPermissions"];
    let (_, said, error) = place.ask(&[bypass[0], bypass[1], &prompt]);
    assert!(said.contains("there is no tool `web_fetch`"), "{said} {error}");
    let (_, said, error) = place.ask(&[bypass[0], bypass[1], "--web-fetch", "127.0.0.1", &prompt]);
    assert!(said.contains("the server answers 404"), "{said} {error}");
    let (well, _, error) = place.ask(&["--web-fetch", "https://docs.rs", "x"]);
    assert!(!well && error.contains("is no host; write its name alone"), "{error}");
    // Nobody is there who could allow it.
    let (_, said, error) = place.ask(&["--web-fetch", "127.0.0.1", &prompt]);
    assert!(said.contains("web_fetch") && !said.contains("the server answers"), "{said} {error}");
}

#[test]
fn it_has_a_team_do_a_large_piece_with_its_own_permission() {
    let place = Place::new();
    let task = json!({"goal": "a file", "tasks": [{"title": "One", "description": "<<run touch one>>"}]});
    let prompt = format!("[[call spawn_agent_team {task}]]");
    let file = place.home.work().join("one");
    let (well, said, error) = place.ask(&["--permission-mode", "bypassPermissions", &prompt]);
    assert!(well && said.contains("done by the model") && file.exists(), "{said} {error}");
    // What the agent would have to ask for is asked for here, too, and nobody is there.
    std::fs::remove_file(&file).expect("it is there");
    let (_, said, error) = place.ask(&[&prompt]);
    assert!(said.contains("tasks_completed") && !file.exists(), "{said} {error}");
}

#[test]
fn an_editor_can_use_it() {
    let place = Place::new();
    let mut client = Client::start(&place, &[]);
    let session = client.open(&place);
    let reply = client.prompt(&session, "[[say hello there]]", "no");
    assert_eq!((&reply["result"]["stopReason"], client.text().as_str()), (&json!("end_turn"), "hello there"));
    assert_eq!(reply["result"]["usage"]["outputTokens"], 20, "{reply}");
    let made = || place.home.work().join("made").exists();
    client.prompt(&session, "[[run touch made]]", "no");
    assert!(!made() && client.text().contains("has said no"), "{}", client.text());
    let call = client.updates.iter().find(|update| update["sessionUpdate"] == "tool_call").expect("a call").clone();
    assert_eq!((&call["kind"], &call["rawInput"]["command"]), (&json!("execute"), &json!(["sh", "-c", "touch made"])));
    client.prompt(&session, "[[run touch made]]", "session");
    assert!(made());
    // Exactly this was allowed for the session, and nothing else.
    client.prompt(&session, "[[run touch made]]", "no");
    assert!(!client.text().contains("has said no"), "{}", client.text());
    client.prompt(&session, "[[run touch other]]", "no");
    assert!(client.text().contains("has said no"), "{}", client.text());
    client.call("session/set_mode", &json!({"sessionId": session, "modeId": "plan"}));
    client.prompt(&session, "[[run touch other]]", "once");
    assert!(client.text().contains("you are planning"), "{}", client.text());
    client.call("session/set_model", &json!({"sessionId": session, "modelId": "openai/gpt-4o"}));
    client.prompt(&session, "[[say and on]]", "no");
    assert!(place.model.requests().last().expect("a request").0.ends_with("chat/completions"));
    for (method, params, expected) in [
        ("session/fly", json!({}), "not supported"),
        ("session/new", json!({"cwd": "/nowhere/at/all", "mcpServers": []}), "is no directory"),
        ("session/load", json!({"sessionId": "../../x", "cwd": "/", "mcpServers": []}), "no conversation"),
        ("session/prompt", json!({"sessionId": "x", "prompt": []}), "there is no session"),
        ("session/set_mode", json!({"sessionId": session, "modeId": "reckless"}), "no mode `reckless`"),
    ] {
        let reply = client.reply(method, &params, "no");
        assert!(reply["error"]["message"].as_str().is_some_and(|said| said.contains(expected)), "{method}: {reply}");
    }
    drop(client.input);
    assert!(client.agent.wait().expect("it ends").success());
}

#[test]
fn a_conversation_goes_on_in_the_next_process_and_in_one_only() {
    let place = Place::new();
    let mut client = Client::start(&place, &[]);
    let session = client.open(&place);
    client.prompt(&session, "the word is plum [[say noted]]", "no");
    let load = json!({"sessionId": session, "cwd": place.home.work(), "mcpServers": []});
    let mut second = Client::start(&place, &[]);
    let refused = second.reply("session/load", &load, "no");
    assert!(refused["error"]["message"].to_string().contains("another process"), "{refused}");
    // In the midst of a command, of which nobody knows then what came of it.
    let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": "[[run sleep 1000]]"}]});
    client.say(&json!({"jsonrpc": "2.0", "id": 100, "method": "session/prompt", "params": params}));
    let question = loop {
        let line = client.next();
        if line["method"] == "session/request_permission" {
            break line;
        }
    };
    let outcome = json!({"outcome": {"outcome": "selected", "optionId": "once"}});
    client.say(&json!({"jsonrpc": "2.0", "id": question["id"], "result": outcome}));
    let sleeps = || place.home.processes().iter().any(|process| process.contains("sleep 1000"));
    wait_for("the command", || sleeps().then_some(()));
    client.agent.kill().expect("killed");
    client.agent.wait().expect("it has ended");
    wait_for("the end of its command", || (!sleeps()).then_some(()));
    second.call("session/load", &load);
    let told = second.updates.iter().any(|update| update["content"]["text"] == "noted");
    assert!(told, "the client is told what was said: {:?}", second.updates);
    second.prompt(&session, "[[recall]]", "no");
    assert!(second.text().contains("the word is plum"), "{}", second.text());
    let (_, body) = place.model.requests().pop().expect("a request");
    assert!(body.to_string().contains("before it was known what came of this"), "{body}");
}

#[test]
fn a_turn_that_is_cancelled_ends_what_it_has_started() {
    let place = Place::new();
    let mut client = Client::start(&place, &["--permission-mode", "bypassPermissions"]);
    let opened = client.call("session/new", &json!({"cwd": place.home.work(), "mcpServers": []}));
    assert_eq!(opened["modes"]["currentModeId"], "bypassPermissions");
    let session = opened["sessionId"].clone();
    let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": "[[run sleep 1000]]"}]});
    client.say(&json!({"jsonrpc": "2.0", "id": 100, "method": "session/prompt", "params": params}));
    let sleeps = || place.home.processes().iter().any(|process| process.contains("sleep 1000"));
    wait_for("the command", || sleeps().then_some(()));
    client.say(&json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session}}));
    let reply = loop {
        let line = client.next();
        if line["id"] == 100 {
            break line;
        }
    };
    assert_eq!(reply["result"]["stopReason"], "cancelled", "{reply}");
    wait_for("the end of the command", || (!sleeps()).then_some(()));
    let session = session.as_str().expect("an id").to_owned();
    assert_eq!(client.prompt(&session, "[[say still here]]", "no")["result"]["stopReason"], "end_turn");
}

#[test]
#[ignore = "needs the real agent CLIs; run scripts/test"]
fn as_a_member_it_has_the_tools_of_its_team() {
    let home = Home::real();
    home.teams(&["create", "crew"]);
    for (name, model) in [("writer", "anthropic/claude-sonnet-4-5"), ("reader", "gemini/gemini-2.5-pro")] {
        home.teams(&["spawn", name, "--backend", "native", "--model", model]);
    }
    home.ask(
        "writer",
        r#"[[call mcp__teams__send_message {"to": "reader", "message": "<<say the plums are ripe>>"}]]"#,
    );
    home.wait_for_event("the answer", |event| {
        event["agent"] == "reader" && event["type"] == "turn-completed" && event["text"] == "the plums are ripe"
    });
    let asked = home.events().iter().filter(|event| event["type"] == "approval").count();
    assert_eq!(asked, 0, "its team's tools are its own");
    home.teams(&["task", "add", "Pick them", "--owner", "reader"]);
    let tasks = || home.json(&["task", "list"])[0].clone();
    home.ask("reader", r#"[[call mcp__teams__task_list {}]]"#);
    assert_eq!(tasks()["owner"], "reader");
    let stopped = home.json(&["stop", "--all"]);
    assert!(stopped.as_array().expect("a list").iter().all(|member| member["left"] == 0), "{stopped}");
    home.wait_for_only_the_daemon();
}
