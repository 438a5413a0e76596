//! Questions of a member's agent that wait for a decision, and what the embedding program is asked about them.

use std::collections::HashMap;
use std::time::Duration;

use agent_backends::{Approval, ApprovalId, Decision};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::model::name::TeamName;
use crate::model::status::PendingApproval;
use crate::orchestrator::hooks::approval::ApprovalHook;

/// What an agent may do again in its session without a question: the same with the same tool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Grant {
    tool: String,
    command: Option<String>,
    details: Option<String>,
}

impl Grant {
    pub(crate) fn of(approval: &Approval) -> Self {
        let Approval { tool, command, details, .. } = approval;
        Self { tool: tool.clone(), command: command.clone(), details: details.clone() }
    }

    /// Whether anything is known of what it is for.
    pub(crate) fn is_for_something(&self) -> bool {
        self.command.is_some() || self.details.is_some()
    }
}

pub(crate) struct Question {
    pub(crate) session_id: ApprovalId,
    /// What is granted when it is allowed for the session.
    pub(crate) grant: Grant,
    /// How many answers it wants, where it is no question of permission.
    pub(crate) wants_answers: usize,
    pub(crate) expires: Instant,
    /// What need not be asked, and who says so.
    pub(crate) decided: Option<(Decision, &'static str)>,
    /// What a live Claude Code that leads calls it.
    pub(crate) request_id: Option<String>,
    /// The embedding program has it, and has not decided: nothing else is done about it meanwhile.
    pub(crate) at_hook: Option<Approval>,
    /// What was decided, and by whom.
    pub(crate) outcome: Option<(&'static str, Option<String>)>,
}

/// What the embedding program is being asked. It runs beside the actor, and ends with it.
#[derive(Debug, Default)]
pub(crate) struct HookCalls {
    calls: JoinSet<Result<Option<Decision>, Duration>>,
    ids: HashMap<Id, String>,
}

impl HookCalls {
    /// Asks the program about a question.
    pub(crate) fn ask(&mut self, hook: &ApprovalHook, team: TeamName, question: PendingApproval) {
        let (id, hook) = (question.id.clone(), hook.clone());
        // It is called within the task, where a panic of the closure itself does no harm either.
        let call = self.calls.spawn(async move {
            let decides = async { (hook.hook)(team, question).await };
            tokio::time::timeout(hook.limit, decides).await.map_err(|_| hook.limit)
        });
        self.ids.insert(call.id(), id);
    }

    /// The next answer: the question's id, and what the program says, or why it says nothing. It waits for ever when nothing
    /// is asked. Cancel-safe.
    pub(crate) async fn answered(&mut self) -> (String, Result<Option<Decision>, String>) {
        loop {
            let Some(done) = self.calls.join_next_with_id().await else { return std::future::pending().await };
            let (call, said) = match done {
                Ok((call, Ok(decision))) => (call, Ok(decision)),
                Ok((call, Err(limit))) => (call, Err(format!("the program that decides took longer than {limit:?}"))),
                Err(error) => (error.id(), Err(format!("the program that decides failed ({error})"))),
            };
            if let Some(id) = self.ids.remove(&call) {
                return (id, said);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agent_backends::ApprovalKind;

    use super::*;
    use crate::model::approval::Verdict;

    fn question(id: &str) -> PendingApproval {
        PendingApproval {
            id: id.into(),
            member: "m".into(),
            tool: "shell".into(),
            summary: "touch x".into(),
            kind: ApprovalKind::Command,
            command: Some("touch x".into()),
            details: None,
            questions: Vec::new(),
            decides: Verdict::Ask,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_a_panic_and_silence_are_told_apart() {
        let hook = ApprovalHook {
            hook: Arc::new(|_, question| {
                Box::pin(async move {
                    match question.id.as_str() {
                        "panics" => panic!("no"),
                        "sleeps" => std::future::pending().await,
                        _ => Some(Decision::Allow),
                    }
                })
            }),
            limit: Duration::from_secs(60),
        };
        let mut calls = HookCalls::default();
        for id in ["sleeps", "panics", "answers"] {
            calls.ask(&hook, "team".parse().unwrap(), question(id));
        }
        let mut said = HashMap::new();
        while said.len() < 3 {
            let (id, answer) = calls.answered().await;
            said.insert(id, answer);
        }
        assert_eq!(said["answers"], Ok(Some(Decision::Allow)));
        assert!(said["panics"].as_ref().is_err_and(|why| why.contains("failed")), "{said:?}");
        assert!(said["sleeps"].as_ref().is_err_and(|why| why.contains("longer than 60s")), "{said:?}");
    }
}
