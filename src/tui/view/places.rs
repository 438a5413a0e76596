//! Where things are on the screen.

use ratatui::layout::Rect;

use crate::tui::state::{Place, Tab};

/// Where things are on the screen, for the mouse.
#[derive(Clone, Debug, Default)]
pub(in crate::tui) struct Places {
    /// A line of the list, and what it selects.
    pub(in crate::tui) rows: Vec<(Rect, Place)>,
    pub(in crate::tui) tabs: Vec<(Rect, Tab)>,
    /// How far what is shown can be scrolled, and a window over it.
    pub(in crate::tui) most_scrolled: usize,
    pub(in crate::tui) most_window: usize,
}
