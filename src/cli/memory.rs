//! `teams memory`

use serde_json::{Value, json};

use super::options::MemoryVerb;
use super::{Context, Done, by_an_agent};
use crate::daemon::AN_AGENT;
use crate::daemon::{DeleteMemoryParams, ListMemoryParams, ReadMemoryParams, WriteMemoryParams};
use crate::model::name::TEAM_LEAD;

pub(super) async fn run(context: &Context<'_>, verb: MemoryVerb) -> anyhow::Result<Done> {
    let connection = context.connect().await?;
    let team = context.team(&connection).await?;
    let output = context.output;
    match verb {
        MemoryVerb::List => {
            let entries = connection.call(ListMemoryParams { team }).await?;
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
            let entry = connection.call(ReadMemoryParams { team, name }).await?;
            match output.json {
                true => output.json(&entry)?,
                false => output.line(&serde_json::to_string_pretty(&entry.value)?)?,
            }
        }
        MemoryVerb::Set { name, value, expect } => {
            let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            let by = if by_an_agent() { AN_AGENT } else { TEAM_LEAD };
            let params = WriteMemoryParams { team, name, value, expected: expect, by: by.to_owned() };
            let entry = connection.call(params).await?;
            match output.json {
                true => output.json(&entry)?,
                false => output.line(&format!("{} is at version {}", entry.name, entry.version))?,
            }
        }
        MemoryVerb::Delete { name, expect } => {
            connection.call(DeleteMemoryParams { team, name: name.clone(), expected: expect }).await?;
            match output.json {
                true => output.json(&json!({"name": name}))?,
                false => output.line(&format!("{name} is forgotten"))?,
            }
        }
    }
    Ok(Done::Yes)
}
