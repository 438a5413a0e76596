//! Asks the providers of language models, each in its own protocol.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use genai::adapter::AdapterKind;
use genai::chat::{
    self, CacheControl, ChatOptions, ChatRequest, ChatStreamEvent, ContentPart, MessageContent, ReasoningEffort,
    StopReason, StreamEnd, ToolResponse,
};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget, WebConfig};
use serde_json::Value;
use tokio_stream::StreamExt as _;

use super::client::{LlmClient, LlmReply, LlmRequest, TextSink};
use super::config::{LlmConfig, Provider, Target};
use super::error::{LlmError, LlmErrorKind};
use super::limiter::RateLimiter;
use super::message::{ChatMessage, Continuation, TokenUsage, ToolCall};
use super::models::{ModelFacts, facts_of};
use crate::native::tool::ToolDefinition;

/// The longest answer, in tokens, where nobody says otherwise and the provider wants to know.
const ANSWER: u32 = 16_000;
/// How long a provider may take to be connected to.
const CONNECT: Duration = Duration::from_secs(15);
/// How long it may think before its answer begins.
const FIRST_BYTE: Duration = Duration::from_secs(300);
/// How long it may be silent within an answer.
const SILENCE: Duration = Duration::from_secs(180);

/// The client for what a configuration names; what it leaves open comes from this process's environment.
///
/// # Errors
/// It names no model, or its provider's key is missing.
pub fn create_client(config: &LlmConfig) -> Result<Arc<dyn LlmClient>, LlmError> {
    let client = ProviderClient::new(config, |name| std::env::var(name).ok())?;
    Ok(Arc::new(client))
}

/// Says which implementation of TLS this process uses, unless somebody has said so.
pub(in crate::native) fn use_tls() {
    // Of the two that rustls knows this one builds with no more than a C compiler.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Asks one model of one provider. It sends each request once; when it is sent again, decides whoever asks.
pub struct ProviderClient {
    target: Target,
    facts: ModelFacts,
    options: ChatOptions,
    limiter: RateLimiter,
    /// Made with the first request: its certificates are most of what an agent that waits would hold.
    client: OnceLock<Client>,
}

impl ProviderClient {
    /// A client for what a configuration names; what it leaves open is looked up in these variables.
    ///
    /// # Errors
    /// It names no model, or its provider's key is missing.
    pub fn new(config: &LlmConfig, variable: impl Fn(&str) -> Option<String>) -> Result<Self, LlmError> {
        let target = config.target(variable)?;
        let mut facts = facts_of(&target.model);
        facts.context_window = config.context_window.unwrap_or(facts.context_window);
        let mut options = ChatOptions::default()
            .with_capture_usage(true)
            .with_capture_content(true)
            .with_capture_reasoning_content(true)
            .with_capture_tool_calls(true)
            .with_stream_header_timeout(FIRST_BYTE)
            .with_stream_read_timeout(SILENCE);
        // Anthropic counts the longest answer as a part of what the model reads at once, and older models write no longer ones.
        let usual = (target.provider == Provider::Anthropic && !target.model.starts_with("claude-3")).then_some(ANSWER);
        if let Some(most) = config.max_tokens.or(usual) {
            options = options.with_max_tokens(most);
        }
        if let Some(effort) = &config.effort {
            let known = effort.parse::<ReasoningEffort>().map_err(|_| {
                let what = format!("there is no effort `{effort}`; use low, medium, high, or a number of tokens");
                LlmError::new(LlmErrorKind::Refused, what)
            })?;
            options = options.with_reasoning_effort(known);
        }
        let limiter = RateLimiter::new(config.requests_per_minute, config.tokens_per_minute);
        Ok(Self { target, facts, options, limiter, client: OnceLock::new() })
    }

    /// The provider that is asked.
    pub fn provider(&self) -> Provider {
        self.target.provider
    }

    fn service(&self) -> ServiceTarget {
        let kind = match self.target.provider {
            Provider::Anthropic => AdapterKind::Anthropic,
            Provider::OpenAi | Provider::Ollama => AdapterKind::OpenAI,
            Provider::OpenAiResponses => AdapterKind::OpenAIResp,
            Provider::Gemini => AdapterKind::Gemini,
        };
        ServiceTarget {
            endpoint: Endpoint::from_owned(self.target.base_url.as_str()),
            auth: AuthData::from_single(self.target.key.as_deref().unwrap_or("none")),
            model: ModelIden::new(kind, self.target.model.as_str()),
        }
    }

    fn client(&self) -> Result<&Client, LlmError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        use_tls();
        let web = WebConfig::default().with_connect_timeout(CONNECT);
        let client = Client::builder().with_web_config(web).build();
        let client = client.map_err(|error| LlmError::new(LlmErrorKind::Unreachable, error.to_string()))?;
        Ok(self.client.get_or_init(|| client))
    }

    fn error(&self, error: &genai::Error) -> LlmError {
        error_of(error, &self.target)
    }
}

