//! The looks of things: the sixteen colours of the terminal, which its user has made readable on light and on dark, or none.

use ratatui::style::{Color, Modifier, Style};

use super::text::MarkdownStyles;
use crate::live::team::Group;
use crate::live::transcript::Tone;

/// Which looks there are.
#[derive(Clone, Copy, Debug)]
pub(in crate::tui) struct Theme {
    /// In colours; otherwise only bold, dim and reversed.
    pub(in crate::tui) colour: bool,
}

impl Theme {
    fn with(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => self.dim(),
            Tone::Good => self.with(Color::Green),
            Tone::Warning => self.with(Color::Yellow),
            Tone::Bad => self.with(Color::Red),
        }
    }

    pub(super) fn group(self, group: Group) -> Style {
        match group {
            Group::NeedsYou => self.with(Color::Yellow).add_modifier(Modifier::BOLD),
            Group::Working => self.with(Color::Cyan),
            Group::Idle => Style::new(),
            Group::Stopped => self.dim(),
        }
    }

    pub(super) fn input(self) -> Style {
        self.with(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn markdown(self) -> MarkdownStyles {
        MarkdownStyles {
            plain: Style::new(),
            heading: self.bold(),
            code: if self.colour { self.with(Color::Green) } else { self.dim() },
            strong: self.bold(),
        }
    }
}
