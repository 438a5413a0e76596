//! The keys, in one table: what they do, and what the help says of them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::{Action, Edit, Mode, Tab};

/// Where a key means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// While keys are commands.
    Browse,
    /// While something is written.
    Write,
}

/// A key, or several that do the same.
pub(super) struct Binding {
    pub(super) place: Where,
    keys: &'static [(KeyModifiers, KeyCode)],
    action: fn() -> Action,
    pub(super) help: &'static str,
}

const NONE: KeyModifiers = KeyModifiers::NONE;
const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;
const PAGE: isize = 15;

macro_rules! bindings {
    ($($place:ident: $($modifier:ident $code:expr),+ => $action:expr, $help:literal;)*) => {
        &[$(Binding {
            place: Where::$place,
            keys: &[$(($modifier, $code)),+],
            action: || $action,
            help: $help,
        },)*]
    };
}

use KeyCode::{BackTab, Backspace, Char, Delete, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Up};

pub(super) const BINDINGS: &[Binding] = bindings! {
    Browse: NONE Char('j'), NONE Down => Action::Next, "the member below";
    Browse: NONE Char('k'), NONE Up => Action::Previous, "the member above";
    Browse: NONE Char('g') => Action::NextInNeed, "the next member who needs you";
    Browse: NONE KeyCode::Tab, NONE Right => Action::NextTab, "the next tab";
    Browse: NONE BackTab, NONE Left => Action::PreviousTab, "the tab before";
    Browse: NONE Char('1') => Action::Show(Tab::Transcript), "the transcript";
    Browse: NONE Char('2') => Action::Show(Tab::Tasks), "the tasks";
    Browse: NONE Char('3') => Action::Show(Tab::Graph), "the tasks as a graph";
    Browse: NONE Char('4') => Action::Show(Tab::Mail), "the inbox";
    Browse: NONE Char('5') => Action::Show(Tab::Approvals), "the questions, whole";
    Browse: NONE Char('6') => Action::Show(Tab::Budget), "the budget, and what was used";
    Browse: NONE PageUp, CONTROL Char('b') => Action::Scroll(PAGE), "back in what is shown";
    Browse: NONE PageDown, CONTROL Char('f') => Action::Scroll(-PAGE), "forward in what is shown";
    Browse: NONE End, NONE Char('G') => Action::ScrollToEnd, "to the newest";
    Browse: NONE Char('t') => Action::ToggleTools, "show or hide what tools do";
    Browse: NONE Char('i'), NONE Enter => Action::Write, "write to the member";
    Browse: NONE Char('a') => Action::Allow, "allow what is asked for, this once";
    Browse: NONE Char('s') => Action::AllowForSession, "allow it for the session";
    Browse: NONE Char('d') => Action::Deny, "deny it, with a reason";
    Browse: NONE Char('r') => Action::Reply, "answer what the model asks";
    Browse: NONE Char('n') => Action::NextQuestion, "the next question";
    Browse: NONE Char('x') => Action::Interrupt, "end the member's turn";
    Browse: NONE Char('X') => Action::Stop, "stop the member";
    Browse: NONE Char('/') => Action::Search, "look for text in the transcript";
    Browse: NONE Char(':') => Action::Palette, "run any verb of `teams`";
    Browse: NONE Char('?') => Action::Help, "this help";
    Browse: NONE Esc => Action::Leave, "end a search, close what is open";
    Browse: NONE Char('q'), CONTROL Char('c') => Action::Quit, "leave; the members go on";
    Write: NONE Enter => Action::Submit, "send it";
    Write: ALT Enter, CONTROL Char('j') => Action::NewLine, "a new line";
    Write: NONE Esc => Action::Leave, "keep it for later";
    Write: CONTROL Char('c') => Action::Quit, "leave; the members go on";
    Write: NONE Up => Action::Edit(Edit::Up), "the line above, or what you wrote before";
    Write: NONE Down => Action::Edit(Edit::Down), "the line below, or what you wrote after";
    Write: NONE Left => Action::Edit(Edit::Left), "one character back";
    Write: NONE Right => Action::Edit(Edit::Right), "one character on";
    Write: NONE Home, CONTROL Char('a') => Action::Edit(Edit::Home), "the beginning of the line";
    Write: NONE End, CONTROL Char('e') => Action::Edit(Edit::End), "the end of the line";
    Write: NONE Backspace => Action::Edit(Edit::Backspace), "remove the character before";
    Write: NONE Delete => Action::Edit(Edit::Delete), "remove the character here";
    Write: CONTROL Char('w'), ALT Backspace => Action::Edit(Edit::DeleteWord), "remove the word before";
    Write: NONE PageUp => Action::Scroll(PAGE), "back in what is shown";
    Write: NONE PageDown => Action::Scroll(-PAGE), "forward in what is shown";
};

/// What a key does now.
pub(super) fn action(mode: &Mode, key: KeyEvent) -> Option<Action> {
    let place = match mode {
        Mode::Browse => Where::Browse,
        Mode::Help | Mode::Output(_) => {
            return Some(match key.code {
                PageUp | Up | Char('k') => Action::Scroll(PAGE),
                PageDown | Down | Char('j') => Action::Scroll(-PAGE),
                _ => Action::Leave,
            });
        }
        Mode::Write | Mode::Search | Mode::Palette | Mode::Reason(_) | Mode::Reply(_) => Where::Write,
    };
    // A capital letter says that shift was held.
    let modifiers = key.modifiers & (CONTROL | ALT);
    let is_it = |known: &(KeyModifiers, KeyCode)| *known == (modifiers, key.code);
    let known = BINDINGS.iter().find(|binding| binding.place == place && binding.keys.iter().any(is_it));
    match (known, place, key.code) {
        (Some(known), _, _) => Some((known.action)()),
        (None, Where::Write, Char(char)) if modifiers.is_empty() => Some(Action::Insert(char.to_string())),
        _ => None,
    }
}

impl Binding {
    /// Its keys, as they are written in the help.
    pub(super) fn names(&self) -> String {
        let name = |(modifiers, code): &(KeyModifiers, KeyCode)| {
            let modifier = match *modifiers {
                CONTROL => "Ctrl-",
                ALT => "Alt-",
                _ => "",
            };
            let code = match code {
                Char(char) => char.to_string(),
                BackTab => "Shift-Tab".to_owned(),
                Up => "↑".to_owned(),
                Down => "↓".to_owned(),
                Left => "←".to_owned(),
                Right => "→".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{modifier}{code}")
        };
        self.keys.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_and_each_is_explained() {
        for (at, binding) in BINDINGS.iter().enumerate() {
            assert!(!binding.help.is_empty() && !binding.keys.is_empty());
            for other in &BINDINGS[at + 1..] {
                let same = binding.place == other.place && binding.keys.iter().any(|key| other.keys.contains(key));
                assert!(!same, "{} and {}", binding.help, other.help);
            }
        }
        let key = |code, modifiers| KeyEvent::new(code, modifiers);
        assert_eq!(action(&Mode::Browse, key(Char('X'), KeyModifiers::SHIFT)), Some(Action::Stop));
        assert_eq!(action(&Mode::Write, key(Char('X'), KeyModifiers::SHIFT)), Some(Action::Insert("X".into())));
        assert_eq!(action(&Mode::Write, key(Enter, ALT)), Some(Action::NewLine));
        assert_eq!(action(&Mode::Help, key(Char('q'), NONE)), Some(Action::Leave));
        assert_eq!(action(&Mode::Browse, key(Char('ß'), NONE)), None);
    }
}
