//! How a turn ended, by the reply to its prompt and by what the agent said before.

use super::protocol::PromptReply;
use crate::kind::BackendType;
use crate::outbox::TurnEnd;
use crate::rate_limit::{reset_in, speaks_of_one};
use crate::wire::CallError;

/// What is known of a turn beside the reply to its prompt.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    /// The agent has said that it failed.
    pub(super) failure: Option<String>,
    /// Its last message.
    pub(super) words: &'a str,
    /// It does not say what it has used, as it does of each turn that goes well, and no tool was used in it.
    pub(super) owes_usage: bool,
}

pub(super) fn turn_end(backend: BackendType, reply: Result<PromptReply, CallError>, told: Told<'_>) -> TurnEnd {
    let reply = match reply {
        Ok(reply) => reply,
        Err(CallError::Refused { code, message }) => {
            // Gemini CLI uses the HTTP status as the error's code, and puts the provider's JSON into the message.
            let text = crate::gemini::provider_message(&message).unwrap_or(message);
            let is_told = !(400..600).contains(&code) || text.ends_with(')');
            let reason = if is_told { text } else { format!("{text} (HTTP {code})") };
            return if code == 429 { limited(reason) } else { failed(reason) };
        }
        Err(error) => return TurnEnd::Failed(error.in_call(backend, "session/prompt").to_string()),
    };
    let failure = told.failure.or_else(|| reply.failure());
    match (reply.stop_reason.as_str(), failure) {
        ("cancelled", _) => TurnEnd::Interrupted,
        ("end_turn", Some(failure)) => failed(failure),
        // Some agents give the words of an error for an answer, and then say nothing of what it has cost.
        ("end_turn", None) if told.owes_usage => failed(format!(
            "{} (taken for an error: the agent does not say what the turn has used, as it does when one goes well)",
            told.words.trim()
        )),
        ("end_turn", None) => TurnEnd::Complete,
        ("", _) => TurnEnd::Failed("the agent does not say why it stopped".into()),
        (reason, _) if speaks_of_one(told.words) => {
            failed(format!("{} (the agent stopped: {reason})", told.words.trim()))
        }
        (reason, _) => TurnEnd::Failed(format!("the agent stopped: {reason}")),
    }
}

/// A turn that failed, by words that may be about a rate limit.
fn failed(reason: String) -> TurnEnd {
    if speaks_of_one(&reason) { limited(reason) } else { TurnEnd::Failed(reason) }
}

fn limited(reason: String) -> TurnEnd {
    TurnEnd::RateLimited { resets_at: reset_in(&reason), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(reply: &str, told: Told<'_>) -> TurnEnd {
        turn_end(BackendType::Acp, Ok(serde_json::from_str(reply).unwrap()), told)
    }

    #[test]
    fn a_rate_limit_is_known_by_its_words() {
        for (code, message, limited) in [
            (429, "slow down", true),
            (429, "slow down (see our terms)", true),
            (-32603, "Internal error: exceeded retry limit, last status: 429 Too Many Requests", true),
            (-32603, "Internal error (HTTP 429)", true),
            (-32603, "Rate limit reached for this model", true),
            (500, "broken", false),
            (-32603, "no such file: 429.txt", false),
        ] {
            let refused = Err(CallError::Refused { code, message: message.to_owned() });
            let ended = turn_end(BackendType::Acp, refused, Told::default());
            assert_eq!(matches!(ended, TurnEnd::RateLimited { .. }), limited, "{message}: {ended:?}");
        }
        let told = Told { words: "HTTP 429 from the provider", ..Told::default() };
        assert!(matches!(end(r#"{"stopReason":"refusal"}"#, told), TurnEnd::RateLimited { .. }));
        let told = Told { failure: Some("429 Too Many Requests".into()), ..Told::default() };
        assert!(matches!(end(r#"{"stopReason":"end_turn"}"#, told), TurnEnd::RateLimited { .. }));
        // Words of a turn that goes well are no failure.
        let told = Told { words: "HTTP 429 means too many requests", ..Told::default() };
        assert_eq!(end(r#"{"stopReason":"end_turn"}"#, told), TurnEnd::Complete);
    }

    #[test]
    fn an_answer_without_its_cost_is_an_error_in_words() {
        let told = Told { words: "no credit left\n", owes_usage: true, ..Told::default() };
        let TurnEnd::Failed(reason) = end(r#"{"stopReason":"end_turn"}"#, told) else { panic!("it has failed") };
        assert!(reason.starts_with("no credit left (taken for an error"), "{reason}");
    }
}