#[async_trait]
impl LlmClient for ProviderClient {
    fn model(&self) -> &str {
        &self.target.model
    }

    fn facts(&self) -> ModelFacts {
        self.facts
    }

    async fn complete(&self, request: LlmRequest<'_>, text: &mut TextSink<'_>) -> Result<LlmReply, LlmError> {
        self.limiter.acquire().await;
        let asked = self
            .client()?
            .exec_chat_stream(self.service(), request_of(request, self.target.provider), Some(&self.options))
            .await;
        let mut stream = asked.map_err(|error| self.error(&error))?.stream;
        while let Some(event) = stream.next().await {
            match event.map_err(|error| self.error(&error))? {
                ChatStreamEvent::Chunk(chunk) => text(&chunk.content),
                // Some streams end like this when the connection does.
                ChatStreamEvent::End(end) if end.captured_stop_reason.is_none() => break,
                ChatStreamEvent::End(end) => {
                    let reply = reply_of(end, self.target.provider);
                    self.limiter.spent(reply.usage.map_or(0, TokenUsage::total));
                    return Ok(reply);
                }
                _ => {}
            }
        }
        Err(LlmError::new(LlmErrorKind::Cut, format!("the answer of {} ended in the middle", self.target.provider)))
    }
}

/// The request as genai has it. Anthropic keeps in its cache only what it is told to, here everything up to the last message.
fn request_of(request: LlmRequest<'_>, provider: Provider) -> ChatRequest {
    let mut messages: Vec<chat::ChatMessage> = Vec::with_capacity(request.messages.len());
    let mut results: Vec<ContentPart> = Vec::new();
    for message in request.messages {
        if let ChatMessage::Tool { call, name, output, .. } = message {
            let output = something(output);
            results.push(ContentPart::ToolResponse(ToolResponse::new(call, output).with_fn_name(name)));
            continue;
        }
        flush(&mut results, &mut messages);
        messages.push(match message {
            ChatMessage::User { text } => chat::ChatMessage::user(something(text)),
            ChatMessage::Assistant { text, tool_calls, continuation } => {
                let own = continuation.as_ref().filter(|said| said.provider == provider.as_str());
                let known = own.and_then(|said| serde_json::from_str(&said.content).ok());
                chat::ChatMessage::assistant(known.unwrap_or_else(|| said(text, tool_calls)))
            }
            ChatMessage::Tool { .. } => continue,
        });
    }
    flush(&mut results, &mut messages);
    if provider == Provider::Anthropic
        && let Some(last) = messages.pop()
    {
        messages.push(last.with_options(CacheControl::Ephemeral));
    }
    let mut sent = ChatRequest::new(messages);
    if !request.system.is_empty() {
        sent = sent.with_system(request.system);
    }
    if !request.tools.is_empty() {
        sent = sent.with_tools(request.tools.iter().map(tool_of));
    }
    sent
}

/// A text that every provider takes: empty ones are refused by some.
fn something(text: &str) -> &str {
    if text.trim().is_empty() { "(nothing)" } else { text }
}

/// All results of one answer's calls are one message.
fn flush(results: &mut Vec<ContentPart>, messages: &mut Vec<chat::ChatMessage>) {
    if !results.is_empty() {
        messages.push(chat::ChatMessage::tool(MessageContent::from_parts(std::mem::take(results))));
    }
}

fn said(text: &str, calls: &[ToolCall]) -> MessageContent {
    let text = if calls.is_empty() { something(text) } else { text };
    let text = (!text.is_empty()).then(|| ContentPart::Text(text.to_owned()));
    let calls = calls.iter().map(|call| {
        // What is no object would be refused.
        let arguments = if call.arguments.is_object() { call.arguments.clone() } else { serde_json::json!({}) };
        ContentPart::ToolCall(chat::ToolCall {
            call_id: call.id.clone(),
            fn_name: call.name.clone(),
            fn_arguments: arguments,
            thought_signatures: None,
        })
    });
    MessageContent::from_parts(text.into_iter().chain(calls).collect::<Vec<_>>())
}

fn tool_of(tool: &ToolDefinition) -> chat::Tool {
    chat::Tool::new(tool.name.as_str()).with_description(tool.description.as_str()).with_schema(tool.parameters.clone())
}

