//! `teams mcp`

use super::{Context, Done};
use crate::mcp::{self, Caller};
use crate::model::name::TEAM_LEAD;
use crate::paths;

pub(super) async fn run(context: &Context<'_>, who: Option<String>) -> anyhow::Result<Done> {
    let token = std::env::var(paths::TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    let caller = match (token, who.as_deref()) {
        (Some(token), None) => Caller::Member { token },
        (Some(_), Some(_)) => anyhow::bail!("an agent's tools act as its member; leave out --as"),
        (None, _) if super::by_an_agent() => {
            anyhow::bail!("this is run by an agent, which has the team's tools already, or must not have them")
        }
        (None, Some(TEAM_LEAD)) => {
            let connection = context.connect().await?;
            Caller::Lead { team: context.team(&connection).await? }
        }
        (None, Some(other)) => anyhow::bail!(
            "nobody can be {other} by saying so: a member's agent is given its tools when it is spawned; only `--as {TEAM_LEAD}` is for you"
        ),
        (None, None) => {
            anyhow::bail!("say `teams mcp --team TEAM --as {TEAM_LEAD}`: whoever uses it is the lead of that team")
        }
    };
    mcp::serve(caller).await?;
    Ok(Done::Yes)
}
