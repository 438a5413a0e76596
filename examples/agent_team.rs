//! A team of agents within this program, without any agent CLI. It needs a language model: set `ANTHROPIC_API_KEY`, `OPENAI_API_KEY` or `GEMINI_API_KEY`, or the
//! address of a server of your own (`OPENAI_BASE_URL` and `LLM_MODEL`).

use agent_teams::agents::{AgentConfig, AgentEvent, AgentTeam, LlmConfig, Task, TeamResult};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (events, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let printer = tokio::spawn(async move {
        while let Some(event) = heard.recv().await {
            match event {
                AgentEvent::TaskStarted { title, agent_name, .. } => println!("{agent_name} begins: {title}"),
                AgentEvent::TaskCompleted { title, agent_name, .. } => println!("{agent_name} has done: {title}"),
                AgentEvent::TaskFailed { title, error, .. } => println!("failed: {title}: {error}"),
                _ => {}
            }
        }
    });

    let look = Task::new("analysis", "List what is public", "Read src/lib.rs and list what it makes public.", "");
    let write = Task::new("docs", "Write a guide", "Say in five sentences how the library is used.", "GUIDE.md")
        .with_dependencies(vec![look.id]);
    let team = AgentTeam::new(LlmConfig::default(), AgentConfig::default())
        // With a name its files stay, and `teams status -t docs` shows it.
        .name("docs")
        .work_dir(".")
        .event_channel(events)
        .add_teammate("reader", "You read code closely, and change nothing.")
        .add_teammate("writer", "You write for people who are new here.")
        .add_task(look)
        .add_task(write);

    let result = team.run("A guide for users of this library").await?;
    drop(team);
    printer.await?;
    if let TeamResult::Team(summary) = &result {
        println!("{} of {} tasks, {} tokens", summary.tasks_completed, summary.total_tasks, summary.total_tokens_used);
    }
    Ok(())
}
