//! What a team and its members may use. The *next* turn is refused when it is used up; a turn that runs is not cut off.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::model::policy::{Budget, Policy, Spent};
use crate::sync::lock;

/// What a team has used, kept in memory; the members' journals have it on disk.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    spent: Mutex<HashMap<String, Spent>>,
    policy: Mutex<Policy>,
}

impl Ledger {
    pub(crate) fn new(policy: Policy, members: impl Iterator<Item = (String, Spent)>) -> Self {
        let spent = members.collect();
        Self { spent: Mutex::new(spent), policy: Mutex::new(policy) }
    }

    pub(crate) fn spent(&self) -> MutexGuard<'_, HashMap<String, Spent>> {
        lock(&self.spent)
    }

    pub(crate) fn policy(&self) -> MutexGuard<'_, Policy> {
        lock(&self.policy)
    }

    /// A member has used this much so far.
    pub(crate) fn note(&self, member: &str, spent: Spent) {
        self.spent().insert(member.to_owned(), spent);
    }

    pub(crate) fn total(&self) -> Spent {
        let mut total = Spent::default();
        self.spent().values().for_each(|spent| total.add(spent));
        total
    }

    /// Whether a member may begin another turn, when `waiting` of its inputs are before it.
    pub(crate) fn check_turn(&self, member: &str, waiting: u64) -> Result<()> {
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
    pub(crate) fn check_member(&self, members: u64) -> Result<()> {
        match self.policy().budget.members.filter(|limit| members >= *limit) {
            Some(limit) => {
                Err(Error::OverBudget { whose: "the team".to_owned(), used: format!("{members} of {limit} members") })
            }
            None => Ok(()),
        }
    }
}
