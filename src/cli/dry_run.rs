//! `teams run --dry-run`: the real command, on simulated agents, in a home that is thrown away.

use std::process::Stdio;

use anyhow::Context as _;

use super::run_args::RunArgs;
use super::throwaway::{Throwaway, any_agent, ended_with_us};
use super::{Context, Done};
use crate::model::team_file::{AUTO, TEAM_FILE, TeamFile, without};
use crate::paths;

/// Runs a team file with simulated agents, by this very program.
pub(super) async fn run(context: &Context<'_>, args: &RunArgs, text: &str) -> anyhow::Result<Done> {
    let home = Throwaway::new("teams-dry-run-")?;
    let command = |verb: &[&str]| {
        let mut command = tokio::process::Command::from(home.command(verb));
        command.env(agent_backends::simulate::FINISH_VARIABLE, "1").stdin(Stdio::null());
        command
    };
    let file = home.path().join(TEAM_FILE);
    std::fs::write(&file, for_a_dry_run(text)?).context("cannot write the temporary home")?;
    let path = file.to_string_lossy().into_owned();
    let mut verb = vec!["run", path.as_str()];
    verb.extend(context.output.json.then_some("--json"));
    let (lead, timeout) =
        (args.lead.map(|lead| lead.to_string()), args.timeout.map(|time| time.as_secs_f64().to_string()));
    let options = [("--goal", args.goal.as_ref()), ("--lead", lead.as_ref()), ("--timeout", timeout.as_ref())];
    for (option, value) in options {
        verb.extend(value.into_iter().flat_map(|value| [option, value.as_str()]));
    }
    let reports: Vec<&str> = args.report.iter().filter_map(|file| file.path.to_str()).collect();
    verb.extend(reports.iter().flat_map(|path| ["--report", path]));
    context
        .output
        .note("a dry run: the agents are simulated, and hooks, branches and the model's answers are left out");
    let is_chosen = |file: TeamFile| file.members().iter().any(|(_, member)| member.backend.as_deref() == Some(AUTO));
    if TeamFile::parse(text, &paths::own_environment()).is_ok_and(is_chosen) {
        context.output.note("backend `auto` is chosen among all backends here, also those that are not installed");
    }
    let ran = async {
        let trusted = command(&["trust", &path]).stdout(Stdio::null()).status().await?;
        if trusted.success() { ended_with_us(command(&verb)).await } else { Ok(trusted) }
    };
    let ran = ran.await;
    // Whatever happened, nothing stays behind.
    let ended = command(&["daemon", "stop"]).stdout(Stdio::null()).status().await;
    let status = ran.context("cannot run the program itself")?;
    ended.context("cannot end the daemon of the dry run")?;
    home.close()?;
    Ok(status.into())
}

/// A team file without what reaches outside of a dry run.
fn for_a_dry_run(text: &str) -> anyhow::Result<String> {
    let keys = ["worktree", "cwd", "prompt-file", "env", "permission-mode", "plan-approval", "model", "effort"];
    Ok(without(text, &["hook", "policy", "record"], &keys, &any_agent()?)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_dry_run_reaches_nothing_outside() {
        let text = "[team]\nname='t'\n[[member]]\nname='m'\nworktree=true\nenv={K='v'}\n[[hook]]\nevent='TaskCompleted'\ncommand='x'\n\
            [run]\nmerge='squash'\ntimeout='5s'\n[[task]]\nname='a'\n";
        let file = TeamFile::parse(&for_a_dry_run(text).unwrap(), &Default::default()).unwrap();
        assert!(file.hooks.is_empty() && file.wants_trust().is_empty() && !file.members()[0].1.has_worktree());
        assert_eq!((file.tasks.len(), file.run.timeout), (1, Some(Duration::from_secs(5))));
    }
}
