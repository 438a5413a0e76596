//! `teams mcp`

use agent_backends::claude::lead::session_of;

use super::{Context, Done};
use crate::daemon::{ErrorKind, Failure};
use crate::mcp::{self, Caller};
use crate::model::name::TEAM_LEAD;
use crate::paths;

fn refused(what: &str) -> Failure {
    Failure::new(ErrorKind::NotAllowed, what)
}

pub(super) async fn run(context: &Context<'_>, who: Option<String>) -> anyhow::Result<Done> {
    let token = std::env::var(paths::TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    let caller = match (token, who.as_deref()) {
        (Some(token), None) => Caller::Member { token },
        (Some(_), Some(_)) => {
            return Err(refused("an agent's tools act as its member").hint("leave out --as").into());
        }
        (None, _) if super::by_an_agent() => {
            let what = "this is run by an agent, which has the team's tools already, or must not have them";
            return Err(refused(what).into());
        }
        (None, Some(TEAM_LEAD)) => {
            let connection = context.connect().await?;
            let environment = paths::own_environment();
            match (&context.team, session_of(&environment)) {
                // It may lead another team later.
                (None, Some(session)) => Caller::LiveLead { session: Some(session.to_owned()) },
                _ => Caller::Lead { team: context.team(&connection).await? },
            }
        }
        (None, Some(other)) => {
            let what =
                format!("nobody can be {other} by saying so: a member's agent is given its tools when it is spawned");
            return Err(refused(&what).hint(format!("only `--as {TEAM_LEAD}` is for you")).into());
        }
        (None, None) => {
            let hint =
                format!("say `teams mcp --team TEAM --as {TEAM_LEAD}`: whoever uses it is the lead of that team");
            return Err(Failure::new(ErrorKind::BadInput, "nobody is named who uses the tools").hint(hint).into());
        }
    };
    mcp::serve(caller).await?;
    Ok(Done::Yes)
}
