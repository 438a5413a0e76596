//! Which model is asked, where, and with which key.

use std::fmt;
use std::str::FromStr;

use super::error::{LlmError, LlmErrorKind};
use super::retry::RetryPolicy;

/// Who runs a language model, and the protocol in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// Anthropic's Messages API.
    Anthropic,
    /// OpenAI's chat completions API, which many servers speak.
    OpenAi,
    /// OpenAI's Responses API.
    OpenAiResponses,
    /// Google's Gemini API.
    Gemini,
    /// A server of Ollama's, which speaks the chat completions API too.
    Ollama,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Anthropic, Self::OpenAi, Self::OpenAiResponses, Self::Gemini, Self::Ollama];

    /// Its name before the slash of a model.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::OpenAiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }

    /// The variables that have its key; the first is the one to set.
    pub fn key_variables(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::OpenAi | Self::OpenAiResponses => &["OPENAI_API_KEY"],
            Self::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::Ollama => &[],
        }
    }

    /// The variables that have its address; the first is the one to set.
    pub fn base_url_variables(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["ANTHROPIC_API_BASE_URL", "ANTHROPIC_BASE_URL"],
            Self::OpenAi | Self::OpenAiResponses => &["OPENAI_API_BASE_URL", "OPENAI_BASE_URL"],
            Self::Gemini => &["GEMINI_API_BASE_URL", "GOOGLE_GEMINI_BASE_URL"],
            Self::Ollama => &["OLLAMA_HOST"],
        }
    }

    fn model_variables(self) -> &'static [&'static str] {
        match self {
            Self::Anthropic => &["LLM_MODEL", "ANTHROPIC_MODEL"],
            Self::OpenAi | Self::OpenAiResponses => &["LLM_MODEL", "OPENAI_MODEL"],
            Self::Gemini => &["LLM_MODEL", "GEMINI_MODEL"],
            Self::Ollama => &["LLM_MODEL", "OLLAMA_MODEL"],
        }
    }

    fn usual_model(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("claude-sonnet-4-5"),
            Self::OpenAi | Self::OpenAiResponses => Some("gpt-5-mini"),
            Self::Gemini => Some("gemini-2.5-flash"),
            Self::Ollama => None,
        }
    }

    fn usual_base_url(self) -> &'static str {
        match self {
            Self::Anthropic => "https://api.anthropic.com",
            Self::OpenAi | Self::OpenAiResponses => "https://api.openai.com/v1",
            Self::Gemini => "https://generativelanguage.googleapis.com/v1beta",
            Self::Ollama => "http://127.0.0.1:11434",
        }
    }

    /// The address that its requests begin with, with a slash at the end. Whoever gives an address leaves the path of the API out, or not.
    fn full_url(self, given: &str) -> String {
        let given = given.trim().trim_end_matches('/');
        let given = if given.contains("://") { given.to_owned() } else { format!("http://{given}") };
        let has_path = given.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        match self {
            Self::Anthropic if !given.ends_with("/v1") => format!("{given}/v1/"),
            Self::OpenAi | Self::OpenAiResponses | Self::Ollama if !has_path => format!("{given}/v1/"),
            Self::Gemini if !has_path => format!("{given}/v1beta/"),
            _ => format!("{given}/"),
        }
    }

    /// The provider whose models have such names.
    fn of_model(model: &str) -> Option<Self> {
        let begins = |words: &[&str]| words.iter().any(|word| model.starts_with(word));
        if begins(&["claude"]) {
            Some(Self::Anthropic)
        } else if begins(&["gpt-", "o1", "o3", "o4", "chatgpt"]) {
            Some(Self::OpenAi)
        } else if begins(&["gemini"]) {
            Some(Self::Gemini)
        } else {
            None
        }
    }
}

impl FromStr for Provider {
    type Err = LlmError;

