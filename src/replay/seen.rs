//! The events of a team as they can be compared: what comes in pieces is put together, and what several parts of the program tell
//! stands apart, because nobody says which of them is first.

use std::collections::BTreeMap;

use crate::model::event::{Event, EventKind, MailState};

/// Whose events have an order among themselves: those of an agent that one part of the program tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Strand {
    pub(super) agent: String,
    teller: Teller,
}

/// A part of the program that tells of an agent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Teller {
    /// What looks after it.
    Actor,
    /// What sees its inbox, for each sender: mail of one comes in its order, and that of several as it comes.
    Inbox(String),
    /// What gives it its mail, for each sender.
    Mail(String),
    /// What sees the list of tasks, for each task. It tells of what it finds: of two changes that come together, it tells once.
    Task(String),
}

impl Strand {
    pub(super) fn of(event: &Event) -> Self {
        let teller = match &event.kind {
            EventKind::Mail { from, state: MailState::Queued, .. } => Teller::Inbox(from.clone()),
            EventKind::Mail { from, .. } => Teller::Mail(from.clone()),
            EventKind::Task { id, .. } => Teller::Task(id.to_string()),
            _ => Teller::Actor,
        };
        Self { agent: event.agent.clone(), teller }
    }
}

/// Whether an event is one each time, and in its place: it is no piece of an answer, nothing that may be told together with what comes after it,
/// not that mail has come, and not that the team was made, which no recording of it has.
pub(super) fn is_whole(event: &Event) -> bool {
    let in_pieces =
        matches!(event.kind, EventKind::Delta { .. } | EventKind::Task { .. } | EventKind::TeamCreated { .. });
    !in_pieces && !is_mail_that_came(event)
}

/// Whether an event says that mail has come into an inbox. Who sends it may do something else before that is seen: end, for instance.
pub(super) fn is_mail_that_came(event: &Event) -> bool {
    matches!(event.kind, EventKind::Mail { state: MailState::Queued, .. })
}

/// The events of each strand, in their order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    strands: BTreeMap<Strand, Vec<Event>>,
    whole: usize,
}

impl Seen {
    /// Takes an event in, and answers how many of its strand there are with it.
    pub(super) fn add(&mut self, event: &Event) -> usize {
        self.whole += usize::from(is_whole(event));
        let events = self.strands.entry(Strand::of(event)).or_default();
        if matches!(event.kind, EventKind::Task { .. }) {
            // How it is in the end is what counts.
            events.clear();
        }
        // How an answer is cut into pieces depends on who was fast.
        if let EventKind::Delta { text: more } = &event.kind
            && let Some(Event { kind: EventKind::Delta { text }, .. }) = events.last_mut()
        {
            text.push_str(more);
        } else {
            events.push(event.clone());
        }
        events.len()
    }

    /// How many events there are that come whole.
    pub(super) fn whole(&self) -> usize {
        self.whole
    }

    /// All strands.
    pub(super) fn strands(&self) -> impl Iterator<Item = (&Strand, &[Event])> {
        self.strands.iter().map(|(strand, events)| (strand, events.as_slice()))
    }

    /// The events of a strand.
    pub(super) fn of(&self, strand: &Strand) -> &[Event] {
        self.strands.get(strand).map(Vec::as_slice).unwrap_or_default()
    }
}
