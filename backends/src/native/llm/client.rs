//! The trait of language models, and what goes to them and comes back.

use async_trait::async_trait;

use super::error::LlmError;
use super::message::{ChatMessage, Continuation, TokenUsage, ToolCall};
use super::models::{ModelFacts, facts_of};
use crate::native::tool::ToolDefinition;

/// A language model that can be asked. Dropping the future of [`complete`](LlmClient::complete) cancels the request.
#[async_trait]
pub trait LlmClient: Send + Sync {
    /// The model's name, as its provider knows it.
    fn model(&self) -> &str;

    /// What is known of the model: how much it can read at once, and what it costs.
    fn facts(&self) -> ModelFacts {
        facts_of(self.model())
    }

    /// Sends one request, and answers what the model says to it. `text` hears each piece of text as it comes.
    ///
    /// # Errors
    /// The provider gave no answer, or not a whole one. The request may be sent again when the error
    /// [says so](LlmError::is_retryable).
    async fn complete(&self, request: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError>;
}

/// Who hears the text of an answer, a piece at a time.
pub type TextSink<'a> = dyn FnMut(&str) + Send + 'a;

/// One request to a language model.
#[derive(Clone, Copy, Debug)]
pub struct LlmRequest<'a> {
    /// Standing instructions; empty for none.
    pub system: &'a str,
    /// The conversation so far; the last message is what the model answers.
    pub messages: &'a [ChatMessage],
    /// The tools that the model may call.
    pub tools: &'a [ToolDefinition],
}

/// What a language model says to a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LlmReply {
    /// Its text; empty when it only calls tools.
    pub text: String,
    /// The tools that it calls, in order.
    pub tool_calls: Vec<ToolCall>,
    /// What the request has used, as far as the provider says so.
    pub usage: Option<TokenUsage>,
    /// The answer was cut off, because it was as long as an answer may be.
    pub truncated: bool,
    /// What the provider wants to have back, word for word, with the next request: signatures of the model's thoughts, for instance.
    pub continuation: Option<Continuation>,
}
