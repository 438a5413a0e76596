//! `teams web`

use serde_json::json;

use super::throwaway::told_to_end;
use super::view_args::WebArgs;
use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure, TeamStatusParams};
use crate::paths;
use crate::web::{Options, Server};

pub(super) async fn run(context: &Context<'_>, args: WebArgs) -> anyhow::Result<Done> {
    if let Some(host) = args.hosts.iter().find(|host| host.contains([':', '/'])) {
        let what = format!("`{host}` is no name of a host");
        return Err(Failure::new(ErrorKind::BadInput, what).hint("leave out the scheme and the port").into());
    }
    let notify = args.notify_command.as_deref().map(words).transpose()?;
    let connection = context.connect().await?;
    if let Some(team) = &context.team {
        connection.call(TeamStatusParams { team: team.clone() }).await?;
    }
    let options = Options {
        state_dir: paths::state_dir()?,
        team: context.team.clone(),
        listen: args.listen,
        hosts: args.hosts,
        read_only: args.read_only,
        notify,
    };
    let server = Server::start(options, connection).await?;
    let (link, token_file) = (server.link(), server.token_file().to_owned());
    let output = context.output;
    match output.json {
        true => output.json(&json!({ "link": link, "tokenFile": token_file }))?,
        false => {
            output.line(&link)?;
            output.note(&format!("The link works once; elsewhere, show the token in {}.", token_file.display()));
            if server.is_open() {
                output.note("Others can reach this address, and what they send and see is not encrypted: put a proxy with TLS before it.");
            }
            output.note("Ctrl-C ends the page; the members go on.");
        }
    }
    server.run(told_to_end()?, |text| output.note(text)).await;
    Ok(Done::Yes)
}

/// The words of a command, as a shell would split them; it is run without one.
fn words(command: &str) -> Result<Vec<String>, Failure> {
    match shell_words::split(command) {
        Ok(words) if !words.is_empty() => Ok(words),
        Ok(_) => Err(Failure::new(ErrorKind::BadInput, "--notify-command names no command")),
        Err(error) => Err(Failure::new(ErrorKind::BadInput, format!("--notify-command cannot be read: {error}"))),
    }
}
