//! A Claude Code that a person sits before: how it is started so that its teammates may be of any make, and how it calls for one.
//!
//! It runs a program of our choice in the place of itself for each teammate that gets a pane. Nothing of it is documented by its makers; it
//! is as 2.1.197 and 2.1.329 do it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::{Map, Value};

use crate::permission::PermissionMode;

/// Turns teams on.
const TEAMS: &str = "CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS";
/// The program to run for a teammate: one word, without arguments.
const TEAMMATE_COMMAND: &str = "CLAUDE_CODE_TEAMMATE_COMMAND";
/// Gives newer models the tools for tasks, too.
const TASK_TOOLS: &str = "CLAUDE_CODE_ENABLE_TODO_TOOLS";
/// Folders of plugins, beside those that are installed; older versions do not know it.
const PLUGINS: &str = "CLAUDE_CODE_PLUGIN_DIRS";
/// The process of a session, for its monitors.
const PROCESS: &str = "CLAUDE_PID";
/// The session's id, for what it starts.
const SESSION_ID: &str = "CLAUDE_CODE_SESSION_ID";

/// A kind of teammate that the lead's model can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentType {
    /// The word for it.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
}

/// What a lead is started with, beside what its user says.
#[derive(Clone, Debug)]
pub struct LeadSetup<'a> {
    /// The program that is called for each teammate.
    pub teammate_command: &'a Path,
    /// The kinds of teammates.
    pub agent_types: &'a [AgentType],
    /// The folder of its [plugin](super::plugin).
    pub plugin: &'a Path,
}

/// What an agent of a type is told that was started without a name: it is no teammate then, and runs in the lead itself.
const WITHOUT_A_NAME: &str = "You were started without a name, and so you are not the agent that was meant. Do nothing. Answer: spawn this \
                              agent as a teammate, with a name.";
/// The setting that says where teammates have their panes.
const PANES: &str = "teammateMode";

impl AgentType {
    /// The file that defines it.
    pub fn definition(&self) -> String {
        // A text in JSON is one in YAML.
        let description = Value::from(self.description.as_str());
        format!("---\nname: {}\ndescription: {description}\n---\n\n{WITHOUT_A_NAME}\n", self.name)
    }
}

/// Settings that nothing can be added to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no JSON object that can be read ({reason}); mend it first")]
pub struct BadSettings {
    reason: String,
}

/// What a user's arguments cannot be joined with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--agents has no JSON object that can be read: {reason}")]
pub struct BadAgents {
    reason: String,
}

impl LeadSetup<'_> {
    /// The variables of the lead.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            (TEAMS, "1".into()),
            (TASK_TOOLS, "1".into()),
            (TEAMMATE_COMMAND, self.teammate_command.as_os_str().to_owned()),
        ]
    }

    /// Its arguments: ours, and then all that its user says. What the user says of the same things holds.
    ///
    /// # Errors
    /// The user names agents, and not as a JSON object.
    pub fn arguments(&self, own: Vec<OsString>) -> Result<Vec<OsString>, BadAgents> {
        let (own, named) = take_option(own, "--agents");
        let mut agents = self.agents();
        if let Some(text) = named {
            let named: Map<String, Value> = serde_json::from_str(&text.to_string_lossy())
                .map_err(|error| BadAgents { reason: error.to_string() })?;
            agents.extend(named);
        }
        let mut plugin = OsString::from("--plugin-dir=");
        plugin.push(self.plugin);
        let mut arguments = vec![format!("--agents={}", Value::Object(agents)).into(), plugin];
        if !own.iter().any(|argument| is_option(argument, "--teammate-mode")) {
            arguments.push("--teammate-mode=tmux".into());
        }
        arguments.extend(own);
        Ok(arguments)
    }

    /// A user's settings with what makes every Claude Code of theirs such a lead; `None` for a user who has none. All else stays, in its place.
    ///
    /// # Errors
    /// They are no JSON object.
    pub fn settings(&self, before: Option<&str>) -> Result<String, BadSettings> {
        let mut settings = read_settings(before)?;
        let variables = settings.entry("env").or_insert_with(|| Value::Object(Map::new()));
        let variables =
            variables.as_object_mut().ok_or_else(|| BadSettings { reason: "its env is no object".into() })?;
        for (name, value) in self.environment() {
            variables.insert(name.to_owned(), value.to_string_lossy().into());
        }
        let plugin = self.plugin.to_string_lossy();
        let plugins = match variables.get(PLUGINS).and_then(Value::as_str).filter(|theirs| !theirs.is_empty()) {
            Some(theirs) if theirs.split(':').any(|folder| folder == plugin) => theirs.to_owned(),
            Some(theirs) => format!("{theirs}:{plugin}"),
            None => plugin.into_owned(),
        };
        variables.insert(PLUGINS.to_owned(), plugins.into());
        settings.insert(PANES.to_owned(), "tmux".into());
        Ok(written(&settings))
    }

    fn agents(&self) -> Map<String, Value> {
        let agent = |agent: &AgentType| {
            (agent.name.clone(), serde_json::json!({ "description": agent.description, "prompt": WITHOUT_A_NAME }))
        };
        self.agent_types.iter().map(agent).collect()
    }
}

