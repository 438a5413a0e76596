//! How a process of Gemini CLI is started, one-shot or over ACP.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::SpawnConfig;
use crate::permission::PermissionMode;
use crate::process::ProcessSpec;

/// Its name for a permission mode.
pub(super) fn approval_mode(mode: &PermissionMode) -> &'static str {
    match mode {
        PermissionMode::AcceptEdits => "auto_edit",
        PermissionMode::Plan => "plan",
        PermissionMode::BypassPermissions => "yolo",
        // Without anybody to ask, it leaves out every tool that would.
        PermissionMode::Default | PermissionMode::Other(_) => "default",
    }
}

/// What every process of Gemini CLI needs, one-shot or ACP.
pub(crate) fn prepare(spec: &mut ProcessSpec) {
    // One process instead of two; the launcher ignores signals.
    spec.default_env("GEMINI_CLI_NO_RELAUNCH", "true");
    // Whoever spawns an agent in a directory trusts it; without this the CLI refuses to start, or to use MCP servers.
    spec.default_env("GEMINI_CLI_TRUST_WORKSPACE", "true");
    spec.env.insert("NO_COLOR".into(), "1".into());
    spec.env.insert("TERM".into(), "xterm-256color".into());
}

/// Gemini CLI destroys a conversation that is loaded over ACP in the same wall-clock minute in which it was created: both
/// would write to a file that is named after the minute. So wait for the next one.
pub(crate) async fn wait_until_loadable(session_id: &str, config: &SpawnConfig) {
    while created_this_minute(session_id, config) {
        let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        tokio::time::sleep(Duration::from_secs(60 - seconds % 60) + Duration::from_millis(100)).await;
    }
}

fn created_this_minute(session_id: &str, config: &SpawnConfig) -> bool {
    let home = config.variable("GEMINI_CLI_HOME").or_else(|| config.variable("HOME"));
    let Some(home) = home.map(PathBuf::from) else { return false };
    let prefix: String = session_id.chars().take(8).collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let projects = std::fs::read_dir(home.join(".gemini/tmp")).into_iter().flatten().flatten();
    projects
        .flat_map(|project| std::fs::read_dir(project.path().join("chats")).into_iter().flatten().flatten())
        .filter(|chat| chat.file_name().to_string_lossy().ends_with(&format!("-{prefix}.jsonl")))
        // The name has the minute of creation, and so has the file's birth, which need not be read from a name.
        .filter_map(|chat| chat.metadata().ok()?.created().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok())
        .any(|created| created.as_secs() / 60 == now / 60)
}
