//! How a turn ended, told from the events of its member. It knows no source of events: the orchestrator's feed and a client of
//! the daemon use the same.

use agent_backends::Usage;
use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind};

/// In which way a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TurnStatus {
    /// The agent has done what it was asked to, as far as it says.
    Completed,
    /// The turn ended in an error, or its member ended before it did.
    Failed,
    /// Somebody ended the turn.
    Interrupted,
}

/// How a turn ended, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnOutcome {
    /// The turn's number.
    pub turn: u64,
    /// In which way it ended.
    pub status: TurnStatus,
    /// The whole answer, or what was said until the turn was interrupted; nothing when it failed.
    pub text: String,
    /// What the turn used, where the agent says so.
    pub usage: Option<Usage>,
    /// Why the turn did not complete.
    pub error: Option<String>,
}

/// Follows one turn through the events of its team.
#[derive(Clone, Debug)]
pub struct TurnProgress {
    member: String,
    turn: u64,
    usage: Option<Usage>,
    outcome: Option<TurnOutcome>,
}

impl TurnProgress {
    /// A turn of a member that has not ended as far as is known.
    pub fn new(member: impl Into<String>, turn: u64) -> Self {
        Self { member: member.into(), turn, usage: None, outcome: None }
    }

    /// Whose turn it is.
    pub fn member(&self) -> &str {
        &self.member
    }

    /// The turn's number.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// How the turn ended; `None` as long as it has not.
    pub fn outcome(&self) -> Option<&TurnOutcome> {
        self.outcome.as_ref()
    }

    /// Takes the next event of the team, and answers whether it is one of this turn. What comes after its end is not.
    pub fn take(&mut self, event: &Event) -> bool {
        if event.agent != self.member || self.outcome.is_some() {
            return false;
        }
        let ours = event.turn == Some(self.turn);
        match &event.kind {
            EventKind::Usage { usage } if ours => *self.usage.get_or_insert_default() += *usage,
            EventKind::TurnCompleted { text } if ours => self.end(TurnStatus::Completed, text.clone(), None),
            EventKind::TurnInterrupted { text, .. } if ours => {
                self.end(TurnStatus::Interrupted, text.clone(), Some("the turn was interrupted".to_owned()));
            }
            EventKind::Error { message } if ours => {
                self.end(TurnStatus::Failed, String::new(), Some(message.clone()));
            }
            // It had no number any more, or has not begun yet: no other session will end it.
            EventKind::Exited { restarts: false, .. } => {
                let why = format!("{} ended before the turn did", self.member);
                self.end(TurnStatus::Failed, String::new(), Some(why));
                return true;
            }
            _ => {}
        }
        ours
    }

    /// No event comes any more: the turn has failed, unless its end is known.
    pub fn cut_off(&mut self, why: &str) {
        if self.outcome.is_none() {
            self.end(TurnStatus::Failed, String::new(), Some(why.to_owned()));
        }
    }

    fn end(&mut self, status: TurnStatus, text: String, error: Option<String>) {
        self.outcome = Some(TurnOutcome { turn: self.turn, status, text, usage: self.usage, error });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(agent: &str, turn: Option<u64>, kind: EventKind) -> Event {
        Event { seq: 1, time: String::new(), team: "t".into(), agent: agent.into(), turn, kind }
    }

    fn completed(text: &str) -> EventKind {
        EventKind::TurnCompleted { text: text.into() }
    }

    #[test]
    fn only_its_own_end_ends_a_turn() {
        let mut progress = TurnProgress::new("a", 2);
        assert!(!progress.take(&event("a", Some(1), completed("of the turn before"))));
        assert!(!progress.take(&event("b", Some(2), completed("of somebody else"))));
        assert!(!progress.take(&event("a", None, EventKind::Idle)));
        assert_eq!(progress.outcome(), None);
        let usage = Usage { input_tokens: 3, output_tokens: 4, cost_usd: None };
        assert!(progress.take(&event("a", Some(2), EventKind::Usage { usage })));
        assert!(progress.take(&event("a", Some(2), completed("the answer"))));
        let outcome = progress.outcome().unwrap().clone();
        assert_eq!((outcome.status, outcome.text.as_str()), (TurnStatus::Completed, "the answer"));
        assert_eq!((outcome.usage, outcome.error), (Some(usage), None));
        assert!(!progress.take(&event("a", Some(2), EventKind::Error { message: "late".into() })));
        assert_eq!(progress.outcome().unwrap().status, TurnStatus::Completed);
    }

    #[test]
    fn a_turn_has_used_all_that_is_told_of_it() {
        let mut progress = TurnProgress::new("a", 1);
        for (tokens, cost_usd) in [(3, Some(0.5)), (4, None)] {
            let usage = Usage { input_tokens: tokens, output_tokens: 1, cost_usd };
            progress.take(&event("a", Some(1), EventKind::Usage { usage }));
        }
        progress.take(&event("a", Some(1), completed("x")));
        let used = Usage { input_tokens: 7, output_tokens: 2, cost_usd: Some(0.5) };
        assert_eq!(progress.outcome().unwrap().usage, Some(used));
    }

    #[test]
    fn a_member_that_ends_and_is_not_started_again_ends_its_turns() {
        let exited = |restarts| EventKind::Exited { code: Some(1), signal: None, restarts };
        let mut progress = TurnProgress::new("a", 2);
        assert!(!progress.take(&event("b", None, exited(false))));
        assert!(!progress.take(&event("a", Some(1), exited(true))));
        assert_eq!(progress.outcome(), None);
        assert!(progress.take(&event("a", None, exited(false))));
        let outcome = progress.outcome().unwrap();
        assert_eq!(outcome.status, TurnStatus::Failed);
        assert_eq!(outcome.error.as_deref(), Some("a ended before the turn did"));
    }

    #[test]
    fn an_error_and_an_interrupt_say_why() {
        let mut failed = TurnProgress::new("a", 1);
        failed.take(&event("a", Some(1), EventKind::Error { message: "no money".into() }));
        assert_eq!(failed.outcome().unwrap().error.as_deref(), Some("no money"));
        let mut interrupted = TurnProgress::new("a", 1);
        interrupted.take(&event("a", Some(1), EventKind::TurnInterrupted { text: "half".into(), input: None }));
        let outcome = interrupted.outcome().unwrap();
        assert_eq!((outcome.status, outcome.text.as_str()), (TurnStatus::Interrupted, "half"));
        assert!(outcome.error.is_some());
    }

    #[test]
    fn a_turn_whose_events_end_has_failed_unless_it_had_ended() {
        let mut progress = TurnProgress::new("a", 1);
        progress.cut_off("nobody is there");
        assert_eq!(progress.outcome().unwrap().error.as_deref(), Some("nobody is there"));
        let mut ended = TurnProgress::new("a", 1);
        ended.take(&event("a", Some(1), completed("x")));
        ended.cut_off("nobody is there");
        assert_eq!(ended.outcome().unwrap().status, TurnStatus::Completed);
    }

    #[test]
    fn an_outcome_is_written_as_documented() {
        let mut progress = TurnProgress::new("a", 1);
        progress.take(&event("a", Some(1), completed("x")));
        let line = serde_json::to_string(progress.outcome().unwrap()).unwrap();
        assert_eq!(line, r#"{"turn":1,"status":"completed","text":"x","usage":null,"error":null}"#);
    }
}
