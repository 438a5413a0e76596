//! Sessions of agents within this process.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::InProcessBackend;
use crate::approval::Decision;
use crate::backend::{AgentBackend, AgentSession};
use crate::config::SpawnConfig;
use crate::error::BackendError;
use crate::native::agent_loop::AgentLoop;
use crate::native::error::{Error, Result};
use crate::native::llm::{ChatMessage, LlmClient, LlmError, LlmReply, LlmRequest, TextSink, ToolCall};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolRegistry};
use crate::output::{AgentOutput, OutputReceiver};

/// Says what it was asked so far; `act` makes it call a tool, `wait` makes it wait for ever.
struct Echo;

#[async_trait]
impl LlmClient for Echo {
    fn model(&self) -> &str {
        "echo"
    }

    async fn complete(&self, request: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        let asked = |message: &ChatMessage| match message {
            ChatMessage::User { text } => Some(text.clone()),
            _ => None,
        };
        let all: Vec<String> = request.messages.iter().filter_map(asked).collect();
        match request.messages.last() {
            Some(ChatMessage::User { text }) if text == "act" => {
                let call = ToolCall { id: "1".into(), name: "act".into(), arguments: json!({}) };
                return Ok(LlmReply { tool_calls: vec![call], ..LlmReply::default() });
            }
            Some(ChatMessage::User { text }) if text == "wait" => std::future::pending().await,
            _ => {}
        }
        let said = match request.messages.last() {
            Some(ChatMessage::Tool { output, .. }) => output.clone(),
            _ => all.join("|"),
        };
        text(&said);
        Ok(LlmReply { text: said, ..LlmReply::default() })
    }
}

struct Act;

#[async_trait]
impl Tool for Act {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition { name: "act".into(), description: String::new(), parameters: json!({"type": "object"}) }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Edit
    }

    async fn execute(&self, _: Value) -> Result<Value> {
        Ok(json!("acted"))
    }
}

fn make(_: &SpawnConfig, _: &Path) -> Result<AgentLoop, Error> {
    let mut tools = ToolRegistry::new();
    tools.register(Arc::new(Act));
    Ok(AgentLoop::new(Arc::new(Echo), tools, ""))
}

async fn session(config: SpawnConfig) -> (Box<dyn AgentSession>, OutputReceiver) {
    let mut session = InProcessBackend::made_by(make).spawn(config).await.expect("it starts");
    let output = session.output_receiver().expect("once");
    (session, output)
}

/// What comes until the turn has ended.
async fn turn(output: &mut OutputReceiver) -> Vec<AgentOutput> {
    let mut heard = Vec::new();
    while let Some(event) = output.recv().await {
        let ends = event.ends_turn();
        heard.push(event);
        if ends {
            break;
        }
    }
    heard
}

fn text(heard: &[AgentOutput]) -> String {
    let message = |event: &AgentOutput| match event {
        AgentOutput::Message(text) => Some(text.clone()),
        _ => None,
    };
    heard.iter().filter_map(message).collect()
}

#[tokio::test]
async fn turns_follow_each_other_and_remember() {
    let (mut session, mut output) = session(SpawnConfig::new("a", "")).await;
    session.send_input("one").await.expect("taken");
    session.send_input("two").await.expect("taken");
    assert_eq!(text(&turn(&mut output).await), "one");
    assert_eq!(text(&turn(&mut output).await), "one|two");
    assert_eq!(session.model().as_deref(), Some("echo"));
    assert_eq!(session.shutdown().await.expect("stopped").left, 0);
}

#[tokio::test]
async fn it_asks_and_hears_the_answer() {
    for (decision, expected) in
        [(Decision::Allow, "acted"), (Decision::Deny { reason: "not now".into() }, "not done: not now")]
    {
        let (mut session, mut output) = session(SpawnConfig::new("a", "")).await;
        session.send_input("act").await.expect("taken");
        let id = loop {
            if let Some(AgentOutput::Approval(approval)) = output.recv().await {
                break approval.id;
            }
        };
        session.answer(&id, decision.clone()).await.expect("it is open");
        assert_eq!(text(&turn(&mut output).await), expected);
        assert!(matches!(session.answer(&id, decision).await, Err(BackendError::NoSuchApproval { .. })));
    }
}

#[tokio::test]
async fn a_turn_is_interrupted_and_the_session_goes_on() {
    let (mut session, mut output) = session(SpawnConfig::new("a", "")).await;
    session.send_input("wait").await.expect("taken");
    while !matches!(output.recv().await, Some(AgentOutput::TurnStarted { .. })) {}
    session.interrupt().await.expect("it runs");
    assert!(matches!(turn(&mut output).await.last(), Some(AgentOutput::TurnInterrupted)));
    session.send_input("on").await.expect("taken");
    assert!(text(&turn(&mut output).await).ends_with("on"));
}

#[tokio::test]
async fn a_conversation_is_continued_where_it_is_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let backend = InProcessBackend::made_by(make).with_conversations(dir.path());
    let mut first = backend.spawn(SpawnConfig::new("a", "")).await.expect("it starts");
    let mut output = first.output_receiver().expect("once");
    first.send_input("plum").await.expect("taken");
    turn(&mut output).await;
    let id = first.session_id().expect("kept");
    first.shutdown().await.expect("stopped");
    let resumed = SpawnConfig { resume: Some(id.clone()), ..SpawnConfig::new("a", "") };
    let mut second = backend.spawn(resumed.clone()).await.expect("it starts");
    let mut output = second.output_receiver().expect("once");
    second.send_input("pear").await.expect("taken");
    assert_eq!(text(&turn(&mut output).await), "plum|pear");
    for (backend, id) in [
        (InProcessBackend::made_by(make), id.as_str()),
        (backend.clone(), "../../x"),
        (backend, &uuid::Uuid::new_v4().to_string()),
    ] {
        let config = SpawnConfig { resume: Some(id.to_owned()), ..resumed.clone() };
        let lost = backend.spawn(config).await.err();
        assert!(matches!(lost, Some(BackendError::ConversationLost { .. })), "{lost:?}");
    }
}
