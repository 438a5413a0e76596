//! Plain data: names, teams, tasks, messages, events. No I/O, no clock.

pub mod approval;
pub mod change;
mod command_words;
pub(crate) mod drawing;
pub mod envelope;
pub mod event;
pub mod failure;
pub mod graph;
pub mod hook;
pub mod launch;
pub(crate) mod lead_key;
pub mod mail_step;
pub mod memory;
pub mod message;
pub mod name;
pub mod policy;
pub mod recording;
pub mod run;
pub mod run_report;
pub mod status;
pub mod task;
pub mod team;
pub mod team_file;
pub mod time;
pub mod tool;
pub mod turn;
pub mod work;
