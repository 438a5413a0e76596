//! Teams of agents within this process: `agent_teams::agents`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use agent_teams::agents::tools::registry::ToolRegistry;
use agent_teams::agents::{
    AgentConfig, AgentEvent, AgentLoop, AgentTeam, BackgroundResult, BackgroundResultKind, ChatMessage,
    ExecutionSummary, Hook, HookEvent, HookResult, LlmClient, LlmConfig, LlmProvider, PermissionGate, PromptBuilder,
    SdkError, SpawnAgentTeamTool, SubAgentRegistry, Task, TeamResult, Tool as _, ToolKind,
};
use agent_teams::backend::native::llm::{LlmError, LlmReply, LlmRequest, TextSink, TokenUsage, ToolCall};
use agent_teams::backend::native::{AgentSetup, ModeGate};
use agent_teams::{PermissionMode, RunState};
use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::support::model::ModelEndpoint;
use crate::support::{Home, wait_for};

/// What a model has been asked.
struct Asked<'a> {
    system: &'a str,
    /// The last text of a user, or the last answer of a tool.
    last: String,
    is_tool_result: bool,
    tools: Vec<&'a str>,
}

/// A model that is a function.
struct Script<F>(F);

#[async_trait]
impl<F: Fn(Asked<'_>) -> LlmReply + Send + Sync> LlmClient for Script<F> {
    fn model(&self) -> &str {
        "script"
    }

    async fn complete(&self, request: LlmRequest<'_>, _text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        let (last, is_tool_result) = match request.messages.last() {
            Some(ChatMessage::User { text }) => (text.clone(), false),
            Some(ChatMessage::Tool { output, .. }) => (output.clone(), true),
            _ => (String::new(), false),
        };
        let tools = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        let usage = Some(TokenUsage { input: 10, output: 1, ..TokenUsage::default() });
        Ok(LlmReply { usage, ..(self.0)(Asked { system: request.system, last, is_tool_result, tools }) })
    }
}

fn say(text: &str) -> LlmReply {
    LlmReply { text: text.to_owned(), ..LlmReply::default() }
}

fn call(name: &str, arguments: Value) -> LlmReply {
    let call = ToolCall { id: "1".into(), name: name.to_owned(), arguments };
    LlmReply { tool_calls: vec![call], ..LlmReply::default() }
}

/// Finishes the task that a text tells of, with this note.
fn finish(text: &str, note: &str) -> Option<LlmReply> {
    let (_, after) = text.rsplit_once("taskId \"")?;
    let (id, after) = after.split_once('"')?;
    let attempt: String = after.strip_prefix(", attempt ")?.chars().take_while(char::is_ascii_digit).collect();
    Some(call("task_complete", json!({"taskId": id, "attempt": attempt.parse::<u64>().ok()?, "note": note})))
}

/// A model that finishes every task at once.
fn worker() -> Arc<dyn LlmClient> {
    Arc::new(Script(|asked: Asked<'_>| match asked.is_tool_result {
        true => say("done"),
        false => finish(&asked.last, "the tests pass").unwrap_or_else(|| say("nothing to do")),
    }))
}

fn team_of(client: Arc<dyn LlmClient>, dir: &Path) -> AgentTeam {
    AgentTeam::new(LlmConfig::default(), AgentConfig::default()).llm_client(client).work_dir(dir)
}

async fn run(team: &AgentTeam, goal: &str) -> ExecutionSummary {
    match team.run(goal).await.expect("it runs") {
        TeamResult::Team(summary) => summary,
        other => panic!("{other:?}"),
    }
}

