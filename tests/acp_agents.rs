//! ACP agents that nobody here wrote, as they are installed by `scripts/install-acp-agents`, with models of our own.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Home, signal};

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Agent {
    name: &'static str,
    /// What `--command` is, `{bin}` being where programs are.
    command: &'static str,
}

const OPENCODE: Agent = Agent { name: "opencode", command: "{bin}/opencode acp" };
const QWEN: Agent = Agent { name: "qwen", command: "{bin}/node {bin}/qwen --acp" };
const CLAUDE: Agent = Agent { name: "claude-agent-acp", command: "{bin}/node {bin}/claude-agent-acp" };
const CODEX: Agent = Agent { name: "codex-acp", command: "{bin}/node {bin}/codex-acp" };
const VIBE: Agent = Agent { name: "vibe", command: "{bin}/../../vibe/bin/vibe-acp" };

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/acp-agents/node_modules/.bin")
}

/// A home in which all of them talk to a model endpoint of our own; `asks` is for those that ask nobody unless they are told to.
fn home(asks: bool) -> Home {
    let home = Home::real();
    let url = format!("{}/v1", home.model.as_ref().expect("an endpoint").url());
    let model = json!({"stub-model": {"name": "stub-model", "limit": {"context": 100_000, "output": 10_000}}});
    let mut settings = json!({"model": "stub/stub-model", "small_model": "stub/stub-model", "autoupdate": false, "share": "disabled",
        "provider": {"stub": {"npm": "@ai-sdk/openai-compatible", "name": "stub",
            "options": {"baseURL": url, "apiKey": "none"}, "models": model}}});
    if asks {
        settings["permission"] = json!({"bash": "ask", "edit": "ask"});
    }
    home.write(".config/opencode/opencode.json", &settings.to_string());
    home.write(".qwen/settings.json", r#"{"security": {"auth": {"selectedType": "openai"}}}"#);
    home.write(
        ".vibe/config.toml",
        &format!(
            "active_model = \"stub\"\nenable_auto_update = false\nenable_telemetry = false\n\n[[providers]]\nname = \"stub\"\n\
             api_base = \"{url}\"\napi_key_env_var = \"STUB_KEY\"\nbackend = \"generic\"\n\n[[models]]\nname = \"stub-model\"\n\
             provider = \"stub\"\nalias = \"stub\"\n"
        ),
    );
    let home = home.with_env("OPENCODE_DISABLE_MODELS_FETCH", "1").with_env("OPENCODE_DISABLE_AUTOUPDATE", "1");
    let home = home.with_env("OPENAI_BASE_URL", &url).with_env("OPENAI_API_KEY", "none");
    home.with_env("OPENAI_MODEL", "stub-model").with_env("NO_PROXY", "127.0.0.1")
}

fn spawn(home: &Home, agent: Agent, options: &[&str]) {
    let bin = programs();
    assert!(bin.is_dir(), "the ACP agents are not installed; run scripts/test --agents");
    let command = agent.command.replace("{bin}", &bin.display().to_string());
    home.teams(&["create", "crew"]);
    // Some are large, and slow to start where they have not been read yet.
    let mut args = vec!["spawn", "worker", "--backend", "acp", "--timeout", "120s", "--command", &command];
    args.extend(options);
    home.teams(&args);
}

fn two_turns_remember_each_other(agent: Agent) {
    let home = home(false);
    spawn(&home, agent, &["--prompt", "You like stone fruit."]);
    let first = home.teams(&["ask", "worker", "the word is plum [[say noted with care]]"]);
    // Codex says before it that it does not know the model.
    assert!(first.ends_with("noted with care\n"), "{first}");
    let second = home.ask("worker", "[[recall]]");
    assert!(second["text"].as_str().is_some_and(|text| text.contains("the word is plum")), "{second}");
    assert!(second["usage"]["inputTokens"].as_u64() > Some(0), "{second}");
    let member = home.member("worker");
    assert!(member["model"].is_string(), "{member}");
    let stopped = home.json(&["stop", "--all"]);
    assert_eq!(stopped[0]["left"], 0, "{stopped}");
    home.wait_for_only_the_daemon();
}

/// Asks for a command and answers the question with `verb`; answers the turn's report.
fn answered(home: &Home, verb: &[&str], prompt: &str) -> Value {
    let asking = home.start(&["ask", "worker", prompt, "--json"]);
    let id = home.wait_for_approval();
    let question = home.json(&["approvals"]);
    assert!(question[0]["command"].as_str().is_some_and(|command| command.contains("touch made")), "{question}");
    home.teams(&[&[verb[0], id.as_str()], &verb[1..]].concat());
    let output = asking.wait_with_output().expect("it ends");
    serde_json::from_slice(&output.stdout).expect("a report")
}

fn it_asks_before_it_runs_a_command(agent: Agent) {
    let home = home(true);
    spawn(&home, agent, &[]);
    let report = answered(&home, &["approve"], "[[run touch made]]");
    assert_eq!(report["status"], "completed", "{report}");
    assert!(home.work().join("made").exists());
    answered(&home, &["deny"], "[[run touch made-too]]");
    assert!(!home.work().join("made-too").exists());
    assert_eq!(home.ask("worker", "[[say and on]]")["status"], "completed");
    let warnings = home.member("worker")["warnings"].to_string();
    assert!(!warnings.contains("without asking") && !warnings.contains("team's tools"), "{warnings}");
}

fn what_is_allowed_for_the_session_is_kept_by_us(agent: Agent) {
    let home = home(true);
    spawn(&home, agent, &[]);
    let before = files(home.path());
    answered(&home, &["approve", "--for-session"], "[[run touch made]]");
    assert_eq!(home.ask("worker", "[[run touch made]]")["status"], "completed", "it is not asked for again");
    answered(&home, &["deny"], "[[run touch made-too]]");
    let new: Vec<_> = files(home.path()).into_iter().filter(|file| !before.contains(file)).collect();
    assert!(!new.iter().any(|file| file.contains("project/.") || file.ends_with(".rules")), "{new:?}");
    let settings = std::fs::read_to_string(home.path().join(".qwen/settings.json")).expect("settings");
    assert!(!settings.contains("touch"), "{settings}");
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

fn a_denied_command_is_not_run(agent: Agent) {
    let home = home(true);
    spawn(&home, agent, &[]);
    home.teams(&["policy", "--deny", "command touch", "--otherwise", "allow"]);
    for command in ["touch made", "env touch made"] {
        home.ask("worker", &format!("[[run {command}]]"));
        assert!(!home.work().join("made").exists(), "{command}");
    }
    home.ask("worker", "[[run mkdir other]]");
    assert!(home.work().join("other").exists(), "what is not denied is allowed");
}

fn our_tools_ask_nobody(agent: Agent) {
    let home = home(true);
    spawn(&home, agent, &[]);
    let letter = r#"{"to": "team-lead", "message": "hello"}"#;
    let call = match agent.name {
        "opencode" => format!("teams_send_message {letter}"),
        // It has one tool that calls all others.
        "vibe" => {
            let code = format!("async function main() {{ return await tools.mcp_teams.send_message({letter}); }}");
            format!("run_typescript {}", json!({"code": code}))
        }
        _ => format!("mcp__teams__send_message {letter}"),
    };
    let report = home.ask("worker", &format!("[[call {call}]]"));
    assert_eq!(report["status"], "completed", "{report}");
    let inbox = home.json(&["inbox"]);
    assert!(inbox.as_array().expect("messages").iter().any(|message| message["text"] == "hello"), "{inbox} {report}");
}

fn a_failure_of_the_model_is_a_failed_turn(agent: Agent) {
    let home = home(false);
    spawn(&home, agent, &[]);
    // The first one too, when nothing is known of the agent yet.
    for _ in 0..2 {
        let report = home.ask("worker", "[[fail 400]]");
        assert_eq!(report["status"], "failed", "{report}");
        assert_eq!(home.ask("worker", "[[say and on]]")["status"], "completed");
    }
}

fn a_killed_one_comes_back_with_its_conversation(agent: Agent) {
    let home = home(false);
    spawn(&home, agent, &[]);
    home.ask("worker", "the word is plum [[say noted]]");
    let hold = home.hold("go");
    home.teams(&["send", "worker", &format!("[[say one two three]] {hold}")]);
    home.wait_for_event("its first words", |event| event["type"] == "delta" && event["turn"] == 2);
    signal("-9", home.member("worker")["pid"].as_u64().expect("a process"));
    home.wait_for_event("the end of the turn", |event| event["type"] == "error" && event["turn"] == 2);
    hold.release();
    let report = home.ask("worker", "[[recall]]");
    assert!(report["text"].as_str().is_some_and(|text| text.contains("the word is plum")), "{report}");
}

fn modes_are_in_force(agent: Agent) {
    let home = home(true);
    spawn(&home, agent, &["--permission-mode", "bypassPermissions"]);
    assert_eq!(home.ask("worker", "[[run touch made]]")["status"], "completed");
    assert!(home.work().join("made").exists(), "nobody was asked");
}

fn it_thinks_as_hard_as_it_is_told_to(agent: Agent) {
    let home = home(false);
    // Codex knows the efforts of its own models only.
    let model: &[&str] = if agent.name == "codex-acp" { &["--model", "gpt-5.5"] } else { &[] };
    spawn(&home, agent, &[&["--effort", "high"], model].concat());
    assert_eq!(home.ask("worker", "[[say noted]]")["status"], "completed");
    let asked: Vec<_> = home.model.as_ref().expect("an endpoint").requests();
    let fields = ["/reasoning/effort", "/output_config/effort", "/reasoning_effort"];
    let high = |body: &Value| fields.iter().any(|field| body.pointer(field).is_some_and(|effort| effort == "high"));
    assert!(asked.iter().any(|(_, body)| high(body)), "{asked:?}");
}

fn it_is_stopped_while_it_runs_a_command(agent: Agent) {
    let home = home(false);
    spawn(&home, agent, &[]);
    home.teams(&["policy", "--allow", "command sleep"]);
    home.teams(&["send", "worker", "[[run sleep 1000]]"]);
    home.wait_for_event("a tool", |event| event["type"] == "tool" && event["status"] == "started");
    let stopped = home.json(&["stop", "--all"]);
    assert_eq!(stopped[0]["left"], 0, "{stopped}");
    home.wait_for_only_the_daemon();
}

macro_rules! agents {
    ($($test:ident: [$($agent:ident)*];)*) => {$(
        #[allow(non_snake_case)]
        mod $test {$(
            #[test]
            #[ignore = "needs the ACP agents; run scripts/test --agents"]
            fn $agent() {
                super::$test(super::$agent);
            }
        )*}
    )*};
}

agents! {
    two_turns_remember_each_other: [OPENCODE QWEN CLAUDE CODEX VIBE];
    it_asks_before_it_runs_a_command: [OPENCODE QWEN CLAUDE CODEX VIBE];
    what_is_allowed_for_the_session_is_kept_by_us: [OPENCODE QWEN CLAUDE CODEX VIBE];
    a_denied_command_is_not_run: [OPENCODE QWEN CLAUDE CODEX VIBE];
    our_tools_ask_nobody: [OPENCODE QWEN CLAUDE CODEX VIBE];
    a_failure_of_the_model_is_a_failed_turn: [OPENCODE QWEN CLAUDE CODEX VIBE];
    a_killed_one_comes_back_with_its_conversation: [OPENCODE QWEN CLAUDE CODEX VIBE];
    modes_are_in_force: [QWEN CLAUDE CODEX VIBE];
    it_thinks_as_hard_as_it_is_told_to: [CLAUDE CODEX VIBE];
    it_is_stopped_while_it_runs_a_command: [OPENCODE QWEN CLAUDE CODEX VIBE];
}
