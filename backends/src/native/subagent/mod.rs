//! Agents that an agent of our own calls for a piece of its work: each with a conversation of its own, of which the caller sees the result only.

mod attach;
mod definition;
mod registry;
mod runner;
#[cfg(test)]
mod tests;
mod tool;

pub use definition::SubAgentDef;
pub use registry::SubAgentRegistry;
pub use runner::{ClientFactory, SubAgentResult, SubAgentRunner};
pub use tool::SpawnSubAgentTool;
