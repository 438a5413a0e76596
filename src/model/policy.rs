//! What a team may do beyond what Claude Code's file says: its budget, who decides, how much its members may write.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::approval::ApprovalPolicy;
use super::hook::HookCommand;

/// A team's policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Policy {
    pub(crate) resume: ResumeMode,
    /// Of the whole team.
    pub(crate) budget: Budget,
    /// Of single members.
    pub(crate) budgets: BTreeMap<String, Budget>,
    /// Who decides what agents ask for.
    pub(crate) approvals: ApprovalPolicy,
    /// What members may write to each other.
    pub(crate) mail: MailLimits,
    /// Commands that are run when something happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hooks: Vec<HookCommand>,
}

/// Who brings a team's members back after a crash or a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResumeMode {
    /// Whoever says `teams resume`.
    #[default]
    Manual,
    /// The next verb that starts the daemon.
    Auto,
}

/// How much members may write to each other; the lead and the person at the shell may write as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MailLimits {
    /// Messages from one member to another within a minute.
    pub per_minute: usize,
    /// The same within an hour.
    pub per_hour: usize,
    /// The longest text, in bytes; of everybody.
    pub bytes: usize,
}

impl Default for MailLimits {
    fn default() -> Self {
        Self { per_minute: 20, per_hour: 200, bytes: 256 << 10 }
    }
}

/// Limits; what is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Budget {
    /// Turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// Tokens, read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// US dollars, of agents that say what they cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Time in which turns ran, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Members of ours in the roster; for a team only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u64>,
}

impl Budget {
    /// Why nothing more may be used, when that is so.
    pub(crate) fn exceeded(&self, spent: &Spent) -> Option<String> {
        let seconds = |ms: u64| format!("{:.1} s", std::time::Duration::from_millis(ms).as_secs_f64());
        if let Some(limit) = self.turns.filter(|limit| spent.turns >= *limit) {
            return Some(format!("{} of {limit} turns", spent.turns));
        }
        if let Some(limit) = self.tokens.filter(|limit| spent.tokens >= *limit) {
            return Some(format!("{} of {limit} tokens", spent.tokens));
        }
        if let Some(limit) = self.cost_usd.filter(|limit| spent.cost_usd >= *limit) {
            return Some(format!("{:.2} of {limit:.2} US dollars", spent.cost_usd));
        }
        if let Some(limit) = self.wall_ms.filter(|limit| spent.wall_ms >= *limit) {
            return Some(format!("{} of {}", seconds(spent.wall_ms), seconds(limit)));
        }
        None
    }
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// Turns.
    pub turns: u64,
    /// Tokens.
    pub tokens: u64,
    /// US dollars.
    pub cost_usd: f64,
    /// Time in which turns ran, in milliseconds.
    pub wall_ms: u64,
    /// Members.
    pub members: u64,
}

impl Spent {
    pub(crate) fn add(&mut self, other: &Self) {
        self.turns += other.turns;
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.cost_usd += other.cost_usd;
        self.wall_ms += other.wall_ms;
        self.members += other.members;
    }
}

/// A budget, and what was used of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The member; `None` for the whole team.
    pub member: Option<String>,
    /// What may be used.
    pub budget: Budget,
    /// What was.
    pub spent: Spent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_reached_when_it_is_used_up() {
        let spent = Spent { turns: 3, tokens: 100, cost_usd: 0.5, wall_ms: 2000, members: 1 };
        let limited = |budget: Budget| budget.exceeded(&spent);
        assert_eq!(limited(Budget::default()), None);
        assert_eq!(limited(Budget { turns: Some(4), tokens: Some(101), ..Budget::default() }), None);
        let cases = [
            (Budget { turns: Some(3), ..Budget::default() }, "3 of 3 turns"),
            (Budget { tokens: Some(50), ..Budget::default() }, "100 of 50 tokens"),
            (Budget { cost_usd: Some(0.5), ..Budget::default() }, "0.50 of 0.50 US dollars"),
            (Budget { wall_ms: Some(1000), ..Budget::default() }, "2.0 s of 1.0 s"),
        ];
        for (budget, expected) in cases {
            assert_eq!(limited(budget).as_deref(), Some(expected));
        }
    }
}
