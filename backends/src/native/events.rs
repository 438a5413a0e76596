//! What an agent of our own tells while it works.

use std::sync::Arc;
use std::time::Duration;

use super::llm::{TokenUsage, ToolCall};
use super::tool::{ToolKind, ToolUse};

/// Something that happens in a turn of an [`AgentLoop`](super::AgentLoop).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoopEvent {
    /// A piece of the model's text, as it comes.
    Text(String),
    /// A whole text of the model's; its pieces came before.
    Message(String),
    /// The pieces since the last whole text count for nothing: the answer broke off, and is asked for again.
    Retracted,
    /// A request failed, and is sent again.
    Retrying {
        /// After this time.
        after: Duration,
        /// Why it failed.
        reason: String,
    },
    /// A tool is used, or is to be: whoever is asked is asked after this.
    ToolStarted {
        /// The call.
        call: ToolCall,
        /// What the tool may do.
        kind: ToolKind,
        /// What the call comes to.
        what: ToolUse,
    },
    /// A call of a tool has ended.
    ToolEnded {
        /// The [id](ToolCall::id) of the call.
        call: String,
        /// The tool's name.
        name: String,
        /// How it ended.
        outcome: ToolOutcome,
        /// What the model is told.
        output: String,
    },
    /// What all requests of the turn have used so far.
    Usage {
        /// In tokens.
        used: TokenUsage,
        /// In US dollars, where the price is known.
        cost_usd: Option<f64>,
    },
    /// The older part of the conversation was replaced by a summary.
    Compacted {
        /// About how many tokens the conversation had.
        before: u64,
        /// About how many it has now.
        after: u64,
    },
    /// What was begun in the background has ended, and the model is told.
    Background(BackgroundResult),
}

/// How a call of a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutcome {
    /// It did what it was asked for.
    Completed,
    /// It could not.
    Failed,
    /// It was not made: whoever was asked said no.
    Denied,
}

/// Who hears what an agent does. It is called from the agent's own task, and must not wait.
pub type Observer = Arc<dyn Fn(LoopEvent) + Send + Sync>;

/// What became of something that an agent began in the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundResult {
    /// Its name.
    pub name: String,
    /// What it was.
    pub kind: BackgroundResultKind,
    /// What it has to say, or why it failed.
    pub content: String,
    /// It did not come to a good end.
    pub failed: bool,
    /// The tokens that it has used.
    pub tokens_used: u64,
}

/// What was begun in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackgroundResultKind {
    /// A subagent.
    SubAgent,
    /// A team of agents.
    AgentTeam,
}

impl BackgroundResult {
    /// The message that tells the model of it.
    pub fn to_message(&self) -> String {
        let what = match self.kind {
            BackgroundResultKind::SubAgent => "subagent",
            BackgroundResultKind::AgentTeam => "team",
        };
        let how = if self.failed { "has failed" } else { "is done" };
        format!("The {what} `{}` that you started in the background {how}:\n\n{}", self.name, self.content)
    }
}
