//! What the texts of failures say about rate limits. Each driver decides by its protocol whether a failure is one; when it
//! will be over is in the protocol only sometimes, and in the words often.

use std::time::{SystemTime, UNIX_EPOCH};

/// When a limit is over, in seconds since 1970, if its words tell: `…|1748131200` (Claude Code's subscription limits), or
/// `retry in 32.5s` (Gemini's).
pub(crate) fn reset_in(text: &str) -> Option<i64> {
    if let Some((_, after)) = text.rsplit_once('|') {
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        if digits.len() == 10 {
            return digits.parse().ok();
        }
    }
    let (_, after) = text.split_once("retry in ")?;
    let number: String = after.chars().take_while(|char| char.is_ascii_digit() || *char == '.').collect();
    let seconds: f64 = number.parse().ok().filter(|_| after[number.len()..].starts_with('s'))?;
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
    Some(now() + seconds.ceil() as i64)
}

/// Whether a text without a status is about a limit.
pub(crate) fn speaks_of_one(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["http 429", "status 429", "resource_exhausted", "quota", "rate limit"].iter().any(|word| text.contains(word))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_limit_is_found_in_its_words() {
        assert_eq!(reset_in("Claude AI usage limit reached|1748131200"), Some(1_748_131_200));
        let soon = reset_in("quota exceeded. Please retry in 32.5s.").unwrap() - now();
        assert!((32..=33).contains(&soon), "{soon}");
        for text in ["a|b", "429", "retry in a while", "retry in 5 minutes"] {
            assert_eq!(reset_in(text), None, "{text}");
        }
    }
}
