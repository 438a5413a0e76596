//! A live Claude Code that leads a team of ours: the panes that it opens for members, and its end.

mod end;
mod find;
mod kept;
mod letters;
mod panes;
