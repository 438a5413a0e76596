use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::sync::Barrier;

use super::*;
use crate::patterns::agent::{AgentError, SimpleAgent};
use crate::patterns::backoff::Backoff;
use crate::patterns::values::{AgentInput, AgentOutput};

fn says(name: &'static str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new(name, "", move |input| Ok(AgentOutput::new(format!("{name} on {}", input.content)))))
}

fn broken(name: &'static str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new(name, "", |_| Err(AgentError::new("no idea").into())))
}

fn hangs(name: &'static str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new_async(name, "", |_| std::future::pending()))
}

fn input() -> OrchestratorInput {
    OrchestratorInput::new("it")
}

#[tokio::test]
async fn all_agents_are_given_the_same_input() {
    let output = ParallelOrchestrator::new().orchestrate(vec![says("a"), says("b")], input()).await.unwrap();
    assert!(output.is_successful());
    assert_eq!(output.result, "Parallel execution results:\n1. a: a on it\n2. b: b on it");
    assert_eq!((output.agent_outputs.len(), output.execution_trace.agent_executions.len()), (2, 2));
    let count = ParallelOrchestrator::new().with_aggregator(|answers| answers.len().to_string());
    assert_eq!(count.orchestrate(vec![says("a"), says("b")], input()).await.unwrap().result, "2");
}

#[tokio::test]
async fn they_work_at_the_same_time() {
    let all_there = Arc::new(Barrier::new(3));
    let agent = |name: &'static str| -> Box<dyn Agent> {
        let all_there = Arc::clone(&all_there);
        Box::new(SimpleAgent::new_async(name, "", move |_| {
            let all_there = Arc::clone(&all_there);
            async move {
                all_there.wait().await;
                Ok(AgentOutput::new("x"))
            }
        }))
    };
    let agents = vec![agent("a"), agent("b"), agent("c")];
    assert!(ParallelOrchestrator::new().orchestrate(agents, input()).await.unwrap().is_successful());
}

#[tokio::test(start_paused = true)]
async fn one_failure_leaves_the_good_outputs() {
    let panics = SimpleAgent::new("p", "", |_| panic!("oh"));
    let agents = || vec![says("a"), broken("b"), says("c")];
    let orchestrator = ParallelOrchestrator::new().with_max_retries(1);
    let context = orchestrator.context();
    let mut four = agents();
    four.push(Box::new(panics));
    let output = orchestrator.orchestrate_in(&context, four, input()).await.unwrap();
    assert!(!output.is_successful());
    assert_eq!(output.result, "Parallel execution results:\n1. a: a on it\n3. c: c on it");
    let failures: Vec<_> =
        output.failures.iter().map(|failure| (failure.position, failure.error.to_string())).collect();
    let no_idea = "agent `b` failed for good: no idea".to_owned();
    assert_eq!(failures, [(1, no_idea), (3, "agent `p` failed: it panicked: oh".to_owned())]);
    let retried = context.get_trace().await.agent_executions.into_iter().filter(|execution| execution.attempt == 2);
    assert_eq!(retried.map(|execution| execution.position).collect::<Vec<_>>(), [3]);
    let strict = ParallelOrchestrator::new().with_config(ExecutionConfig::new().with_fail_on_partial(true));
    let context = strict.context();
    let result = strict.orchestrate_in(&context, agents(), input()).await;
    assert_eq!(result, Err(OrchestrationError::PartialSuccess(1)));
    let kept = context.get_trace().await.agent_executions.into_iter().filter(|execution| execution.success);
    assert_eq!(kept.count(), 2);
}

