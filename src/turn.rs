//! A turn that was begun, and what comes of it, over any source of events. It knows neither the orchestrator nor the daemon.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::model::event::Event;
use crate::model::turn::{TurnOutcome, TurnProgress, TurnStatus};

/// Where a team's events come from, one after the other.
#[async_trait]
pub trait EventSource: Send + std::fmt::Debug {
    /// The next event, waited for; `None` when none can come any more. Cancel-safe.
    ///
    /// # Errors
    /// The source has failed.
    async fn next_event(&mut self) -> Result<Option<Arc<Event>>>;
}

/// A turn that a member was given. It goes its way without this, too.
#[derive(Debug)]
pub struct TurnHandle {
    progress: TurnProgress,
    source: Box<dyn EventSource>,
}

impl TurnHandle {
    /// Follows a turn of a member through these events, which must not begin after the turn was given.
    pub fn new(member: &str, turn: u64, source: impl EventSource + 'static) -> Self {
        Self { progress: TurnProgress::new(member, turn), source: Box::new(source) }
    }

    /// The turn's number: the first that a member is given is 1.
    pub fn number(&self) -> u64 {
        self.progress.turn()
    }

    /// Whose turn it is.
    pub fn member(&self) -> &str {
        self.progress.member()
    }

    /// The turn's events from the last that was read on.
    pub fn events(&mut self) -> TurnEvents<'_> {
        TurnEvents(self)
    }

    /// Waits for the end of the turn, and answers how it ended. Asked again, it answers the same. Cancel-safe.
    ///
    /// # Errors
    /// The source of the events has failed.
    pub async fn outcome(&mut self) -> Result<TurnOutcome> {
        loop {
            if let Some(outcome) = self.progress.outcome() {
                return Ok(outcome.clone());
            }
            self.events().next().await?;
        }
    }

    /// Waits for the end of the turn, and answers the whole text of the agent. Cancel-safe.
    ///
    /// # Errors
    /// The turn failed, or was interrupted.
    pub async fn text(&mut self) -> Result<String> {
        let outcome = self.outcome().await?;
        let (member, turn) = (self.member().to_owned(), outcome.turn);
        match outcome.status {
            TurnStatus::Completed => Ok(outcome.text),
            TurnStatus::Interrupted => Err(Error::TurnInterrupted { member, turn }),
            TurnStatus::Failed => Err(Error::TurnFailed { member, turn, reason: outcome.error.unwrap_or_default() }),
        }
    }
}

/// The events of one turn, as they happen.
#[derive(Debug)]
pub struct TurnEvents<'a>(&'a mut TurnHandle);

impl TurnEvents<'_> {
    /// The next event of the turn; `None` after the one that ends it. Cancel-safe.
    ///
    /// # Errors
    /// The source of the events has failed.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>> {
        let TurnHandle { progress, source } = &mut *self.0;
        while progress.outcome().is_none() {
            match source.next_event().await? {
                Some(event) if progress.take(&event) => return Ok(Some(event)),
                Some(_) => {}
                None => progress.cut_off("its team is gone"),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventKind;

    #[derive(Debug)]
    struct Known(Vec<Event>);

    #[async_trait]
    impl EventSource for Known {
        async fn next_event(&mut self) -> Result<Option<Arc<Event>>> {
            Ok(if self.0.is_empty() { None } else { Some(Arc::new(self.0.remove(0))) })
        }
    }

    fn handle(kinds: Vec<(Option<u64>, EventKind)>) -> TurnHandle {
        let event =
            |(turn, kind)| Event { seq: 1, time: String::new(), team: "t".into(), agent: "a".into(), turn, kind };
        TurnHandle::new("a", 2, Known(kinds.into_iter().map(event).collect()))
    }

    fn delta(text: &str) -> EventKind {
        EventKind::Delta { text: text.into() }
    }

    #[tokio::test]
    async fn the_events_of_a_turn_are_its_own_and_end_with_it() {
        let end = EventKind::TurnCompleted { text: "ab".into() };
        let mut turn = handle(vec![
            (Some(1), delta("x")),
            (Some(2), delta("a")),
            (None, EventKind::Idle),
            (Some(2), delta("b")),
            (Some(2), end.clone()),
            (Some(2), delta("late")),
        ]);
        let mut seen = Vec::new();
        while let Some(event) = turn.events().next().await.unwrap() {
            seen.push(event.kind.clone());
        }
        assert_eq!(seen, [delta("a"), delta("b"), end]);
        assert_eq!(turn.text().await.unwrap(), "ab");
        assert_eq!(turn.outcome().await.unwrap().status, TurnStatus::Completed);
    }

    #[tokio::test]
    async fn a_text_that_did_not_come_says_how_the_turn_ended() {
        let failed = handle(vec![(Some(2), EventKind::Error { message: "no money".into() })]).text().await;
        assert!(failed.unwrap_err().to_string().starts_with("turn 2 of `a` failed: no money; "));
        let interrupted = EventKind::TurnInterrupted { text: "half".into(), input: None };
        let interrupted = handle(vec![(Some(2), interrupted)]).text().await;
        assert!(matches!(interrupted, Err(Error::TurnInterrupted { turn: 2, .. })));
        let gone = handle(vec![(Some(2), delta("a"))]).text().await;
        assert!(gone.unwrap_err().to_string().contains("its team is gone"));
    }
}
