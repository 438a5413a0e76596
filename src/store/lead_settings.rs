//! The hooks of a live Claude Code that leads, as its settings have them: it runs them for its own tasks and teammates only.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{RawObject, Result, Store, read_json};
use crate::model::hook::{HOOK_TIMEOUT_MS, HookCommand, HookEvent};
use crate::model::name::{TEAM_LEAD, TeamName};

/// What a lead's hooks hear of, of what happens to members.
const EVENTS: [HookEvent; 3] = [HookEvent::TeammateIdle, HookEvent::TaskCreated, HookEvent::TaskCompleted];

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    hooks: Vec<Value>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    command: String,
    /// In seconds.
    #[serde(default)]
    timeout: Option<f64>,
}

impl Store {
    /// The commands that a lead's settings name for what happens to its team: those of its user, and of the project that it works in. What
    /// cannot be read of them is left out.
    pub fn lead_hooks(&self, team: &TeamName) -> Result<Vec<HookCommand>> {
        let roster = self.team(team)?;
        let Some(cwd) = roster.member(TEAM_LEAD).and_then(|lead| lead.cwd.clone()) else { return Ok(Vec::new()) };
        let user = self.teams.parent().map(|dir| dir.join("settings.json"));
        let project = ["settings.json", "settings.local.json"].map(|name| cwd.join(".claude").join(name));
        let read = |path: &Path| read_json::<RawObject>(path).ok().flatten();
        let all: Vec<RawObject> = user.iter().chain(&project).filter_map(|path| read(path)).collect();
        if all.iter().any(|settings| settings.get("disableAllHooks") == Some(&Value::Bool(true))) {
            return Ok(Vec::new());
        }
        Ok(all.iter().flat_map(|settings| hooks_of(settings, &cwd)).collect())
    }
}

fn hooks_of<'a>(settings: &'a RawObject, cwd: &'a Path) -> impl Iterator<Item = HookCommand> + 'a {
    EVENTS.into_iter().flat_map(move |event| {
        let groups = settings.get("hooks").and_then(|hooks| hooks.get(event.as_str())).and_then(Value::as_array);
        let entries = groups.into_iter().flatten().filter_map(|group| Group::deserialize(group).ok());
        let entries = entries.flat_map(|group| group.hooks).filter_map(|entry| Entry::deserialize(entry).ok());
        entries.filter(|entry| entry.kind == "command").map(move |entry| {
            let timeout = entry.timeout.filter(|seconds| *seconds > 0.0 && seconds.is_finite());
            let timeout_ms = timeout.map_or(HOOK_TIMEOUT_MS, |seconds| (seconds * 1000.0) as u64);
            HookCommand { event, command: entry.command, timeout_ms, cwd: cwd.to_owned() }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_of_settings_is_read() {
        let settings = serde_json::json!({ "hooks": {
            "TaskCompleted": [
                { "hooks": [{ "type": "command", "command": "check", "timeout": 1.5 }, { "type": "prompt", "prompt": "x" }, 7] },
                { "matcher": "*", "hooks": [{ "type": "command", "command": "again" }] },
                "nonsense",
            ],
            "TeammateIdle": "nonsense",
            "PreToolUse": [{ "hooks": [{ "type": "command", "command": "not ours" }] }],
        } });
        let found: Vec<_> = hooks_of(settings.as_object().unwrap(), Path::new("/p")).collect();
        let said: Vec<_> = found.iter().map(|hook| (hook.command.as_str(), hook.timeout_ms)).collect();
        assert_eq!(said, [("check", 1500), ("again", HOOK_TIMEOUT_MS)]);
        assert!(found.iter().all(|hook| hook.event == HookEvent::TaskCompleted && hook.cwd == Path::new("/p")));
    }
}
