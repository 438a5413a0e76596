//! `teams pipe` and `teams fan`: members of a team that work on one thing, one after the other or at the same time.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::compose_args::{ComposeArgs, FanArgs, VoteBy};
use super::send::input;
use super::{Context, Done};
use crate::client::Client;
use crate::daemon::{ErrorKind, Failure};
use crate::patterns::{
    Agent, Answer, Candidate, ExecutionConfig, ExecutionContext, OrchestrationError, OrchestratorInput,
    OrchestratorOutput, ParallelOrchestrator, SequentialOrchestrator, TeammateAgent, Vote,
};
use crate::visible::visible;

type Agents = Vec<Box<dyn Agent>>;

pub(super) async fn pipe(context: &Context<'_>, args: ComposeArgs) -> anyhow::Result<Done> {
    let Begun { team, text, client } = begin(context, &args).await?;
    let job = ExecutionContext::new(config(&args));
    let sequential = SequentialOrchestrator::new();
    let ended =
        sequential.orchestrate_in(&job, agents(&client, &team, &args.names)?, OrchestratorInput::new(text)).await;
    tell(context, &job, ended, false).await
}

pub(super) async fn fan(context: &Context<'_>, args: FanArgs) -> anyhow::Result<Done> {
    let Begun { team, text, client } = begin(context, &args.of).await?;
    let member = |name: &String| client.team(team.as_str())?.member(name.as_str());
    let config = config(&args.of).with_parallel_limit(args.of.names.len().max(1));
    let job = ExecutionContext::new(config);
    let (members, input) = (agents(&client, &team, &args.of.names)?, OrchestratorInput::new(text.clone()));
    let vote = match (args.vote, &args.judge) {
        (Some(VoteBy::Majority), _) => Some(Vote::majority()),
        (Some(VoteBy::Unanimous), _) => Some(Vote::unanimous()),
        (Some(VoteBy::Person), _) => Some(Vote::decided_by(ask_person)),
        (None, Some(judge)) => Some(Vote::judged_by(TeammateAgent::new(member(judge)?))),
        (None, None) => None,
    };
    if let Some(vote) = vote {
        let ended = vote.hold_in(&job, members, input).await.map(|verdict| verdict.output);
        return tell(context, &job, ended, false).await;
    }
    let parallel = ParallelOrchestrator::new().with_aggregator(under_headings);
    let ended = parallel.orchestrate_in(&job, members, input).await;
    let (Some(merger), Ok(output)) = (&args.merge, &ended) else { return tell(context, &job, ended, true).await };
    // Whoever merges is told what was asked, and who has failed.
    let failed: Vec<String> = output
        .failures
        .iter()
        .map(|failure| format!("{} has not answered: {}", failure.agent, failure.error))
        .collect();
    let question = format!(
        "Several agents were given this:\n\n{text}\n\nMake one answer of theirs. Keep what is right, and say where they disagree.\n\n{}\n{}",
        output.result,
        failed.join("\n")
    );
    let merger: Agents = vec![Box::new(TeammateAgent::new(member(merger)?))];
    let merged = SequentialOrchestrator::new().orchestrate_in(&job, merger, OrchestratorInput::new(question)).await;
    let failures = output.failures.clone();
    tell(context, &job, merged.map(|merged| merged.with_failures(failures)), false).await
}

/// What both need first.
struct Begun {
    client: Client,
    team: String,
    /// What the members are given.
    text: String,
}

async fn begin(context: &Context<'_>, args: &ComposeArgs) -> anyhow::Result<Begun> {
    let given = args.text.clone();
    let (text, _) = tokio::task::spawn_blocking(move || input(given.as_deref(), false)).await??;
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    Ok(Begun { client: Client::over(connection), team, text })
}

fn config(args: &ComposeArgs) -> ExecutionConfig {
    let limit = args.timeout.unwrap_or(Duration::from_secs(3600));
    ExecutionConfig::new().with_timeout(limit).with_max_retries(args.retries)
}

fn agents(client: &Client, team: &str, names: &[String]) -> anyhow::Result<Agents> {
    let team = client.team(team)?;
    let agent = |name: &String| anyhow::Ok(Box::new(TeammateAgent::new(team.member(name.as_str())?)) as Box<dyn Agent>);
    names.iter().map(agent).collect()
}

fn under_headings(answers: &[Answer]) -> String {
    let parts: Vec<String> =
        answers.iter().map(|answer| format!("## {}\n\n{}\n", answer.agent, answer.output.content.trim_end())).collect();
    parts.join("\n")
}

/// Prints what came of it. Where there is no result, the trace says how far it came.
async fn tell(
    context: &Context<'_>,
    job: &ExecutionContext,
    ended: Result<OrchestratorOutput, OrchestrationError>,
    many: bool,
) -> anyhow::Result<Done> {
    let trace = job.get_trace().await;
    let failures = ended.as_ref().map_or(&[][..], |output| &output.failures);
    for failure in failures {
        context.output.error(&format!("{}: {}", failure.agent, failure.error));
    }
    if context.output.json {
        let (result, error) = match &ended {
            Ok(output) => (Some(&output.result), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let failures: Vec<_> = failures
            .iter()
            .map(|failure| json!({"agent": failure.agent, "error": failure.error.to_string()}))
            .collect();
        context.output.json(&json!({"result": result, "error": error, "failures": failures, "trace": trace}))?;
        return Ok(if ended.is_ok_and(|output| output.is_successful()) { Done::Yes } else { Done::No });
    }
    match ended {
        Ok(output) => {
            context.output.line(output.result.trim_end())?;
            Ok(if output.is_successful() { Done::Yes } else { Done::No })
        }
        Err(error) => {
            // What was answered is not lost.
            for said in trace.agent_executions.iter().filter(|said| said.success && !many) {
                let text = said.output.as_ref().map_or("", |output| &output.content);
                context.output.note(&format!("{} has answered: {text}", said.agent_name));
            }
            let kind = if matches!(error, OrchestrationError::Timeout(_)) {
                ErrorKind::TimedOut
            } else {
                ErrorKind::TurnFailed
            };
            Err(Failure::new(kind, error.to_string()).into())
        }
    }
}

/// Shows the answers to whoever sits at the terminal, and asks which one is right; none where nobody does.
async fn ask_person(candidates: Vec<Candidate>) -> Option<usize> {
    let shown: Vec<String> =
        candidates.iter().enumerate().map(|(index, one)| format!("{}: {}\n", index + 1, one.content())).collect();
    let count = candidates.len();
    let asked = tokio::task::spawn_blocking(move || -> std::io::Result<Option<usize>> {
        let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        write!(terminal, "{}Which one? [1-{count}, or nothing for none]: ", visible(&shown.concat()))?;
        let mut line = String::new();
        std::io::BufReader::new(terminal).read_line(&mut line)?;
        Ok(line.trim().parse::<usize>().ok().and_then(|number| number.checked_sub(1)))
    });
    asked.await.context("it was not asked").ok()?.ok()?
}
