//! A live picture of all teams, for whoever shows them: facts from the daemon ([`source`]), and what they come to ([`team`],
//! [`transcript`]). What it comes to is pure: it knows no daemon, and the same facts make the same picture.

pub(crate) mod facts;
pub(crate) mod line;
mod source;
pub(crate) mod team;
pub(crate) mod transcript;
