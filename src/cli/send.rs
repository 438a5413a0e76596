//! `teams send` and `teams ask`

use std::io::{IsTerminal, Read};

use anyhow::Context as _;
use serde_json::json;

use super::approvals::how_to_answer;
use super::options::SendArgs;
use super::{Context, Done, by_an_agent};
use crate::daemon::surroundings::surroundings;
use crate::daemon::{AN_AGENT, ErrorKind, Failure, Follower, SendParams};
use crate::model::event::EventKind;
use crate::model::turn::TurnStatus;
use crate::turn::TurnHandle;

/// Who a person at the shell is, in the transcript.
const THE_USER: &str = "user";

/// How long a pipe may be silent where a text is given anyway.
const SILENT_INPUT: std::time::Duration = std::time::Duration::from_secs(3);

/// More would not pass to the daemon in one request.
const LONGEST_INPUT: usize = 32 << 20;

pub(super) async fn run(context: &Context<'_>, args: SendArgs) -> anyhow::Result<Done> {
    let name = args.ask.name.clone();
    let Some(limit) = args.ask.timeout else { return send(context, args).await };
    match tokio::time::timeout(limit, send(context, args)).await {
        Ok(done) => done,
        Err(_) => {
            let hint = format!("a turn that has begun goes on: `teams tail {name} -f`, or `teams interrupt {name}`");
            Err(Failure::new(ErrorKind::TimedOut, format!("no answer within {limit:?}")).hint(hint).into())
        }
    }
}

async fn send(context: &Context<'_>, args: SendArgs) -> anyhow::Result<Done> {
    let (given, no_stdin) = (args.ask.text, args.ask.no_stdin);
    // A pipe that nobody closes must not outlast the time limit.
    let (text, silent) = tokio::task::spawn_blocking(move || input(given.as_deref(), no_stdin)).await??;
    if silent {
        context.output.note(&format!(
            "standard input said nothing for {} s; going on without it (`--no-stdin` leaves it alone at once)",
            SILENT_INPUT.as_secs()
        ));
    }
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let name = args.ask.name;
    let from = if by_an_agent() { AN_AGENT } else { THE_USER };
    let mut params = SendParams {
        team: team.clone(),
        name: name.clone(),
        text,
        from: Some(from.to_owned()),
        interrupt: args.ask.interrupt,
        surroundings: None,
    };
    let sent = match connection.call(params.clone()).await {
        // It is brought back with this shell's surroundings, which are passed on only where they are needed.
        Err(failure) if failure.kind == ErrorKind::Dormant => {
            params.surroundings = Some(surroundings(&connection)?);
            connection.call(params).await?
        }
        answer => answer?,
    };
    if args.wait {
        let events = Follower::new(&connection, &team, vec![name.clone()], sent.seq + 1);
        return wait(context, TurnHandle::new(&name, sent.turn, events)).await;
    }
    if context.output.json {
        context.output.json(&json!({"turn": sent.turn}))?;
    } else {
        context.output.note(&format!("{name}: turn {}; follow it with `teams tail {name} -f`", sent.turn));
    }
    Ok(Done::Yes)
}

/// The text, standard input, or both; and whether nothing was heard on standard input.
pub(super) fn input(text: Option<&str>, no_stdin: bool) -> anyhow::Result<(String, bool)> {
    let mut piped = Vec::new();
    let stdin = std::io::stdin();
    let reads = !no_stdin && !stdin.is_terminal();
    // A program that is started with somebody else's pipe would wait for ever for words that it does not need.
    let silent = reads && text.is_some_and(|text| !text.trim().is_empty()) && !speaks(&stdin)?;
    if reads && !silent {
        stdin.take(LONGEST_INPUT as u64 + 1).read_to_end(&mut piped).context("cannot read standard input")?;
    }
    let piped = String::from_utf8_lossy(&piped);
    let both = [text.unwrap_or_default(), piped.trim_end()];
    let parts: Vec<&str> = both.into_iter().filter(|part| !part.trim().is_empty()).collect();
    if parts.is_empty() {
        return Err(Failure::new(ErrorKind::BadInput, "there is nothing to send")
            .hint("give a text, or pipe something in")
            .into());
    }
    let whole = parts.join("\n\n");
    if whole.len() > LONGEST_INPUT {
        let what = format!("the input is longer than {} MiB", LONGEST_INPUT >> 20);
        return Err(Failure::new(ErrorKind::TooLarge, what).hint("put it into a file and name the file").into());
    }
    Ok((whole, silent))
}

/// Whether standard input says something within a moment, or ends.
fn speaks(stdin: &std::io::Stdin) -> anyhow::Result<bool> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd as _;
    let limit = PollTimeout::try_from(SILENT_INPUT).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], limit) {
            Err(nix::errno::Errno::EINTR) => {}
            ready => return Ok(ready.context("cannot read standard input")? > 0),
        }
    }
}

/// Prints the turn as it comes, and ends with it.
async fn wait(context: &Context<'_>, mut turn: TurnHandle) -> anyhow::Result<Done> {
    let name = turn.member().to_owned();
    let output = context.output;
    let print = |text: &str| if output.json { Ok(()) } else { output.text(text) };
    // Of the message that is being written. It may be retracted, so that only who watches is shown it before it is whole.
    let mut unfinished = String::new();
    while let Some(event) = turn.events().next().await? {
        match &event.kind {
            EventKind::Delta { text } => {
                unfinished.push_str(text);
                if output.is_watched() {
                    print(text)?;
                }
            }
            EventKind::Message { text } => {
                // It repeats its deltas, if it had any.
                if unfinished.is_empty() || !output.is_watched() {
                    print(text)?;
                }
                print("\n")?;
                unfinished.clear();
            }
            EventKind::Retracted => {
                if output.is_watched() && !unfinished.is_empty() {
                    print("\n")?;
                    output.note(&format!("{name} begins this answer anew"));
                }
                unfinished.clear();
            }
            // What the policy decides is decided already.
            EventKind::Approval { id, tool, summary, questions, decides, .. } if !decides.is_final() => {
                output.note(&format!("{name} asks: {tool} {summary}; {}", how_to_answer(id, !questions.is_empty())));
            }
            _ => {}
        }
    }
    let outcome = turn.outcome().await?;
    if !unfinished.is_empty() {
        if !output.is_watched() {
            print(&unfinished)?;
        }
        if !unfinished.ends_with('\n') {
            print("\n")?;
        }
    }
    if context.output.json {
        context.output.json(&outcome)?;
    } else if let Some(error) = &outcome.error {
        context.output.error(&format!("{name}, turn {}: {error}", outcome.turn));
    }
    Ok(if outcome.status == TurnStatus::Completed { Done::Yes } else { Done::No })
}
