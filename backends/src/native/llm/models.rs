//! What is known of language models: how much they read at once, and what they cost.

use super::message::TokenUsage;

/// What is known of a language model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelFacts {
    /// How many tokens a request and its answer may have together.
    pub context_window: u64,
    /// What a million tokens cost, in US dollars; `None` where nobody knows.
    pub price: Option<Price>,
}

/// What a million tokens cost, in US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Those that the model reads.
    pub input: f64,
    /// Those of them that the provider has in its cache.
    pub cached: f64,
    /// Those that it writes.
    pub output: f64,
}

impl ModelFacts {
    /// What this much costs, in US dollars; `None` where the price is not known.
    pub fn cost(&self, usage: TokenUsage) -> Option<f64> {
        let price = self.price?;
        #[allow(clippy::cast_precision_loss)] // Nobody uses 2^53 tokens.
        let millions = |tokens: u64| tokens as f64 / 1e6;
        let fresh = usage.input.saturating_sub(usage.cached);
        Some(
            millions(fresh) * price.input
                + millions(usage.cached) * price.cached
                + millions(usage.output) * price.output,
        )
    }
}

/// How much an unknown model reads at once. Local servers are often started with less than their model could.
const UNKNOWN_WINDOW: u64 = 32_000;

/// The beginnings of names, the longer ones first; context window; prices for reading, reading from the cache, and writing. As their providers have
/// published them by the middle of 2026.
const MODELS: &[(&str, u64, Option<[f64; 3]>)] = &[
    ("claude-opus-4-1", 200_000, Some([15.0, 1.5, 75.0])),
    ("claude-opus-4-2", 200_000, Some([15.0, 1.5, 75.0])),
    ("claude-opus", 200_000, Some([5.0, 0.5, 25.0])),
    ("claude-sonnet", 200_000, Some([3.0, 0.3, 15.0])),
    ("claude-haiku", 200_000, Some([1.0, 0.1, 5.0])),
    ("claude", 200_000, None),
    ("gpt-5-nano", 272_000, Some([0.05, 0.005, 0.4])),
    ("gpt-5-mini", 272_000, Some([0.25, 0.025, 2.0])),
    ("gpt-5", 272_000, None),
    ("gpt-4.1-nano", 1_047_576, Some([0.1, 0.025, 0.4])),
    ("gpt-4.1-mini", 1_047_576, Some([0.4, 0.1, 1.6])),
    ("gpt-4.1", 1_047_576, Some([2.0, 0.5, 8.0])),
    ("gpt-4o-mini", 128_000, Some([0.15, 0.075, 0.6])),
    ("gpt-4o", 128_000, Some([2.5, 1.25, 10.0])),
    ("gpt-oss", 128_000, None),
    ("o3", 200_000, None),
    ("o4-mini", 200_000, Some([1.1, 0.275, 4.4])),
    ("gemini-2.5-flash-lite", 1_048_576, Some([0.1, 0.01, 0.4])),
    ("gemini-2.5-flash", 1_048_576, Some([0.3, 0.03, 2.5])),
    ("gemini", 1_048_576, None),
];

/// What is known of the model with this name.
pub fn facts_of(model: &str) -> ModelFacts {
    let known = MODELS.iter().find(|(beginning, ..)| model.starts_with(beginning));
    match known {
        Some(&(_, context_window, price)) => {
            let price = price.map(|[input, cached, output]| Price { input, cached, output });
            ModelFacts { context_window, price }
        }
        None => ModelFacts { context_window: UNKNOWN_WINDOW, price: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_known_or_not_said() {
        let usage = TokenUsage { input: 1_000_000, cached: 500_000, output: 100_000 };
        let cost = |model: &str| facts_of(model).cost(usage).map(|cost| (cost * 100.0).round());
        assert_eq!(cost("claude-sonnet-4-5"), Some(315.0));
        assert_eq!(cost("gpt-4o-2024-11-20"), Some(288.0));
        assert_eq!(cost("llama3.3"), None);
        assert_eq!(facts_of("llama3.3").context_window, UNKNOWN_WINDOW);
    }

    #[test]
    fn no_name_hides_behind_a_shorter_one() {
        for (index, (name, ..)) in MODELS.iter().enumerate() {
            let before = &MODELS[..index];
            assert!(before.iter().all(|(earlier, ..)| !name.starts_with(earlier)), "{name}");
        }
    }
}
