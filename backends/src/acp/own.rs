//! What is special about the agent of our own, which this program runs itself: `teams agent`.

use crate::command::Command;
use crate::config::SpawnConfig;
use crate::usual::Maker;

/// How the names of the variables begin that tell one account from another.
pub(super) const ACCOUNT_VARIABLES: &[&str] = &["ANTHROPIC_", "OPENAI_", "GEMINI_", "GOOGLE_", "LLM_", "OLLAMA_"];

/// How to log in.
pub(super) const LOGIN: &str = "set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or name a model of a server of your own, such as ollama/MODEL";

/// The variables of which one is enough to reach a model.
const CREDENTIALS: [&str; 8] = [
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE_URL",
    "ANTHROPIC_BASE_URL",
    "OLLAMA_HOST",
];

/// The command that runs it, where it is on PATH.
pub(super) fn usual_command() -> Command {
    Command::new("teams").arg("agent").arg("--acp")
}

pub(super) fn has_credentials(variable: impl Fn(&str) -> Option<String>) -> bool {
    CREDENTIALS.iter().any(|name| variable(name).is_some_and(|value| !value.is_empty()))
}

/// It asks whoever has a model, as long as there is a key for that one.
pub(super) fn runs_model(model: &str) -> Option<bool> {
    (model.contains('/') || Maker::of(model).is_some()).then_some(true)
}

/// Why no model could be asked with these settings.
pub(super) fn lacks_login(config: &SpawnConfig) -> Option<String> {
    #[cfg(feature = "native")]
    {
        let asked = crate::native::llm::LlmConfig { model: config.model.clone(), ..Default::default() };
        asked.resolve(|name| config.variable(name)).err().map(|error| error.to_string())
    }
    #[cfg(not(feature = "native"))]
    {
        (!has_credentials(|name| config.variable(name))).then(|| format!("no model can be asked: {LOGIN}"))
    }
}

/// What it is started with; taken out of the settings is what it would not be told over the protocol.
pub(super) fn arguments(config: &mut SpawnConfig) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.extend([name.to_owned(), value]);
        }
    };
    option("--model", config.model.clone());
    option("--effort", config.effort.take());
    option("--max-turns", config.max_turns.take().map(|most| most.to_string()));
    arguments
}
