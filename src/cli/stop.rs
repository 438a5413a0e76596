//! `teams stop`

use agent_backends::process::StopStep;

use super::options::StopArgs;
use super::output::{Output, Style};
use super::{Context, Done};
use crate::daemon::{StopParams, StopReply};

pub(super) async fn run(context: &Context<'_>, args: StopArgs) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let stopped = connection.call(StopParams { team, names: args.names, now: args.now }).await?;
    shown(context, &stopped)
}

/// Shows what was verified of members that were stopped.
pub(super) fn shown(context: &Context<'_>, stopped: &[StopReply]) -> anyhow::Result<Done> {
    if context.output.json {
        context.output.json(&stopped)?;
    } else {
        report(context.output, stopped)?;
    }
    let left: usize = stopped.iter().map(|stopped| stopped.report.left).sum();
    if left > 0 {
        context.output.error(&format!("{left} processes are still there; try again with --now"));
        return Ok(Done::No);
    }
    Ok(Done::Yes)
}

/// Says what was verified of each.
pub(super) fn report(output: &Output, stopped: &[StopReply]) -> std::io::Result<()> {
    for StopReply { name, report, .. } in stopped {
        let how = match report.step {
            StopStep::AlreadyEnded => "was not running".to_owned(),
            StopStep::Asked => format!("stopped when asked ({})", report.exit),
            StopStep::Detached => "stopped".to_owned(),
            StopStep::Terminated => format!("stopped on SIGTERM ({})", report.exit),
            _ => format!("had to be killed ({})", report.exit),
        };
        let below = match report.descendants {
            0 => String::new(),
            1 => ", 1 descendant ended".to_owned(),
            many => format!(", {many} descendants ended"),
        };
        let style = match report.step {
            StopStep::Detached => Style::Dim,
            _ if report.left == 0 => Style::Green,
            _ => Style::Red,
        };
        let left = output.paint(style, &report.remains());
        output.line(&format!("{name}: {how}{below}, {left}"))?;
    }
    Ok(())
}
