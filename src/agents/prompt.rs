//! What the agents of a team are told: standing instructions, and what a task says to whoever does it.

use std::fmt::Write as _;
use std::path::Path;

use agent_backends::native::ToolRegistry;

use super::task::Task;

/// Writes what the agents of a team are told about a task, and says which tools they have for it.
pub trait PromptBuilder: Send + Sync + 'static {
    /// The standing instructions of an agent while it works on this task. What it has to know of its team is added.
    fn build_system_prompt(&self, task: &Task, source_root: &Path, work_dir: &Path) -> String;

    /// What the agent is asked for. What came of earlier tasks, and how to say that this one is done, is added.
    fn build_user_message(&self, task: &Task) -> String;

    /// The tools that the agent has while it works on this task, made from those that it has otherwise. The tools for its team stay, whatever this leaves
    /// out.
    fn customize_tools(&self, task: &Task, registry: ToolRegistry) -> ToolRegistry {
        let _ = task;
        registry
    }
}

/// Plain prompts, for a builder that writes only one of the two itself and leaves the other to this.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultPromptBuilder;

impl PromptBuilder for DefaultPromptBuilder {
    fn build_system_prompt(&self, _task: &Task, source_root: &Path, work_dir: &Path) -> String {
        let mut prompt = format!(
            "You are an agent that works on a project with its tools. You work in {}, and write only there.",
            work_dir.display()
        );
        if source_root != work_dir {
            let _ = write!(prompt, " You read the project's sources from {}.", source_root.display());
        }
        prompt
    }

    fn build_user_message(&self, task: &Task) -> String {
        let mut message = task.title.clone();
        if task.description != task.title {
            let _ = write!(message, "\n\n{}", task.description);
        }
        message
    }
}

/// What an agent has to know of its team.
pub(super) fn of_the_team(name: &str, instructions: &str, others: &[&str], goal: &str, leads: bool) -> String {
    let mut text = format!("You are `{name}`");
    match others {
        [] => text.push_str(", alone in your team."),
        others => drop(write!(text, ", in a team with {}.", others.join(", "))),
    }
    if !leads {
        let _ = write!(
            text,
            " The team's goal: {goal}\n\nYou are given tasks, one at a time; a task is yours alone, and its text says how to finish it. Your teammates do not see what you \
             answer: write to them with `send_message`, and only when they need it. What all should know goes to `write_memory`."
        );
    }
    if !instructions.trim().is_empty() {
        let _ = write!(text, "\n\n{}", instructions.trim());
    }
    text
}
