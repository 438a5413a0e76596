//! Why a language model gave no answer.

use std::time::Duration;

/// Why a language model gave no answer, in words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LlmError {
    /// Of which kind it is.
    pub kind: LlmErrorKind,
    /// What happened, and what to do.
    pub message: String,
    /// The HTTP status of the provider's answer, where there was one.
    pub status: Option<u16>,
    /// When the provider wants to be asked again, where it says so.
    pub retry_after: Option<Duration>,
}

/// Why a language model gave no answer: one kind for each way to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LlmErrorKind {
    /// The key is missing or wrong, or may not use this model.
    Auth,
    /// The provider has no such model, or nothing answers under this address.
    UnknownModel,
    /// The request is longer than the model can read.
    ContextTooLong,
    /// The account has used what it may use for the time being.
    RateLimited,
    /// The provider has a problem of its own.
    Unavailable,
    /// Nobody listens at the provider's address, or it does not answer.
    Unreachable,
    /// The answer broke off.
    Cut,
    /// The provider does not accept the request.
    Refused,
    /// The answer makes no sense.
    Malformed,
}

impl LlmError {
    /// An error without an answer of the provider's.
    pub fn new(kind: LlmErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None }
    }

    /// Whether the same request may work a moment later. Of the errors that a provider blames on the request (HTTP 4xx) only the rate limit
    /// is one, and the request time-out.
    pub fn is_retryable(&self) -> bool {
        use LlmErrorKind::{Cut, Malformed, RateLimited, Unavailable, Unreachable};
        matches!(self.kind, RateLimited | Unavailable | Unreachable | Cut | Malformed)
    }

    /// The kind of an HTTP status and its body.
    pub(super) fn kind_of(status: u16, body: &str) -> LlmErrorKind {
        let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
        let too_long = || {
            says(&[
                "context_length",
                "prompt is too long",
                "maximum context",
                "exceeds the maximum number of tokens",
                "context window",
                "context limit",
                "exceed context",
            ])
        };
        match status {
            401 | 403 => LlmErrorKind::Auth,
            404 => LlmErrorKind::UnknownModel,
            408 => LlmErrorKind::Unavailable,
            429 if says(&["insufficient_quota"]) => LlmErrorKind::Refused,
            429 => LlmErrorKind::RateLimited,
            413 => LlmErrorKind::ContextTooLong,
            400 if too_long() => LlmErrorKind::ContextTooLong,
            // Google says so of a wrong key.
            400 if says(&["API_KEY_INVALID", "API key not valid"]) => LlmErrorKind::Auth,
            500.. => LlmErrorKind::Unavailable,
            _ => LlmErrorKind::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_work_later_is_tried_again() {
        for (status, body, kind, again) in [
            (401, "", LlmErrorKind::Auth, false),
            (400, "API_KEY_INVALID", LlmErrorKind::Auth, false),
            (404, "model: nothing", LlmErrorKind::UnknownModel, false),
            (400, "tools.0: bad schema", LlmErrorKind::Refused, false),
            (400, "prompt is too long: 201000 tokens", LlmErrorKind::ContextTooLong, false),
            (413, "", LlmErrorKind::ContextTooLong, false),
            (422, "", LlmErrorKind::Refused, false),
            (429, "slow down", LlmErrorKind::RateLimited, true),
            (429, "insufficient_quota", LlmErrorKind::Refused, false),
            (408, "", LlmErrorKind::Unavailable, true),
            (500, "", LlmErrorKind::Unavailable, true),
            (529, "overloaded", LlmErrorKind::Unavailable, true),
        ] {
            let found = LlmError::kind_of(status, body);
            assert_eq!((found, LlmError::new(found, "").is_retryable()), (kind, again), "{status} {body}");
        }
    }
}
