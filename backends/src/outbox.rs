//! What a driver has to say, in order, and how its turn stands.

use std::collections::VecDeque;

use crate::approval::ApprovalId;
use crate::output::{AgentOutput, Exit};
use crate::pipes::LINE_LIMIT;

/// How a turn ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// The agent has done what it was asked to.
    Complete,
    /// It was interrupted.
    Interrupted,
    /// It failed, for this reason.
    Failed(String),
    /// The provider refused, because of a rate limit.
    RateLimited {
        /// What it said.
        reason: String,
        /// When the limit is over, in seconds since 1970, if it said so.
        resets_at: Option<i64>,
    },
}

/// Where a driver puts what its agent says, and how its turn stands. The session passes it on, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    pub(crate) events: VecDeque<AgentOutput>,
    pub(crate) busy: bool,
    /// The running turn has an input that the agent has not taken yet.
    offers: bool,
    /// Further inputs of the running turn that the agent has not taken yet.
    offers_more: usize,
    open_approvals: Vec<ApprovalId>,
    /// Whether the running turn answers an input, and nothing has come of it yet.
    silent: bool,
    /// Lines of the running turn that were too long to be read.
    skipped: u64,
    pub(crate) exited: bool,
}

impl Outbox {
    /// Passes an event on. The turn's beginning and end have calls of their own.
    pub fn push(&mut self, event: AgentOutput) {
        match &event {
            AgentOutput::Message(_) | AgentOutput::Delta(_) | AgentOutput::Tool(_) => self.silent = false,
            AgentOutput::Approval(approval) => {
                if self.asked_again(&approval.id) {
                    return;
                }
                self.open_approvals.push(approval.id.clone());
            }
            AgentOutput::ApprovalClosed(id) => {
                if !self.is_open(id) {
                    return;
                }
                self.open_approvals.retain(|open| open != id);
            }
            _ => {}
        }
        self.events.push_back(event);
    }

    /// Whether a turn runs.
    pub fn busy(&self) -> bool {
        self.busy
    }

    /// Whether the running turn answers an input, and nothing has come of it yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.busy && self.silent
    }

    /// Something has come of the input that is no text.
    pub(crate) fn answered_without_text(&mut self) {
        self.silent = false;
    }

    /// Whether this question waits for its answer.
    pub fn is_open(&self, approval: &ApprovalId) -> bool {
        self.open_approvals.contains(approval)
    }

    /// Whether a question of this id is open already. Then the one that is open stands: its answer is for what somebody has read, and
    /// never for something that was asked under the same id since. A driver looks before it keeps anything of a question.
    pub fn asked_again(&self, approval: &ApprovalId) -> bool {
        let again = self.is_open(approval);
        if again {
            tracing::warn!(%approval, "the agent asks again under the id of a question that is open; the first one stands");
        }
        again
    }

    /// Lines of the agent were too long to be read. What stood in them is lost, so that the running turn does not count as complete.
    pub fn skipped(&mut self, lines: u64) {
        if lines > 0 {
            self.skipped += lines;
            self.push(AgentOutput::Notice(too_long(lines)));
        }
    }

    /// The agent began a turn that nobody asked for, unless one runs.
    pub fn agent_turn(&mut self) {
        if !self.busy {
            self.begin(None);
        }
    }

    /// The agent has the input of the running turn: it would find it again after it was killed now. Called once more for each
    /// further input that the turn was given.
    pub fn accepted(&mut self) {
        if std::mem::take(&mut self.offers) {
            self.push(AgentOutput::InputAccepted);
        } else if let Some(more) = self.offers_more.checked_sub(1) {
            self.offers_more = more;
            self.push(AgentOutput::InputAccepted);
        }
    }

    /// The running turn is given a further input.
    pub(crate) fn offer_more(&mut self) {
        self.offers_more += 1;
    }

    pub(crate) fn begin(&mut self, input: Option<u64>) {
        (self.busy, self.skipped) = (true, 0);
        self.offers = input.is_some();
        self.silent = input.is_some();
        self.push(AgentOutput::TurnStarted { input });
    }

    /// Ends the turn, if one runs; a failure without a turn is reported all the same.
    pub fn end_turn(&mut self, end: TurnEnd) {
        for id in std::mem::take(&mut self.open_approvals) {
            self.events.push_back(AgentOutput::ApprovalClosed(id));
        }
        if end == TurnEnd::Complete && self.offers {
            self.accepted();
        }
        (self.offers, self.offers_more) = (false, 0);
        let end = match (end, std::mem::take(&mut self.skipped)) {
            (TurnEnd::Complete, lines @ 1..) => {
                TurnEnd::Failed(format!("the answer is not whole: {}", too_long(lines)))
            }
            // A stream without content, and one that a filter ate, end like that.
            (TurnEnd::Complete, 0) if self.silent => TurnEnd::Failed("the agent ended its turn without a word".into()),
            (end, _) => end,
        };
        let was_busy = std::mem::take(&mut self.busy);
        match end {
            TurnEnd::Failed(reason) => self.push(AgentOutput::Error(reason)),
            TurnEnd::RateLimited { reason, resets_at } => {
                self.push(AgentOutput::RateLimited { resets_at });
                self.push(AgentOutput::Error(reason));
            }
            TurnEnd::Complete if was_busy => self.push(AgentOutput::TurnComplete),
            TurnEnd::Interrupted if was_busy => self.push(AgentOutput::TurnInterrupted),
            TurnEnd::Complete | TurnEnd::Interrupted => {}
        }
    }

    /// The agent has ended, or is to be taken for ended; `reason` is empty when we ended it.
    pub fn exit(&mut self, exit: Exit, reason: &str) {
        if std::mem::replace(&mut self.exited, true) {
            return;
        }
        // A reason is given when it was not we who ended it.
        if self.busy || !reason.is_empty() {
            self.end_turn(TurnEnd::Failed(reason.to_owned()));
        }
        self.push(AgentOutput::Exited(exit));
    }
}

fn too_long(lines: u64) -> String {
    format!("{lines} line(s) of the agent's output were longer than {} MiB and were skipped", LINE_LIMIT >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Approval, ApprovalKind};

    #[test]
    fn a_question_under_the_id_of_an_open_one_is_not_asked() {
        let mut out = Outbox::default();
        let asked = |command: &str| {
            AgentOutput::Approval(Approval {
                id: ApprovalId("7".into()),
                tool: "Bash".into(),
                summary: command.into(),
                kind: ApprovalKind::Command,
                command: Some(command.into()),
                ..Approval::default()
            })
        };
        out.push(asked("ls"));
        out.push(asked("rm -rf /"));
        assert_eq!(out.events.drain(..).collect::<Vec<_>>(), [asked("ls")]);

        out.push(AgentOutput::ApprovalClosed(ApprovalId("7".into())));
        out.events.clear();
        out.push(asked("rm -rf /"));
        assert_eq!(out.events.len(), 1, "an id that is free again is a new question");
    }
}
