//! The turn that a member is in: whether one runs, what it was asked, what came of it so far. Values only; it knows no actor.

use std::collections::VecDeque;

use crate::orchestrator::limits::accounts::Limit;
use crate::orchestrator::teammate::journal::Input;

/// The turn that a member is in, if it is in one.
#[derive(Debug, Default)]
pub(crate) enum CurrentTurn {
    /// No turn runs, and the agent has nothing to begin.
    #[default]
    None,
    /// The agent was given an input, and has not begun with it.
    Given(Input),
    /// The agent works on an input.
    Running(AskedTurn),
    /// The agent works on something that nobody asked for; `next` is an input that it was given meanwhile.
    Own { progress: Progress, next: Option<Input> },
    /// The provider has refused the turn, which goes on with `again` when the rate limit is lifted. `given`: the agent has
    /// that already, and has not begun with it.
    Held { turn: AskedTurn, again: Input, given: bool },
}

/// A turn that somebody asked for.
#[derive(Debug)]
pub(crate) struct AskedTurn {
    pub(crate) input: Input,
    /// The agent has said that it has the input.
    pub(crate) accepted: bool,
    used_tools: bool,
    /// The provider has just refused the turn, whose failure comes next.
    refused: Option<Limit>,
    progress: Progress,
}

/// What came of a turn so far.
#[derive(Debug)]
pub(crate) struct Progress {
    number: u64,
    /// The whole messages, and the deltas since the last of them.
    messages: Vec<String>,
    unfinished: String,
    steered: Steered,
}

/// What a running turn was given besides its input.
#[derive(Debug, Default)]
pub(crate) struct Steered {
    /// The agent has not said that it has these.
    pub(crate) offered: VecDeque<Input>,
    /// The numbers in the journal of those that it has.
    pub(crate) accepted: Vec<u64>,
}

/// What the agent has just said that it has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// The input of its turn.
    Input(Input),
    /// A further input of its turn.
    Steered(Input),
    /// Nothing that we gave it.
    Nothing,
}

/// What a turn leaves behind when it ends.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// Its number; `None` when no turn ran.
    pub(crate) number: Option<u64>,
    /// Its input, when the agent did not say that it has it.
    pub(crate) unaccepted: Option<Input>,
    /// What it was given besides.
    pub(crate) steered: Steered,
}

impl Progress {
    fn new(number: u64) -> Self {
        Self { number, messages: Vec::new(), unfinished: String::new(), steered: Steered::default() }
    }
}

impl AskedTurn {
    fn new(input: Input) -> Self {
        let progress = Progress::new(input.turn);
        Self { input, accepted: false, used_tools: false, refused: None, progress }
    }

    /// Whether nothing has come of it yet.
    fn is_untouched(&self) -> bool {
        self.progress.messages.is_empty() && self.progress.unfinished.is_empty() && !self.used_tools
    }
}

impl CurrentTurn {
    fn progress(&self) -> Option<&Progress> {
        match self {
            Self::None | Self::Given(_) => None,
            Self::Running(turn) | Self::Held { turn, .. } => Some(&turn.progress),
            Self::Own { progress, .. } => Some(progress),
        }
    }

    fn progress_mut(&mut self) -> Option<&mut Progress> {
        match self {
            Self::None | Self::Given(_) => None,
            Self::Running(turn) | Self::Held { turn, .. } => Some(&mut turn.progress),
            Self::Own { progress, .. } => Some(progress),
        }
    }

    /// The number of the turn that has begun and not ended.
    pub(crate) fn number(&self) -> Option<u64> {
        self.progress().map(|progress| progress.number)
    }

    /// The number of the turn in which the agent may be at work: the one that has begun, else the one that it was given.
    pub(crate) fn at_work(&self) -> Option<u64> {
        match self {
            Self::Given(input) => Some(input.turn),
            _ => self.number(),
        }
    }

    /// Whether there is no turn, and none is about to begin.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the agent has an input that it has not begun with.
    pub(crate) fn has_given(&self) -> bool {
        matches!(self, Self::Given(_) | Self::Own { next: Some(_), .. } | Self::Held { given: true, .. })
    }

    /// Whether a rate limit holds it.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }

    /// What somebody asked for with the turn that has begun.
    pub(crate) fn input(&self) -> Option<&Input> {
        match self {
            Self::Running(turn) | Self::Held { turn, .. } => Some(&turn.input),
            Self::None | Self::Given(_) | Self::Own { .. } => None,
        }
    }

    /// Whether a further input can be told from the turn's own: the agent has said that it has that, or there is none.
    pub(crate) fn has_its_own(&self) -> bool {
        match self {
            Self::Running(turn) | Self::Held { turn, .. } => turn.accepted,
            Self::None | Self::Given(_) | Self::Own { .. } => true,
        }
    }

    /// The agent is given an input, which is the one that is held where one is.
    pub(crate) fn give(&mut self, input: Input) {
        match self {
            Self::Held { given, .. } => *given = true,
            Self::Own { next, .. } => *next = Some(input),
            Self::None | Self::Given(_) | Self::Running(_) => *self = Self::Given(input),
        }
    }

