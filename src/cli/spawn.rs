//! `teams spawn`

use std::collections::BTreeMap;

use agent_backends::PermissionMode;
use anyhow::Context as _;

use super::options::{RestartWhen, SpawnArgs, WhenLost};
use super::{Context, Done};
use crate::daemon::surroundings::{command, surroundings};
use crate::daemon::{SpawnParams, TeamStatusParams};
use crate::model::launch::{Surroundings, WorktreeBranch};
use crate::model::team::{IfLost, RestartPolicy, TurnLimits};
use crate::model::time::milliseconds;
use crate::routing::AUTO;

pub(super) async fn run(context: &Context<'_>, args: SpawnArgs) -> anyhow::Result<Done> {
    let prompt = match (&args.prompt, &args.prompt_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the standing instructions from {}", file.display()))?,
        (None, None) => String::new(),
    };
    let cwd = args.cwd.clone().unwrap_or_else(|| ".".into());
    let cwd = std::path::absolute(&cwd).with_context(|| format!("cannot tell where {} is", cwd.display()))?;
    let command = command(args.backend, args.command.as_deref())?;
    let is_auto = args.backend == AUTO;
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let Surroundings { environment, umask, commands, .. } = surroundings(&connection)?;
    let limits = TurnLimits::default();
    let params = SpawnParams {
        team: team.clone(),
        name: args.name,
        backend: args.backend,
        prompt,
        model: args.model,
        effort: args.effort,
        cwd,
        permission_mode: args.permission_mode.map(PermissionMode::from),
        environment: environment.unwrap_or_default(),
        env: args.env.into_iter().collect(),
        umask,
        max_turns: args.max_turns,
        resume: args.resume,
        command,
        ready_timeout_ms: args.timeout.map(milliseconds),
        stop_grace_ms: args.stop_grace.map(milliseconds),
        worktree: args.worktree.map(|branch| match branch.is_empty() {
            true => WorktreeBranch::Own,
            false => WorktreeBranch::Named(branch),
        }),
        plan_approval: args.plan_approval,
        restart: match args.restart {
            RestartWhen::Never => RestartPolicy::Never,
            RestartWhen::OnFailure => RestartPolicy::OnFailure,
            RestartWhen::Always => RestartPolicy::Always,
        },
        if_lost: match args.if_lost {
            WhenLost::Fail => IfLost::Fail,
            WhenLost::Fresh => IfLost::Fresh,
        },
        limits: TurnLimits {
            turn_ms: args.turn_limit.map_or(limits.turn_ms, milliseconds),
            silence_ms: args.silence_limit.map_or(limits.silence_ms, milliseconds),
        },
        work: args.work,
        capabilities: args.capability,
        extra_args: Vec::new(),
        adopt: None,
        commands: if is_auto { commands } else { BTreeMap::new() },
        routed: None,
        on_lead_exit: args.on_lead_exit.map(Into::into).unwrap_or_default(),
    };
    let member = connection.call(params).await?;
    if context.output.json {
        context.output.json(&member)?;
    } else {
        let pid = member.pid.map(|pid| format!(", process {pid}")).unwrap_or_default();
        let model = member.model.as_deref().map(|model| format!(", model {model}")).unwrap_or_default();
        let backend = member.backend.unwrap_or(args.backend);
        context.output.line(&format!("{}: {backend} is ready{model}{pid}", member.name))?;
        if let Some(reason) = &member.routed {
            context.output.note(&format!("{}: {backend} was chosen: {reason}", member.name));
        }
        for warning in &member.warnings {
            context.output.note(&format!("{}: {warning}", member.name));
        }
        let status = connection.call(TeamStatusParams { team }).await?;
        status.notes.iter().for_each(|note| context.output.note(note));
    }
    Ok(Done::Yes)
}