fn told(mut events: mpsc::UnboundedReceiver<AgentEvent>) -> Vec<AgentEvent> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// What the documents show, against every kind of API.
#[tokio::test(flavor = "multi_thread")]
async fn a_team_works_through_its_tasks_with_any_provider() {
    let endpoint = ModelEndpoint::start();
    for provider in [LlmProvider::Anthropic, LlmProvider::OpenAi, LlmProvider::OpenAiResponses, LlmProvider::Gemini] {
        let dir = TempDir::new().expect("a folder");
        let mut llm = LlmConfig::for_model(format!("{provider}/some-model"));
        llm.api_key = Some("none".into());
        llm.base_url = Some(endpoint.url());
        let analyze =
            Task::new("analysis", "Inspect exports", "Read the entry points.", "docs/exports.md").with_priority(0);
        let write = Task::new("docs", "Write a guide", "Document it.", "docs/usage.md")
            .with_dependencies(vec![analyze.id])
            .with_priority(1);
        let (first, second) = (analyze.id, write.id);
        let (events, heard) = mpsc::unbounded_channel();
        let team = AgentTeam::new(llm, AgentConfig::default())
            .source_root(dir.path())
            .work_dir(dir.path())
            .event_channel(events)
            .add_teammate("api-reader", "Read the API and sum it up")
            .add_teammate("writer", "Write from what is found")
            .add_task(write)
            .add_task(analyze);
        let result = team.run("Document the library").await.expect("it runs");
        assert!(result.is_success() && result.total_tokens() > 0, "{provider} {result:?}");
        let TeamResult::Team(summary) = result else { panic!("{result:?}") };
        let counts = (summary.total_tasks, summary.tasks_completed, summary.tasks_failed, summary.agents_spawned);
        assert_eq!(counts, (2, 2, 0, 2), "{provider}");
        let events = told(heard);
        let place = |wanted: &dyn Fn(&AgentEvent) -> bool| events.iter().position(wanted).expect("it");
        let done = place(&|event| matches!(event, AgentEvent::TaskCompleted { task_id, .. } if *task_id == first));
        let begun = place(&|event| matches!(event, AgentEvent::TaskStarted { task_id, .. } if *task_id == second));
        assert!(done < begun, "{events:#?}");
        assert!(matches!(&events[0], AgentEvent::TeamSpawned { goal, .. } if goal == "Document the library"));
        assert!(matches!(events.last(), Some(AgentEvent::TeamFinished { state, .. }) if state == "done"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tasks_an_agent_leads() {
    let (dir, endpoint) = (TempDir::new().expect("a folder"), ModelEndpoint::start());
    let mut llm = LlmConfig::for_model("anthropic/some-model");
    (llm.api_key, llm.base_url) = (Some("none".into()), Some(endpoint.url()));
    let (events, heard) = mpsc::unbounded_channel();
    let team = AgentTeam::new(llm, AgentConfig::default()).work_dir(dir.path()).event_channel(events);
    let goal = r#"[[call spawn_teammate {"name":"helper","backend":"native","prompt":"You help."}]]
        [[then task_create {"subject":"A piece","description":"Do it."}]]"#;
    let summary = run(&team, goal).await;
    assert_eq!((summary.state, summary.tasks_completed, summary.agents_spawned), (RunState::Done, 1, 2), "{summary:?}");
    assert_eq!(summary.tasks[0].owner.as_deref(), Some("helper"));
    let events = told(heard);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, AgentEvent::TeammateSpawned { agent_name } if agent_name == "helper"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_does_tasks_that_are_nobodys() {
    let dir = TempDir::new().expect("a folder");
    let config = AgentConfig { max_parallel_agents: 2, ..AgentConfig::default() };
    let mut team = AgentTeam::new(LlmConfig::default(), config).llm_client(worker()).work_dir(dir.path());
    for number in 0..5 {
        team = team.add_task(Task::new("work", format!("Piece {number}"), "", ""));
    }
    let summary = run(&team, "all of it").await;
    assert_eq!((summary.tasks_completed, summary.agents_spawned), (5, 2));
    assert!(summary.tasks.iter().all(|task| task.result.as_deref() == Some("the tests pass")), "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_judges_plans_and_a_rejected_one_comes_back() {
    let dir = TempDir::new().expect("a folder");
    let judged = AtomicUsize::new(0);
    let client = Script(move |asked: Asked<'_>| {
        if asked.last.contains("The plan of `architect`") {
            return match judged.fetch_add(1, Ordering::SeqCst) {
                0 => say("REJECT\nSay which files."),
                _ => say("APPROVE"),
            };
        }
        match asked.is_tool_result {
            true => say("I wait."),
            false if asked.last.contains("Say which files") => call("submit_plan", json!({"plan": "1. src/config.rs"})),
            false if asked.last.contains("taskId") => call("submit_plan", json!({"plan": "1. Change things"})),
            false if asked.last.contains("approved") => {
                // It is the only task.
                call("task_complete", json!({"taskId": "1", "attempt": 1, "note": "as planned"}))
            }
            false => say("?"),
        }
    });
    let (events, heard) = mpsc::unbounded_channel();
    let team = team_of(Arc::new(client), dir.path())
        .event_channel(events)
        .add_teammate_with_plan_approval("architect", "Refactor carefully")
        .add_task(Task::new("refactor", "The configuration", "Refactor it.", "src/config.rs"));
    let summary = run(&team, "a better configuration").await;
    assert_eq!(summary.state, RunState::Done, "{summary:?}");
    let of_plans: Vec<String> = told(heard)
        .into_iter()
        .filter_map(|event| match event {
            AgentEvent::PlanSubmitted { plan, .. } => Some(plan),
            AgentEvent::PlanRejected { agent_name } => Some(format!("rejected {agent_name}")),
            AgentEvent::PlanApproved { agent_name } => Some(format!("approved {agent_name}")),
            _ => None,
        })
        .collect();
    assert_eq!(of_plans, ["1. Change things", "rejected architect", "1. src/config.rs", "approved architect"]);
}

/// Wants to hear of tests, and of no task that is called after a secret.
struct Strict(Arc<Mutex<Vec<Task>>>);

impl Hook for Strict {
    fn on_event(&self, event: &HookEvent) -> HookResult {
        let reject = |feedback: &str| HookResult::Reject { feedback: feedback.to_owned() };
        match event {
            HookEvent::TaskCompleted { task, .. } => {
                self.0.lock().expect("a list").push(task.clone());
                let notes = task.result.as_ref().map(|result| result.notes.clone()).unwrap_or_default();
                if notes.contains("test") { HookResult::Continue } else { reject("say what the tests said") }
            }
            HookEvent::TaskCreated { task } if task.title.contains("secret") => reject("no secrets"),
            _ => HookResult::Continue,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_have_a_say() {
    let dir = TempDir::new().expect("a folder");
    let was_told = AtomicBool::new(false);
    let client = Script(move |asked: Asked<'_>| {
        was_told.fetch_or(asked.last.contains("say what the tests said"), Ordering::SeqCst);
        let note = if was_told.load(Ordering::SeqCst) { "the tests pass" } else { "it is there" };
        match asked.is_tool_result {
            true => say("so be it"),
            false => finish(&asked.last, note).unwrap_or_else(|| say("?")),
        }
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (events, heard) = mpsc::unbounded_channel();
    let secret = Task::new("ops", "Print the secret", "", "");
    let team = team_of(Arc::new(client), dir.path())
        .event_channel(events)
        .add_hook(Strict(Arc::clone(&seen)))
        .add_teammate("writer", "")
        .add_task(Task::new("ops", "After it", "", "").with_dependencies(vec![secret.id]))
        .add_task(secret)
        .add_task(
            Task::new("docs", "Write", "Write it.", "a.md")
                .with_context(json!({"assigned_teammate": "writer", "tone": "dry"})),
        );
    let summary = run(&team, "a text").await;
    assert_eq!((summary.total_tasks, summary.tasks_completed, summary.state), (1, 1, RunState::Done), "{summary:?}");
    let seen = seen.lock().expect("a list");
    let first = &seen[0];
    assert_eq!(
        (first.kind.as_str(), first.title.as_str(), first.target_file.to_str()),
        ("docs", "Write", Some("a.md"))
    );
    assert_eq!(first.context, json!({"tone": "dry"}));
    let notes: Vec<_> = seen.iter().map(|task| task.result.clone().expect("a result").notes).collect();
    assert_eq!(notes, ["it is there", "the tests pass"]);
    let rejected: Vec<String> = told(heard)
        .into_iter()
        .filter_map(|event| match event {
            AgentEvent::HookRejected { event, feedback } => Some(format!("{event}: {feedback}")),
            _ => None,
        })
        .collect();
    assert_eq!(rejected, ["TaskCreated: no secrets", "TaskCompleted: say what the tests said"]);
}

/// Lets an agent read, and nothing else.
struct Docs;

impl PromptBuilder for Docs {
    fn build_system_prompt(&self, task: &Task, _source_root: &Path, work_dir: &Path) -> String {
        format!("You write documentation in {}. Task: {}", work_dir.display(), task.title)
    }

    fn build_user_message(&self, task: &Task) -> String {
        format!("Complete this: {}", task.description)
    }

    fn customize_tools(&self, _task: &Task, mut registry: ToolRegistry) -> ToolRegistry {
        registry.retain(|name, _| name == "read_file");
        registry
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_of_a_program_s_own_are_used_for_each_task() {
    let dir = TempDir::new().expect("a folder");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let client = Script(move |asked: Asked<'_>| match asked.is_tool_result {
        true => say("done"),
        false => {
            let tools: Vec<String> = asked.tools.iter().map(|tool| (*tool).to_owned()).collect();
            keep.lock().expect("a list").push((asked.system.to_owned(), asked.last.clone(), tools));
            finish(&asked.last, "done").unwrap_or_else(|| say("?"))
        }
    });
    let team = team_of(Arc::new(client), dir.path())
        .prompt_builder(Arc::new(Docs))
        .add_teammate("writer", "You are terse.")
        .add_task(Task::new("docs", "First", "Write one.", "").with_priority(0))
        .add_task(Task::new("docs", "Second", "Write two.", "").with_priority(1));
    assert_eq!(run(&team, "a manual").await.tasks_completed, 2);
    let seen = seen.lock().expect("a list");
    let work = dir.path().canonicalize().expect("it is there");
    for (at, (title, text)) in [("First", "Write one."), ("Second", "Write two.")].into_iter().enumerate() {
        let (system, last, tools) = &seen[at];
        let begins = format!("You write documentation in {}. Task: {title}", work.display());
        assert!(system.starts_with(&begins) && system.contains("a manual") && system.contains("terse"), "{system}");
        assert!(last.starts_with(&format!("Complete this: {text}")), "{last}");
        assert!(!tools.contains(&"write_file".to_owned()) && tools.contains(&"read_file".to_owned()), "{tools:?}");
        for of_team in
            ["task_complete", "read_memory", "write_memory", "list_memory", "get_task_context", "list_completed_tasks"]
        {
            assert!(tools.contains(&of_team.to_owned()), "{of_team}: {tools:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_share_a_memory_and_see_what_others_have_done() {
    let dir = TempDir::new().expect("a folder");
    let read = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&read);
    let client = Script(move |asked: Asked<'_>| {
        let is_first = asked.last.contains("Remember it");
        match asked.is_tool_result {
            false if is_first => call("write_memory", json!({"key": "style-guide", "value": {"tone": "concise"}})),
            false if asked.last.contains("Recall it") => call("read_memory", json!({"key": "style-guide"})),
            true if asked.last.contains("is remembered") => {
                call("task_complete", json!({"taskId": "1", "attempt": 1, "note": "kept"}))
            }
            true if asked.last.contains("concise") => {
                keep.lock().expect("a text").push_str(&asked.last);
                call("list_completed_tasks", json!({}))
            }
            true if asked.last.contains("kept") || asked.last.contains("Keep") => {
                keep.lock().expect("a text").push_str(&asked.last);
                call("task_complete", json!({"taskId": "2", "attempt": 1, "note": "read"}))
            }
            _ => say("done"),
        }
    });
    let keep = Task::new("a", "Keep", "Remember it.", "");
    let recall = Task::new("b", "Recall", "Recall it.", "").with_dependencies(vec![keep.id]);
    let team = team_of(Arc::new(client), dir.path())
        .add_teammate("one", "")
        .add_teammate("two", "")
        .add_task(keep)
        .add_task(recall);
    let summary = run(&team, "memory").await;
    assert_eq!(summary.tasks_completed, 2, "{summary:?}");
    let read = read.lock().expect("a text");
    assert!(read.contains(r#""tone":"concise""#) && read.contains("Keep") && !read.contains("Recall"), "{read}");
}

#[tokio::test]
async fn what_does_not_fit_together_is_said_before_anything_begins() {
    let dir = TempDir::new().expect("a folder");
    let team = || team_of(worker(), dir.path()).add_teammate("writer", "");
    let (mut a, mut b) = (Task::new("x", "A", "", ""), Task::new("x", "B", "", ""));
    a.dependencies = vec![b.id];
    b.dependencies = vec![a.id];
    let lost = Task::new("x", "Lost", "", "").with_dependencies(vec![a.id]);
    let for_nobody = Task::new("x", "C", "", "").with_context(json!({"assigned_teammate": "nobody"}));
    for (team, expected) in [
        (team().add_task(a.clone()).add_task(b), "wait for each other: A, B"),
        (team().add_task(lost), "which is no task of this team"),
        (team().add_task(a.clone()).add_task(a), "two tasks have the id"),
        (team().add_task(for_nobody), "`C` is for `nobody`, who is not in the team; there are writer"),
        (team().add_teammate("writer", ""), "two teammates are called `writer`"),
        (team().add_teammate("coordinator", ""), "`coordinator` is the name of the agent that leads"),
        (team().add_teammate("../x", ""), "name"),
        (team().name("a/b"), "name"),
    ] {
        let error: SdkError = team.run("x").await.expect_err(expected);
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_waits_for_ends_with_its_agents() {
    let (dir, open) = (TempDir::new().expect("a folder"), Arc::new(AtomicUsize::new(0)));
    let team = team_of(Arc::new(Silent(Arc::clone(&open))), dir.path()).add_task(Task::new("x", "A", "", ""));
    let run = tokio::spawn(async move { team.run("x").await });
    wait_for_open(&open, 1).await;
    run.abort();
    wait_for_open(&open, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_has_a_team_do_a_piece_and_hears_of_its_end() {
    let dir = TempDir::new().expect("a folder");
    let tool = |client: Arc<dyn LlmClient>| SpawnAgentTeamTool {
        llm_client: Some(client),
        work_dir: Some(dir.path().to_owned()),
        ..SpawnAgentTeamTool::default()
    };
    let done = tool(worker())
        .execute(json!({
            "goal": "two pieces",
            "teammates": [{"name": "one", "prompt": "You are quick."}],
            "tasks": [{"title": "A"}, {"title": "B", "depends_on": [1], "teammate": "one"}],
        }))
        .await
        .expect("it runs");
    assert_eq!((&done["state"], &done["tasks_completed"], &done["agents"]), (&json!("done"), &json!(2), &json!(1)));
    assert_eq!((&done["tasks"][1]["by"], &done["tasks"][1]["result"]), (&json!("one"), &json!("the tests pass")));
    for (arguments, expected) in [
        (json!({"goal": " "}), "`goal` is empty"),
        (
            json!({"goal": "x", "tasks": [{"title": "A", "depends_on": [2]}]}),
            "task 1 waits for task 2, and there are 1",
        ),
        (json!({"goal": "x", "tasks": [{"title": "A", "teammate": "nobody"}]}), "`nobody`, who is not in the team"),
        (json!({"tasks": []}), "goal"),
    ] {
        let error = tool(worker()).execute(arguments).await.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    // In the background: a good end and a bad one are both told before the parent's next request.
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let keep = Arc::clone(&heard);
    let parent = Script(move |asked: Asked<'_>| {
        if asked.last.contains("in the background") && !asked.is_tool_result {
            keep.lock().expect("a list").push(asked.last.clone());
            return say("I have heard.");
        }
        match asked.last.as_str() {
            "begin" => call("spawn_agent_team", json!({"goal": "good", "tasks": [{"title": "A"}], "background": true})),
            "fail" => call(
                "spawn_agent_team",
                json!({"goal": "bad", "tasks": [{"title": "A", "teammate": "nobody"}], "background": true}),
            ),
            _ => say("Meanwhile."),
        }
    });
    let (results, ended) = mpsc::unbounded_channel::<BackgroundResult>();
    let mut tools = ToolRegistry::new();
    tools.register(Arc::new(SpawnAgentTeamTool { background_tx: Some(results), ..tool(worker()) }));
    let mut agent = AgentLoop::new(Arc::new(parent), tools, "You lead.");
    agent.set_background_rx(ended);
    for input in ["begin", "fail"] {
        assert_eq!(agent.run(input).await.expect("it ends").final_content, "I have heard.");
    }
    let heard = heard.lock().expect("a list");
    assert!(
        heard[0].contains("The team `good`") && heard[0].contains("is done") && heard[0].contains("the tests pass"),
        "{heard:?}"
    );
    assert!(heard[1].contains("`bad`") && heard[1].contains("has failed") && heard[1].contains("nobody"), "{heard:?}");
}

/// A model that never answers, and knows how many requests are open.
struct Silent(Arc<AtomicUsize>);

struct Request(Arc<AtomicUsize>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl LlmClient for Silent {
    fn model(&self) -> &str {
        "silent"
    }

    async fn complete(&self, _: LlmRequest<'_>, _: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let _request = Request(Arc::clone(&self.0));
        std::future::pending().await
    }
}

/// Waits until so many requests are open.
async fn wait_for_open(open: &Arc<AtomicUsize>, count: usize) {
    let open = Arc::clone(open);
    let waits = move || wait_for("requests", || (open.load(Ordering::SeqCst) == count).then_some(()));
    tokio::task::spawn_blocking(waits).await.expect("they come");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_in_the_background_ends_with_its_tool() {
    let (dir, open) = (TempDir::new().expect("a folder"), Arc::new(AtomicUsize::new(0)));
    let (results, mut ended) = mpsc::unbounded_channel::<BackgroundResult>();
    let tool = SpawnAgentTeamTool {
        llm_client: Some(Arc::new(Silent(Arc::clone(&open)))),
        work_dir: Some(dir.path().to_owned()),
        background_tx: Some(results),
        ..SpawnAgentTeamTool::default()
    };
    let call = json!({"goal": "x", "tasks": [{"title": "A"}], "background": true});
    tool.execute(call).await.expect("it begins");
    wait_for_open(&open, 1).await;
    assert_eq!((tool.running_in_background(), tool.clone().running_in_background()), (1, 0), "a clone has none");
    drop(tool);
    wait_for_open(&open, 0).await;
    assert!(ended.recv().await.is_none(), "nobody is told");
}

/// Whoever decides about an agent's calls decides about those of its team, or about the team.
#[test]
fn a_team_may_do_no_more_than_its_caller() {
    let open = SpawnAgentTeamTool::default();
    let gate: Arc<dyn PermissionGate> = Arc::new(ModeGate(PermissionMode::Plan));
    let gated = SpawnAgentTeamTool { gate: Some(Arc::clone(&gate)), ..SpawnAgentTeamTool::default() };
    assert_eq!((open.kind(), gated.kind()), (ToolKind::Execute, ToolKind::Read));
    let agent = AgentLoop::new(worker(), ToolRegistry::new(), "").with_gate(gate);
    assert!(SpawnAgentTeamTool::of(&agent, &AgentSetup::default(), Path::new(".")).gate.is_some());
}

/// A run that is dropped while one of its tools waits for another model.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_ends_what_its_tools_wait_for() {
    let (dir, open) = (TempDir::new().expect("a folder"), Arc::new(AtomicUsize::new(0)));
    struct Judged(Arc<dyn LlmClient>, Silent);
    #[async_trait]
    impl LlmClient for Judged {
        fn model(&self) -> &str {
            "judged"
        }
        async fn complete(&self, request: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
            let is_judge = request.system.contains("has handed in a plan");
            if is_judge { self.1.complete(request, text).await } else { self.0.complete(request, text).await }
        }
    }
    let plans = Arc::new(Script(|_: Asked<'_>| call("submit_plan", json!({"plan": "1. All"}))));
    let client = Arc::new(Judged(plans, Silent(Arc::clone(&open))));
    let team = team_of(client, dir.path())
        .add_teammate_with_plan_approval("architect", "")
        .add_task(Task::new("x", "A", "", ""));
    let run = tokio::spawn(async move { team.run("x").await });
    wait_for_open(&open, 1).await;
    run.abort();
    wait_for_open(&open, 0).await;
}

/// Has no opinion, and dies of being asked.
struct Broken;

impl Hook for Broken {
    fn on_event(&self, _: &HookEvent) -> HookResult {
        panic!("broken")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_panics_does_not_speak_for_the_others() {
    let dir = TempDir::new().expect("a folder");
    let team = team_of(worker(), dir.path()).add_hook(Broken).add_hook(Strict(Arc::default())).add_task(Task::new(
        "x",
        "Print the secret",
        "",
        "",
    ));
    let error = team.run("x").await.expect_err("all are refused").to_string();
    assert!(error.contains("a hook has refused all tasks: no secrets"), "{error}");
}

/// A program's own results and those of the agent's tools are both told.
#[tokio::test(flavor = "multi_thread")]
async fn results_come_from_several_places() {
    let dir = TempDir::new().expect("a folder");
    let heard = Arc::new(Mutex::new(Vec::<String>::new()));
    let keep = Arc::clone(&heard);
    let client: Arc<dyn LlmClient> = Arc::new(Script(move |asked: Asked<'_>| {
        if asked.last.contains("in the background") && !asked.is_tool_result {
            keep.lock().expect("a list").push(asked.last.clone());
        }
        match asked.last.as_str() {
            "begin" => call("spawn_agent_team", json!({"goal": "own", "tasks": [{"title": "A"}], "background": true})),
            _ => say("I have heard."),
        }
    }));
    let (results, ended) = mpsc::unbounded_channel();
    let mut agent = AgentLoop::new(client, ToolRegistry::new(), "You lead.");
    agent.set_background_rx(ended);
    let mut agent = agent.with_subagents(SubAgentRegistry::builtin(), None);
    let tool = SpawnAgentTeamTool {
        llm_client: Some(worker()),
        work_dir: Some(dir.path().to_owned()),
        background_tx: Some(agent.background_tx()),
        ..SpawnAgentTeamTool::default()
    };
    agent.tools_mut().register(Arc::new(tool));
    agent.run("begin").await.expect("it ends");
    let kind = BackgroundResultKind::SubAgent;
    let result = BackgroundResult { name: "given".into(), kind, content: "x".into(), failed: false, tokens_used: 0 };
    results.send(result).expect("it listens");
    agent.run("go on").await.expect("it ends");
    let heard = heard.lock().expect("a list");
    assert!(heard.len() == 2 && heard[0].contains("`own`") && heard[1].contains("`given`"), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_told_what_its_team_cannot_do() {
    let dir = TempDir::new().expect("a folder");
    let said = Arc::new(Mutex::new(Vec::<String>::new()));
    let keep = Arc::clone(&said);
    let client = Script(move |asked: Asked<'_>| {
        if asked.is_tool_result {
            keep.lock().expect("a list").push(asked.last.clone());
        }
        let spawn = |more: Value| {
            let mut arguments = json!({"name": "helper", "backend": "native", "prompt": "x"});
            arguments.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            call("spawn_teammate", arguments)
        };
        match keep.lock().expect("a list").len() {
            0 => spawn(json!({"model": "another"})),
            1 => spawn(json!({"cwd": "/"})),
            2 => call("finish_run", json!({"summary": "nothing to do"})),
            _ => say("done"),
        }
    });
    let summary = run(&team_of(Arc::new(client), dir.path()), "x").await;
    assert_eq!((summary.state, summary.reason.as_deref()), (RunState::Done, Some("nothing to do")), "{summary:?}");
    let said = said.lock().expect("a list");
    assert!(said[0].contains("all agents of this team use the model script"), "{said:?}");
    assert!(said[1].contains("where this team works; leave `cwd` out"), "{said:?}");
}

/// The example is a program of a user's: it has the documents' variables, and its team is one that the command knows.
#[test]
fn the_example_runs_and_the_command_knows_its_team() {
    let home = Home::simulated();
    let endpoint = ModelEndpoint::start();
    let program = Path::new(crate::support::teams_binary()).parent().expect("a folder").join("examples/agent_team");
    assert!(program.exists(), "build it first: cargo build --examples");
    // The second run adds to what is there.
    for _ in 0..2 {
        let output = home
            .program(&program, &[] as &[&str])
            .env("ANTHROPIC_API_KEY", "none")
            .env("ANTHROPIC_API_BASE_URL", endpoint.url())
            .env("LLM_MODEL", "claude-some")
            .output()
            .expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("2 of 2 tasks"), "{said} {error}");
    }
    let tasks = home.json(&["task", "list", "-t", "docs"]);
    let tasks = tasks.as_array().expect("a list");
    assert!(tasks.len() == 4 && tasks.iter().all(|task| task["status"] == "completed"), "{tasks:?}");
    assert!(home.teams(&["status", "-t", "docs"]).contains("writer"));
}
