//! Beside a live Claude Code that leads: `teams claude` starts one whose teammates may be of any make, and the program is called by it for
//! each teammate and in the place of `tmux`.
//!
//! A lead opens a pane for a teammate and runs a command in it. Where no terminal multiplexer runs, [`panes`] stands for one; the command is
//! this program, and [`teammate`] has the daemon adopt the member whose entry the lead has written.

pub(crate) mod install;
mod kinds;
pub(crate) mod panes;
pub(crate) mod parts;
pub(crate) mod plugin;
pub(crate) mod start;
pub(crate) mod teammate;
