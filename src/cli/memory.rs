//! `teams memory`

use serde_json::{Value, json};

use super::options::MemoryVerb;
use super::{AN_AGENT, Context, Done, asked, by_an_agent};
use crate::daemon::ControlClient;
use crate::model::name::TEAM_LEAD;

pub(super) async fn run(context: &Context<'_>, verb: MemoryVerb) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let output = context.output;
    match verb {
        MemoryVerb::List => {
            let entries = asked(connection.client.memories(team).await)?;
            if output.json {
                output.json(&entries)?;
            } else if entries.is_empty() {
                output.note("nothing is remembered");
            } else {
                let rows: Vec<_> = entries
                    .into_iter()
                    .map(|entry| vec![entry.name.to_string(), entry.version.to_string(), entry.by, entry.at])
                    .collect();
                output.table(&["name", "version", "by", "at"], &rows)?;
            }
        }
        MemoryVerb::Get { name } => {
            let entry = asked(connection.client.recall(team, name).await)?;
            match output.json {
                true => output.json(&entry)?,
                false => output.line(&serde_json::to_string_pretty(&entry.value)?)?,
            }
        }
        MemoryVerb::Set { name, value, expect } => {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            let by = if by_an_agent() { AN_AGENT } else { TEAM_LEAD };
            let entry = asked(connection.client.remember(team, name, value, expect, by.to_owned()).await)?;
            match output.json {
                true => output.json(&entry)?,
                false => output.line(&format!("{} is at version {}", entry.name, entry.version))?,
            }
        }
        MemoryVerb::Delete { name, expect } => {
            asked(connection.client.forget(team, name.clone(), expect).await)?;
            match output.json {
                true => output.json(&json!({"name": name}))?,
                false => output.line(&format!("{name} is forgotten"))?,
            }
        }
    }
    Ok(Done::Yes)
}
