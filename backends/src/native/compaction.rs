//! How a conversation is kept within what its model can read: how long it is, and what is left out of it when it becomes too long.

use std::fmt::Write as _;

use super::llm::{ChatMessage, TokenUsage};

/// When the older part of a conversation is replaced by a summary, and how much of it stays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum CompactionStrategy {
    /// At four fifths of what fits; the last third stays.
    #[default]
    Auto,
    /// As late as possible; half of it stays.
    Conservative,
    /// At half of what fits; a tenth stays. It costs the least.
    Aggressive,
    /// At another point.
    Custom {
        /// The part of what fits at which it is done, between 0 and 1.
        start: f64,
        /// The part of what fits that stays, between 0 and 1.
        keep: f64,
    },
}

impl CompactionStrategy {
    fn parts(self) -> (f64, f64) {
        match self {
            Self::Auto => (0.8, 0.33),
            Self::Conservative => (0.95, 0.5),
            Self::Aggressive => (0.5, 0.1),
            Self::Custom { start, keep } => {
                let start = if start.is_finite() { start.clamp(0.05, 1.0) } else { 0.8 };
                (start, if keep.is_finite() { keep.clamp(0.0, start / 2.0) } else { start / 2.0 })
            }
        }
    }

    /// The tokens at which a conversation is compacted, and how many of them stay, when so many fit.
    pub(super) fn limits(self, fit: u64) -> (u64, u64) {
        let (start, keep) = self.parts();
        (part(fit, start), part(fit, keep))
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Contexts are small numbers.
fn part(whole: u64, part: f64) -> u64 {
    (whole as f64 * part) as u64
}

/// How many bytes a token has in a text of which nothing is known.
const USUAL_BYTES: f64 = 3.0;

/// Counts the tokens of a conversation: by the provider's own figures as far as there are any, and by bytes from there on.
#[derive(Clone, Debug)]
pub(super) struct ContextMeter {
    bytes_per_token: f64,
    /// So many messages have so many tokens, with everything that is sent beside them.
    known: Option<(usize, u64)>,
}

impl Default for ContextMeter {
    fn default() -> Self {
        Self { bytes_per_token: USUAL_BYTES, known: None }
    }
}

impl ContextMeter {
    /// About how many tokens these messages have, with `beside` bytes of instructions and tools.
    pub(super) fn tokens(&self, messages: &[ChatMessage], beside: usize) -> u64 {
        match self.known {
            Some((count, tokens)) if count <= messages.len() => tokens + self.of_bytes(size(&messages[count..])),
            _ => self.of_bytes(size(messages) + beside),
        }
    }

    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Contexts are small numbers.
    fn of_bytes(&self, bytes: usize) -> u64 {
        (bytes as f64 / self.bytes_per_token).ceil() as u64
    }

    /// Notes what the provider says that a request of `sent` bytes has used; the conversation has `count` messages with the answer.
    #[allow(clippy::cast_precision_loss)] // Contexts are small numbers.
    pub(super) fn learn(&mut self, count: usize, sent: usize, usage: TokenUsage) {
        if usage.input == 0 {
            return;
        }
        self.known = Some((count, usage.total()));
        // A small request is mostly what the provider adds.
        if usage.input >= 500 {
            self.bytes_per_token = (sent as f64 / usage.input as f64).clamp(1.0, 6.0);
        }
    }

    /// The conversation is another one now.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }
}

/// About how many bytes of messages a provider counts.
pub(super) fn size(messages: &[ChatMessage]) -> usize {
    messages.iter().map(|message| message.size() + 16).sum()
}

/// Where the part begins that stays, when about `keep` bytes of the end may stay: never between a call and its answers, and never at the very
/// end. 0 when there is nothing before it.
pub(super) fn cut(messages: &[ChatMessage], keep: usize) -> usize {
    let mut kept = 0;
    let mut at = messages.len();
    while at > 0 {
        kept += messages[at - 1].size() + 16;
        if kept > keep && at < messages.len() {
            break;
        }
        at -= 1;
    }
    // What a call was answered goes with the call.
    while at < messages.len() && matches!(messages[at], ChatMessage::Tool { .. }) {
        at += 1;
    }
    if at < messages.len() { at } else { last_exchange(messages) }
}

/// Where the last exchange begins that must stay whole: the last question, or the last answer with what its calls gave.
fn last_exchange(messages: &[ChatMessage]) -> usize {
    messages.iter().rposition(|message| !matches!(message, ChatMessage::Tool { .. })).unwrap_or(0)
}

/// Shortens what tools have answered to about so many bytes each; answers whether anything was shortened.
pub(super) fn shorten_outputs(messages: &mut [ChatMessage], longest: usize) -> bool {
    let mut changed = false;
    for message in messages {
        if let ChatMessage::Tool { output, .. } = message
            && output.len() > longest + 100
        {
            *output = middle_out(output, longest);
            changed = true;
        }
    }
    changed
}

/// A text without its middle, of about so many bytes, which says how much is missing.
pub(super) fn middle_out(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=longest / 2).rev().find(boundary).unwrap_or(0);
    let tail = (text.len() - longest / 2..).find(boundary).unwrap_or(text.len());
    format!("{}\n… {} bytes left out …\n{}", &text[..head], tail - head, &text[tail..])
}

/// What the model is asked for a summary of these messages, in at most about so many bytes.
pub(super) fn summary_request(messages: &[ChatMessage], longest: usize) -> String {
    let mut said = String::new();
    for message in messages {
        let _ = match message {
            ChatMessage::User { text } => writeln!(said, "USER: {text}"),
            ChatMessage::Assistant { text, tool_calls, .. } => {
                let calls: Vec<String> =
                    tool_calls.iter().map(|call| format!("[calls {} {}]", call.name, call.arguments)).collect();
                writeln!(said, "ASSISTANT: {text}{}", calls.join(" "))
            }
            ChatMessage::Tool { name, output, .. } => writeln!(said, "RESULT OF {name}: {}", middle_out(output, 2000)),
        };
    }
    let said = middle_out(&said, longest);
    format!(
        "Sum up the conversation below, for somebody who has to go on with it and sees nothing else of it: what is to be done and why, what was decided, what \
         was done and found (files, names, figures, errors, word for word where the wording matters), and what is next. Do not go on with it yourself.\n\n{said}"
    )
}

/// What a message begins with that stands for what was left out.
const SUMMARY: &str = "(What was said before was too long, and is summed up here.)";

/// The message that stands for what was left out.
pub(super) fn summary_message(summary: &str) -> ChatMessage {
    ChatMessage::user(format!("{SUMMARY}\n\n{summary}"))
}

/// Whether a message stands for what was left out.
pub(super) fn is_summary(message: &ChatMessage) -> bool {
    matches!(message, ChatMessage::User { text } if text.starts_with(SUMMARY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::llm::ToolCall;

    fn exchange(number: usize) -> [ChatMessage; 3] {
        let call = ToolCall { id: number.to_string(), name: "t".into(), arguments: serde_json::json!({}) };
        [
            ChatMessage::user(format!("question {number}")),
            ChatMessage::Assistant { text: String::new(), tool_calls: vec![call], continuation: None },
            ChatMessage::Tool { call: number.to_string(), name: "t".into(), output: "x".repeat(100), failed: false },
        ]
    }

    #[test]
    fn a_call_and_its_answer_stay_together() {
        let messages: Vec<_> = (0..10).flat_map(exchange).collect();
        for keep in 0..size(&messages) + 100 {
            let at = cut(&messages, keep);
            assert!(at < messages.len(), "something stays: {keep}");
            assert!(!matches!(messages[at], ChatMessage::Tool { .. }), "{keep}: {at}");
        }
        assert_eq!(cut(&messages, usize::MAX), 0);
        assert_eq!(cut(&[], 0), 0);
        assert_eq!(cut(&[ChatMessage::user("x")], 0), 0, "the question that is asked stays");
    }

    #[test]
    fn tokens_are_the_providers_and_bytes_from_there_on() {
        let mut meter = ContextMeter::default();
        let mut messages = vec![ChatMessage::user("x".repeat(2984))];
        assert_eq!(meter.tokens(&messages, 0), 1000);
        meter.learn(1, 3000, TokenUsage { input: 1500, output: 10, ..TokenUsage::default() });
        assert_eq!(meter.tokens(&messages, 0), 1510);
        messages.push(ChatMessage::user("x".repeat(1984)));
        assert_eq!(meter.tokens(&messages, 0), 2510, "two bytes a token, as it was told");
        meter.forget();
        assert_eq!(meter.tokens(&messages, 0), 2500);
    }

    #[test]
    fn what_is_shortened_says_so() {
        let text = "ä".repeat(1000);
        let short = middle_out(&text, 101);
        assert!(short.starts_with('ä') && short.ends_with('ä') && short.contains("bytes left out"), "{short}");
        assert!(short.len() < 200);
        assert_eq!(middle_out("short", 5), "short");
        let mut messages: Vec<_> = exchange(1).into();
        assert!(!shorten_outputs(&mut messages, 50), "it would hardly become shorter");
    }

    #[test]
    fn any_strategy_keeps_less_than_it_starts_at() {
        use CompactionStrategy::{Aggressive, Auto, Conservative, Custom};
        for strategy in [
            Auto,
            Conservative,
            Aggressive,
            Custom { start: 2.0, keep: 3.0 },
            Custom { start: f64::NAN, keep: f64::NAN },
            Custom { start: -1.0, keep: 0.5 },
        ] {
            let (start, keep) = strategy.limits(100_000);
            assert!(start > 0 && start <= 100_000 && keep < start, "{strategy:?}: {start} {keep}");
        }
    }
}