    /// What the agent was given and has not begun with, which it will not do any more. What is held stays held.
    pub(crate) fn take_back(&mut self) -> Option<Input> {
        match self {
            Self::Held { given, .. } => {
                *given = false;
                None
            }
            Self::Own { next, .. } => next.take(),
            Self::Given(_) => match std::mem::take(self) {
                Self::Given(input) => Some(input),
                _ => None,
            },
            Self::None | Self::Running(_) => None,
        }
    }

    /// The agent begins with what it was given; answers the input of a new turn, or `None` when a held one goes on. Where it
    /// was given nothing, it begins one of its own.
    pub(crate) fn begin_asked(&mut self) -> Begun {
        match std::mem::take(self) {
            Self::Given(input) | Self::Own { next: Some(input), .. } => {
                *self = Self::Running(AskedTurn::new(input.clone()));
                Begun::Asked(input)
            }
            Self::Held { mut turn, again, given: true } => {
                // The agent knows it by its new name.
                turn.input.id = again.id;
                *self = Self::Running(turn);
                Begun::GoesOn
            }
            other => {
                *self = other;
                Begun::NotGiven
            }
        }
    }

    /// The agent begins a turn that nobody asked for; answers the input of a turn that was held, which is to be given again.
    pub(crate) fn begin_own(&mut self, number: u64) -> Option<Input> {
        let (next, to_queue) = match std::mem::take(self) {
            Self::Given(input) => (Some(input), None),
            Self::Own { next, .. } => (next, None),
            Self::Held { again, given: true, .. } => (Some(again), None),
            Self::Held { again, given: false, .. } => (None, Some(again)),
            Self::None | Self::Running(_) => (None, None),
        };
        *self = Self::Own { progress: Progress::new(number), next };
        to_queue
    }

    /// The agent has an input.
    pub(crate) fn accept(&mut self) -> Accepted {
        if let Self::Running(turn) | Self::Held { turn, .. } = self
            && !std::mem::replace(&mut turn.accepted, true)
        {
            return Accepted::Input(turn.input.clone());
        }
        let Some(progress) = self.progress_mut() else { return Accepted::Nothing };
        let Some(input) = progress.steered.offered.pop_front() else { return Accepted::Nothing };
        progress.steered.accepted.push(input.turn);
        Accepted::Steered(input)
    }

    /// The turn is given a further input, which is given back where no turn runs.
    #[must_use]
    pub(crate) fn steer(&mut self, input: Input) -> Option<Input> {
        match self.progress_mut() {
            Some(progress) => {
                progress.steered.offered.push_back(input);
                None
            }
            None => Some(input),
        }
    }

    /// A piece of its answer came.
    pub(crate) fn add_delta(&mut self, text: &str) {
        if let Some(progress) = self.progress_mut() {
            progress.unfinished.push_str(text);
        }
    }

    /// The pieces since the last message are no part of its answer.
    pub(crate) fn retract(&mut self) {
        if let Some(progress) = self.progress_mut() {
            progress.unfinished.clear();
        }
    }

    /// A whole message of its answer came, which repeats the pieces before it.
    pub(crate) fn add_message(&mut self, text: String) {
        if let Some(progress) = self.progress_mut() {
            progress.unfinished.clear();
            progress.messages.push(text);
        }
    }

    /// It has used a tool.
    pub(crate) fn note_tool(&mut self) {
        if let Self::Running(turn) = self {
            turn.used_tools = true;
        }
    }

    /// The provider has refused it; its failure comes next.
    pub(crate) fn refused(&mut self, limit: Limit) {
        if let Self::Running(turn) = self {
            turn.refused = Some(limit);
        }
    }

    /// Takes what is known of the refusal that its failure follows.
    pub(crate) fn take_refusal(&mut self) -> Option<Limit> {
        match self {
            Self::Running(turn) => turn.refused.take(),
            _ => None,
        }
    }

    /// Holds a turn that runs, to go on with the same input under another name, or with `go_on` when something has come of it.
    pub(crate) fn hold(&mut self, id: String, go_on: &str) {
        *self = match std::mem::take(self) {
            Self::Running(turn) => {
                let again = Input { id, ..turn.input.clone() };
                let again = if turn.is_untouched() { again } else { Input { text: go_on.to_owned(), ..again } };
                Self::Held { turn, again, given: false }
            }
            other => other,
        };
    }

    /// What a held turn goes on with, unless the agent has it already.
    pub(crate) fn held_input(&self) -> Option<&Input> {
        match self {
            Self::Held { again, given: false, .. } => Some(again),
            _ => None,
        }
    }

    /// Takes its answer so far: its messages, and the text after the last of them.
    pub(crate) fn take_answer(&mut self) -> String {
        let Some(progress) = self.progress_mut() else { return String::new() };
        let unfinished = std::mem::take(&mut progress.unfinished);
        progress.messages.extend(Some(unfinished).filter(|text| !text.is_empty()));
        std::mem::take(&mut progress.messages).join("\n\n")
    }

