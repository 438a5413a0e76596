//! Several routers, one after the other; and the last of them.

use super::complexity::ComplexityRouter;
use super::figures::{CostRouter, LatencyRouter};
use super::name::NameRouter;
use super::router::{BackendRouter, Candidate, Route, RouteRequest, fitting};

/// Asks several routers in their order: the first that answers has the say, and the reason begins with its name.
#[derive(Default)]
pub struct ChainRouter {
    routers: Vec<Box<dyn BackendRouter>>,
}

impl std::fmt::Debug for ChainRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.routers.iter().map(|router| router.name())).finish()
    }
}

impl ChainRouter {
    /// An empty one, which answers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more, after those that it has.
    pub fn with(mut self, router: impl BackendRouter + 'static) -> Self {
        self.routers.push(Box::new(router));
        self
    }

    /// What is asked where nobody says otherwise: the member's name; how complex its work seems, for simple work then cost and latency; and at last the
    /// order in which backends are listed.
    pub fn usual() -> Self {
        let cheapest = Self::new().with(CostRouter).with(LatencyRouter);
        Self::new().with(NameRouter).with(ComplexityRouter::new(cheapest, OrderRouter)).with(OrderRouter)
    }
}

impl BackendRouter for ChainRouter {
    fn name(&self) -> &str {
        "chain"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        self.routers.iter().find_map(|router| {
            let Route { backend, reason } = router.route(request, candidates)?;
            Some(Route { backend, reason: format!("{}: {reason}", router.name()) })
        })
    }
}

/// Chooses the first that fits, in the order in which lists show backends.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderRouter;

impl BackendRouter for OrderRouter {
    fn name(&self) -> &str {
        "order"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let fitting = fitting(request, candidates);
        let first = fitting.first()?;
        let reason = match fitting.len() {
            1 => "it is the only one that can be used here".to_owned(),
            several => format!("it is the first of {several} that can be used here"),
        };
        Some(Route { backend: first.backend, reason })
    }
}

#[cfg(test)]
mod tests {
    use agent_backends::BackendType;

    use super::*;
    use crate::routing::KeywordRouter;

    fn request(name: &str, text: &str) -> RouteRequest {
        RouteRequest { name: Some(name.into()), text: text.into(), ..RouteRequest::default() }
    }

    #[test]
    fn the_first_that_answers_has_the_say() {
        let candidates = [BackendType::ClaudeCode, BackendType::Codex].map(Candidate::usable);
        let chain = ChainRouter::new().with(KeywordRouter::new().rule("sql", BackendType::Codex)).with(OrderRouter);
        let route = |text| chain.route(&request("m", text), &candidates).expect("one");
        assert_eq!(route("sql").reason, "keyword: its instructions have the word `sql`");
        assert_eq!(
            (route("").backend, route("").reason.as_str()),
            (BackendType::ClaudeCode, "order: it is the first of 2 that can be used here")
        );
        assert_eq!(ChainRouter::new().route(&request("m", ""), &candidates), None);
    }

    #[test]
    fn the_usual_chain_goes_by_name_complexity_and_order() {
        let candidates = BackendType::KNOWN.map(Candidate::usable);
        let backend = |name, text| ChainRouter::usual().route(&request(name, text), &candidates).expect("one").backend;
        assert_eq!(backend("codex-1", "You fix typos."), BackendType::Codex);
        assert_eq!(backend("m", "You fix typos."), BackendType::GeminiCli);
        assert_eq!(backend("m", "You write Rust."), BackendType::ClaudeCode);
        let only = [Candidate { unusable: Some("x".into()), ..Candidate::usable(BackendType::ClaudeCode) }];
        assert_eq!(ChainRouter::usual().route(&request("claude", ""), &only), None);
    }
}
