//! Where an agent of our own reads and writes: two folders that are held open, and out of which no path leads.
//!
//! What a model calls a path is resolved below the handle of a folder, by the kernel where it can (`openat2` with `RESOLVE_BENEATH`) and one
//! component after the other where it cannot (crate `cap-std`). So neither `..`, nor a link, nor one that takes a folder's place meanwhile leads out,
//! and nothing is checked first and used later. Links that stay inside are followed, those with an absolute target too.
//!
//! The *source root* is read, the *working directory* is read and written, and commands run there. Where these differ, a relative path of a file
//! means the one in the working directory when there is one, because that is what the agent has written itself; else the one in the source root. A relative path
//! of a folder means both. This knows nothing of tools.

mod error;
mod files;
mod root;

pub(super) use error::PathError;
pub(super) use files::{Opened, kind_of};
pub(super) use root::Place;
pub use root::Roots;