    fn from_str(name: &str) -> Result<Self, LlmError> {
        let alias = match name {
            "claude" => "anthropic",
            "google" => "gemini",
            name => name,
        };
        Self::ALL.into_iter().find(|provider| provider.as_str() == alias).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            LlmError::new(
                LlmErrorKind::UnknownModel,
                format!("there is no provider `{name}`; use one of {}", names.join(", ")),
            )
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which model is asked, and how. What is left open comes from the environment, see [`resolve`](LlmConfig::resolve). `Debug` hides the key.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LlmConfig {
    /// Who is asked. `None`: by the model's name, by `LLM_PROVIDER`, or by the keys that are there.
    pub provider: Option<Provider>,
    /// The model: its name, or `provider/name`. `None`: `LLM_MODEL`, the provider's own variable, or a usual one.
    pub model: Option<String>,
    /// The key. `None`: the provider's variable.
    pub api_key: Option<String>,
    /// The address of the API, for a gateway or a server of one's own. `None`: the provider's variable, or its public address.
    pub base_url: Option<String>,
    /// The longest answer, in tokens. `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// How hard the model thinks: `low`, `medium`, `high`, or what else the provider knows.
    pub effort: Option<String>,
    /// How many tokens a request and its answer may have together. `None`: what is known of the model.
    pub context_window: Option<u64>,
    /// How many requests may be sent in a minute.
    pub requests_per_minute: Option<u32>,
    /// How many tokens may be used in a minute.
    pub tokens_per_minute: Option<u32>,
    /// When a request that failed is sent again.
    pub retry: RetryPolicy,
}

impl fmt::Debug for LlmConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmConfig")
            .field("provider", &self.provider)
            .field("model", &self.model)
            .field("base_url", &self.base_url)
            .field("api_key", &self.api_key.as_ref().map(|_| "…"))
            .finish_non_exhaustive()
    }
}

/// Who is asked, after everything that was left open was looked up.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) provider: Provider,
    pub(super) model: String,
    pub(super) key: Option<String>,
    pub(super) base_url: String,
}

impl LlmConfig {
    /// The settings for a model, as a person writes it: its name, or `provider/name`.
    pub fn for_model(model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..Self::default() }
    }

    /// The provider and the model that are asked, as `provider/name`, when what is left open is looked up in these variables.
    ///
    /// # Errors
    /// Nothing says which provider or which model, or a key is missing.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, LlmError> {
        let target = self.target(variable)?;
        Ok(format!("{}/{}", target.provider, target.model))
    }

    pub(super) fn target(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Target, LlmError> {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name));
        let (named, model) = match self.model.as_deref().and_then(|model| model.split_once('/')) {
            Some((provider, model)) if provider.parse::<Provider>().is_ok() => {
                (provider.parse().ok(), Some(model.to_owned()))
            }
            _ => (None, self.model.clone()),
        };
        let of_model = || model.as_deref().and_then(Provider::of_model);
        let provider = match named.or(self.provider).or_else(of_model) {
            Some(provider) => provider,
            None => match variable("LLM_PROVIDER") {
                Some(name) => name.parse()?,
                None => by_keys(&first).ok_or_else(nobody)?,
            },
        };
        let model =
            model.or_else(|| first(provider.model_variables())).or_else(|| provider.usual_model().map(str::to_owned));
        let model = model.ok_or_else(|| {
            LlmError::new(
                LlmErrorKind::UnknownModel,
                format!("which model is to be used? Name one: `{provider}/MODEL`"),
            )
        })?;
        let given = self.base_url.clone().or_else(|| first(provider.base_url_variables()));
        let base_url = provider.full_url(given.as_deref().unwrap_or(provider.usual_base_url()));
        let key = self.api_key.clone().or_else(|| first(provider.key_variables()));
        // A server of one's own may want none.
        if key.is_none() && given.is_none() && provider != Provider::Ollama {
            let variable = provider.key_variables()[0];
            return Err(LlmError::new(LlmErrorKind::Auth, format!("there is no key for {provider}; set {variable}")));
        }
        Ok(Target { provider, model, key, base_url })
    }
}

/// The provider whose key is there.
fn by_keys(first: &impl Fn(&[&str]) -> Option<String>) -> Option<Provider> {
    let mut known = [Provider::Anthropic, Provider::OpenAi, Provider::Gemini].into_iter();
    let with_key = known.find(|provider| first(provider.key_variables()).is_some());
    with_key.or_else(|| first(Provider::Ollama.base_url_variables()).map(|_| Provider::Ollama))
}

