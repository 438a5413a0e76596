//! Language models: the trait through which an agent asks one, and those who answer it.

mod client;
mod config;
mod error;
mod limiter;
mod message;
mod models;
mod provider;
mod retry;

pub use client::{LlmClient, LlmReply, LlmRequest, TextSink};
pub use config::{LlmConfig, Provider};
pub use error::{LlmError, LlmErrorKind};
pub use limiter::RateLimiter;
pub use message::{ChatMessage, Continuation, TokenUsage, ToolCall};
pub use models::{ModelFacts, facts_of};
pub(super) use provider::use_tls;
pub use provider::{ProviderClient, create_client};
pub use retry::RetryPolicy;
