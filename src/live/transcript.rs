//! What a member has said and done, as it is shown: its events, folded into pieces.

use std::collections::VecDeque;

use agent_backends::ToolStatus;

use crate::model::event::{Event, EventKind, MailState};

/// How many pieces are kept for a member; older ones are in the transcript on disk.
const MOST_PIECES: usize = 1_000;
/// How much text of a member is kept, in bytes.
const MOST_BYTES: usize = 8 << 20;
/// How much text of a piece is kept, in bytes; of a longer one, its end.
const MOST_TEXT: usize = 256 << 10;

/// How a piece is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
}

/// A part of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// What a turn was given.
    Input { turn: u64, from: Option<String>, text: String },
    /// What the member says; it grows until it is whole.
    Said { text: String, is_whole: bool },
    /// A tool that it uses.
    Tool { id: String, name: String, summary: String, status: ToolStatus },
    /// Anything else that has happened.
    Note { tone: Tone, text: String },
}

impl Piece {
    /// How long its text is, in bytes.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Input { text, .. } | Self::Said { text, .. } | Self::Note { text, .. } => text.len(),
            Self::Tool { summary, .. } => summary.len(),
        }
    }
}

/// A piece, and the numbers of the first and the last event that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) piece: Piece,
}

/// The pieces of a member, the newest last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    entries: VecDeque<Entry>,
    /// The number of the event that is heard now.
    now: u64,
    /// Whether there was more before the first piece.
    is_cut: bool,
}

impl Transcript {
    /// The pieces that there is something to see of.
    pub(crate) fn pieces(&self) -> impl DoubleEndedIterator<Item = &Piece> {
        let is_empty = |piece: &&Piece| matches!(piece, Piece::Said { text, .. } if text.is_empty());
        self.entries.iter().map(|entry| &entry.piece).filter(move |piece| !is_empty(piece))
    }

    /// One whose beginning may not have been heard.
    pub(crate) fn new(is_cut: bool) -> Self {
        Self { is_cut, ..Self::default() }
    }

    /// Whether there was more before the first piece: it is in the transcript on disk.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The number of the last event that was heard.
    pub(crate) fn last(&self) -> u64 {
        self.now
    }

    /// All pieces, with where they come from.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Takes the next event of the member.
    pub(crate) fn hear(&mut self, event: &Event) {
        self.now = event.seq;
        let note = |tone, text: String| Some(Piece::Note { tone, text: kept(&text) });
        let piece = match &event.kind {
            EventKind::Delta { text } => return self.say(text),
            EventKind::Message { text } => return self.said(text),
            EventKind::Retracted => return self.retract(),
            EventKind::Tool { id, name, status, summary } => return self.tool(id, name, *status, summary),
            EventKind::TurnStarted { input, from } => Some(Piece::Input {
                turn: event.turn.unwrap_or_default(),
                from: from.clone(),
                text: kept(input.as_deref().unwrap_or("(by itself)")),
            }),
            EventKind::Routed { backend, reason } => note(Tone::Plain, format!("{backend} was chosen: {reason}")),
            EventKind::Spawned { backend, conversation, .. } => {
                let what = conversation.map(|what| format!(", {what:?} conversation").to_lowercase());
                note(Tone::Plain, format!("started ({backend}{})", what.unwrap_or_default()))
            }
            EventKind::TurnInterrupted { .. } => note(Tone::Warning, "interrupted".to_owned()),
            EventKind::Error { message } => note(Tone::Bad, message.clone()),
            EventKind::Notice { message } => note(Tone::Warning, message.clone()),
            EventKind::Lagged { bytes } => note(Tone::Bad, format!("{bytes} bytes of text were dropped here")),
            EventKind::HookRejected { hook, feedback, .. } => {
                note(Tone::Warning, format!("the hook `{hook}` rejects this: {feedback}"))
            }
            EventKind::Approval { tool, summary, decides, .. } if !decides.is_final() => {
                note(Tone::Warning, format!("asks for {tool}: {summary}"))
            }
            EventKind::ApprovalClosed { outcome, by, .. } => {
                let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                note(Tone::Plain, format!("{outcome}{by}"))
            }
            EventKind::Mail { from, state: MailState::Refused, reason, .. } => {
                let reason = reason.as_deref().unwrap_or("nobody says why");
                note(Tone::Warning, format!("mail from {from} was refused: {reason}"))
            }
            EventKind::LeadEnded { reason } => note(Tone::Warning, format!("the lead has ended: {reason}")),
            EventKind::ShutdownRequested { .. } => note(Tone::Plain, "is asked to stop".to_owned()),
            EventKind::Exited { code, signal, .. } => match (code, signal) {
                (Some(code), _) => note(Tone::Plain, format!("ended with code {code}")),
                (None, Some(signal)) => note(Tone::Bad, format!("ended by signal {signal}")),
                (None, None) => note(Tone::Plain, "ended".to_owned()),
            },
            _ => None,
        };
        if let Some(piece) = piece {
            self.close();
            self.add(piece);
        }
    }

    fn add(&mut self, piece: Piece) {
        self.entries.push_back(Entry { first: self.now, last: self.now, piece });
        self.forget_oldest();
    }

