use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::patterns::agent::SimpleAgent;
use crate::patterns::backoff::Backoff;
use crate::patterns::errors::AgentError;
use crate::sync::lock;

fn adds(word: &'static str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new(word, "adds its name", move |input| {
        Ok(AgentOutput::new(format!("{}+{word}", input.content)))
    }))
}

/// Fails so often before it answers.
fn flaky(name: &'static str, failures: usize) -> Box<dyn Agent> {
    let asked = AtomicUsize::new(0);
    Box::new(SimpleAgent::new(name, "", move |input| match asked.fetch_add(1, Ordering::Relaxed) {
        asked if asked < failures => Err(OrchestrationError::AgentFailed(name.into(), format!("failure {asked}"))),
        _ => Ok(AgentOutput::new(input.content)),
    }))
}

fn hangs(name: &'static str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new_async(name, "", |_| std::future::pending()))
}

fn input() -> OrchestratorInput {
    OrchestratorInput::new("start")
}

/// The attempts of a trace, in short.
async fn attempts(context: &ExecutionContext) -> Vec<(String, usize, Result<String, String>)> {
    let short = |execution: crate::patterns::AgentExecution| {
        assert_eq!(execution.success, execution.output.is_some());
        let result = execution.output.map(|output| output.content).ok_or(execution.error.unwrap_or_default());
        (execution.agent_name, execution.attempt, result)
    };
    context.get_trace().await.agent_executions.into_iter().map(short).collect()
}

#[tokio::test]
async fn each_agent_is_given_the_answer_before_it() {
    let output =
        SequentialOrchestrator::new().orchestrate(vec![adds("a"), adds("b"), adds("c")], input()).await.unwrap();
    assert!(output.is_successful());
    assert_eq!(output.result, "start+a+b+c");
    let outputs: Vec<&str> = output.agent_outputs.iter().map(|output| output.content.as_str()).collect();
    assert_eq!(outputs, ["start+a", "start+a+b", "start+a+b+c"]);
    let inputs = output.execution_trace.agent_executions.iter().map(|execution| execution.input.content.as_str());
    assert_eq!(inputs.collect::<Vec<_>>(), ["start", "start+a", "start+a+b"]);
}

#[tokio::test]
async fn data_is_laid_over_the_context_and_metadata_stay() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let agent = |name: &str, data: Value| -> Box<dyn Agent> {
        let heard = Arc::clone(&heard);
        Box::new(SimpleAgent::new(name, "", move |input| {
            lock(&heard).push((input.context, input.metadata["id"].clone()));
            Ok(AgentOutput::new("x").with_data(data.clone()))
        }))
    };
    let agents =
        vec![agent("a", json!({"n": 2, "m": 3})), agent("b", Value::Null), agent("c", json!(7)), agent("d", json!(8))];
    let input = input().with_context(json!({"n": 1, "region": "US"})).with_metadata("id", "5");
    SequentialOrchestrator::new().orchestrate(agents, input).await.unwrap();
    let (first, second) = (json!({"n": 1, "region": "US"}), json!({"n": 2, "region": "US", "m": 3}));
    let expected = [first, second.clone(), second, json!(7)].map(|context| (context, "5".to_owned()));
    assert_eq!(*lock(&heard), expected);
}

#[tokio::test]
async fn a_failure_ends_it_and_what_came_before_is_in_the_trace() {
    let broken = SimpleAgent::new("broken", "", |_| Err(AgentError::new("no such file").into()));
    let orchestrator = SequentialOrchestrator::new();
    let context = orchestrator.context();
    let result = orchestrator.orchestrate_in(&context, vec![adds("a"), Box::new(broken), adds("c")], input()).await;
    let Err(OrchestrationError::AgentError(error)) = result else { panic!("{result:?}") };
    assert_eq!((error.agent(), error.message()), (Some("broken"), "no such file"));
    let expected = [
        ("a".to_owned(), 1, Ok("start+a".to_owned())),
        ("broken".to_owned(), 1, Err("agent `broken` failed for good: no such file".to_owned())),
    ];
    assert_eq!(attempts(&context).await, expected);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_retried_is_and_each_attempt_is_in_the_trace() {
    let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60)).without_jitter();
    let orchestrator = SequentialOrchestrator::new().with_config(ExecutionConfig::new().with_backoff(backoff));
    let context = orchestrator.context();
    let began = Instant::now();
    let output = orchestrator.orchestrate_in(&context, vec![flaky("f", 2)], input()).await.unwrap();
    assert_eq!((output.result.as_str(), began.elapsed().as_secs()), ("start", 3));
    assert_eq!(output.execution_trace.duration().as_secs(), 3);
    let why = |number| Err(format!("agent `f` failed: failure {number}"));
    let expected = [(1, why(0)), (2, why(1)), (3, Ok("start".to_owned()))];
    assert_eq!(attempts(&context).await, expected.map(|(attempt, result)| ("f".to_owned(), attempt, result)));
    let once = orchestrator.with_max_retries(1).orchestrate(vec![flaky("f", 2)], input()).await;
    assert_eq!(once, Err(OrchestrationError::AgentFailed("f".into(), "failure 1".into())));
}