    /// Ends the turn, if one has begun. An input that the agent was given meanwhile is next.
    pub(crate) fn end(&mut self) -> Ended {
        match std::mem::take(self) {
            Self::Running(turn) | Self::Held { turn, .. } => Ended {
                number: Some(turn.progress.number),
                unaccepted: Some(turn.input).filter(|_| !turn.accepted),
                steered: turn.progress.steered,
            },
            Self::Own { progress, next } => {
                *self = next.map_or(Self::None, Self::Given);
                Ended { number: Some(progress.number), unaccepted: None, steered: progress.steered }
            }
            other @ (Self::None | Self::Given(_)) => {
                *self = other;
                Ended::default()
            }
        }
    }
}

/// What an agent begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// A new turn, for this input.
    Asked(Input),
    /// The turn that was held.
    GoesOn,
    /// Nothing that it was given.
    NotGiven,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(turn: u64, text: &str) -> Input {
        Input { id: format!("id-{turn}"), ..Input::new(turn, text.to_owned(), None) }
    }

    fn running(text: &str) -> CurrentTurn {
        let mut turn = CurrentTurn::None;
        turn.give(input(1, text));
        assert_eq!(turn.begin_asked(), Begun::Asked(input(1, text)));
        turn
    }

    fn limit() -> Limit {
        Limit { until: tokio::time::Instant::now(), resets_at: 0, refusals: 1 }
    }

    #[test]
    fn an_input_is_given_begun_accepted_and_ended() {
        let mut turn = CurrentTurn::None;
        turn.give(input(1, "a"));
        assert!(turn.has_given() && turn.number().is_none() && !turn.is_none());
        assert_eq!(turn.begin_asked(), Begun::Asked(input(1, "a")));
        assert_eq!((turn.number(), turn.has_given(), turn.has_its_own()), (Some(1), false, false));
        turn.add_delta("one ");
        turn.add_message("one".to_owned());
        turn.add_delta("two");
        assert_eq!(turn.accept(), Accepted::Input(input(1, "a")));
        assert_eq!(turn.accept(), Accepted::Nothing);
        assert_eq!(turn.take_answer(), "one\n\ntwo");
        let ended = turn.end();
        assert_eq!((ended.number, ended.unaccepted), (Some(1), None));
        assert!(turn.is_none());
    }

    #[test]
    fn what_was_not_accepted_is_left_when_the_turn_ends() {
        assert_eq!(running("a").end().unaccepted, Some(input(1, "a")));
        let mut given = CurrentTurn::Given(input(2, "b"));
        assert_eq!(given.end().number, None, "a turn that has not begun does not end");
        assert_eq!(given.take_back(), Some(input(2, "b")));
    }

    #[test]
    fn an_input_waits_for_the_end_of_a_turn_of_the_agents_own() {
        let mut turn = CurrentTurn::Given(input(2, "b"));
        assert_eq!(turn.begin_own(3), None);
        assert_eq!((turn.number(), turn.has_given(), turn.input()), (Some(3), true, None));
        assert_eq!(turn.end().number, Some(3));
        assert_eq!(turn.begin_asked(), Begun::Asked(input(2, "b")));
    }

    #[test]
    fn what_a_turn_of_the_agents_own_was_steered_with_is_accepted_as_that() {
        let mut turn = CurrentTurn::None;
        turn.begin_own(1);
        assert!(turn.has_its_own());
        assert_eq!(turn.steer(input(2, "urgent")), None);
        assert_eq!(turn.accept(), Accepted::Steered(input(2, "urgent")));
        assert_eq!(turn.end().steered.accepted, [2]);
        assert_eq!(turn.steer(input(3, "late")), Some(input(3, "late")));
    }

    #[test]
    fn a_held_turn_goes_on_with_what_it_was_asked_or_where_it_was() {
        let mut untouched = running("a");
        untouched.refused(limit());
        assert!(untouched.take_refusal().is_some());
        untouched.hold("new".to_owned(), "go on");
        assert_eq!(untouched.held_input().map(|input| (&*input.id, &*input.text)), Some(("new", "a")));
        let again = untouched.held_input().cloned().unwrap();
        untouched.give(again);
        assert!(untouched.held_input().is_none() && untouched.has_given() && untouched.number() == Some(1));
        assert_eq!(untouched.begin_asked(), Begun::GoesOn);
        assert_eq!(untouched.input().map(|input| &*input.id), Some("new"), "the agent is asked for it by its new name");

        let mut touched = running("a");
        touched.note_tool();
        touched.hold("new".to_owned(), "go on");
        assert_eq!(touched.held_input().map(|input| &*input.text), Some("go on"));
    }

    #[test]
    fn a_held_turn_makes_way_for_one_of_the_agents_own_and_comes_again() {
        let mut held = running("a");
        held.hold("new".to_owned(), "go on");
        assert_eq!(held.begin_own(7).map(|input| input.id), Some("new".to_owned()));
        let mut given = running("a");
        given.hold("new".to_owned(), "go on");
        given.give(input(1, "a"));
        assert_eq!(given.begin_own(7), None);
        assert!(given.has_given(), "the agent has it already");
    }
}
