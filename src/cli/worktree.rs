//! `teams worktree …`

use serde_json::json;

use super::options::WorktreeVerb;
use super::{Context, Done};
use crate::daemon::{ListWorktreesParams, RemoveWorktreeParams};
use crate::model::launch::BranchFate;

pub(super) async fn run(context: &Context<'_>, verb: WorktreeVerb) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    match verb {
        WorktreeVerb::List => {
            let worktrees = connection.call(ListWorktreesParams { team }).await?;
            if context.output.json {
                context.output.json(&worktrees)?;
            } else if worktrees.is_empty() {
                context.output.note("nobody has a worktree; `teams spawn --worktree` gives one");
            } else {
                let told = |value: Option<bool>, yes: &str, no: &str| match value {
                    Some(true) => yes.to_owned(),
                    Some(false) => no.to_owned(),
                    None => "?".to_owned(),
                };
                let rows: Vec<Vec<String>> = worktrees
                    .into_iter()
                    .map(|status| {
                        let (path, branch) = (status.worktree.path.display().to_string(), status.worktree.branch);
                        let changes = told(status.dirty, "dirty", "clean");
                        vec![status.member, branch, changes, told(status.unmerged, "unmerged", "merged"), path]
                    })
                    .collect();
                context.output.table(&["member", "branch", "changes", "commits", "path"], &rows)?;
            }
        }
        WorktreeVerb::Remove { name, force } => {
            let fate = connection.call(RemoveWorktreeParams { team, name: name.clone(), force }).await?;
            if context.output.json {
                context.output.json(&json!({"member": name, "branch": fate}))?;
            } else {
                let branch = match fate {
                    BranchFate::Deleted => "its branch was merged, and is gone too",
                    BranchFate::Kept => "its branch is kept",
                };
                context.output.line(&format!("{name}: the worktree is removed; {branch}"))?;
            }
        }
    }
    Ok(Done::Yes)
}
