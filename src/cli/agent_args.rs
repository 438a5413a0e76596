//! The options of `teams agent`.

use std::path::PathBuf;

use agent_backends::PermissionMode;

/// How an agent of our own is started.
#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub(super) struct AgentArgs {
    /// What it is to do; without it, what is read from the terminal, or from a client that speaks ACP
    pub(super) prompt: Option<String>,
    /// Speak the Agent Client Protocol on standard input and output
    #[arg(long, conflicts_with = "prompt")]
    pub(super) acp: bool,
    /// The model: anthropic/NAME, openai/NAME, openai-responses/NAME, gemini/NAME or ollama/NAME
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// How hard the model thinks: low, medium, high, or a number of tokens
    #[arg(long, value_name = "EFFORT")]
    pub(super) effort: Option<String>,
    /// The most requests to the model for one input
    #[arg(long, value_name = "N")]
    pub(super) max_turns: Option<usize>,
    /// What it may do without asking: default, acceptEdits, plan or bypassPermissions
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub(super) permission_mode: PermissionMode,
    /// Read files from there, and write only in the current folder
    #[arg(long, value_name = "DIR")]
    pub(super) source_root: Option<PathBuf>,
    /// Run only commands that begin like this, such as "cargo test"; can be given several times
    #[arg(long = "allow-command", value_name = "COMMAND")]
    pub(super) allowed_commands: Vec<String>,
    /// Let it fetch pages from this host, such as docs.rs or *.rust-lang.org, or with * from every public one; can be given several times
    #[arg(long, value_name = "HOST")]
    pub(super) web_fetch: Vec<String>,
    /// Let it give command lines to a shell
    #[arg(long)]
    pub(super) shell: bool,
    /// Keep its commands from writing outside of the current folder (Linux, where the kernel has Landlock)
    #[arg(long)]
    pub(super) confine: bool,
    /// The most requests to the model in a minute
    #[arg(long, value_name = "N")]
    pub(super) requests_per_minute: Option<u32>,
    /// The most tokens in a minute
    #[arg(long, value_name = "N")]
    pub(super) tokens_per_minute: Option<u32>,
    /// How many tokens the model can read at once, where that is not known of it
    #[arg(long, value_name = "N")]
    pub(super) context_window: Option<u64>,
    /// Print its version, and do nothing else
    #[arg(long, hide = true)]
    pub(super) version: bool,
}
