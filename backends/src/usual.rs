//! What is usual of each agent, where nobody has measured it: how dear and how quick it is, and who makes the models that it asks.
//!
//! The table is a *default*, and no measurement: coarse classes, by what the makers' usual models cost by the token and by how each program is run (one
//! that is started for each turn is slow to begin). Which model an agent asks, under which plan, counts for more than its make. Whoever has figures of
//! their own uses those.

use crate::kind::BackendType;

/// When the table was written, as year and month.
pub const USUAL_AS_OF: &str = "2026-11";

/// The table: one line for each backend of this crate. What can be any program has unknown classes.
pub const USUAL: [Usual; 6] = [
    Usual { backend: BackendType::ClaudeCode, cost: Class::High, latency: Class::Middle },
    Usual { backend: BackendType::Codex, cost: Class::Middle, latency: Class::Middle },
    Usual { backend: BackendType::GeminiCli, cost: Class::Low, latency: Class::High },
    Usual { backend: BackendType::GeminiAcp, cost: Class::Low, latency: Class::Middle },
    Usual { backend: BackendType::Native, cost: Class::Middle, latency: Class::Low },
    Usual { backend: BackendType::Acp, cost: Class::Unknown, latency: Class::Unknown },
];

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// The backend.
    pub backend: BackendType,
    /// What a turn costs.
    pub cost: Class,
    /// How long a turn takes.
    pub latency: Class,
}

impl Usual {
    /// The line of a backend; one that is not in the table is unknown.
    pub fn of(backend: BackendType) -> Self {
        let unknown = Self { backend, cost: Class::Unknown, latency: Class::Unknown };
        USUAL.into_iter().find(|usual| usual.backend == backend).unwrap_or(unknown)
    }
}

/// A coarse class of a cost or of a time. Lower is better; what is unknown comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Little of it.
    Low,
    /// Some of it.
    Middle,
    /// Much of it.
    High,
    /// Nobody can say.
    Unknown,
}

impl Class {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Middle => "middle",
            Self::High => "high",
            Self::Unknown => "unknown",
        }
    }
}

/// Who makes a model, where its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Anthropic,
    OpenAi,
    Google,
}

impl Maker {
    pub(crate) fn of(model: &str) -> Option<Self> {
        let begins = |words: &[&str]| words.iter().any(|word| model.starts_with(word));
        if begins(&["claude-"]) {
            Some(Self::Anthropic)
        } else if begins(&["gpt-", "chatgpt-", "codex-", "o1", "o3", "o4"]) {
            Some(Self::OpenAi)
        } else if begins(&["gemini-"]) {
            Some(Self::Google)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known;

    #[test]
    fn the_table_has_a_line_for_each_backend() {
        assert_eq!(USUAL.map(|usual| usual.backend), BackendType::KNOWN);
        assert_eq!(Usual::of(BackendType::named("mine")).cost, Class::Unknown);
        assert!(Class::Low < Class::Middle && Class::High < Class::Unknown);
    }

    #[test]
    fn a_model_is_run_by_who_can_ask_its_maker() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        for (model, runs, does_not) in [
            ("claude-sonnet-4-5", names(&["claude-code", "native"]), names(&["codex", "gemini", "gemini-acp"])),
            ("sonnet[1m]", names(&["claude-code"]), names(&[])),
            ("gpt-5-mini", names(&["codex", "native"]), names(&["claude-code", "gemini", "gemini-acp"])),
            ("gemini-2.5-pro", names(&["gemini", "gemini-acp", "native"]), names(&["claude-code", "codex"])),
            ("ollama/qwen3:8b", names(&["native"]), names(&[])),
            ("stub-model", names(&[]), names(&[])),
        ] {
            let who = |answer: bool| -> Vec<String> {
                let backends = known::backends().filter(|backend| backend.runs_model(model) == Some(answer));
                backends.map(|backend| backend.backend_type().to_string()).collect()
            };
            assert_eq!((who(true), who(false)), (runs, does_not), "{model}");
        }
    }
}
