//! The state of the view. It changes by facts and by actions alone, and draws nothing: the same facts and actions make the same state.

mod act;
mod apply;
mod editor;
mod parts;
mod rows;
#[cfg(test)]
pub(in crate::tui) mod tests;

pub(in crate::tui) use self::act::{Action, Edit};
pub(in crate::tui) use self::editor::Editor;
pub(in crate::tui) use self::parts::{Mode, Place, State, Tab};
pub(in crate::tui) use self::rows::Row;