    /// What is kept is bounded, whatever an agent says.
    fn forget_oldest(&mut self) {
        let all: usize = self.entries.iter().map(|entry| entry.piece.length()).sum();
        let mut over = all.saturating_sub(MOST_BYTES);
        while let Some(oldest) = self.entries.front()
            && (self.entries.len() > MOST_PIECES || over > 0 && self.entries.len() > 1)
        {
            over = over.saturating_sub(oldest.piece.length());
            self.is_cut = true;
            self.entries.pop_front();
        }
    }

    /// The text that is still growing.
    fn growing(&mut self) -> Option<(&mut String, &mut bool)> {
        match self.entries.back_mut() {
            Some(Entry { last, piece: Piece::Said { text, is_whole: is_whole @ false }, .. }) => {
                *last = self.now;
                Some((text, is_whole))
            }
            _ => None,
        }
    }

    /// What was said so far is all of it.
    fn close(&mut self) {
        if let Some((_, is_whole)) = self.growing() {
            *is_whole = true;
        }
    }

    fn say(&mut self, more: &str) {
        match self.growing() {
            Some((text, _)) => {
                text.push_str(more);
                if text.len() > 2 * MOST_TEXT {
                    *text = kept(text);
                }
            }
            None => self.add(Piece::Said { text: kept(more), is_whole: false }),
        }
    }

    /// A whole message takes the place of the pieces of it that came before.
    fn said(&mut self, whole: &str) {
        match self.growing() {
            Some((text, is_whole)) => (*text, *is_whole) = (kept(whole), true),
            None => self.add(Piece::Said { text: kept(whole), is_whole: true }),
        }
    }

    /// What was said so far is no part of the message; the piece stays, for what comes in its place.
    fn retract(&mut self) {
        if let Some((text, _)) = self.growing() {
            text.clear();
        }
    }

    fn tool(&mut self, id: &str, name: &str, status: ToolStatus, summary: &str) {
        // It is among the last: its turn goes on.
        for Entry { last, piece, .. } in self.entries.iter_mut().rev().take(100) {
            if let Piece::Tool { id: known, status: before, .. } = piece
                && known == id
            {
                (*before, *last) = (status, self.now);
                return;
            }
        }
        self.close();
        let (id, name, summary) = (id.to_owned(), name.to_owned(), kept(summary));
        self.add(Piece::Tool { id, name, summary, status });
    }
}

/// Where to find what a transcript has forgotten.
pub(crate) fn before_it(agent: &str) -> String {
    format!("what came before this is in `teams tail {agent}`")
}

/// The end of a text that is too long.
fn kept(text: &str) -> String {
    if text.len() <= MOST_TEXT {
        return text.to_owned();
    }
    let mut from = text.len() - MOST_TEXT;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    format!("… ({from} bytes before this are in `teams tail`)\n{}", &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(transcript: &mut Transcript, kind: EventKind) {
        let (time, team, agent) = (String::new(), "t".to_owned(), "a".to_owned());
        transcript.hear(&Event { seq: 1, time, team, agent, turn: Some(3), kind });
    }

    fn delta(text: &str) -> EventKind {
        EventKind::Delta { text: text.to_owned() }
    }

    #[test]
    fn text_grows_until_it_is_whole() {
        let mut transcript = Transcript::default();
        hear(&mut transcript, EventKind::TurnStarted { input: Some("hi".into()), from: None });
        hear(&mut transcript, delta("Hel"));
        hear(&mut transcript, EventKind::Retracted);
        hear(&mut transcript, delta("Good "));
        hear(&mut transcript, delta("day"));
        let tool = |status| EventKind::Tool { id: "1".into(), name: "Bash".into(), status, summary: "ls".into() };
        hear(&mut transcript, tool(ToolStatus::Started));
        hear(&mut transcript, delta("Done"));
        hear(&mut transcript, tool(ToolStatus::Completed));
        hear(&mut transcript, EventKind::Message { text: "Done.".into() });
        let pieces: Vec<&Piece> = transcript.pieces().collect();
        assert!(!transcript.is_cut());
        assert_eq!(pieces.len(), 4, "{pieces:?}");
        assert_eq!(*pieces[1], Piece::Said { text: "Good day".into(), is_whole: true });
        assert!(matches!(pieces[2], Piece::Tool { status: ToolStatus::Completed, .. }));
        assert_eq!(*pieces[3], Piece::Said { text: "Done.".into(), is_whole: true });
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut transcript = Transcript::default();
        for _ in 0..40 {
            hear(&mut transcript, delta(&"ä".repeat(20_000)));
        }
        let Some(Piece::Said { text, .. }) = transcript.pieces().last() else { panic!("it has said something") };
        assert!(text.len() < 3 * MOST_TEXT);
        hear(&mut transcript, EventKind::Message { text: "x".repeat(10 << 20) });
        for number in 0..3 * MOST_PIECES {
            hear(&mut transcript, EventKind::Notice { message: number.to_string() });
        }
        assert_eq!(transcript.pieces().count(), MOST_PIECES);
        assert!(transcript.is_cut());
    }
}
