//! By what has to be done with the member.

use super::router::{BackendRouter, Candidate, Need, Route, RouteRequest, fitting};

/// Chooses the first backend that can do what is needed: what the router was told to look for, and what the request needs. Without either it answers
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct CapabilityRouter {
    needs: Vec<Need>,
}

impl CapabilityRouter {
    /// One that goes by the request's needs.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that looks for these, too.
    pub fn requiring(needs: impl IntoIterator<Item = Need>) -> Self {
        Self { needs: needs.into_iter().collect() }
    }
}

impl BackendRouter for CapabilityRouter {
    fn name(&self) -> &str {
        "capability"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let needs: Vec<Need> = self.needs.iter().chain(&request.needs).copied().collect();
        if needs.is_empty() {
            return None;
        }
        let can = |candidate: &&&Candidate| needs.iter().all(|need| need.is_met_by(&candidate.capabilities));
        let fitting = fitting(request, candidates);
        let first = fitting.iter().find(can)?;
        let mut words: Vec<&str> = needs.iter().map(|need| need.as_str()).collect();
        words.dedup();
        Some(Route { backend: first.backend, reason: format!("it is the first that can {}", words.join(", and ")) })
    }
}

#[cfg(test)]
mod tests {
    use agent_backends::{BackendType, known};

    use super::*;

    fn candidates() -> Vec<Candidate> {
        let of = |backend: BackendType| Candidate {
            capabilities: known::backend(backend).expect("a known one").capabilities(),
            ..Candidate::usable(backend)
        };
        [BackendType::GeminiCli, BackendType::GeminiAcp, BackendType::ClaudeCode].map(of).into()
    }

    #[test]
    fn the_first_that_can_do_it_is_chosen() {
        let request = RouteRequest::default();
        let asks = CapabilityRouter::requiring([Need::Asks]).route(&request, &candidates()).expect("one");
        assert_eq!(
            (asks.backend, asks.reason.as_str()),
            (BackendType::GeminiAcp, "it is the first that can ask before it acts")
        );
        let needs = RouteRequest { needs: vec![Need::AgentTypes], ..RouteRequest::default() };
        let of_request = CapabilityRouter::new().route(&needs, &candidates()).expect("one");
        assert_eq!(of_request.backend, BackendType::ClaudeCode);
        assert_eq!(CapabilityRouter::new().route(&request, &candidates()), None);
        let nobody = CapabilityRouter::requiring([Need::AgentTypes]).route(&request, &candidates()[..2]);
        assert_eq!(nobody, None);
    }
}
