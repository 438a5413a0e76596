//! Questions of an agent within this process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::approval::{Approval, ApprovalId, ApprovalKind, Decision, changed_lines};
use crate::command::shell_line;
use crate::lock::lock;
use crate::native::llm::ToolCall;
use crate::native::permission::{DENIED, PLANNING, PermissionGate, Rule, rule};
use crate::native::tool::{ToolKind, ToolUse};
use crate::permission::PermissionMode;

/// A question, and where its answer goes; the answer never comes when this is dropped.
pub(super) struct Question {
    pub(super) approval: Approval,
    pub(super) answer: oneshot::Sender<Decision>,
}

/// Asks the session's owner.
pub(super) struct Gate {
    mode: Mutex<PermissionMode>,
    questions: mpsc::Sender<Question>,
    asked: AtomicU64,
    /// How the names of tools begin that the session was given, and that are used without asking.
    given: Vec<String>,
    /// Has the last word on what would be allowed.
    outer: Option<Arc<dyn PermissionGate>>,
}

impl Gate {
    pub(super) fn new(
        mode: PermissionMode,
        given: Vec<String>,
        questions: mpsc::Sender<Question>,
        outer: Option<Arc<dyn PermissionGate>>,
    ) -> Self {
        Self { mode: Mutex::new(mode), questions, asked: AtomicU64::new(0), given, outer }
    }

    pub(super) fn set_mode(&self, mode: PermissionMode) {
        *lock(&self.mode) = mode;
    }

    async fn by_mode(&self, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Result<(), String> {
        let mode = lock(&self.mode).clone();
        match rule(&mode, kind) {
            Rule::Allow => return Ok(()),
            Rule::Deny => return Err(PLANNING.to_owned()),
            Rule::Ask if self.is_given(call) => return Ok(()),
            Rule::Ask => {}
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let (answer, decision) = oneshot::channel();
        let approval = approval_of(ApprovalId(number.to_string()), call, kind, what);
        let nobody = || "nobody has answered".to_owned();
        self.questions.send(Question { approval, answer }).await.map_err(|_| nobody())?;
        match decision.await {
            Ok(Decision::Allow | Decision::AllowForSession) => Ok(()),
            Ok(Decision::Deny { reason }) if !reason.is_empty() => Err(reason),
            Ok(_) => Err(DENIED.to_owned()),
            Err(_) => Err(nobody()),
        }
    }

    fn is_given(&self, call: &ToolCall) -> bool {
        self.given.iter().any(|beginning| call.name.starts_with(beginning))
    }
}

#[async_trait]
impl PermissionGate for Gate {
    async fn decide(&self, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Result<(), String> {
        self.by_mode(call, kind, what).await?;
        match &self.outer {
            Some(outer) => outer.decide(call, kind, what).await,
            None => Ok(()),
        }
    }
}

fn approval_of(id: ApprovalId, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Approval {
    let command = what
        .shell
        .clone()
        .or_else(|| (!what.argv.is_empty()).then(|| shell_line(what.argv.iter().map(String::as_str))));
    let details = match &what.change {
        Some(change) => {
            Some(format!("{}\n{}", change.path, changed_lines(change.old.as_deref().unwrap_or_default(), &change.new)))
        }
        None if command.is_none() => Some(call.arguments.to_string()),
        None => None,
    };
    let kind = match kind {
        ToolKind::Execute => ApprovalKind::Command,
        ToolKind::Edit => ApprovalKind::Edit,
        ToolKind::Server | ToolKind::Other => ApprovalKind::Unknown,
        ToolKind::Read | ToolKind::Fetch | ToolKind::Given => ApprovalKind::Other,
    };
    Approval { id, tool: call.name.clone(), summary: what.title.clone(), kind, command, details, ..Approval::default() }
}