#[tokio::test(start_paused = true)]
async fn the_time_limit_holds_for_all_together() {
    let orchestrator = SequentialOrchestrator::new().with_timeout(Duration::from_secs(5));
    let context = orchestrator.context();
    let began = Instant::now();
    let result = orchestrator.orchestrate_in(&context, vec![adds("a"), hangs("h"), adds("c")], input()).await;
    let Err(OrchestrationError::Timeout(what)) = result else { panic!("{result:?}") };
    assert_eq!(what, "the orchestration has not ended within 5s, and `h` was at work");
    assert_eq!(began.elapsed().as_secs(), 5);
    let trace = context.get_trace().await;
    let cut_off = trace.agent_executions.last().cloned().unwrap();
    assert_eq!((cut_off.agent_name.as_str(), cut_off.duration_ms, cut_off.success), ("h", 5000, false));
    assert_eq!(cut_off.error.as_deref(), Some("the orchestration has not ended within 5s"));
    assert_eq!((trace.agent_executions.len(), trace.duration().as_secs()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_retried() {
    let asked = AtomicUsize::new(0);
    let slow_once = SimpleAgent::new_async("s", "", move |input| {
        let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(AgentOutput::new(input.content))
        }
    });
    let config = ExecutionConfig::new().with_agent_timeout(Duration::from_secs(2)).with_backoff(Backoff::none());
    let orchestrator = SequentialOrchestrator::new().with_config(config);
    let output = orchestrator.orchestrate(vec![Box::new(slow_once)], input()).await.unwrap();
    let executions = output.execution_trace.agent_executions;
    assert_eq!(executions[0].error.as_deref(), Some("timed out: agent `s` has not answered within 2s"));
    assert_eq!((executions.len(), executions[1].success), (2, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_limit_holds_for_an_agent_that_occupies_its_thread() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let blocks = SimpleAgent::new("b", "", move |input| {
        let _released = lock(&held).recv();
        Ok(AgentOutput::new(input.content))
    });
    let orchestrator = SequentialOrchestrator::new().with_timeout(Duration::from_millis(50));
    let result = orchestrator.orchestrate(vec![Box::new(blocks)], input()).await;
    assert!(matches!(result, Err(OrchestrationError::Timeout(_))), "{result:?}");
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn whoever_cancels_ends_it_also_while_it_waits_for_a_retry() {
    let backoff = Backoff::new(Duration::from_secs(60), Duration::from_secs(60)).without_jitter();
    for agent in [hangs("h"), flaky("f", 1)] {
        let token = CancellationToken::new();
        let config = ExecutionConfig::new().with_backoff(backoff);
        let orchestrator = SequentialOrchestrator::new().with_config(config).with_cancellation(token.clone());
        let canceller = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            token.cancel();
        };
        let began = Instant::now();
        let (result, ()) = tokio::join!(orchestrator.orchestrate(vec![agent], input()), canceller);
        assert_eq!((result, began.elapsed().as_secs()), (Err(OrchestrationError::Cancelled), 1));
        // No agent is asked in what is cancelled already.
        let context = orchestrator.context();
        let result = orchestrator.orchestrate_in(&context, vec![adds("a")], input()).await;
        assert_eq!((result, attempts(&context).await), (Err(OrchestrationError::Cancelled), Vec::new()));
    }
}

#[tokio::test]
async fn a_panic_is_a_failure_of_its_agent() {
    let panics = SimpleAgent::new("p", "", |input| panic!("no {}", input.content));
    let result = SequentialOrchestrator::new().with_max_retries(0).orchestrate(vec![Box::new(panics)], input()).await;
    assert_eq!(result, Err(OrchestrationError::AgentFailed("p".into(), "it panicked: no start".into())));
}

#[tokio::test]
async fn without_agents_or_with_settings_of_no_use_nothing_begins() {
    let none = SequentialOrchestrator::new().orchestrate(Vec::new(), input()).await;
    assert!(matches!(none, Err(OrchestrationError::InvalidConfig(_))), "{none:?}");
    let no_time =
        SequentialOrchestrator::new().with_timeout(Duration::ZERO).orchestrate(vec![adds("a")], input()).await;
    assert!(matches!(no_time, Err(OrchestrationError::InvalidConfig(_))), "{no_time:?}");
    // A time that no clock knows is no limit.
    let for_ever =
        SequentialOrchestrator::new().with_timeout(Duration::MAX).orchestrate(vec![adds("a")], input()).await;
    assert!(for_ever.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_context_has_the_trace_of_all_that_went_on_in_it() {
    let context = ExecutionContext::new(ExecutionConfig::new().with_timeout(Duration::from_secs(2)));
    let orchestrator = SequentialOrchestrator::new();
    let first = orchestrator.orchestrate_in(&context, vec![adds("a")], input()).await.unwrap();
    assert_eq!(first.execution_trace.agent_executions.len(), 1);
    let dropped = orchestrator.orchestrate_in(&context, vec![hangs("h")], input());
    assert!(tokio::time::timeout(Duration::from_secs(1), dropped).await.is_err());
    let trace = context.get_trace().await;
    let errors: Vec<_> = trace.agent_executions.iter().map(|execution| execution.error.as_deref()).collect();
    assert_eq!(errors.len(), 2);
    assert!(errors[0].is_none() && errors[1].is_some_and(|error| error.contains("given up")), "{errors:?}");
    let value = serde_json::to_value(&trace).unwrap();
    assert_eq!((&value["duration_ms"], &value["agent_executions"][0]["agent_name"]), (&json!(1000), &json!("a")));
}

#[tokio::test]
async fn without_tracing_the_trace_has_no_attempts() {
    let config = ExecutionConfig::new().with_tracing(false).with_logging(false);
    let output = SequentialOrchestrator::new().with_config(config).orchestrate(vec![adds("a")], input()).await.unwrap();
    assert_eq!((output.result.as_str(), output.execution_trace.agent_executions.len()), ("start+a", 0));
}