#[tokio::test]
async fn it_is_an_error_when_nobody_answers() {
    let result = ParallelOrchestrator::new().orchestrate(vec![broken("a"), broken("b")], input()).await;
    let Err(OrchestrationError::OrchestratorFailed(what)) = result else { panic!("{result:?}") };
    assert!(what.starts_with("none of the 2 agents has answered: agent `a` failed for good: no idea | "), "{what}");
    let alone = ParallelOrchestrator::new().orchestrate(vec![broken("a")], input()).await;
    assert!(matches!(alone, Err(OrchestrationError::AgentError(_))), "{alone:?}");
    let none = ParallelOrchestrator::new().orchestrate(Vec::new(), input()).await;
    assert!(matches!(none, Err(OrchestrationError::InvalidConfig(_))), "{none:?}");
    let no_room = ParallelOrchestrator::new().with_parallel_limit(0).orchestrate(vec![says("a")], input()).await;
    assert!(matches!(no_room, Err(OrchestrationError::InvalidConfig(_))), "{no_room:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_answered_when_time_is_over_has_answered() {
    let orchestrator = ParallelOrchestrator::new().with_timeout(Duration::from_secs(5));
    let output = orchestrator.orchestrate(vec![hangs("h"), says("a")], input()).await.unwrap();
    assert_eq!(output.result, "Parallel execution results:\n2. a: a on it");
    let failure = output.failures.first().cloned().unwrap();
    assert!(matches!((failure.position, &failure.error), (0, OrchestrationError::Timeout(_))), "{failure:?}");
    let executions = output.execution_trace.agent_executions;
    assert_eq!((executions[0].success, executions[0].duration_ms, executions[1].success), (false, 5000, true));
    let nobody = orchestrator.orchestrate(vec![hangs("h"), hangs("i")], input()).await;
    assert!(matches!(nobody, Err(OrchestrationError::Timeout(_))), "{nobody:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_cancels_ends_all() {
    struct Ended(Arc<AtomicUsize>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let ended = Arc::new(AtomicUsize::new(0));
    let agent = || -> Box<dyn Agent> {
        let ended = Arc::clone(&ended);
        Box::new(SimpleAgent::new_async("h", "", move |_| {
            let ended = Ended(Arc::clone(&ended));
            async move {
                std::future::pending::<()>().await;
                drop(ended);
                Ok(AgentOutput::new("x"))
            }
        }))
    };
    let token = CancellationToken::new();
    let orchestrator = ParallelOrchestrator::new().with_cancellation(token.clone());
    let canceller = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        token.cancel();
    };
    let (result, ()) = tokio::join!(orchestrator.orchestrate(vec![agent(), agent()], input()), canceller);
    assert_eq!(result, Err(OrchestrationError::Cancelled));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ended.load(Ordering::Relaxed), 2, "what the agents did is dropped");
}

/// What an agent of the property does: how often it fails before it answers, and whether that can be retried at all.
#[derive(Clone, Debug)]
struct Plan {
    failures: usize,
    for_good: bool,
    panics: bool,
}

struct Planned {
    plan: Plan,
    asked: AtomicUsize,
    at_work: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[async_trait]
impl Agent for Planned {
    fn name(&self) -> &str {
        "planned"
    }

    async fn execute(&self, input: AgentInput) -> Result<AgentOutput> {
        let at_work = self.at_work.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(at_work, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        let fails = self.asked.fetch_add(1, Ordering::Relaxed) < self.plan.failures;
        match fails {
            false => Ok(AgentOutput::new(input.content)),
            true if self.plan.for_good => Err(AgentError::new("for good").into()),
            true if self.plan.panics => panic!("as planned"),
            true => Err(OrchestrationError::AgentFailed("planned".into(), "not yet".into())),
        }
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let parts = (0..5_usize, any::<bool>(), any::<bool>());
    parts.prop_map(|(failures, for_good, panics)| Plan { failures, for_good, panics })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever agents do: never more of them at work than allowed, every attempt in the trace, every good answer kept.
    #[test]
    fn nothing_is_lost(plans in prop::collection::vec(plan(), 1..12), limit in 1..5_usize, retries in 0..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (at_work, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let agent = |plan: &Plan| -> Box<dyn Agent> {
            let (at_work, most) = (Arc::clone(&at_work), Arc::clone(&most));
            Box::new(Planned { plan: plan.clone(), asked: AtomicUsize::new(0), at_work, most })
        };
        let config = ExecutionConfig::new().with_parallel_limit(limit).with_max_retries(retries);
        let orchestrator = ParallelOrchestrator::new().with_config(config.with_backoff(Backoff::none()).with_logging(false));
        let context = orchestrator.context();
        let result = runtime.block_on(orchestrator.orchestrate_in(&context, plans.iter().map(agent).collect(), input()));
        let attempts = |plan: &Plan| if plan.for_good { 1 } else { (plan.failures + 1).min(retries + 1) };
        let answers = |plan: &Plan| plan.failures == 0 || (!plan.for_good && plan.failures <= retries);
        let good = plans.iter().filter(|plan| answers(plan)).count();
        prop_assert_eq!(result.is_ok(), good > 0);
        if let Ok(output) = result {
            prop_assert_eq!((output.agent_outputs.len(), output.failures.len()), (good, plans.len() - good));
        }
        let trace = runtime.block_on(context.get_trace());
        for (position, plan) in plans.iter().enumerate() {
            let of = trace.agent_executions.iter().filter(|execution| execution.position == position);
            let numbers: Vec<usize> = of.clone().map(|execution| execution.attempt).collect();
            prop_assert_eq!(numbers, (1..=attempts(plan)).collect::<Vec<_>>());
            prop_assert_eq!(of.filter(|execution| execution.success).count(), usize::from(answers(plan)));
        }
        prop_assert!(most.load(Ordering::Relaxed) <= limit.min(plans.len()));
    }
}
