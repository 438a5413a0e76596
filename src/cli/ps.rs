//! `teams ps`

use agent_backends::process::Role;

use super::{Context, Done};
use crate::daemon::ListProcessesParams;

pub(super) async fn run(context: &Context<'_>, orphans: bool) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let mut agents = connection.call(ListProcessesParams {}).await?;
    if orphans {
        agents.retain(|agent| agent.orphan && !agent.processes.is_empty());
    } else if let Some(team) = &context.team {
        let suffix = format!("@{team}");
        agents.retain(|agent| agent.members.iter().any(|member| member.ends_with(&suffix)));
    }
    if context.output.json {
        context.output.json(&agents)?;
        return Ok(Done::Yes);
    }
    if agents.is_empty() {
        context.output.note(if orphans { "no process was left behind" } else { "no process runs" });
        return Ok(Done::Yes);
    }
    let mut rows = Vec::new();
    for agent in &agents {
        for process in &agent.processes {
            let what = match process.role {
                Role::Shim => format!("shim of {}", agent.backend),
                Role::Agent => agent.backend.clone(),
                Role::Descendant => format!("below {}", agent.backend),
            };
            let mega = process.resident_bytes.div_ceil(1 << 20);
            let age = process.age_seconds;
            let age = format!("{}:{:02}:{:02}", age / 3600, age / 60 % 60, age % 60);
            let members = agent.members.join(",");
            rows.push(vec![members, process.pid.to_string(), age, format!("{mega} MB"), what, process.name.clone()]);
        }
    }
    context.output.table(&["member", "pid", "age", "memory", "what", "program"], &rows)?;
    Ok(Done::Yes)
}
