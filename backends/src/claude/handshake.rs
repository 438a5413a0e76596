//! The first words with Claude Code: it is initialized, and compared with what was asked for.

use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::process::ChildStdout;

use super::protocol::{AccountReply, ControlParams, ControlReply, InitializeReply, Input, LineNotice, SettingsReply};
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::permission::PermissionMode;
use crate::pipes::{LineReader, StdinWriter};
use crate::process::{AgentProcess, LineEvent, next_line};

/// How to log in.
pub(super) const LOGIN: &str = "run `claude` once and type /login, or set ANTHROPIC_API_KEY";
/// How long Claude Code may take to answer a control request that it answers at once when it is well.
pub(super) const CONTROL_LIMIT: Duration = Duration::from_secs(20);

/// What the session was asked to be, to compare with what the CLI reports.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) session_id: String,
    pub(super) resumed: bool,
    pub(super) cwd: PathBuf,
    pub(super) mode: PermissionMode,
    pub(super) model: Option<String>,
}

impl Asked {
    /// Compares what was asked for with what the CLI reports at the beginning of its first turn.
    pub(super) fn check(&self, notice: &LineNotice<'_>, mode_reported: bool) -> Result<()> {
        if let Some(mode) = notice.permission_mode.as_deref().filter(|_| !mode_reported) {
            self.check_mode(mode)?;
        }
        if let Some(model) = &notice.model {
            self.check_model(model)?;
        }
        if let Some(cwd) = notice.cwd.as_ref().filter(|cwd| PathBuf::from(cwd) != self.cwd) {
            return Err(self.mismatch("working directory", self.cwd.display(), cwd));
        }
        if let Some(id) = notice.session_id.as_ref().filter(|id| **id != self.session_id) {
            return Err(self.mismatch("session id", &self.session_id, id));
        }
        Ok(())
    }

    pub(super) fn mismatch(&self, what: &'static str, asked: impl ToString, reported: impl ToString) -> BackendError {
        BackendError::Mismatch {
            backend: BackendType::ClaudeCode,
            what,
            asked: asked.to_string(),
            reported: reported.to_string(),
        }
    }

    pub(super) fn check_mode(&self, reported: &str) -> Result<()> {
        // Newer versions call the default mode "manual" on the command line.
        let default = self.mode == PermissionMode::Default && matches!(reported, "default" | "manual");
        if default || reported == self.mode.as_str() {
            return Ok(());
        }
        Err(self.mismatch("permission mode", &self.mode, reported))
    }

    pub(super) fn check_model(&self, reported: &str) -> Result<()> {
        // The CLI knows more names than we do: its aliases, and what a gateway makes of them. Only a full name is never another one.
        let Some(asked) = &self.model else { return Ok(()) };
        let (full, told) = (asked.trim_end_matches("[1m]"), reported.trim_end_matches("[1m]"));
        let are_full = [full, told].iter().all(|name| name.starts_with("claude-"));
        if are_full && !told.starts_with(full) && !full.starts_with(told) {
            return Err(self.mismatch("model", asked, reported));
        }
        Ok(())
    }
}

/// The process after its handshake.
pub(super) struct Ready {
    pub(super) stdout: LineReader<ChildStdout>,
    pub(super) model: Option<String>,
    pub(super) mode_reported: bool,
}

impl Ready {
    /// Initializes the CLI and compares what it reports with what was asked for.
    pub(super) async fn wait(
        process: &AgentProcess,
        stdout: LineReader<ChildStdout>,
        stdin: &StdinWriter,
        prompt: &str,
        asked: &Asked,
    ) -> Result<Self> {
        let mut stdout = stdout.json();
        let initialize = ControlParams::Initialize { append_system_prompt: prompt };
        let reply: InitializeReply = control(process, &mut stdout, stdin, "initialize", initialize).await?;
        if reply.account.as_ref().is_some_and(AccountReply::is_logged_out) {
            return Err(BackendError::NotLoggedIn {
                backend: BackendType::ClaudeCode,
                reason: "it has neither a token nor an API key".into(),
                remedy: LOGIN.into(),
            });
        }
        if let Some(mode) = &reply.current_permission_mode {
            asked.check_mode(mode)?;
        }
        let settings = tokio::time::timeout(
            CONTROL_LIMIT,
            control(process, &mut stdout, stdin, "get_settings", ControlParams::GetSettings),
        );
        // Older versions do not know the request; then the first turn tells.
        let model = match settings.await {
            Ok(Ok(SettingsReply { applied: Some(applied) })) => applied.model,
            _ => None,
        };
        if let Some(model) = &model {
            asked.check_model(model)?;
        }
        Ok(Self { stdout, model, mode_reported: reply.current_permission_mode.is_some() })
    }
}

/// One control request and its reply, before there is a session.
async fn control<T: DeserializeOwned>(
    process: &AgentProcess,
    stdout: &mut LineReader<ChildStdout>,
    stdin: &StdinWriter,
    id: &str,
    request: ControlParams<'_>,
) -> Result<T> {
    // A process that ended at once has closed its input; its last words say more than that.
    let _ = stdin.write_line(&Input::ControlRequest { request_id: id, request }.line());
    loop {
        let line = match next_line(process, stdout).await {
            LineEvent::Line(line) => line,
            LineEvent::Ended(exit) => return Err(not_ready(format!("it ended ({exit})"), process.last_words())),
        };
        let Ok(LineNotice { kind, response: Some(response), .. }) = serde_json::from_str(&line) else { continue };
        if kind != "control_response" {
            continue;
        }
        let Ok(reply) = serde_json::from_str::<ControlReply<'_>>(response.get()) else { continue };
        if reply.request_id != id {
            continue;
        }
        let raw = reply.response.filter(|_| reply.subtype == "success").ok_or_else(|| BackendError::Refused {
            backend: BackendType::ClaudeCode,
            call: id.to_owned(),
            message: reply.error.clone().unwrap_or_else(|| "no reason given".into()),
        })?;
        return serde_json::from_str(raw.get())
            .map_err(|error| not_ready(format!("its answer to `{id}` cannot be read: {error}"), process.last_words()));
    }
}

pub(super) fn not_ready(reason: String, stderr: String) -> BackendError {
    BackendError::NotReady { backend: BackendType::ClaudeCode, reason, stderr }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_name_is_held_against_another() {
        for (asked, reported, fits) in [
            ("opusplan", "claude-sonnet-5-5", true),
            ("best", "claude-opus-5-5", true),
            ("sonnet", "glm-4.6", true),
            ("glm-4.6", "claude-sonnet-5-5", true),
            ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", true),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", true),
            ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5", true),
            ("claude-opus-4-5", "us.anthropic.claude-opus-4-5", true),
            ("claude-sonnet-4-5", "claude-opus-4-5", false),
            ("claude-sonnet-4-5", "claude-haiku-4-5[1m]", false),
        ] {
            let (cwd, mode) = (PathBuf::from("/"), PermissionMode::Default);
            let asked = Asked { session_id: "s".into(), resumed: false, cwd, mode, model: Some(asked.into()) };
            assert_eq!(asked.check_model(reported).is_ok(), fits, "{asked:?} {reported}");
        }
    }
}
