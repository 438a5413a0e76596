//! What the texts of failures say about rate limits. Each driver decides by its protocol whether a failure is one; when it
//! will be over is in the protocol only sometimes, and in the words often.

use std::time::{SystemTime, UNIX_EPOCH};

/// What stands before the time until a limit is over, in small letters.
const BEFORE_SPANS: [&str; 10] = [
    "retry in",
    "again in",
    "retry after",
    "retry-after",
    "retry_after",
    "retrydelay",
    "retry_delay",
    "resets in",
    "reset in",
    "reset after",
];

/// What stands before the time at which it is over.
const BEFORE_MOMENTS: [&str; 6] = ["resets at", "reset at", "resets_at", "reset_at", "resetsat", "again at"];

/// When a limit is over, in seconds since 1970, if its words tell: `…|1748131200` (Claude Code's subscription limits),
/// `retry in 32.5s` (Gemini's), `try again in 2 days 3 hours` (Codex's), `resets at 2026-11-27T10:00:00Z`, or a header among them.
pub(crate) fn reset_in(text: &str) -> Option<i64> {
    if let Some((_, after)) = text.rsplit_once('|')
        && let Some(moment) = moment(after)
    {
        return Some(moment);
    }
    // As long as the text.
    let small = text.to_ascii_lowercase();
    let behind = |mark: &&str| {
        let at = small.find(*mark)? + mark.len();
        Some(text[at..].trim_start_matches([' ', ':', '=', '"', '\'']))
    };
    let mut moments = BEFORE_MOMENTS.iter().chain(&BEFORE_SPANS).filter_map(behind);
    let mut spans = BEFORE_SPANS.iter().filter_map(behind);
    #[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
    moments.find_map(moment).or_else(|| spans.find_map(span).map(|seconds| now().saturating_add(seconds.ceil() as i64)))
}

/// A time that a text begins with: as RFC 3339 has it, or as seconds or milliseconds since 1970.
fn moment(text: &str) -> Option<i64> {
    let end = text.find(|char: char| !char.is_ascii_alphanumeric() && !"-:.+".contains(char)).unwrap_or(text.len());
    let word = text[..end].trim_end_matches(['.', ':']);
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        10 | 13 => word[..10].parse().ok(),
        _ => word.parse().ok().map(jiff::Timestamp::as_second),
    }
}

/// A span of time that a text begins with, in seconds: numbers with their units, or a number alone.
fn span(text: &str) -> Option<f64> {
    let mut sum = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
        let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let Ok(number) = rest[..digits].trim_end_matches('.').parse::<f64>() else { return sum };
        rest = rest[digits..].trim_start_matches(' ');
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match rest[..letters].to_ascii_lowercase().as_str() {
            "ms" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            "" if sum.is_none() => return Some(number),
            _ => return sum,
        };
        rest = &rest[letters..];
        sum = Some(sum.unwrap_or(0.0) + number * unit);
    }
}

/// Whether a text without a status is about a limit.
pub(crate) fn speaks_of_one(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["http 429", "status 429", "429 too many", "too many requests", "resource_exhausted", "quota", "rate limit"]
        .iter()
        .any(|word| text.contains(word))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_limit_is_found_in_its_words() {
        for (text, expected) in [
            ("Claude AI usage limit reached|1748131200", 1_748_131_200),
            ("Limit reached; it resets at 2025-05-25T00:00:00Z.", 1_748_131_200),
            ("try again at 2025-05-25T02:00:00+02:00", 1_748_131_200),
            (r#"{"resets_at": 1748131200}"#, 1_748_131_200),
            (r#"{"resetsAt":1748131200000}"#, 1_748_131_200),
        ] {
            assert_eq!(reset_in(text), Some(expected), "{text}");
        }
        for (text, expected) in [
            ("quota exceeded. Please retry in 32.5s.", 33),
            ("retry in 5 minutes", 300),
            ("You have hit your usage limit. Try again in 2 days 3 hours and 5 minutes.", 183_900),
            ("Rate limit reached. Please try again in 1m20s. Visit the page", 80),
            ("try again in 820ms", 1),
            ("Retry-After: 120", 120),
            (r#"{"retryDelay": "34s"}"#, 34),
            ("retry after 7", 7),
        ] {
            let soon = reset_in(text).unwrap_or_default() - now();
            assert!((expected - 1..=expected).contains(&soon), "{text}: {soon}");
        }
        assert_eq!(reset_in("try again in 99999999999999999999 days"), Some(i64::MAX), "and no panic");
        for text in
            ["a|b", "429", "retry in a while", "try again at 3:05 PM", "again in", "retry in é", "retry in 3 tries"]
        {
            assert_eq!(reset_in(text), None, "{text}");
        }
    }
}