/// Settings as they are now, with what [`LeadSetup::settings`] has changed as it was before; what was changed since is left.
///
/// # Errors
/// They are no JSON object any more.
pub fn settings_taken_back(now: &str, before: Option<&str>, after: Option<&str>) -> Result<String, BadSettings> {
    type Part<'a> = Option<&'a Map<String, Value>>;
    let (mut settings, before, after) = (read_settings(Some(now))?, read_settings(before)?, read_settings(after)?);
    let restore = |map: &mut Map<String, Value>, was: Part<'_>, set: Part<'_>, name: &str| {
        if map.get(name) != set.and_then(|set| set.get(name)) {
            return;
        }
        match was.and_then(|was| was.get(name)) {
            Some(value) => drop(map.insert(name.to_owned(), value.clone())),
            None => drop(map.shift_remove(name)),
        }
    };
    restore(&mut settings, Some(&before), Some(&after), PANES);
    let variables_of = |settings: &'_ Map<String, Value>| settings.get("env").and_then(Value::as_object).cloned();
    let (was, set) = (variables_of(&before), variables_of(&after));
    let (was, set) = (was.as_ref(), set.as_ref());
    if let Some(variables) = settings.get_mut("env").and_then(Value::as_object_mut) {
        [TEAMS, TASK_TOOLS, TEAMMATE_COMMAND, PLUGINS].into_iter().for_each(|name| restore(variables, was, set, name));
        let folders = |variables: Part<'_>| -> Vec<String> {
            let folders = variables.and_then(|variables| variables.get(PLUGINS)?.as_str()).unwrap_or_default();
            folders.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
        };
        // It is a list, to which others may have been added since.
        let (theirs, with_ours) = (folders(was), folders(set));
        let mut left = folders(Some(variables));
        let there = left.len();
        left.retain(|folder| theirs.contains(folder) || !with_ours.contains(folder));
        if left.len() < there {
            variables.insert(PLUGINS.to_owned(), left.join(":").into());
        }
        if variables.is_empty() && was.is_none() {
            settings.shift_remove("env");
        }
    }
    Ok(written(&settings))
}

fn read_settings(text: Option<&str>) -> Result<Map<String, Value>, BadSettings> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("{}");
    serde_json::from_str(text).map_err(|error| BadSettings { reason: error.to_string() })
}

fn written(settings: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(settings).expect("maps with string keys always serialise") + "\n"
}

fn is_option(argument: &OsString, option: &str) -> bool {
    argument.to_str().is_some_and(|text| text.split('=').next() == Some(option))
}

/// The arguments without an option, and its value.
fn take_option(arguments: Vec<OsString>, option: &str) -> (Vec<OsString>, Option<OsString>) {
    let (mut rest, mut value) = (Vec::new(), None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            rest.push(argument);
            rest.extend(arguments);
            break;
        }
        if !is_option(&argument, option) {
            rest.push(argument);
            continue;
        }
        let text = argument.to_string_lossy();
        value = text.split_once('=').map(|(_, value)| value.into()).or_else(|| arguments.next());
    }
    (rest, value)
}

/// The session of the Claude Code that has started this process.
pub fn session_of(environment: &BTreeMap<String, String>) -> Option<&str> {
    environment.get(SESSION_ID).map(String::as_str).filter(|id| !id.is_empty())
}

/// The process of the Claude Code whose monitor this process is.
pub fn process_of(environment: &BTreeMap<String, String>) -> Option<i32> {
    environment.get(PROCESS)?.parse().ok()
}

/// A lead's call for a teammate: what its program is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeammateCall {
    /// What the teammate is called.
    pub name: String,
    /// Its team.
    pub team: String,
    /// What kind it is to be of; `None` where nobody said.
    pub agent_type: Option<String>,
    /// The model that the lead would take.
    pub model: Option<String>,
    /// What it may do without asking.
    pub permission_mode: Option<PermissionMode>,
    /// It changes nothing until its plan is approved.
    pub plan_required: bool,
    /// What the lead signs its messages with, as it says it; older versions sign none.
    pub lead_key: Option<String>,
}

impl TeammateCall {
    /// What a call begins with.
    pub const BEGINS: &'static str = "--agent-id";