fn reply_of(end: StreamEnd, provider: Provider) -> LlmReply {
    let usage = end.captured_usage.as_ref().map(|usage| {
        let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(0);
        let cached = usage.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        TokenUsage { input: count(usage.prompt_tokens), cached: count(cached), output: count(usage.completion_tokens) }
    });
    let truncated = matches!(end.captured_stop_reason, Some(StopReason::MaxTokens(_)));
    let content = end.captured_content.unwrap_or_default();
    let is_plain = |part: &ContentPart| match part {
        ContentPart::Text(_) => true,
        ContentPart::ToolCall(call) => call.thought_signatures.is_none() && call.fn_arguments.is_object(),
        _ => false,
    };
    let special = (!content.parts().iter().all(is_plain)).then(|| serde_json::to_string(&content).ok()).flatten();
    let continuation = special.map(|content| Continuation { provider: provider.as_str().to_owned(), content });
    let mut reply = LlmReply { usage, truncated, continuation, ..LlmReply::default() };
    for part in content.into_parts() {
        match part {
            ContentPart::Text(text) => reply.text.push_str(&text),
            ContentPart::ToolCall(call) => reply.tool_calls.push(ToolCall {
                id: call.call_id,
                name: call.fn_name,
                // Chat completions give an empty text for a call without arguments.
                arguments: match call.fn_arguments {
                    Value::Null => serde_json::json!({}),
                    Value::String(text) if text.trim().is_empty() => serde_json::json!({}),
                    arguments => arguments,
                },
            }),
            _ => {}
        }
    }
    // A message that has arguments of another kind cannot be sent back as it was.
    if reply.tool_calls.iter().any(|call| !call.arguments.is_object()) {
        reply.continuation = None;
    }
    reply
}

fn error_of(error: &genai::Error, target: &Target) -> LlmError {
    use genai::Error as E;
    let provider = target.provider;
    match error {
        E::HttpError { status, body, headers, .. } => of_status(status.as_u16(), body, retry_after(headers), target),
        E::WebModelCall { webc_error, .. } | E::WebAdapterCall { webc_error, .. } => match webc_error {
            genai::webc::Error::ResponseFailedStatus { status, body, headers } => {
                of_status(status.as_u16(), body, retry_after(headers), target)
            }
            genai::webc::Error::Reqwest(error) => of_connection(error, target),
            other => LlmError::new(LlmErrorKind::Malformed, format!("{provider}: {other}")),
        },
        E::WebStream { error, cause, .. } => {
            if let Some(inner) = error.downcast_ref::<E>() {
                error_of(inner, target)
            } else if let Some(inner) = error.downcast_ref::<reqwest::Error>() {
                of_connection(inner, target)
            } else {
                LlmError::new(LlmErrorKind::Cut, format!("the answer of {provider} broke off: {cause}"))
            }
        }
        E::ChatResponse { body, .. } => of_event(body, provider),
        E::StreamParse { serde_error, .. } => {
            LlmError::new(LlmErrorKind::Malformed, format!("the answer of {provider} cannot be read: {serde_error}"))
        }
        other => LlmError::new(LlmErrorKind::Refused, format!("{provider}: {other}")),
    }
}

/// An error that comes within an answer whose status was a good one.
fn of_event(body: &Value, provider: Provider) -> LlmError {
    let said = body.pointer("/error/message").or_else(|| body.get("message")).and_then(Value::as_str);
    let text = said.map_or_else(|| body.to_string(), str::to_owned);
    let whole = body.to_string();
    let says = |words: &[&str]| words.iter().any(|word| whole.contains(word));
    let kind = match LlmError::kind_of(400, &whole) {
        LlmErrorKind::Refused if says(&["rate_limit", "RESOURCE_EXHAUSTED"]) => LlmErrorKind::RateLimited,
        LlmErrorKind::Refused if says(&["authentication", "permission"]) => LlmErrorKind::Auth,
        LlmErrorKind::Refused
            if says(&["overloaded", "api_error", "server_error", "timeout", "UNAVAILABLE", "INTERNAL"]) =>
        {
            LlmErrorKind::Unavailable
        }
        kind => kind,
    };
    LlmError::new(kind, format!("{provider} broke off its answer: {text}"))
}

fn of_connection(error: &reqwest::Error, target: &Target) -> LlmError {
    let provider = target.provider;
    // What went wrong is the innermost.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.is_connect() || error.is_timeout() || error.is_request() {
        let what = format!(
            "{provider} cannot be reached at {}: {cause}; check the address ({}) and the network",
            target.base_url,
            provider.base_url_variables()[0]
        );
        return LlmError::new(LlmErrorKind::Unreachable, what);
    }
    LlmError::new(LlmErrorKind::Cut, format!("the answer of {provider} broke off: {cause}"))
}