fn nobody() -> LlmError {
    let what = "no language model is set up; set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY, or name a model of a server of your own: `ollama/MODEL`, or `openai/MODEL` with OPENAI_BASE_URL";
    LlmError::new(LlmErrorKind::Auth, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(config: &LlmConfig, variables: &[(&str, &str)]) -> Result<Target, LlmError> {
        config.target(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn check(model: &str, variables: &[(&str, &str)], expected: (Provider, &str, &str)) {
        let config = if model.is_empty() { LlmConfig::default() } else { LlmConfig::for_model(model) };
        let found = target(&config, variables).expect(model);
        assert_eq!((found.provider, found.model.as_str(), found.base_url.as_str()), expected, "{model} {variables:?}");
    }

    #[test]
    fn what_is_left_open_comes_from_the_environment() {
        use Provider::{Anthropic, Gemini, Ollama, OpenAi, OpenAiResponses};
        let anthropic = ("ANTHROPIC_API_KEY", "k");
        let openai = ("OPENAI_API_KEY", "k");
        let public = "https://api.anthropic.com/v1/";
        check("", &[anthropic], (Anthropic, "claude-sonnet-4-5", public));
        check("", &[anthropic, ("LLM_MODEL", "claude-x")], (Anthropic, "claude-x", public));
        check(
            "",
            &[anthropic, openai, ("LLM_PROVIDER", "openai")],
            (OpenAi, "gpt-5-mini", "https://api.openai.com/v1/"),
        );
        check("", &[anthropic, ("LLM_PROVIDER", "claude"), ("ANTHROPIC_MODEL", "m")], (Anthropic, "m", public));
        check("gpt-4o", &[anthropic, openai], (OpenAi, "gpt-4o", "https://api.openai.com/v1/"));
        check("openai-responses/gpt-5", &[openai], (OpenAiResponses, "gpt-5", "https://api.openai.com/v1/"));
        check(
            "google/gemini-x",
            &[("GOOGLE_API_KEY", "k")],
            (Gemini, "gemini-x", "https://generativelanguage.googleapis.com/v1beta/"),
        );
        check("ollama/qwen3:8b", &[], (Ollama, "qwen3:8b", "http://127.0.0.1:11434/v1/"));
        check("ollama/a/b", &[("OLLAMA_HOST", "box:1")], (Ollama, "a/b", "http://box:1/v1/"));
        check(
            "qwen/qwen3",
            &[("OPENAI_BASE_URL", "http://localhost:8000/v1"), openai],
            (OpenAi, "qwen/qwen3", "http://localhost:8000/v1/"),
        );
        check("openai/x", &[("OPENAI_BASE_URL", "http://localhost:8000")], (OpenAi, "x", "http://localhost:8000/v1/"));
        check("anthropic/x", &[("ANTHROPIC_BASE_URL", "http://gate/way/")], (Anthropic, "x", "http://gate/way/v1/"));
        check(
            "claude-x",
            &[anthropic, ("ANTHROPIC_API_BASE_URL", "http://gate/v1")],
            (Anthropic, "claude-x", "http://gate/v1/"),
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (model, variables, expected) in [
            ("", &[][..], "ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY"),
            ("", &[("ANTHROPIC_API_KEY", " ")], "no language model is set up"),
            ("claude-x", &[("OPENAI_API_KEY", "k")], "no key for anthropic; set ANTHROPIC_API_KEY"),
            ("gemini/x", &[], "set GEMINI_API_KEY"),
            ("", &[("LLM_PROVIDER", "nobody")], "there is no provider `nobody`; use one of anthropic"),
            ("", &[("LLM_PROVIDER", "ollama")], "`ollama/MODEL`"),
        ] {
            let config =
                LlmConfig { model: Some(model.to_owned()).filter(|model| !model.is_empty()), ..LlmConfig::default() };
            let error = target(&config, variables).err().expect(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let config = LlmConfig { api_key: Some("very-secret".into()), ..LlmConfig::default() };
        assert!(!format!("{config:?}").contains("very-secret"));
    }
}
