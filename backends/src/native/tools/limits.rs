//! What commands of an agent of our own may do, and how long, and how much.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::Supervision;

/// Variables that a command has no use for and that must not leak: the keys of models' providers, and by what a member's tools are known.
const HIDDEN: [&str; 24] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "CEREBRAS_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "COHERE_API_KEY",
    "DASHSCOPE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FIREWORKS_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GROQ_API_KEY",
    "HF_TOKEN",
    "HUGGINGFACE_API_KEY",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
    "ZAI_API_KEY",
    "TEAMS_MEMBER_TOKEN",
];

/// What the commands of [`RunCommandTool`](super::RunCommandTool) may do. `Debug` hides the values of the environment.
#[derive(Clone)]
pub struct CommandLimits {
    /// The commands that may be run, as the words that they begin with: `[["cargo", "test"], ["git", "status"]]`. `None` allows any, and leaves the question
    /// to the agent's permission mode. What follows the first words is free, so a program that runs what its arguments say (`env`, `git -c`, `find -exec`) is only as safe as
    /// the words that are listed. Where there is a list, no shell is given a command line.
    pub allowed: Option<Vec<Vec<String>>>,
    /// Whether a command line may be given to a shell.
    pub shell: bool,
    /// How long a command may take when the model says nothing else.
    pub timeout: Duration,
    /// The longest time that the model can ask for.
    pub longest_timeout: Duration,
    /// How much of a command's output is kept, in bytes: half of it from the beginning, and half from the end.
    pub output_limit: usize,
    /// The whole environment of commands, less what is hidden; `None` is our own.
    pub environment: Option<BTreeMap<String, String>>,
    /// Variables that commands do not get. A `*` at the end stands for anything.
    pub hidden_env: Vec<String>,
    /// Whether commands are kept, by the kernel's Landlock, from writing anywhere but below the working directory, [`writable`](Self::writable) and a folder of their own for temporary files, to which TMPDIR
    /// leads. Where the kernel has no Landlock they run without, and the answer says so.
    pub confine: bool,
    /// Folders that a confined command may write to besides, such as `~/.cargo`.
    pub writable: Vec<PathBuf>,
    /// Who looks after the processes.
    pub supervision: Supervision,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self {
            allowed: None,
            shell: false,
            timeout: Duration::from_secs(120),
            longest_timeout: Duration::from_secs(600),
            output_limit: 64 << 10,
            environment: None,
            hidden_env: HIDDEN.iter().map(|name| (*name).to_owned()).collect(),
            confine: false,
            writable: Vec::new(),
            supervision: Supervision::default(),
        }
    }
}

impl CommandLimits {
    /// The variables that a command gets.
    pub(super) fn visible(&self) -> BTreeMap<String, String> {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let own = || std::env::vars_os().filter_map(text).collect();
        let mut environment = self.environment.clone().unwrap_or_else(own);
        environment.retain(|name, _| !self.hides(name));
        environment
    }

    fn hides(&self, name: &str) -> bool {
        self.hidden_env.iter().any(|hidden| match hidden.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == hidden,
        })
    }

    /// Whether a command line may be given to a shell.
    pub(super) fn allows_shell(&self) -> bool {
        self.shell && self.allowed.is_none()
    }

    /// Whether a command with these words is on the list, word by word.
    pub(super) fn allows(&self, words: &[String]) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        allowed.iter().any(|first| !first.is_empty() && words.starts_with(first))
    }

    /// The commands on the list, in words for a model.
    pub(super) fn allowed_in_words(&self) -> Option<String> {
        let allowed = self.allowed.as_ref()?;
        Some(allowed.iter().map(|words| format!("`{}`", words.join(" "))).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for CommandLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLimits")
            .field("allowed", &self.allowed)
            .field("shell", &self.shell)
            .field("timeout", &self.timeout)
            .field("longest_timeout", &self.longest_timeout)
            .field("output_limit", &self.output_limit)
            .field("environment", &self.environment.as_ref().map(|environment| environment.keys().collect::<Vec<_>>()))
            .field("hidden_env", &self.hidden_env)
            .field("confine", &self.confine)
            .field("writable", &self.writable)
            .field("supervision", &self.supervision)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_compared_word_by_word() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let allowed = Some(vec![words("git status"), words("cargo test"), Vec::new()]);
        let limits = CommandLimits { allowed, shell: true, ..CommandLimits::default() };
        for (command, allowed) in [
            ("git status", true),
            ("git status --short", true),
            ("cargo test -p x", true),
            ("git statusx", false),
            ("git", false),
            ("gitstatus", false),
            ("./git status", false),
            ("/usr/bin/git status", false),
            ("GIT status", false),
            ("git -c status", false),
            (" git status", false),
            ("", false),
        ] {
            assert_eq!(limits.allows(&words(command)), allowed, "{command}");
        }
        assert!(!limits.allows(&["git status".to_owned()]) && !limits.allows(&[]) && !limits.allows_shell());
    }

    #[test]
    fn keys_are_hidden_from_commands_and_from_logs() {
        let names = ["OPENAI_API_KEY", "TEAMS_MEMBER_TOKEN", "GITHUB_TOKEN", "PATH"];
        let environment = names.iter().map(|name| ((*name).to_owned(), "canary".to_owned())).collect();
        let limits = CommandLimits { environment: Some(environment), ..CommandLimits::default() };
        assert_eq!(limits.visible().into_keys().collect::<Vec<_>>(), ["GITHUB_TOKEN", "PATH"]);
        let debug = format!("{limits:?}");
        assert!(debug.contains("GITHUB_TOKEN") && !debug.contains("canary"), "{debug}");
    }
}
