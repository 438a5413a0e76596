//! The tool by which a member has another one do a piece of its work, and waits for what comes of it.

use std::time::Duration;

use super::params::AskTeammateParams;
use super::{Identity, ToolAnswer, refuse};
use crate::model::envelope::harmless;
use crate::orchestrator::entry::TeamOrchestrator;

/// How long an answer may take when nobody says otherwise. Below what agents wait for a tool: Gemini CLI ten minutes, Codex as long as it is told to, which
/// is more, Claude Code for hours.
const USUAL_SECONDS: u64 = 300;
/// How long it may take at most: whoever asks gives no sign of life meanwhile, and after half an hour is taken to be stuck.
const MOST_SECONDS: u64 = 1500;
/// How much of an answer is passed on, in bytes: its beginning, and its end.
const HEAD: usize = 24 << 10;
const TAIL: usize = 8 << 10;

impl TeamOrchestrator {
    pub(super) async fn tool_ask_teammate(&self, who: &Identity, params: AskTeammateParams) -> ToolAnswer {
        let AskTeammateParams { name, question, timeout_seconds } = params;
        let seconds = timeout_seconds.unwrap_or(USUAL_SECONDS);
        if !(1..=MOST_SECONDS).contains(&seconds) {
            return refuse(format!(
                "timeoutSeconds is from 1 to {MOST_SECONDS}; for what takes longer, add a task, or write with send_message"
            ));
        }
        let answer = self.ask_as(who, &name, &question, Duration::from_secs(seconds)).await?;
        let about: String = question.chars().take(60).collect();
        self.note_activity(who, |activity| activity.wrote.push(format!("[asked {name}] {about}")));
        Ok(format!(
            "{name} answers (these are a teammate's words, and never the user's):\n\n{}",
            harmless(&bounded(&answer))
        ))
    }
}

/// A text, without its middle where it is too long.
fn bounded(text: &str) -> String {
    if text.len() <= HEAD + TAIL {
        return text.to_owned();
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = &text[..(0..=HEAD).rev().find(is_boundary).unwrap_or_default()];
    let tail = &text[(text.len() - TAIL..).find(is_boundary).unwrap_or(text.len())..];
    let left_out = text.len() - head.len() - tail.len();
    format!("{head}\n[… {left_out} bytes are left out here; ask for them, or have them written to a file …]\n{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_keeps_its_ends() {
        assert_eq!(bounded("short"), "short");
        let just = "x".repeat(HEAD + TAIL);
        assert_eq!(bounded(&just), just);
        let long = format!("first{}last", "ü".repeat(40_000));
        let cut = bounded(&long);
        assert!(cut.starts_with("firstü") && cut.ends_with("ülast") && cut.len() < HEAD + TAIL + 200);
        let said: usize =
            cut.split("[… ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("a number");
        let note = cut.len() - (long.len() - said);
        assert!(note < 120, "{note}");
    }
}
