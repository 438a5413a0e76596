//! Opens a thread, and compares what Codex reports about it with what was asked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::protocol::{Permissions, ThreadParams, ThreadReply};
use super::server::{Server, ThreadEvent};
use crate::config::SpawnConfig;
use crate::error::{BackendError, Result};
use crate::kind::BackendType;
use crate::permission::PermissionMode;
use crate::wire::CallError;

/// A thread that was opened and has no lease of its server yet.
pub(super) struct Opened {
    pub(super) server: Arc<Server>,
    pub(super) thread: String,
    pub(super) model: String,
    pub(super) resumed: bool,
    pub(super) writable_roots: Vec<PathBuf>,
    pub(super) events: mpsc::Receiver<ThreadEvent>,
}

impl Opened {
    /// Starts or resumes a thread and compares what Codex reports about it with what was asked for.
    pub(super) async fn open(
        server: Arc<Server>,
        config: &SpawnConfig,
        mode: &PermissionMode,
        cwd: PathBuf,
    ) -> Result<Opened> {
        let permissions = Permissions::of(mode);
        let params = ThreadParams::of(config, permissions, &cwd);
        let method = if config.resume.is_some() { "thread/resume" } else { "thread/start" };
        let limit = config.ready_limit().max(Duration::from_secs(5));
        let reply = match server.wire().call(method, &params, limit).await {
            // A setting that another version does not know, or knows otherwise: those that only make things nicer are left out.
            Err(CallError::Refused { message, .. }) if message.contains("failed to load configuration") => {
                tracing::warn!(%message, "Codex is asked again with fewer settings");
                server.wire().call(method, &params.plain(), limit).await
            }
            reply => reply,
        };
        let reply: ThreadReply = reply.map_err(|error| match (&config.resume, error) {
            (Some(id), CallError::Refused { message, .. }) if message.contains("no rollout found") => {
                BackendError::ConversationLost { backend: BackendType::Codex, id: id.clone(), reason: message }
            }
            (Some(id), CallError::Refused { message, .. }) if message.contains("active writer") => {
                BackendError::ConversationBusy { backend: BackendType::Codex, id: id.clone(), reason: message }
            }
            (_, error) => error.in_call(BackendType::Codex, method),
        })?;
        let events = server.subscribe(&reply.thread.id);
        if let Err(error) = check(&reply, config, permissions, &cwd) {
            server.unsubscribe(&reply.thread.id);
            return Err(error);
        }
        let resumed = config.resume.is_some();
        let writable_roots = config.writable_roots.clone();
        Ok(Opened { server, thread: reply.thread.id, model: reply.model, resumed, writable_roots, events })
    }
}

fn check(reply: &ThreadReply, config: &SpawnConfig, permissions: Permissions, cwd: &Path) -> Result<()> {
    let mismatch = |what, asked: &str, reported: &str| {
        Err(BackendError::Mismatch {
            backend: BackendType::Codex,
            what,
            asked: asked.to_owned(),
            reported: reported.to_owned(),
        })
    };
    let policy = reply.approval_policy.as_str().unwrap_or("granular");
    if policy != permissions.approval_policy {
        return mismatch("approval policy", permissions.approval_policy, policy);
    }
    if reply.sandbox.kind != permissions.sandbox_reported {
        return mismatch("sandbox", permissions.sandbox_reported, &reply.sandbox.kind);
    }
    if Path::new(&reply.cwd) != cwd {
        return mismatch("working directory", &cwd.display().to_string(), &reply.cwd);
    }
    match (&config.model, &config.resume) {
        (Some(model), _) if *model != reply.model => mismatch("model", model, &reply.model),
        (_, Some(id)) if *id != reply.thread.id => mismatch("thread", id, &reply.thread.id),
        _ => Ok(()),
    }
}
