//! What a conversation with a language model consists of.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum ChatMessage {
    /// What the model is told or asked.
    User {
        /// The text.
        text: String,
    },
    /// What the model has said.
    Assistant {
        /// Its text; empty when it only called tools.
        #[serde(default)]
        text: String,
        /// The tools that it called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
        /// What its provider wants to have back with the next request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continuation: Option<Continuation>,
    },
    /// What came of a tool that it called.
    Tool {
        /// The [id](ToolCall::id) of the call.
        call: String,
        /// The tool's name.
        name: String,
        /// The answer, or why there is none.
        output: String,
        /// The call failed, or was not made.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        failed: bool,
    },
}

impl ChatMessage {
    /// A message to the model.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// A message of the model without calls of tools.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: text.into(), tool_calls: Vec::new(), continuation: None }
    }

    /// About how many bytes of it a provider counts.
    pub fn size(&self) -> usize {
        match self {
            Self::User { text } => text.len(),
            Self::Assistant { text, tool_calls, continuation } => {
                let calls: usize = tool_calls.iter().map(|call| call.name.len() + json_size(&call.arguments)).sum();
                text.len() + calls + continuation.as_ref().map_or(0, |said| said.content.len())
            }
            Self::Tool { name, output, .. } => name.len() + output.len(),
        }
    }
}

fn json_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(json_size).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + json_size(value) + 4).sum::<usize>() + 2
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    }
}

/// What a provider wants to have back, word for word, with the next request: signatures of the model's thoughts, for instance. No other
/// provider can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// Whose it is.
    pub provider: String,
    /// The whole answer in a form of its client, as JSON.
    pub content: String,
}

/// A tool that a model calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What the provider calls this call.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: an object, or the text that the model gave instead of one.
    pub arguments: Value,
}

/// The tokens that requests have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenUsage {
    /// Tokens that the model has read, cached ones too.
    pub input: u64,
    /// Those of them that the provider had in its cache.
    pub cached: u64,
    /// Tokens that it has written, its thoughts too.
    pub output: u64,
}

impl TokenUsage {
    /// Read and written tokens together.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl TokenUsage {
    /// What has come since `before`.
    pub(in crate::native) fn less(self, before: Self) -> Self {
        Self {
            input: self.input.saturating_sub(before.input),
            cached: self.cached.saturating_sub(before.cached),
            output: self.output.saturating_sub(before.output),
        }
    }
}

impl AddAssign for TokenUsage {
    fn add_assign(&mut self, more: Self) {
        self.input = self.input.saturating_add(more.input);
        self.cached = self.cached.saturating_add(more.cached);
        self.output = self.output.saturating_add(more.output);
    }
}
