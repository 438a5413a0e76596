//! The loop of an agent, over a model whose answers each test decides.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::agent_loop::{AgentLoop, LoopSettings};
use super::compaction::CompactionStrategy;
use super::error::{Error, Result};
use super::events::{BackgroundResult, BackgroundResultKind, LoopEvent};
use super::llm::{
    ChatMessage, LlmClient, LlmError, LlmErrorKind, LlmReply, LlmRequest, ModelFacts, RetryPolicy, TextSink,
    TokenUsage, ToolCall,
};
use super::permission::ModeGate;
use super::tool::{Tool, ToolDefinition, ToolKind, ToolRegistry};
use crate::permission::PermissionMode;

/// A model that says what it was told to say, one after the other; then `done`.
#[derive(Default)]
struct Scripted {
    answers: Mutex<VecDeque<Result<LlmReply, LlmError>>>,
    heard: Mutex<Vec<Vec<ChatMessage>>>,
    window: u64,
    /// Says a piece before it fails.
    stutters: bool,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Result<LlmReply, LlmError>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), window: 1_000_000, ..Self::default() })
    }

    fn heard(&self) -> Vec<Vec<ChatMessage>> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl LlmClient for Scripted {
    fn model(&self) -> &str {
        "scripted"
    }

    fn facts(&self) -> ModelFacts {
        ModelFacts { context_window: self.window, price: None }
    }

    async fn complete(&self, request: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        self.heard.lock().unwrap().push(request.messages.to_vec());
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| says("done"));
        match &answer {
            Ok(reply) => text(&reply.text),
            Err(_) if self.stutters => text("half of"),
            Err(_) => {}
        }
        answer
    }
}

fn says(text: &str) -> Result<LlmReply, LlmError> {
    let usage = TokenUsage { input: 100, cached: 0, output: 10 };
    Ok(LlmReply { text: text.into(), usage: Some(usage), ..LlmReply::default() })
}

fn calls(name: &str, arguments: Value) -> Result<LlmReply, LlmError> {
    let call = ToolCall { id: format!("call-{name}"), name: name.into(), arguments };
    Ok(LlmReply { tool_calls: vec![call], ..LlmReply::default() })
}

fn fails(kind: LlmErrorKind) -> Result<LlmReply, LlmError> {
    Err(LlmError::new(kind, format!("{kind:?}")))
}

/// A tool that does what its arguments say.
struct Acts(Arc<AtomicUsize>);

#[async_trait]
impl Tool for Acts {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition { name: "act".into(), description: "acts".into(), parameters: json!({"type": "object"}) }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Execute
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(Duration::from_secs(60))
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        self.0.fetch_add(1, Ordering::SeqCst);
        match arguments["do"].as_str() {
            Some("hang") => std::future::pending().await,
            Some("panic") => panic!("on purpose"),
            Some("fail") => Err(Error::tool("act", "it cannot")),
            Some("talk") => Ok(Value::String("x".repeat(1 << 20))),
            _ => Ok(json!({"done": true})),
        }
    }
}

fn agent(model: &Arc<Scripted>) -> (AgentLoop, Arc<Mutex<Vec<LoopEvent>>>, Arc<AtomicUsize>) {
    let used = Arc::new(AtomicUsize::new(0));
    let mut tools = ToolRegistry::new();
    tools.register(Arc::new(Acts(Arc::clone(&used))));
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let agent = AgentLoop::new(Arc::clone(model) as Arc<dyn LlmClient>, tools, "be good")
        .with_observer(Arc::new(move |event| heard.lock().unwrap().push(event)));
    (agent, events, used)
}

fn result_of(agent: &AgentLoop) -> String {
    let last = agent.messages().iter().rev().find_map(|message| match message {
        ChatMessage::Tool { output, .. } => Some(output.clone()),
        _ => None,
    });
    last.expect("a result")
}