    /// Reads what the program was started with. What is not known is left out: another version may say more.
    ///
    /// # Errors
    /// It does not say who the teammate is.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut call = Self::default();
        let (mut name, mut team) = (None, None);
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
                None => (argument, arguments.next_if(|next| !next.starts_with("--"))),
            };
            match option.as_str() {
                "--agent-name" => name = value,
                "--team-name" => team = value,
                "--agent-type" => call.agent_type = value,
                "--model" => call.model = value,
                "--permission-mode" => call.permission_mode = value.map(PermissionMode::from),
                "--dangerously-skip-permissions" => call.permission_mode = Some(PermissionMode::BypassPermissions),
                "--plan-mode-required" => call.plan_required = true,
                "--lead-verify-key" => call.lead_key = value,
                _ => {}
            }
        }
        call.name = name.ok_or("it does not say --agent-name")?;
        call.team = team.ok_or("it does not say --team-name")?;
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_as_the_lead_writes_it() {
        let line = "--agent-id t@s --agent-name t --team-name s --agent-color blue --parent-session-id 0fa7 --lead-verify-key 17.MCow \
                    --agent-type codex --permission-mode acceptEdits --plan-mode-required --model claude-sonnet-4-5 --new thing";
        let call = TeammateCall::parse(line.split_whitespace().map(str::to_owned)).unwrap();
        let expected = TeammateCall {
            name: "t".into(),
            team: "s".into(),
            agent_type: Some("codex".into()),
            model: Some("claude-sonnet-4-5".into()),
            permission_mode: Some(PermissionMode::AcceptEdits),
            plan_required: true,
            lead_key: Some("17.MCow".into()),
        };
        assert_eq!(call, expected);
        let skips = ["--agent-name", "t", "--dangerously-skip-permissions", "--team-name=s"].map(str::to_owned);
        let call = TeammateCall::parse(skips).unwrap();
        assert_eq!(call.permission_mode, Some(PermissionMode::BypassPermissions));
        assert!(TeammateCall::parse(["--agent-id", "t@s"].map(str::to_owned)).is_err());
    }

    #[test]
    fn settings_are_taken_back_and_all_else_stays() {
        let (teammate_command, plugin) = (Path::new("/bin/teams"), Path::new("/state/plugin"));
        let setup = LeadSetup { teammate_command, agent_types: &[], plugin };
        for before in [
            None,
            Some("{}"),
            Some(
                r#"{"model":"x","env":{"A":"1","CLAUDE_CODE_ENABLE_TODO_TOOLS":"0","CLAUDE_CODE_PLUGIN_DIRS":"~/mine"},"teammateMode":"auto"}"#,
            ),
        ] {
            let now = setup.settings(before).unwrap();
            let value: Value = serde_json::from_str(&now).unwrap();
            assert_eq!(
                (&value["teammateMode"], &value["env"][TEAMMATE_COMMAND]),
                (&"tmux".into(), &"/bin/teams".into())
            );
            let plugins = value["env"][PLUGINS].as_str().unwrap();
            assert_eq!(plugins.strip_prefix("~/mine:").unwrap_or(plugins), "/state/plugin");
            assert_eq!(setup.settings(Some(&now)).unwrap(), now, "again");
            let mut changed: Map<String, Value> = serde_json::from_str(&now).unwrap();
            changed["env"][PLUGINS] = format!("{plugins}:/new").into();
            let back = settings_taken_back(&written(&changed), before, Some(&now)).unwrap();
            let back: Value = serde_json::from_str(&back).unwrap();
            assert_eq!(back["env"][PLUGINS], plugins.replace("/state/plugin", "/new"), "a folder that was added stays");
            changed["env"][PLUGINS] = plugins.into();
            changed.insert("theirs".into(), 7.into());
            let back = settings_taken_back(&written(&changed), before, Some(&now)).unwrap();
            let mut expected = read_settings(before).unwrap();
            expected.insert("theirs".into(), 7.into());
            assert_eq!(read_settings(Some(&back)).unwrap(), expected);
        }
        for bad in ["[]", "{", "{\"env\": 7}", "// x\n{}"] {
            assert!(setup.settings(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_user_says_holds() {
        let types = [AgentType { name: "codex".into(), description: "Codex".into() }];
        let (teammate_command, plugin) = (Path::new("/bin/teams"), Path::new("/state/plugin"));
        let setup = LeadSetup { teammate_command, agent_types: &types, plugin };
        let arguments = |own: &[&str]| {
            let own = own.iter().map(OsString::from).collect();
            let arguments = setup.arguments(own)?;
            Ok::<_, BadAgents>(arguments.iter().map(|text| text.to_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        let plain = arguments(&["--resume", "do it"]).unwrap();
        assert_eq!(plain[2..], ["--teammate-mode=tmux", "--resume", "do it"]);
        let value = |argument: &str, option: &str| {
            let text = argument.strip_prefix(option).and_then(|text| text.strip_prefix('='));
            serde_json::from_str::<Value>(text.expect("the option")).unwrap()
        };
        let agents = value(&plain[0], "--agents");
        assert_eq!(agents["codex"]["description"], "Codex", "{agents}");
        assert_eq!(plain[1], "--plugin-dir=/state/plugin");
        let own =
            arguments(&["--agents", r#"{"codex":{"description":"mine"},"x":{}}"#, "--teammate-mode=auto"]).unwrap();
        let named = serde_json::json!({ "codex": { "description": "mine" }, "x": {} });
        assert_eq!(value(&own[0], "--agents"), named);
        assert_eq!(own[2..], ["--teammate-mode=auto"]);
        assert!(arguments(&["--agents", "nonsense"]).is_err());
        assert_eq!(arguments(&["--", "--agents", "nonsense"]).unwrap()[3..], ["--", "--agents", "nonsense"]);
    }
}
