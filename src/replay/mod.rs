//! Plays a recording back through the real code: a daemon runs the team anew, each agent says what it said then, and what comes of it is
//! compared with what came of it.
//!
//! One thing after the other: what was asked of the team and what agents said is given in the order of the recording, each when all that
//! came before has happened again. What differs with every run (ids of messages, of conversations, of requests) is learnt on the way, and
//! exchanged.

mod agent;
mod call;
mod conductor;
mod file;
mod ids;
mod script;
mod seen;
mod stage;
mod wire;

pub(crate) use self::agent::run as run_agent;
pub(crate) use self::conductor::{Conductor, Finished, Outcome};
pub(crate) use self::file::{Recording, read};
