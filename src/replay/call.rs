//! What a call of a recording needs of the shell that replays it.

use std::collections::BTreeMap;

use agent_backends::{BackendType, Command};
use serde_json::{Value, json};

use super::ids::Ids;
use crate::model::launch::Surroundings;
use crate::model::team_file::without;

/// What of a team file reaches outside of a replay.
const OUTSIDE: &[&str] = &["hook", "record"];
const KEYS_OUTSIDE: &[&str] = &["worktree", "cwd", "prompt-file", "env"];

/// The shell that replays.
pub(super) struct Shell {
    /// As JSON.
    surroundings: Value,
    /// The played agents, which are all that is called.
    commands: BTreeMap<BackendType, Command>,
    /// The program that stands for any that a team file names.
    any_agent: String,
}

impl Shell {
    pub(super) fn new(surroundings: &Surroundings, any_agent: String) -> Self {
        let commands = surroundings.commands.clone();
        Self { surroundings: serde_json::to_value(surroundings).unwrap_or_default(), commands, any_agent }
    }

    /// Gives a call this shell's environment, folders, and ways to call agents: it calls none but played ones, whatever the recording says
    /// or leaves out.
    pub(super) fn fit(&self, method: &str, params: &mut Value, ids: &mut Ids) {
        match method {
            "member.spawn" => params["command"] = Value::Null,
            "tool.call" => params["surroundings"] = Value::Null,
            // The repository of a replay is whichever its shell stands in.
            "checkpoint.set" => params["on"] = Value::Bool(false),
            _ => {}
        }
        self.fit_fields(params, ids);
    }

    fn fit_fields(&self, params: &mut Value, ids: &mut Ids) {
        let Value::Object(fields) = params else { return };
        let is_file = fields.contains_key("folder");
        let backend = fields.get("backend").and_then(Value::as_str).and_then(|name| name.parse::<BackendType>().ok());
        for (name, value) in fields.iter_mut() {
            match name.as_str() {
                "environment" => *value = self.surroundings["environment"].clone(),
                "env" => *value = json!({}),
                "surroundings" => *value = self.surroundings.clone(),
                "cwd" | "folder" => {
                    let ours = self.surroundings["cwd"].clone();
                    if let (Value::String(theirs), Value::String(ours)) = (&value, &ours) {
                        ids.learn_place(theirs, ours);
                    }
                    *value = ours;
                }
                // What it works on is not there, and nothing outside is reached.
                "worktree" => *value = Value::Null,
                "text" if is_file => {
                    let text = value.as_str().unwrap_or_default();
                    if let Ok(text) = without(text, OUTSIDE, KEYS_OUTSIDE, &self.any_agent) {
                        *value = text.into();
                    }
                }
                "file" if is_file => *value = Value::Null,
                "command" => {
                    let command = backend.and_then(|backend| self.commands.get(&backend));
                    *value = serde_json::to_value(command).unwrap_or_default();
                }
                _ => self.fit_fields(value, ids),
            }
        }
    }
}
