//! By words in what the member is to do.

use agent_backends::BackendType;

use super::router::{BackendRouter, Candidate, Route, RouteRequest, fitting};
use super::words::{has, words};

/// Chooses by words: the first rule whose word stands in the member's name or its instructions, and whose backend fits, counts. Words are compared
/// whole, and in any case: `test` is not in `latest`. A rule may have several words, which then have to follow each other.
#[derive(Clone, Debug, Default)]
pub struct KeywordRouter {
    rules: Vec<(String, BackendType)>,
}

impl KeywordRouter {
    /// One without rules, which answers nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more rule, after those that it has.
    pub fn rule(mut self, words: impl Into<String>, backend: BackendType) -> Self {
        self.rules.push((words.into(), backend));
        self
    }
}

impl BackendRouter for KeywordRouter {
    fn name(&self) -> &str {
        "keyword"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let fitting = fitting(request, candidates);
        let (name, text) = (words(request.name.as_deref().unwrap_or_default()), words(&request.text));
        self.rules.iter().find_map(|(rule, backend)| {
            let phrase = words(rule);
            let place = match (has(&name, &phrase), has(&text, &phrase)) {
                (true, _) => "its name has",
                (_, true) => "its instructions have",
                (false, false) => return None,
            };
            let chosen = fitting.iter().find(|candidate| candidate.backend == *backend)?;
            Some(Route { backend: chosen.backend, reason: format!("{place} the word `{rule}`") })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(name: &str, text: &str) -> Option<Route> {
        let router = KeywordRouter::new()
            .rule("gone", BackendType::GeminiCli)
            .rule("SQL", BackendType::Codex)
            .rule("unit test", BackendType::ClaudeCode);
        let gone = Candidate { unusable: Some("x".into()), ..Candidate::usable(BackendType::GeminiCli) };
        let candidates = [Candidate::usable(BackendType::ClaudeCode), Candidate::usable(BackendType::Codex), gone];
        let request = RouteRequest { name: Some(name.into()), text: text.into(), ..RouteRequest::default() };
        router.route(&request, &candidates)
    }

    #[test]
    fn whole_words_count_in_any_case() {
        let backend = |name, text| chosen(name, text).map(|route| route.backend);
        assert_eq!(backend("m", "You tune sql."), Some(BackendType::Codex));
        assert_eq!(backend("m", "Write a Unit-Test, please"), Some(BackendType::ClaudeCode));
        assert_eq!(backend("sql-tuner", ""), Some(BackendType::Codex));
        for nothing in ["mysqld", "unit of test", "test unit", "", "sqlite"] {
            assert_eq!(backend("m", nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_rule_for_what_cannot_be_used_is_passed_over() {
        assert_eq!(chosen("m", "it is gone"), None);
        let route = chosen("m", "gone: sql").expect("the next rule");
        assert_eq!(
            (route.backend, route.reason.as_str()),
            (BackendType::Codex, "its instructions have the word `SQL`")
        );
    }
}