#[tokio::test]
async fn it_does_what_the_model_calls_for_until_the_model_is_done() {
    let model = Scripted::new([calls("act", json!({})), calls("act", json!({})), says("all done")]);
    let (mut agent, events, used) = agent(&model);
    let done = agent.run("do it").await.unwrap();
    assert_eq!((done.final_content.as_str(), done.iterations, done.tool_calls_count), ("all done", 3, 2));
    assert_eq!(used.load(Ordering::SeqCst), 2);
    assert_eq!(done.total_tokens, 110);
    assert_eq!(result_of(&agent), r#"{"done":true}"#);
    let ids: std::collections::HashSet<String> = events
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            LoopEvent::ToolStarted { call, .. } => Some(call.id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2, "a name for each call, although the model gave both the same");
    assert!(matches!(agent.run("  ").await, Err(Error::Config(_))));
    // The conversation goes on.
    agent.run("and now?").await.unwrap();
    assert_eq!(model.heard().last().unwrap().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_a_tool_does_wrong_is_told_to_the_model() {
    for (arguments, expected) in [
        (json!({"do": "fail"}), "act: it cannot"),
        (json!({"do": "panic"}), "the tool `act` is broken"),
        (json!({"do": "hang"}), "it was ended after 60 s"),
        (json!("{\"do\": "), "the arguments have to be a JSON object"),
    ] {
        let (mut agent, ..) = agent(&Scripted::new([calls("act", arguments.clone())]));
        agent.run("do it").await.unwrap();
        assert!(result_of(&agent).contains(expected), "{arguments}: {}", result_of(&agent));
    }
    let (mut agent, ..) = agent(&Scripted::new([calls("fly", json!({}))]));
    agent.run("do it").await.unwrap();
    assert_eq!(result_of(&agent), "there is no tool `fly`; there are act");
}

#[tokio::test]
async fn what_a_tool_says_is_bounded() {
    let (mut agent, ..) = agent(&Scripted::new([calls("act", json!({"do": "talk"}))]));
    agent.run("talk").await.unwrap();
    let said = result_of(&agent);
    assert!(said.len() < 200 << 10 && said.contains("bytes left out"), "{}", said.len());
}

#[tokio::test]
async fn a_call_that_is_denied_is_not_made() {
    let (agent, events, used) = agent(&Scripted::new([calls("act", json!({}))]));
    let mut agent = agent.with_gate(Arc::new(ModeGate(PermissionMode::Plan)));
    agent.run("do it").await.unwrap();
    assert_eq!(used.load(Ordering::SeqCst), 0);
    assert!(result_of(&agent).contains("you are planning"));
    assert!(events.lock().unwrap().iter().any(|event| matches!(event, LoopEvent::ToolEnded { .. })));
}

#[tokio::test(start_paused = true)]
async fn what_may_work_later_is_tried_again_and_half_an_answer_is_taken_back() {
    let model = Arc::new(Scripted {
        answers: Mutex::new([fails(LlmErrorKind::Cut), fails(LlmErrorKind::Unavailable), says("at last")].into()),
        window: 1_000_000,
        stutters: true,
        ..Scripted::default()
    });
    let (mut agent, events, _) = agent(&model);
    assert_eq!(agent.run("go").await.unwrap().final_content, "at last");
    let events = events.lock().unwrap();
    let count = |wanted: fn(&LoopEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, LoopEvent::Retracted)), 2);
    assert_eq!(count(|event| matches!(event, LoopEvent::Retrying { .. })), 2);
}

#[tokio::test(start_paused = true)]
async fn what_never_works_is_not_tried_again() {
    for (kind, requests) in [
        (LlmErrorKind::Auth, 1),
        (LlmErrorKind::UnknownModel, 1),
        (LlmErrorKind::Refused, 1),
        (LlmErrorKind::Unavailable, 4),
    ] {
        let model = Scripted::new(std::iter::repeat_with(|| fails(kind)).take(9));
        let (mut agent, ..) = agent(&model);
        let Err(Error::Llm(error)) = agent.run("go").await else { panic!("{kind:?}") };
        assert_eq!((error.kind, model.heard().len()), (kind, requests));
        // The next input finds a conversation that can go on.
        let last = agent.messages().last().unwrap();
        assert!(matches!(last, ChatMessage::Assistant { text, .. } if text.contains("has ended")), "{last:?}");
    }
}

#[tokio::test]
async fn a_turn_has_no_more_requests_than_it_may() {
    let model = Scripted::new(std::iter::repeat_with(|| calls("act", json!({}))).take(50));
    let (agent, _, used) = agent(&model);
    let mut agent = agent.with_settings(LoopSettings { max_turns: 3, ..LoopSettings::default() });
    assert!(matches!(agent.run("go").await, Err(Error::TooManyTurns(3))));
    assert_eq!((model.heard().len(), used.load(Ordering::SeqCst)), (3, 3));
}

#[tokio::test]
async fn a_cancelled_turn_leaves_no_call_without_an_answer() {
    let model = Scripted::new([calls("act", json!({"do": "hang"}))]);
    let (mut agent, events, _) = agent(&model);
    let cancel = CancellationToken::new();
    let cancels = cancel.clone();
    let started = tokio::spawn(async move {
        while !events.lock().unwrap().iter().any(|event| matches!(event, LoopEvent::ToolStarted { .. })) {
            tokio::task::yield_now().await;
        }
        cancels.cancel();
    });
    assert!(matches!(agent.run_until("go", &cancel).await, Err(Error::Cancelled)));
    started.await.unwrap();
    assert!(result_of(&agent).contains("cancelled; what of this was done"));
    assert_eq!(agent.run("go on").await.unwrap().final_content, "done");
}

#[tokio::test]
async fn what_ends_in_the_background_is_told_before_the_next_request() {
    let model = Scripted::new([calls("act", json!({})), says("fine")]);
    let (mut agent, ..) = agent(&model);
    let (sender, results) = mpsc::unbounded_channel();
    agent.set_background_rx(results);
    for (name, failed) in [("explorer", false), ("planner", true)] {
        let (name, content) = (name.to_owned(), format!("{name} speaks"));
        let kind = BackgroundResultKind::SubAgent;
        sender.send(BackgroundResult { name, kind, content, failed, tokens_used: 7 }).unwrap();
    }
    agent.run("go").await.unwrap();
    let first = &model.heard()[0];
    let said = |index: usize| match &first[index] {
        ChatMessage::User { text } => text.clone(),
        other => panic!("{other:?}"),
    };
    assert!(said(1).contains("`explorer`") && said(1).contains("is done") && said(1).contains("explorer speaks"));
    assert!(said(2).contains("`planner`") && said(2).contains("has failed"));
}

#[tokio::test]
async fn an_answer_that_was_cut_off_goes_on() {
    let cut = LlmReply { truncated: true, ..says("one ").unwrap() };
    let (mut agent, ..) = agent(&Scripted::new([Ok(cut), says("two")]));
    assert_eq!(agent.run("count").await.unwrap().final_content, "one two");
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_none() {
    let (mut agent, ..) = agent(&Scripted::new([says(""), says("there")]));
    assert_eq!(agent.run("go").await.unwrap().final_content, "there");
}

fn of_window(window: u64, answers: impl IntoIterator<Item = Result<LlmReply, LlmError>>) -> Arc<Scripted> {
    Arc::new(Scripted { answers: Mutex::new(answers.into_iter().collect()), window, ..Scripted::default() })
}

fn bare(text: &str) -> Result<LlmReply, LlmError> {
    Ok(LlmReply { text: text.into(), ..LlmReply::default() })
}

#[tokio::test]
async fn a_long_conversation_is_summed_up_and_always_fits() {
    for strategy in [CompactionStrategy::Auto, CompactionStrategy::Conservative, CompactionStrategy::Aggressive] {
        let model = of_window(4_000, std::iter::repeat_with(|| bare("a short answer")).take(500));
        let (agent, events, _) = agent(&model);
        let mut agent = agent.with_settings(LoopSettings { compaction: strategy, ..LoopSettings::default() });
        for number in 0..60 {
            agent.run(format!("question {number}: {}", "word ".repeat(100))).await.unwrap();
        }
        let events = events.lock().unwrap();
        let compacted = events.iter().filter(|event| matches!(event, LoopEvent::Compacted { .. })).count();
        assert!(compacted > 0, "{strategy:?}");
        for request in model.heard() {
            let bytes: usize = request.iter().map(ChatMessage::size).sum();
            assert!(bytes / 3 <= 4_000, "{strategy:?}: {bytes}");
        }
        let last = model.heard().pop().unwrap();
        assert!(matches!(last.last(), Some(ChatMessage::User { text }) if text.starts_with("question 59")));
    }
}

#[tokio::test]
async fn what_does_not_fit_however_short_is_an_error_that_says_so() {
    let model = of_window(1_000, []);
    let (mut agent, ..) = agent(&model);
    let error = agent.run("x".repeat(100_000)).await.unwrap_err();
    assert!(matches!(error, Error::ContextTooLong { limit: 750, .. }), "{error}");
    assert!(model.heard().is_empty(), "it was not even asked");
}

#[tokio::test]
async fn an_answer_of_a_tool_that_is_too_long_by_itself_is_shortened() {
    let model = of_window(10_000, [calls("act", json!({"do": "talk"})), bare("read")]);
    let (mut agent, ..) = agent(&model);
    assert_eq!(agent.run("talk").await.unwrap().final_content, "read");
    assert!(result_of(&agent).len() < 30_000);
}

#[tokio::test]
async fn a_provider_that_says_that_it_is_too_long_is_believed_once() {
    let answers = [bare("one"), bare("two"), fails(LlmErrorKind::ContextTooLong), bare("summed up"), bare("three")];
    let model = of_window(1_000_000, answers);
    let (mut agent, ..) = agent(&model);
    let settings = CompactionStrategy::Custom { start: 0.5, keep: 0.0 };
    agent = agent.with_settings(LoopSettings { compaction: settings, ..LoopSettings::default() });
    agent.run("first").await.unwrap();
    agent.run("second").await.unwrap();
    assert_eq!(agent.run("third").await.unwrap().final_content, "three");
    assert!(matches!(&agent.messages()[0], ChatMessage::User { text } if text.contains("summed up")));
    let model = of_window(1_000_000, [fails(LlmErrorKind::ContextTooLong), fails(LlmErrorKind::ContextTooLong)]);
    let mut agent = AgentLoop::new(Arc::clone(&model) as Arc<dyn LlmClient>, ToolRegistry::new(), "");
    agent = agent.with_settings(LoopSettings { retry: RetryPolicy::NONE, ..LoopSettings::default() });
    assert!(matches!(agent.run("x").await, Err(Error::Llm(_))));
    assert_eq!(model.heard().len(), 2);
}
