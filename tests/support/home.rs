//! A home of its own for each test: files, daemon, agents, and a look at what is left of them.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::model::ModelEndpoint;
use super::{Hold, transcript, wait_for};

pub(crate) fn teams_binary() -> &'static str {
    env!("CARGO_BIN_EXE_teams")
}

/// An agent to run a test with: its backend, and whether it is the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) backend: &'static str,
    pub(crate) real: bool,
}

impl Agent {
    /// The model that is asked for, so that no agent asks its provider which one to take.
    pub(crate) fn model(self) -> &'static str {
        match (self.real, self.backend) {
            (false, _) => "simulated-model",
            (true, "claude") => "claude-sonnet-4-5",
            (true, "codex") => "stub-model",
            (true, "native") => "anthropic/claude-sonnet-4-5",
            (true, _) => "gemini-2.5-pro",
        }
    }
}

pub(crate) struct Home {
    dir: TempDir,
    pub(crate) model: Option<ModelEndpoint>,
    extra_env: Vec<(String, String)>,
}

impl Home {
    /// A home in which every agent is simulated.
    pub(crate) fn simulated() -> Self {
        Self::new(None)
    }

    /// A home in which the real CLIs are set up to talk to a model endpoint of our own.
    pub(crate) fn real() -> Self {
        let home = Self::new(Some(ModelEndpoint::start()));
        let agents = agents_dir();
        assert!(agents.is_dir(), "the real CLIs are not installed; run scripts/install-agents, or scripts/test");
        let url = home.model.as_ref().expect("just made").url();
        home.write(".gemini/settings.json", r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}}"#);
        home.write(
            ".codex/config.toml",
            &format!(
                "model = \"stub-model\"\nmodel_provider = \"stub\"\n\n[model_providers.stub]\nname = \"stub\"\n\
                 base_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"STUB_KEY\"\n\
                 request_max_retries = 1\nstream_max_retries = 1\n"
            ),
        );
        home
    }

    pub(crate) fn of(agent: Agent) -> Self {
        if agent.real { Self::real() } else { Self::simulated() }
    }

    fn new(model: Option<ModelEndpoint>) -> Self {
        let home = Self { dir: tempfile::tempdir().expect("a temporary folder"), model, extra_env: Vec::new() };
        std::fs::create_dir(home.work()).expect("a working directory");
        home
    }

    /// The same with a variable for every command.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.extra_env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path().join("project")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    pub(crate) fn claude(&self, file: &str) -> PathBuf {
        self.path().join(".claude").join(file)
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// `teams` with a cleared environment, in this home.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.program(Path::new(teams_binary()), args)
    }

    /// A real agent CLI that `teams` knows nothing of, in this home.
    pub(crate) fn agent<S: AsRef<OsStr>>(&self, program: &str, args: &[S]) -> Command {
        self.program(&agent_program(program), args)
    }

    /// Any program, in this home.
    pub(crate) fn program<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("TEAMS_STATE_DIR", self.state());
        match &self.model {
            None => {
                command.env("TEAMS_SIMULATE", "1");
            }
            Some(model) => {
                for (variable, program) in [
                    ("TEAMS_CLAUDE_COMMAND", "claude"),
                    ("TEAMS_CODEX_COMMAND", "codex"),
                    ("TEAMS_GEMINI_COMMAND", "gemini"),
                ] {
                    command.env(variable, agent_program(program));
                }
                command.env("ANTHROPIC_BASE_URL", model.url()).env("ANTHROPIC_API_KEY", "none");
                // Claude Code refuses to bypass permissions as root anywhere else.
                command.env("IS_SANDBOX", "1").env("CLAUDE_CODE_MAX_RETRIES", "1").env("ENABLE_TOOL_SEARCH", "false");
                command.env("DISABLE_AUTOUPDATER", "1").env("DISABLE_TELEMETRY", "1");
                command.env("GOOGLE_GEMINI_BASE_URL", model.url()).env("GEMINI_API_KEY", "none");
                command.env("STUB_KEY", "none");
            }
        }
        command.envs(self.extra_env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn output<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        self.command(args).output().expect("teams runs")
    }

    /// Runs a command that succeeds, and answers what it printed.
    pub(crate) fn teams<S: AsRef<OsStr> + std::fmt::Debug>(&self, args: &[S]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "teams {args:?} failed: {stdout}{stderr}{}", self.log());
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command that succeeds with `--json`.
    pub(crate) fn json<S: AsRef<OsStr> + std::fmt::Debug>(&self, args: &[S]) -> Value {
        let mut all: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
        all.push(OsStr::new("--json"));
        let text = self.teams(&all);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Runs a command that fails, and answers its exit code and what it said.
    pub(crate) fn fails<S: AsRef<OsStr> + std::fmt::Debug>(&self, args: &[S]) -> (i32, String) {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "teams {args:?} did not fail: {}", String::from_utf8_lossy(&output.stdout));
        assert!(!stderr.contains("panicked"), "{stderr}");
        (output.status.code().expect("an exit code"), stderr)
    }

    /// Runs its team file, and answers the exit code and the report.
    pub(crate) fn run_team_file(&self, options: &[&str]) -> (i32, Value) {
        let output = self.output(&[&["run", "--json"], options].concat());
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().expect("a code"), serde_json::from_str(last).expect("a report"))
    }

    /// Runs a command with this on its standard input.
    pub(crate) fn teams_with_stdin(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("teams runs");
        child.stdin.take().expect("stdin").write_all(stdin).expect("it reads");
        child.wait_with_output().expect("it ends")
    }

    /// Starts a command and leaves it running.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("teams runs")
    }

    /// Starts a shell script, in which `$TEAMS` is the command, and leaves it running.
    pub(crate) fn shell(&self, script: &str) -> Child {
        let mut shell = self.program(Path::new("/bin/sh"), &["-c", script]);
        shell.env("TEAMS", teams_binary()).spawn().expect("a shell runs")
    }

    /// A team with one member; answers the member's name.
    pub(crate) fn team_of(&self, agent: Agent, options: &[&str]) -> String {
        self.teams(&["create", "crew"]);
        let mut args = vec!["spawn", "worker", "--backend", agent.backend, "--model", agent.model()];
        args.extend(options);
        self.teams(&args);
        "worker".to_owned()
    }

    /// Asks a member, and answers the report of the turn, which may have failed.
    pub(crate) fn ask(&self, name: &str, text: &str) -> Value {
        let output = self.output(&["ask", name, text, "--json"]);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("no report of the turn: {stderr}{}", self.log()))
    }

    /// The status of a member.
    pub(crate) fn member(&self, name: &str) -> Value {
        let status = self.json(&["status"]);
        let members = status["members"].as_array().expect("members");
        members.iter().find(|member| member["name"] == name).expect("the member").clone()
    }

    /// By which a member's agent shows who it is.
    pub(crate) fn token_of(&self, name: &str) -> String {
        let member = self.member(name);
        let environ = std::fs::read(format!("/proc/{}/environ", member["pid"]));
        let environ = environ.unwrap_or_else(|error| panic!("{error}: {member}{}", self.log()));
        let variables = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let mut tokens =
            variables.filter_map(|variable| variable.strip_prefix("TEAMS_MEMBER_TOKEN=").map(str::to_owned));
        tokens.next().expect("a token")
    }

    /// From now on this process is the Claude Code that leads a team.
    pub(crate) fn has_live_lead(&self, team: &str) {
        let config = self.claude(&format!("teams/{team}/config.json"));
        let config: Value = serde_json::from_slice(&std::fs::read(config).expect("a file")).expect("JSON");
        let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
        let started =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).expect("a start").to_owned();
        let pid = std::process::id();
        let session = serde_json::json!({"pid": pid, "sessionId": config["leadSessionId"], "procStart": started});
        self.write(&format!(".claude/sessions/{pid}.json"), &session.to_string());
    }

    /// What keeps an agent busy until it is released; `name` is for this home.
    pub(crate) fn hold(&self, name: &str) -> Hold {
        Hold::new(self.path().join(name))
    }

    pub(crate) fn wait_for_state(&self, name: &str, state: &str) -> Value {
        self.wait_for_change(state, || Some(self.member(name)).filter(|member| member["state"] == state))
    }

    /// All events so far, from the files of the transcript; what the command prints of them, `tests/verbs.rs` looks at.
    pub(crate) fn events(&self) -> Vec<Value> {
        transcript::events(&self.teams_state())
    }

    pub(crate) fn wait_for_event(&self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut size = None;
        wait_for(what, || {
            let before = size.replace(transcript::size(&self.teams_state()));
            if before == size { None } else { self.events().into_iter().find(|event| wanted(event)) }
        })
    }

    /// The id of the question that is open.
    pub(crate) fn wait_for_approval(&self) -> String {
        self.wait_for_change("an approval", || self.json(&["approvals"])[0]["id"].as_str().map(str::to_owned))
    }

    /// Waits for what the command shows, and asks it again when something has happened, or after a while.
    fn wait_for_change<T>(&self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        let mut asked: Option<(u64, Instant)> = None;
        wait_for(what, || {
            let size = transcript::size(&self.teams_state());
            if asked.is_some_and(|(before, at)| before == size && at.elapsed() < Duration::from_millis(250)) {
                return None;
            }
            asked = Some((size, Instant::now()));
            condition()
        })
    }

    fn teams_state(&self) -> PathBuf {
        self.state().join("teams")
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.state().join("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(15).collect();
        format!("\nthe daemon's log, newest first:\n{}", lines.join("\n"))
    }

    /// Processes that were started in this home and still run.
    pub(crate) fn processes(&self) -> Vec<String> {
        self.processes_with(&format!("TEAMS_STATE_DIR={}", self.state().display()))
    }

    /// The processes that have this in their environment.
    pub(crate) fn processes_with(&self, variable: &str) -> Vec<String> {
        let mark = variable.as_bytes();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let dir = entry.path();
            let environ = std::fs::read(dir.join("environ")).unwrap_or_default();
            if environ.split(|byte| *byte == 0).any(|variable| variable == mark) {
                let command = std::fs::read(dir.join("cmdline")).unwrap_or_default();
                let command = String::from_utf8_lossy(&command).replace('\0', " ");
                found.push(format!("{} {command}", entry.file_name().display()));
            }
        }
        found
    }

    pub(crate) fn wait_for_only_the_daemon(&self) {
        self.wait_for_the_end_of(|process| !process.contains("daemon run"));
    }

    pub(crate) fn wait_for_no_process(&self) {
        self.wait_for_the_end_of(|_| true);
    }

    /// Names those that still run when it has waited in vain.
    fn wait_for_the_end_of(&self, counts: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let left: Vec<String> = self.processes().into_iter().filter(|process| counts(process)).collect();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "these do not end: {left:#?}{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let stopped = self.output(&["daemon", "stop"]);
        if std::thread::panicking() {
            return;
        }
        assert!(stopped.status.success(), "the daemon did not stop: {}", String::from_utf8_lossy(&stopped.stderr));
        self.wait_for_no_process();
    }
}

/// The program of an agent; Claude Code's may be another version than the pinned one.
fn agent_program(name: &str) -> PathBuf {
    let other = std::env::var_os("TEAMS_TEST_CLAUDE").filter(|_| name == "claude");
    other.map_or_else(|| agents_dir().join(name), PathBuf::from)
}

fn agents_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/agents/node_modules/.bin")
}
