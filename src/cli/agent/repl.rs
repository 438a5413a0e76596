//! An agent of our own at a terminal: one input after the other, and commands for the agent itself.

use std::io::Write as _;

use agent_backends::PermissionMode;
use agent_backends::native::{AgentLoop, AgentSetup, Conversation, Error};
use tokio::io::{BufReader, Lines, Stdin};

use super::turn::Terminal;
use crate::cli::{Context, Done};

const HELP: &str = "\
/help     this list
/clear    clear the screen; the conversation goes on
/new      begin a new conversation
/compact  replace the older part of the conversation by a summary
/tasks    what runs in the background
/cost     what was used so far
/status   the model, and how full its context is
/quit     end; so does the end of the input, and Ctrl-C twice
A line that ends with \\ goes on with the next one. Ctrl-C ends a turn.";

/// One prompt, and the end.
pub(super) async fn once(
    context: &Context<'_>,
    setup: &AgentSetup,
    mode: PermissionMode,
    prompt: &str,
) -> anyhow::Result<Done> {
    let (mut agent, mut terminal) = Terminal::with(setup, mode, context.output)?;
    terminal.turn(&mut agent, prompt).await??;
    Ok(Done::Yes)
}

/// One input after the other, until there is no more.
pub(super) async fn repl(context: &Context<'_>, setup: &AgentSetup, mode: PermissionMode) -> anyhow::Result<Done> {
    let (mut agent, mut terminal) = Terminal::with(setup, mode, context.output)?;
    let model = agent.model().to_owned();
    context.output.note(&format!("{model}; /help shows what can be done"));
    let mut may_quit = false;
    loop {
        eprint!("> ");
        std::io::stderr().flush()?;
        let read = tokio::select! {
            read = input(&mut terminal.lines) => read?,
            _ = terminal.interrupts.recv() => {
                if std::mem::replace(&mut may_quit, true) {
                    return Ok(Done::Yes);
                }
                context.output.note("\nCtrl-C once more, or /quit, ends this");
                continue;
            }
        };
        may_quit = false;
        let Some(line) = read else { return Ok(Done::Yes) };
        let line = line.trim();
        match line {
            "" => {}
            "/quit" | "/exit" => return Ok(Done::Yes),
            _ if line.starts_with('/') => command(line, context, &mut agent, &mut terminal).await?,
            _ => match terminal.turn(&mut agent, line).await? {
                Ok(_) => {}
                Err(Error::Cancelled) => context.output.note("(ended)"),
                Err(error) => context.output.error(&error.to_string()),
            },
        }
    }
}

/// The next input; `None` at the end of all input.
async fn input(lines: &mut Lines<BufReader<Stdin>>) -> anyhow::Result<Option<String>> {
    let mut whole = String::new();
    loop {
        let Some(line) = lines.next_line().await? else {
            return Ok((!whole.is_empty()).then_some(whole));
        };
        match line.strip_suffix('\\') {
            Some(begun) => {
                whole.push_str(begun);
                whole.push('\n');
            }
            None => {
                whole.push_str(&line);
                return Ok(Some(whole));
            }
        }
    }
}

async fn command(
    line: &str,
    context: &Context<'_>,
    agent: &mut AgentLoop,
    terminal: &mut Terminal<'_>,
) -> anyhow::Result<()> {
    let output = context.output;
    match line {
        "/help" => output.line(HELP)?,
        "/clear" => output.raw(b"\x1b[2J\x1b[H")?,
        "/new" => {
            agent.set_conversation(Conversation::new());
            output.line("a new conversation")?;
        }
        "/compact" => tokio::select! {
            compacted = agent.compact() => match compacted {
                Ok((before, after)) => output.line(&format!("{before} tokens are {after} now"))?,
                Err(error) => output.error(&error.to_string()),
            },
            _ = terminal.interrupts.recv() => output.note("(ended)"),
        },
        "/tasks" => {
            let running = agent.tools_mut().running_in_background();
            output.line(&format!("{running} running in the background"))?;
        }
        "/cost" => {
            let cost =
                terminal.cost_usd.map_or_else(|| "its price is not known".to_owned(), |cost| format!("{cost:.4} USD"));
            let (read, written) = (terminal.used.input, terminal.used.output);
            output.line(&format!("{read} tokens read, {written} written; {cost}"))?;
        }
        "/status" => {
            let (tokens, fit) = agent.context();
            let (model, messages, tools) = (agent.model().to_owned(), agent.messages().len(), terminal.tools);
            output.line(&format!(
                "{model}; {messages} messages, about {tokens} of {fit} tokens; tools were used {tools} times"
            ))?;
        }
        other => output.error(&format!("there is no command `{other}`; /help shows those that there are")),
    }
    Ok(())
}
