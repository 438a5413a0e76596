//! Shows and sets what a team and its members may use.

use crate::error::Result;
use crate::model::name::TeamName;
use crate::model::policy::{Budget, BudgetStatus};
use crate::orchestrator::entry::TeamOrchestrator;

impl TeamOrchestrator {
    /// The budgets of a team and of its members that have one, with what was used of each.
    ///
    /// # Errors
    /// There is no such team.
    pub async fn budgets(&self, team: &str) -> Result<Vec<BudgetStatus>> {
        self.roster(team).await?;
        let name: TeamName = team.parse()?;
        let runtime = self.runtime(&name)?;
        let policy = runtime.ledger.policy().clone();
        let mut budgets = vec![BudgetStatus { member: None, budget: policy.budget, spent: runtime.ledger.total() }];
        for (member, budget) in policy.budgets {
            let spent = runtime.ledger.spent().get(&member).copied().unwrap_or_default();
            budgets.push(BudgetStatus { member: Some(member), budget, spent });
        }
        Ok(budgets)
    }

    /// Sets the budget of a team, or of one of its members. What is `None` in it is not limited.
    ///
    /// # Errors
    /// There is no such team or member, or it cannot be written down.
    pub async fn set_budget(&self, team: &str, member: Option<&str>, budget: Budget) -> Result<()> {
        let known = self.roster(team).await?;
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
