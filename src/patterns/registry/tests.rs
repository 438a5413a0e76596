use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::*;
use crate::patterns::agent::SimpleAgent;
use crate::patterns::errors::{OrchestrationError, Result};

fn echo(name: &str) -> Box<dyn Agent> {
    Box::new(SimpleAgent::new(name, "repeats", |input| Ok(AgentOutput::new(input.content))))
}

fn about(id: &str) -> AgentMetadata {
    AgentMetadata::new(id, id, "an agent", "test")
}

async fn one(agent: impl Agent + 'static, metadata: AgentMetadata) -> AgentRegistry {
    AgentRegistryBuilder::new().with_agent(Box::new(agent), metadata).await.unwrap().build()
}

#[tokio::test]
async fn an_agent_is_asked_by_its_id() {
    let registry = AgentRegistry::new();
    registry.register(echo("echo"), AgentMetadata { id: "e".into(), ..about("echo") }).await.unwrap();
    assert_eq!(registry.execute_agent("e", AgentInput::new("x")).await.unwrap().content, "x");
    let missing = registry.execute_agent("f", AgentInput::new("x")).await.unwrap_err();
    assert_eq!(missing.to_string(), "no agent is registered as `f`; registered are: e");
    assert!(matches!(OrchestrationError::from(missing), OrchestrationError::InvalidConfig(_)));
    assert_eq!(registry.unregister("e").await.unwrap().name, "echo");
    assert!(!registry.contains("e").await && registry.unregister("e").await.is_err());
}

#[tokio::test]
async fn what_cannot_be_right_is_not_registered() {
    let registry = AgentRegistry::new();
    registry.register(echo("a"), about("a")).await.unwrap();
    let again = registry.register(echo("a"), about("a")).await;
    assert_eq!(again, Err(RegistryError::Exists { id: "a".into() }));
    let other = registry.register(echo("b"), about("c")).await;
    assert!(matches!(other, Err(RegistryError::NameMismatch { .. })), "{other:?}");
    for bad in [about("b").with_timeout(0), AgentMetadata { id: String::new(), ..about("b") }] {
        let bad = registry.register(echo("b"), bad).await;
        assert!(matches!(bad, Err(RegistryError::BadMetadata { .. })), "{bad:?}");
    }
    assert_eq!(registry.list().await.len(), 1);
}

#[tokio::test]
async fn a_disabled_agent_is_refused_until_it_is_enabled() {
    let registry = AgentRegistry::new();
    registry.register(echo("a"), about("a").with_enabled(false)).await.unwrap();
    let refused = registry.execute_agent("a", AgentInput::new("x")).await.unwrap_err();
    assert_eq!(refused, RegistryError::Disabled { id: "a".into() });
    registry.set_enabled("a", true).await.unwrap();
    assert!(registry.execute_agent("a", AgentInput::new("x")).await.is_ok());
    assert!(registry.set_enabled("b", true).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_asked_again_as_often_as_its_metadata_say() {
    for (retries, succeeds) in [(2, true), (1, false)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let third_time_lucky = SimpleAgent::new("a", "", move |input: AgentInput| -> Result<AgentOutput> {
            match counted.fetch_add(1, Ordering::Relaxed) {
                0 | 1 => Err(OrchestrationError::AgentFailed("a".into(), "not yet".into())),
                _ => Ok(AgentOutput::new(input.content)),
            }
        });
        let registry = one(third_time_lucky, about("a").with_max_retries(retries)).await;
        let result = registry.execute_agent("a", AgentInput::new("x")).await;
        assert_eq!((result.is_ok(), asked.load(Ordering::Relaxed)), (succeeds, retries + 1));
        assert!(result.err().is_none_or(|error| error.is_retryable()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_has_as_long_as_its_metadata_say_retries_included() {
    let hangs = SimpleAgent::new_async("a", "", |_| std::future::pending());
    let registry = one(hangs, about("a").with_timeout(2).with_max_retries(5)).await;
    let began = Instant::now();
    let result = registry.execute_agent("a", AgentInput::new("x")).await;
    assert!(matches!(result, Err(RegistryError::Execution(OrchestrationError::Timeout(_)))), "{result:?}");
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn filters_find_what_has_all_that_they_ask_for() {
    let registry = AgentRegistry::new();
    let all = [
        about("a").with_tool("web").with_tool("files").with_tag("x").with_skill("quotes"),
        about("b").with_tool("web").with_enabled(false),
        AgentMetadata { category: "other".into(), ..about("c") },
    ];
    for metadata in all {
        registry.register(echo(&metadata.name), metadata.clone()).await.unwrap();
    }
    for (filter, expected) in [
        (AgentFilter::new(), "abc"),
        (AgentFilter::new().with_category("test"), "ab"),
        (AgentFilter::new().with_tool("web"), "ab"),
        (AgentFilter::new().with_tool("web").with_tool("files"), "a"),
        (AgentFilter::new().with_tool("web").enabled_only(), "a"),
        (AgentFilter::new().with_skill("quotes").with_tag("x"), "a"),
        (AgentFilter::new().with_tag("y"), ""),
    ] {
        let found: String = registry.find(&filter).await.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}
