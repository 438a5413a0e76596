//! By the member's own name.

use super::router::{BackendRouter, Candidate, Route, RouteRequest, fitting};
use super::words::words;

/// With these a backend's name begins where it says whose agent it is. Other names are words like any: `native-docs` is somebody's documents.
const MAKES: [&str; 3] = ["claude", "codex", "gemini"];

/// Chooses the backend that the member's name begins with, if that is of Claude, Codex or Gemini: `codex`, `gemini-2`, `claude-reviewer`. The longest name
/// counts, so that `gemini-acp-1` is no `gemini`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NameRouter;

impl BackendRouter for NameRouter {
    fn name(&self) -> &str {
        "name"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let name = words(request.name.as_deref()?);
        if !name.first().is_some_and(|first| MAKES.iter().any(|make| make == first)) {
            return None;
        }
        let begins = |of: &str| Some(words(of)).filter(|of| name.starts_with(of)).map(|of| of.len());
        let length = |candidate: &&&Candidate| {
            begins(candidate.backend.as_str()).max(begins(candidate.backend.short_name())).unwrap_or_default()
        };
        let fitting = fitting(request, candidates);
        let longest = fitting.iter().filter(|candidate| length(candidate) > 0).max_by_key(length)?;
        Some(Route { backend: longest.backend, reason: "it is called after it".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use agent_backends::BackendType;

    use super::*;

    #[test]
    fn the_longest_beginning_counts() {
        let candidates = BackendType::KNOWN.map(Candidate::usable);
        for (name, expected) in [
            (Some("codex-tester"), Some(BackendType::Codex)),
            (Some("claude"), Some(BackendType::ClaudeCode)),
            (Some("claude-code-2"), Some(BackendType::ClaudeCode)),
            (Some("gemini-2"), Some(BackendType::GeminiCli)),
            (Some("gemini-acp-1"), Some(BackendType::GeminiAcp)),
            (Some("codexes"), None),
            (Some("my-codex"), None),
            (Some("native-docs"), None),
            (Some("acp-tests"), None),
            (None, None),
        ] {
            let request = RouteRequest { name: name.map(str::to_owned), ..RouteRequest::default() };
            let route = NameRouter.route(&request, &candidates);
            assert_eq!(route.map(|route| route.backend), expected, "{name:?}");
        }
    }
}
