//! By how complex the work seems.

use super::router::{BackendRouter, Candidate, Route, RouteRequest};
use super::words::words;

/// How complex a piece of work seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complexity {
    /// Little can go wrong.
    Simple,
    /// Its text does not tell.
    Unclear,
    /// It has many parts, or is of a kind that is known to be hard.
    Complex,
}

/// Words of work that is known to be hard, by their beginnings.
const HARD: [&str; 16] = [
    "architect",
    "concurren",
    "cryptograph",
    "deadlock",
    "debug",
    "design",
    "diagnos",
    "migrat",
    "optimi",
    "parallel",
    "performance",
    "protocol",
    "prove",
    "refactor",
    "rewrite",
    "secur",
];
/// Words of work that is known to be easy, by their beginnings.
const EASY: [&str; 10] =
    ["changelog", "comment", "format", "lint", "rename", "spell", "summar", "translat", "typo", "whitespace"];
/// The most that each sign counts for.
const MOST: i64 = 4;

impl Complexity {
    /// What the score of a text comes to: below 0 is simple, from 6 on complex.
    pub fn of(text: &str) -> (Self, i64) {
        let score = score(text);
        let complexity = match score {
            ..0 => Self::Simple,
            0..6 => Self::Unclear,
            6.. => Self::Complex,
        };
        (complexity, score)
    }
}

/// The same text has the same score, wherever it is counted: one point for each 75 words, for each file that it names (a word with a slash or with an
/// ending like `.rs`), and for each step (a line that begins with a dash, a star or a number); two for each kind of hard work; each of these up to 4,
/// hard work up to 8. Each kind of easy work takes 3 away, up to 6.
fn score(text: &str) -> i64 {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let words = words(text);
    let kinds = |beginnings: &[&str]| {
        count(beginnings.iter().filter(|beginning| words.iter().any(|word| word.starts_with(**beginning))).count())
    };
    let mut files: Vec<&str> = text.split_whitespace().map(bare).filter(|word| is_file(word)).collect();
    files.sort_unstable();
    files.dedup();
    let steps = text.lines().filter(|line| is_step(line)).count();
    let length = count(words.len()) / 75;
    let parts = length.min(MOST) + count(files.len()).min(MOST) + count(steps).min(MOST);
    parts + (2 * kinds(&HARD)).min(2 * MOST) - (3 * kinds(&EASY)).min(6)
}

/// A word without what stands around it in a sentence.
fn bare(word: &str) -> &str {
    word.trim_matches(|char: char| !char.is_alphanumeric() && !matches!(char, '/' | '_'))
}

fn is_file(word: &str) -> bool {
    let ending = || word.rsplit_once('.').filter(|(name, _)| name.len() > 1).map(|(_, ending)| ending);
    let has_ending = ending()
        .is_some_and(|ending| (1..=4).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_lowercase()));
    !word.contains("://") && (has_ending || word.trim_matches('/').contains('/'))
}

fn is_step(line: &str) -> bool {
    let line = line.trim_start();
    let numbered = line.trim_start_matches(|char: char| char.is_ascii_digit());
    line.starts_with("- ") || line.starts_with("* ") || (numbered != line && numbered.starts_with(['.', ')']))
}

/// Leaves simple work to one router and complex work to another; where the text does not tell, it answers nothing. How complex a text is, is counted,
/// see [`Complexity::of`]: what it says is a guess, but always the same.
pub struct ComplexityRouter {
    simple: Box<dyn BackendRouter>,
    complex: Box<dyn BackendRouter>,
}

impl std::fmt::Debug for ComplexityRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ComplexityRouter")
            .field("simple", &self.simple.name())
            .field("complex", &self.complex.name())
            .finish()
    }
}

impl ComplexityRouter {
    /// Who has the say for simple work, and for complex work.
    pub fn new(simple: impl BackendRouter + 'static, complex: impl BackendRouter + 'static) -> Self {
        Self { simple: Box::new(simple), complex: Box::new(complex) }
    }
}

impl BackendRouter for ComplexityRouter {
    fn name(&self) -> &str {
        "complexity"
    }

    fn route(&self, request: &RouteRequest, candidates: &[Candidate]) -> Option<Route> {
        let (router, what, score) = match Complexity::of(&request.text) {
            (Complexity::Simple, score) => (&self.simple, "simple", score),
            (Complexity::Complex, score) => (&self.complex, "complex", score),
            (Complexity::Unclear, _) => return None,
        };
        let route = router.route(request, candidates)?;
        Some(Route { reason: format!("the work seems {what} (score {score}), and {}", route.reason), ..route })
    }
}

#[cfg(test)]
mod tests {
    use agent_backends::BackendType;

    use super::*;
    use crate::routing::{CostRouter, OrderRouter};

    #[test]
    fn a_text_is_counted_as_documented() {
        let long = "word ".repeat(150);
        for (text, expected) in [
            ("", 0),
            ("You write Rust.", 0),
            ("You fix typos.", -3),
            ("Rename it, and format the comments; fix the typo.", -6),
            ("Refactor src/a.rs and src/b.rs.", 4),
            ("Debug the deadlock:\n1. read src/lock.rs\n2) reproduce it\n- mend it", 8),
            (long.as_str(), 2),
            ("See https://example.com/a/b, e.g. this. v1.2", 0),
            ("a/b a/b a/b", 1),
            ("design, refactor, migrate, optimise, prove, debug", 8),
        ] {
            assert_eq!(Complexity::of(text).1, expected, "{text}");
        }
    }

    #[test]
    fn simple_and_complex_work_go_their_ways() {
        let router = ComplexityRouter::new(CostRouter, OrderRouter);
        let candidates = [BackendType::ClaudeCode, BackendType::GeminiCli].map(Candidate::usable);
        let route = |text: &str| {
            let request = RouteRequest { text: text.into(), ..RouteRequest::default() };
            router.route(&request, &candidates)
        };
        let simple = route("You fix typos.").expect("one");
        assert_eq!(simple.backend, BackendType::GeminiCli);
        assert!(
            simple.reason.starts_with("the work seems simple (score -3), and it is the cheapest (low"),
            "{simple:?}"
        );
        let complex = route("Design and refactor the protocol.").expect("one");
        assert_eq!(complex.backend, BackendType::ClaudeCode);
        assert_eq!(route("You write Rust."), None);
    }
}
