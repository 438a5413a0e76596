//! What the patterns cost for each agent, with agents that answer at once: `cargo bench --bench patterns`. Beside it, what the
//! same agents cost when nothing is around them. It asserts nothing; it prints.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_teams::orchestration::{
    Agent, AgentInput, AgentOutput, ExecutionConfig, Orchestrator, OrchestratorInput, ParallelOrchestrator,
    SequentialOrchestrator, SimpleAgent, Vote,
};

const ROUNDS: usize = 400;

fn main() {
    for threads in [1, 2] {
        println!("\na runtime with {threads} threads: microseconds for each agent, median of {ROUNDS}");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build().unwrap();
        for count in [3, 10, 100] {
            let bare = median(count, || runtime.block_on(bare(agents(count))));
            row(count, "agents one after the other, nothing around them", bare, "");
            for traced in [false, true] {
                let with = if traced { "with a trace" } else { "without a trace" };
                let config = ExecutionConfig::new().with_tracing(traced);
                let patterns: [(&str, Arc<dyn Orchestrator>); 3] = [
                    ("sequential", Arc::new(SequentialOrchestrator::new().with_config(config.clone()))),
                    ("parallel", Arc::new(ParallelOrchestrator::new().with_config(config.clone()))),
                    ("vote", Arc::new(Vote::majority().with_config(config))),
                ];
                for (name, pattern) in patterns {
                    let in_task = median(count, || {
                        let work = once(Arc::clone(&pattern), agents(count));
                        runtime.block_on(runtime.spawn(work)).unwrap()
                    });
                    row(count, &format!("agents, {name}, {with}, asked for in a task"), in_task, "under 10");
                    let in_main = median(count, || runtime.block_on(once(Arc::clone(&pattern), agents(count))));
                    row(count, &format!("agents, {name}, {with}, asked for in main"), in_main, "under 10");
                }
            }
        }
    }
}

async fn once(pattern: Arc<dyn Orchestrator>, agents: Vec<Box<dyn Agent>>) -> Duration {
    let count = agents.len();
    let began = Instant::now();
    let output = pattern.orchestrate(agents, OrchestratorInput::new("x")).await.unwrap();
    assert_eq!(output.agent_outputs.len(), count);
    began.elapsed()
}

fn agents(count: usize) -> Vec<Box<dyn Agent>> {
    let agent = |_| -> Box<dyn Agent> {
        Box::new(SimpleAgent::new("agent", "answers at once", |input| Ok(AgentOutput::new(input.content))))
    };
    (0..count).map(agent).collect()
}

async fn bare(agents: Vec<Box<dyn Agent>>) -> Duration {
    let began = Instant::now();
    let mut content = "x".to_owned();
    for agent in &agents {
        content = agent.execute(AgentInput::new(content)).await.unwrap().content;
    }
    assert_eq!(content, "x");
    began.elapsed()
}

/// The median time for one agent, in microseconds.
fn median(count: usize, mut once: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| once()).collect();
    times.sort();
    times[ROUNDS / 2].as_secs_f64() * 1e6 / count as f64
}

fn row(count: usize, what: &str, micros: f64, goal: &str) {
    println!("  {count:>4} {what:<60} {micros:>8.2}   {goal}");
}
