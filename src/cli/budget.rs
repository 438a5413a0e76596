//! `teams budget`

use super::options::{BudgetArgs, Limit};
use super::{Context, Done};
use crate::daemon::{ListBudgetsParams, SetBudgetParams};
use crate::model::policy::Budget;
use crate::model::time::milliseconds;

pub(super) async fn run(context: &Context<'_>, args: BudgetArgs) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let known = connection.call(ListBudgetsParams { team: team.clone() }).await?;
    let before = known.iter().find(|status| status.member == args.name).map(|status| status.budget).unwrap_or_default();
    let budget = changed(before, &args);
    if budget != before {
        connection.call(SetBudgetParams { team: team.clone(), member: args.name.clone(), budget }).await?;
    }
    let mut statuses = connection.call(ListBudgetsParams { team }).await?;
    if args.name.is_some() {
        statuses.retain(|status| status.member == args.name);
    }
    if context.output.json {
        context.output.json(&statuses)?;
        return Ok(Done::Yes);
    }
    let of = |used: String, limit: Option<String>| limit.map_or(used.clone(), |limit| format!("{used} of {limit}"));
    let rows: Vec<Vec<String>> = statuses
        .iter()
        .map(|status| {
            let (budget, spent) = (&status.budget, &status.spent);
            vec![
                status.member.clone().unwrap_or_else(|| "(team)".to_owned()),
                of(spent.turns.to_string(), budget.turns.map(|limit| limit.to_string())),
                of(spent.tokens.to_string(), budget.tokens.map(|limit| limit.to_string())),
                of(format!("{:.2}", spent.cost_usd), budget.cost_usd.map(|limit| format!("{limit:.2}"))),
                of(clock(spent.wall_ms), budget.wall_ms.map(clock)),
                of(spent.members.to_string(), budget.members.map(|limit| limit.to_string())),
            ]
        })
        .collect();
    context.output.table(&["who", "turns", "tokens", "usd", "time", "members"], &rows)?;
    Ok(Done::Yes)
}

fn changed(mut budget: Budget, args: &BudgetArgs) -> Budget {
    if let Some(Limit(turns)) = args.turns {
        budget.turns = turns;
    }
    if let Some(Limit(tokens)) = args.tokens {
        budget.tokens = tokens;
    }
    if let Some(Limit(cost)) = args.cost {
        budget.cost_usd = cost;
    }
    if let Some(Limit(wall)) = args.wall {
        budget.wall_ms = wall.map(milliseconds);
    }
    if let Some(Limit(members)) = args.members {
        budget.members = members;
    }
    budget
}

fn clock(ms: u64) -> String {
    let seconds = ms.div_ceil(1000);
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
