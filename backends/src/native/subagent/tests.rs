//! Subagents, over a model that says what each test decides.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::definition::SubAgentDef;
use super::registry::SubAgentRegistry;
use crate::native::agent_loop::AgentLoop;
use crate::native::error::Result;
use crate::native::llm::{
    ChatMessage, LlmClient, LlmError, LlmErrorKind, LlmReply, LlmRequest, TextSink, TokenUsage, ToolCall,
};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolRegistry};

/// Answers by what it is asked last: `answers` has the beginning of a message, and what is said to it, once.
#[derive(Default)]
struct Model {
    answers: Mutex<VecDeque<(&'static str, Result<LlmReply, LlmError>)>>,
    /// The tools and the messages of each request.
    heard: Mutex<Vec<(Vec<String>, Vec<ChatMessage>)>>,
}

#[async_trait]
impl LlmClient for Model {
    fn model(&self) -> &str {
        "parent"
    }

    async fn complete(&self, request: LlmRequest<'_>, _: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        let tools = request.tools.iter().map(|tool| tool.name.clone()).collect();
        self.heard.lock().unwrap().push((tools, request.messages.to_vec()));
        let Some(ChatMessage::User { text }) = request.messages.last() else { return says("done") };
        if text == "for ever" {
            std::future::pending::<()>().await;
        }
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            let index = answers.iter().position(|(asked, _)| text.starts_with(asked));
            index.and_then(|index| answers.remove(index)).map(|(_, answer)| answer)
        };
        // What is in the background takes its time.
        tokio::task::yield_now().await;
        answer.unwrap_or_else(|| says("done"))
    }
}

fn says(text: &str) -> Result<LlmReply, LlmError> {
    let usage = TokenUsage { input: 100, cached: 0, output: 10 };
    Ok(LlmReply { text: text.into(), usage: Some(usage), ..LlmReply::default() })
}

fn spawns(arguments: Value) -> Result<LlmReply, LlmError> {
    let call = ToolCall { id: "1".into(), name: "spawn_subagent".into(), arguments };
    Ok(LlmReply { tool_calls: vec![call], ..LlmReply::default() })
}

struct Named(&'static str, ToolKind);

#[async_trait]
impl Tool for Named {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition { name: self.0.into(), description: String::new(), parameters: json!({"type": "object"}) }
    }

    fn kind(&self) -> ToolKind {
        self.1
    }

    async fn execute(&self, _: Value) -> Result<Value> {
        Ok(json!("used"))
    }
}

