//! How the turns of a Claude Code session end.

use tokio::time::Instant;

use super::{ClaudeSession, END_LIMIT, Overdue};
use crate::claude::protocol::{ResultNotice, failure_text};
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, Decision};
use crate::rate_limit::reset_in;

impl ClaudeSession {
    /// This is the end of our turn when no other comes.
    pub(super) fn expect_end(&mut self, end: TurnEnd) {
        self.overdue = Some(Overdue { at: Instant::now() + END_LIMIT, end });
    }

    pub(super) fn result(&mut self, result: &ResultNotice, out: &mut Outbox) {
        let cost = result.total_cost_usd.map(|total| (total - std::mem::replace(&mut self.cost_usd, total)).max(0.0));
        if let Some(usage) = result.usage.as_ref().and_then(|usage| usage.with_cost(cost)) {
            out.push(AgentOutput::Usage(usage));
        }
        let own_turn = result.origin.as_ref().is_some_and(|origin| origin.kind == "task-notification");
        let waits = self.input.is_some() && !self.begun;
        if own_turn && waits {
            // A background task of the agent ended just before our input was begun; this is its result, not ours.
            return;
        }
        let is_named = |id: &String| result.user_message_uuids.contains(id) || self.steering.has_taken(id);
        let names_another = !result.user_message_uuids.is_empty() && !self.input.as_ref().is_some_and(is_named);
        if (waits && self.tells_beginnings && result.user_message_uuids.is_empty()) || (waits && names_another) {
            // It is of what was before, unless our input is not begun soon.
            self.expect_end(TurnEnd::Failed(failure_text(result)));
            return;
        }
        if let Some(text) = result.result.as_ref().filter(|text| out.is_silent() && !text.is_empty())
            && !result.is_failure()
        {
            // What a command of the CLI's own prints stands here only.
            out.push(AgentOutput::Message(text.clone()));
        }
        if let Some(id) = result.session_id.as_ref().filter(|_| std::mem::take(&mut self.cleared)) {
            self.asked.session_id.clone_from(id);
        }
        let limited = self.limited.take();
        let aborted = result.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted"));
        let end = if let Some(mismatch) = self.mismatch.take() {
            TurnEnd::Failed(mismatch)
        } else if aborted {
            TurnEnd::Interrupted
        } else if result.is_failure() {
            let reason = failure_text(result);
            match (limited, result.api_error_status) {
                (Some(resets_at), _) => {
                    TurnEnd::RateLimited { resets_at: resets_at.or_else(|| reset_in(&reason)), reason }
                }
                (None, Some(429)) => TurnEnd::RateLimited { resets_at: reset_in(&reason), reason },
                _ => TurnEnd::Failed(reason),
            }
        } else {
            TurnEnd::Complete
        };
        let goes_on = self.steering.turn_ends();
        if end == TurnEnd::Complete && goes_on {
            // What was given to this turn comes next, in the CLI's own.
            return;
        }
        self.end(end, out);
        if goes_on {
            // It begins at once, and would take into it whatever is written now.
            out.agent_turn();
        }
    }

    pub(super) fn end(&mut self, end: TurnEnd, out: &mut Outbox) {
        (self.begun, self.accepted, self.interrupting, self.writes) = (false, false, false, false);
        self.overdue = None;
        self.input = None;
        self.tools.clear();
        for question in std::mem::take(&mut self.questions).into_values() {
            // A subagent in the background may still wait for it.
            let _ = self.respond(question, Decision::Deny { reason: "the turn has ended".into() });
        }
        out.end_turn(end);
    }
}
