//! Gemini CLI's stream-json, and what it writes on stderr when it fails. Everything else in a line is ignored.

use serde::Deserialize;

use crate::lenient::{failure, lenient, text};
use crate::output::Usage;

/// One line of its output.
#[derive(Debug, Deserialize)]
pub(super) struct LineNotice {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) model: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) role: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) content: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) tool_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) parameters: serde_json::Map<String, serde_json::Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) status: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) severity: Option<String>,
    #[serde(default, deserialize_with = "text")]
    pub(super) message: Option<String>,
    #[serde(default, deserialize_with = "ErrorNotice::read")]
    pub(super) error: Option<ErrorNotice>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) stats: Option<StatsNotice>,
}

#[derive(Debug)]
pub(super) struct ErrorNotice {
    pub(super) kind: String,
    pub(super) message: String,
}

impl ErrorNotice {
    fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let kind = |object: &serde_json::Value| object["type"].as_str().unwrap_or_default().to_owned();
        Ok(failure(deserializer)?.map(|(message, object)| Self { kind: kind(&object), message }))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatsNotice {
    #[serde(deserialize_with = "lenient")]
    input_tokens: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    output_tokens: Option<u64>,
}

impl StatsNotice {
    /// `None` where it is unknown.
    pub(super) fn usage(&self) -> Option<Usage> {
        Some(Usage { input_tokens: self.input_tokens?, output_tokens: self.output_tokens?, cost_usd: None })
    }
}

/// How a process that ended without a `result` ended. The codes are Gemini CLI's own; an API failure is the HTTP status,
/// of which an exit code keeps the lower eight bits.
pub(super) fn exit_meaning(code: i32) -> Option<String> {
    let own = match code {
        41 => {
            "it is not logged in: run `gemini` once and log in, or set GEMINI_API_KEY and the auth type in its settings"
        }
        42 => "it did not accept its input or session id",
        44 => "its sandbox failed",
        52 => "its configuration is wrong",
        53 => "it reached its limit of turns",
        55 => "it does not trust the directory",
        _ => "",
    };
    if !own.is_empty() {
        return Some(own.to_owned());
    }
    let status = (400..600).find(|status| status % 256 == code)?;
    [400, 401, 403, 404, 408, 429, 500, 502, 503, 504].contains(&status).then(|| format!("HTTP {status}"))
}

/// Which attempt at a request a line of stderr says has failed; each request counts from 1.
pub(super) fn failed_attempt(line: &str) -> Option<u32> {
    let (number, rest) = line.trim_start().strip_prefix("Attempt ")?.split_once(' ')?;
    number.parse().ok().filter(|_| rest.starts_with("failed"))
}

/// The provider's own words and its status, where a text has its error in it as JSON.
pub(crate) fn provider_message(text: &str) -> Option<String> {
    let mut values = serde_json::Deserializer::from_str(&text[text.find('{')?..]).into_iter::<serde_json::Value>();
    let error = values.next()?.ok()?["error"].take();
    let message = error["message"].as_str()?;
    Some(match error["code"].as_u64() {
        Some(code) => format!("{message} (HTTP {code})"),
        None => message.to_owned(),
    })
}

/// What a line of stderr says about a failure, if it does: an attempt that failed, a fatal error, or one of the errors that
/// are written there as JSON.
pub(super) fn complaint(line: &str) -> Option<String> {
    let line = line.trim();
    if let Some((_, reason)) = line.strip_prefix("Attempt ").and_then(|rest| rest.split_once("failed")) {
        let reason = reason.trim_start_matches(':').trim();
        return Some(provider_message(reason).unwrap_or_else(|| reason.to_owned()));
    }
    let message =
        line.strip_prefix("\"message\":").map(|message| message.trim().trim_end_matches(',').trim_matches('"'));
    if let Some(message) = message {
        return Some(message.to_owned());
    }
    let told = ["Error", "error", "not running in a trusted", "Invalid", "session"];
    let noise = line.starts_with("at ") || line.starts_with("Warning:");
    (!noise && told.iter().any(|word| line.contains(word))).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_found_and_unpacked() {
        let json = r#"{"error":{"code":500,"message":"stub: internal","status":"INTERNAL"}}"#;
        let cases = [
            (
                format!("Attempt 1 failed with status 500. Retrying with backoff... _ApiError: {json}"),
                "stub: internal (HTTP 500)",
            ),
            ("Attempt 2 failed: stub: quota exceeded".to_owned(), "stub: quota exceeded"),
            ("    \"message\": \"Invalid auth method selected.\",".to_owned(), "Invalid auth method selected."),
        ];
        for (line, expected) in cases {
            assert_eq!(complaint(&line).as_deref(), Some(expected));
        }
        for line in ["    at async Turn.run (file:///x.js)", "Warning: 256-color support", "Ripgrep is not available."]
        {
            assert_eq!(complaint(line), None, "{line}");
        }
    }

    #[test]
    fn failed_attempts_are_counted_by_the_cli() {
        assert_eq!(failed_attempt("Attempt 3 failed: stub: quota exceeded"), Some(3));
        assert_eq!(failed_attempt("Attempt to failed"), None);
    }

    #[test]
    fn exit_codes_are_explained() {
        for (code, expected) in [(173, "HTTP 429"), (244, "HTTP 500"), (145, "HTTP 401"), (55, "trust")] {
            let meaning = exit_meaning(code).unwrap_or_default();
            assert!(meaning.contains(expected), "{code}: {meaning}");
        }
        assert_eq!(exit_meaning(1), None);
    }
}
