//! What a team and its members may use. The *next* turn is refused when it is used up; a turn that runs is not cut off.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::TeamOrchestrator;
use super::journal::{Contents, Record};
use super::policy::Policy;
use crate::error::{Error, Result};
use crate::model::name::TeamName;

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
    fn of(record: &Record) -> Self {
        Self {
            turns: record.turns,
            tokens: record.usage.input_tokens + record.usage.output_tokens,
            cost_usd: record.usage.cost_usd.unwrap_or(0.0),
            wall_ms: record.wall_ms,
            members: 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.turns += other.turns;
        self.tokens += other.tokens;
        self.cost_usd += other.cost_usd;
        self.wall_ms += other.wall_ms;
        self.members += other.members;
    }
}

impl Budget {
    /// Why nothing more may be used, when that is so.
    fn exceeded(&self, spent: &Spent) -> Option<String> {
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

/// What a team has used, kept in memory; the members' journals have it on disk.
#[derive(Debug, Default)]
pub(super) struct Account {
    spent: Mutex<HashMap<String, Spent>>,
    policy: Mutex<Policy>,
}

impl Account {
    pub(super) fn new(policy: Policy, members: impl Iterator<Item = (String, Contents)>) -> Self {
        let spent = members.map(|(name, contents)| (name, Spent::of(&contents.record))).collect();
        Self { spent: Mutex::new(spent), policy: Mutex::new(policy) }
    }

    fn spent(&self) -> MutexGuard<'_, HashMap<String, Spent>> {
        self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(super) fn policy(&self) -> MutexGuard<'_, Policy> {
        self.policy.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A member has used this much so far.
    pub(super) fn note(&self, member: &str, record: &Record) {
        self.spent().insert(member.to_owned(), Spent::of(record));
    }

    fn total(&self) -> Spent {
        let mut total = Spent::default();
        self.spent().values().for_each(|spent| total.add(spent));
        total
    }

    /// Whether a member may begin another turn, when `waiting` of its inputs are before it.
    pub(super) fn check_turn(&self, member: &str, waiting: u64) -> Result<()> {
        let (of_member, of_team) = {
            let policy = self.policy();
            (policy.budgets.get(member).copied().unwrap_or_default(), policy.budget)
        };
        if of_member == Budget::default() && of_team == Budget::default() {
            return Ok(());
        }
        let mut own = self.spent().get(member).copied().unwrap_or_default();
        let mut total = self.total();
        own.turns += waiting;
        total.turns += waiting;
        let over = |whose: String, used: String| Err(Error::OverBudget { whose, used });
        if let Some(used) = of_member.exceeded(&own) {
            return over(format!("member `{member}`"), used);
        }
        match of_team.exceeded(&total) {
            Some(used) => over("the team".to_owned(), used),
            None => Ok(()),
        }
    }

    /// Whether a team of so many members may have another one.
    pub(super) fn check_member(&self, members: u64) -> Result<()> {
        match self.policy().budget.members.filter(|limit| members >= *limit) {
            Some(limit) => {
                Err(Error::OverBudget { whose: "the team".to_owned(), used: format!("{members} of {limit} members") })
            }
            None => Ok(()),
        }
    }
}

impl TeamOrchestrator {
    /// The budgets of a team and of its members that have one, with what was used of each.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn budgets(&self, team: &str) -> Result<Vec<BudgetStatus>> {
        self.team(team).await?;
        let name: TeamName = team.parse()?;
        let runtime = self.runtime(&name)?;
        let policy = runtime.account.policy().clone();
        let mut budgets = vec![BudgetStatus { member: None, budget: policy.budget, spent: runtime.account.total() }];
        for (member, budget) in policy.budgets {
            let spent = runtime.account.spent().get(&member).copied().unwrap_or_default();
            budgets.push(BudgetStatus { member: Some(member), budget, spent });
        }
        Ok(budgets)
    }

    /// Sets the budget of a team, or of one of its members. What is `None` in it is not limited.
    ///
    /// # Errors
    /// There is no such team or member, or it cannot be written down.
    pub async fn set_budget(&self, team: &str, member: Option<&str>, budget: Budget) -> Result<()> {
        let known = self.team(team).await?;
        if let Some(member) = member
            && known.member(member).is_none()
        {
            let existing = known.teammates().map(|member| member.name.clone()).collect();
            let (team, member) = (team.to_owned(), member.to_owned());
            return Err(crate::store::StoreError::NoMember { team, member, existing }.into());
        }
        self.edit_policy(&team.parse()?, |policy| match member {
            None => policy.budget = budget,
            Some(member) if budget == Budget::default() => {
                policy.budgets.remove(member);
            }
            Some(member) => {
                policy.budgets.insert(member.to_owned(), budget);
            }
        })
    }
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