fn of_status(status: u16, body: &str, retry_after: Option<Duration>, target: &Target) -> LlmError {
    let parsed: Value = serde_json::from_str(body).unwrap_or_default();
    let said = ["/error/message", "/message", "/0/error/message", "/error"].iter();
    let said = said.filter_map(|path| parsed.pointer(path)?.as_str()).next();
    let said: String = said.unwrap_or(body.trim()).chars().take(600).collect();
    let (provider, model) = (target.provider, &target.model);
    let kind = LlmError::kind_of(status, body);
    let advice = match kind {
        LlmErrorKind::Auth => provider.key_variables().first().map(|variable| format!("; check {variable}")),
        LlmErrorKind::UnknownModel => {
            Some(format!("; check the model's name (`{model}`) and the address ({})", target.base_url))
        }
        _ => None,
    };
    let message = format!("{provider} answered {status}: {said}{}", advice.unwrap_or_default());
    LlmError { kind, message, status: Some(status), retry_after }
}

/// What `Retry-After` says, in seconds or as a date, or Anthropic's and OpenAI's variant in milliseconds.
fn retry_after(headers: &reqwest::header::HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim).map(str::to_owned);
    let number = |text: String| text.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    if let Some(wait) = text("retry-after-ms").and_then(number) {
        return Some(wait / 1000);
    }
    let said = text("retry-after")?;
    if let Some(wait) = number(said.clone()) {
        return Some(wait);
    }
    let at = jiff::fmt::rfc2822::parse(&said).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(jiff::Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        let (model, base_url) = ("gpt-x".to_owned(), "http://gate/v1/".to_owned());
        Target { provider: Provider::OpenAi, model, key: None, base_url }
    }

    #[test]
    fn an_error_says_what_the_provider_says_and_what_to_do() {
        for (status, body, kind, expected) in [
            (
                401,
                r#"{"error":{"message":"bad key"}}"#,
                LlmErrorKind::Auth,
                "answered 401: bad key; check OPENAI_API_KEY",
            ),
            (
                404,
                r#"{"error":"no such model"}"#,
                LlmErrorKind::UnknownModel,
                "no such model; check the model's name (`gpt-x`) and the address (http://gate/v1/)",
            ),
            (400, r#"[{"error":{"message":"listed"}}]"#, LlmErrorKind::Refused, "answered 400: listed"),
            (502, "<html>bad gateway</html>", LlmErrorKind::Unavailable, "<html>bad gateway</html>"),
        ] {
            let error = of_status(status, body, None, &target());
            assert_eq!((error.kind, error.status), (kind, Some(status)));
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_error_within_an_answer_is_sorted_by_its_words() {
        for (body, kind) in [
            (
                serde_json::json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}),
                LlmErrorKind::Unavailable,
            ),
            (
                serde_json::json!({"error": {"type": "rate_limit_error", "message": "slow down"}}),
                LlmErrorKind::RateLimited,
            ),
            (serde_json::json!({"error": {"type": "invalid_request_error", "message": "no"}}), LlmErrorKind::Refused),
            (serde_json::json!({"error": {"code": 402, "message": "no credit"}}), LlmErrorKind::Refused),
            (serde_json::json!({"error": {"type": "authentication_error", "message": "key"}}), LlmErrorKind::Auth),
            (serde_json::json!({"message": "prompt is too long: 9"}), LlmErrorKind::ContextTooLong),
        ] {
            assert_eq!(of_event(&body, Provider::Anthropic).kind, kind, "{body}");
        }
    }

    #[test]
    fn when_to_come_back_is_a_number_or_a_date() {
        let headers = |name: &'static str, value: &str| {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            headers
        };
        for (name, value, expected) in [
            ("retry-after", "7", Some(Duration::from_secs(7))),
            ("retry-after", "0.5", Some(Duration::from_millis(500))),
            ("retry-after-ms", "250", Some(Duration::from_millis(250))),
            ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", Some(Duration::ZERO)),
            ("retry-after", "soon", None),
            ("retry-after", "-3", None),
            ("x-other", "7", None),
        ] {
            assert_eq!(retry_after(&headers(name, value)), expected, "{name}: {value}");
        }
    }

    #[test]
    fn what_is_sent_is_what_providers_take() {
        let call = ToolCall { id: "1".into(), name: "t".into(), arguments: Value::String("{broken".into()) };
        let messages = [
            ChatMessage::user("go"),
            ChatMessage::Assistant { text: String::new(), tool_calls: vec![call.clone(), call], continuation: None },
            ChatMessage::Tool { call: "1".into(), name: "t".into(), output: String::new(), failed: true },
            ChatMessage::Tool { call: "1".into(), name: "t".into(), output: "x".into(), failed: false },
        ];
        let request = LlmRequest { system: "", messages: &messages, tools: &[] };
        let sent = request_of(request, Provider::Anthropic);
        assert_eq!(sent.messages.len(), 3, "all results of one answer are one message");
        let said = serde_json::to_value(&sent.messages).unwrap().to_string();
        assert!(!said.contains("{broken") && said.contains("(nothing)"), "{said}");
        assert!(sent.system.is_none() && sent.tools.is_none());
    }
}
