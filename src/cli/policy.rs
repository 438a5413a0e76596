//! `teams policy`

use agent_backends::PermissionMode;

use super::options::PolicyArgs;
use super::{Context, Done};
use crate::daemon::{ApprovalPolicyParams, ErrorKind, Failure, SetApprovalPolicyParams};
use crate::model::approval::{ApprovalPolicy, ApprovalRule, Verdict};

pub(super) async fn run(context: &Context<'_>, args: PolicyArgs) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let before = connection.call(ApprovalPolicyParams { team: team.clone() }).await?;
    let policy = changed(before.clone(), args)?;
    if policy != before {
        connection.call(SetApprovalPolicyParams { team, policy: policy.clone() }).await?;
    }
    if context.output.json {
        context.output.json(&policy)?;
        return Ok(Done::Yes);
    }
    let mut rows: Vec<Vec<String>> = policy
        .rules
        .iter()
        .map(|rule| vec![rule.tool.clone(), rule.prefix.clone().unwrap_or_else(|| "-".to_owned()), word(rule.then)])
        .collect();
    rows.push(vec!["(else)".to_owned(), "-".to_owned(), word(policy.otherwise)]);
    context.output.table(&["tool", "command begins with", "then"], &rows)?;
    context.output.line(&format!("the lead may grant what mode {} does without asking", policy.lead_mode))?;
    Ok(Done::Yes)
}

fn changed(mut policy: ApprovalPolicy, args: PolicyArgs) -> Result<ApprovalPolicy, Failure> {
    if args.clear {
        policy = ApprovalPolicy::default();
    }
    let given = [
        (Verdict::Deny, args.deny),
        (Verdict::Ask, args.ask),
        (Verdict::Lead, args.lead),
        (Verdict::Allow, args.allow),
    ];
    for (then, rules) in given {
        for rule in rules {
            let read = ApprovalRule::parse(&rule, then);
            policy.rules.push(read.map_err(|reason| Failure::new(ErrorKind::BadInput, reason))?);
        }
    }
    if let Some(otherwise) = args.otherwise {
        policy.otherwise = otherwise.into();
    }
    if let Some(mode) = args.lead_mode {
        let mode = PermissionMode::from(mode);
        if matches!(mode, PermissionMode::Other(_)) {
            let what = format!("unknown permission mode `{mode}`");
            let hint = "use default, acceptEdits, plan or bypassPermissions";
            return Err(Failure::new(ErrorKind::BadInput, what).hint(hint));
        }
        policy.lead_mode = mode;
    }
    Ok(policy)
}

fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Ask => "a person is asked",
        Verdict::Lead => "the lead is asked",
        Verdict::Deny => "denied",
        Verdict::Allow => "allowed",
    }
    .to_owned()
}