fn parent(answers: impl IntoIterator<Item = (&'static str, Result<LlmReply, LlmError>)>) -> (AgentLoop, Arc<Model>) {
    let model = Arc::new(Model { answers: Mutex::new(answers.into_iter().collect()), ..Model::default() });
    let mut tools = ToolRegistry::new();
    for (name, kind) in [("look", ToolKind::Read), ("write", ToolKind::Edit), ("run", ToolKind::Execute)] {
        tools.register(Arc::new(Named(name, kind)));
    }
    let mut registry = SubAgentRegistry::builtin();
    registry.register(
        SubAgentDef::new("writer", "writes", "write").with_allowed_tools(vec!["write".into(), "look".into()]),
    );
    let agent = AgentLoop::new(Arc::clone(&model) as Arc<dyn LlmClient>, tools, "").with_subagents(registry, None);
    (agent, model)
}

fn tools_of(model: &Model, prompt: &str) -> Vec<String> {
    let heard = model.heard.lock().unwrap();
    let asked = |messages: &[ChatMessage]| messages == [ChatMessage::user(prompt)];
    heard.iter().find(|(_, messages)| asked(messages)).expect("it was asked").0.clone()
}

fn result_of(agent: &AgentLoop) -> String {
    let found = agent.messages().iter().rev().find_map(|message| match message {
        ChatMessage::Tool { output, .. } => Some(output.clone()),
        _ => None,
    });
    found.expect("a result")
}

#[tokio::test]
async fn its_result_comes_back_and_its_conversation_does_not() {
    let call = json!({"name": "explore", "prompt": "where are plums?"});
    let (mut agent, model) = parent([("go", spawns(call)), ("where are plums?", says("in the cellar"))]);
    let done = agent.run("go").await.unwrap();
    assert!(result_of(&agent).contains("in the cellar"), "{}", result_of(&agent));
    assert_eq!(agent.messages().len(), 4);
    assert_eq!(done.total_tokens, 220, "what it used counts");
    assert_eq!(tools_of(&model, "go"), ["look", "run", "spawn_subagent", "write"]);
    assert_eq!(tools_of(&model, "where are plums?"), ["look"], "who explores cannot write or run, nor call others");
}

#[tokio::test]
async fn a_call_says_which_tools_and_never_more_than_there_are() {
    for (call, expected) in [
        (json!({"name": "general-purpose", "prompt": "p"}), &["look", "run", "write"][..]),
        (json!({"name": "general-purpose", "prompt": "p", "disallowed_tools": ["run"]}), &["look", "write"]),
        (json!({"name": "writer", "prompt": "p", "allowed_tools": ["write", "run"]}), &["write"]),
        (json!({"name": "plan", "prompt": "p", "allowed_tools": ["write", "look"]}), &["look"]),
        (
            json!({"name": "mine", "prompt": "p", "system_prompt": "be", "allowed_tools": ["run", "spawn_subagent"]}),
            &["run"],
        ),
    ] {
        let (mut agent, model) = parent([("go", spawns(call.clone()))]);
        agent.run("go").await.unwrap();
        assert_eq!(tools_of(&model, "p"), expected, "{call}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told() {
    for (call, expected) in [
        (
            json!({"name": "nobody", "prompt": "p"}),
            "there is no subagent `nobody`; there are explore, general-purpose, plan, writer",
        ),
        (json!({"name": "explore", "prompt": " "}), "`prompt` is empty"),
        (json!({"name": "explore"}), "missing field `prompt`"),
        (json!({"name": "writer", "prompt": "p", "allowed_tools": ["run"]}), "may have none of these tools"),
        (json!({"name": "explore", "prompt": "p", "model": "other"}), "wants the model other"),
        (json!({"name": "explore", "prompt": "p", "system_prompt": "write"}), "`explore` is a known subagent"),
    ] {
        let (mut agent, _) = parent([("go", spawns(call.clone()))]);
        agent.run("go").await.unwrap();
        assert!(result_of(&agent).contains(expected), "{call}: {}", result_of(&agent));
    }
    let failure = LlmError::new(LlmErrorKind::Auth, "the key is wrong");
    let (mut agent, _) = parent([("go", spawns(json!({"name": "explore", "prompt": "p"}))), ("p", Err(failure))]);
    agent.run("go").await.unwrap();
    assert!(result_of(&agent).contains("`explore` has failed: the key is wrong"), "{}", result_of(&agent));
    let forever = (0..9).map(|_| ("p", spawns(json!({}))));
    let call = spawns(json!({"name": "explore", "prompt": "p", "max_turns": 1}));
    let (mut agent, _) = parent(std::iter::once(("go", call)).chain(forever));
    agent.run("go").await.unwrap();
    assert!(result_of(&agent).contains("after 1 requests"), "{}", result_of(&agent));
}

#[tokio::test]
async fn what_runs_in_the_background_is_waited_for_and_told_good_or_bad() {
    let failure = LlmError::new(LlmErrorKind::Refused, "it does not like that");
    let call = |name: &str, prompt: &str| spawns(json!({"name": name, "prompt": prompt, "background": true}));
    for (answer, expected) in [(says("in the cellar"), "in the cellar"), (Err(failure), "it does not like that")] {
        let failed = answer.is_err();
        let (mut agent, _) = parent([("go", call("explore", "where?")), ("where?", answer)]);
        let done = agent.run("go").await.unwrap();
        assert!(result_of(&agent).contains("\"status\":\"background\""));
        let told = agent.messages().iter().find_map(|message| match message {
            ChatMessage::User { text } if text.starts_with("The subagent `explore`") => Some(text.clone()),
            _ => None,
        });
        let told = told.expect("the parent is told before it ends");
        assert!(told.contains(expected) && told.contains("has failed") == failed, "{told}");
        assert_eq!(done.final_content, "done");
    }
}

#[tokio::test]
async fn a_turn_that_is_cancelled_ends_what_runs_in_the_background() {
    let call = spawns(json!({"name": "explore", "prompt": "for ever", "background": true}));
    let (mut agent, model) = parent([("go", call)]);
    let cancel = tokio_util::sync::CancellationToken::new();
    let cancels = cancel.clone();
    let begun = tokio::spawn(async move {
        while !model.heard.lock().unwrap().iter().any(|(_, messages)| messages == &[ChatMessage::user("for ever")]) {
            tokio::task::yield_now().await;
        }
        cancels.cancel();
    });
    assert!(agent.run_until("go", &cancel).await.is_err());
    begun.await.unwrap();
    while agent.tools_mut().running_in_background() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(agent.run("on").await.unwrap().final_content, "done", "nothing is waited for");
}
