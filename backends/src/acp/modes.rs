//! The modes of an ACP agent, which names them as it likes, in one of two places of the protocol.

use super::protocol::{ModesReply, SessionReply};
use crate::permission::PermissionMode;

/// The modes that an agent has.
#[derive(Debug, Default)]
pub(super) struct Modes {
    /// As the agent calls them.
    pub(super) ids: Vec<String>,
    pub(super) current: Option<String>,
    /// The configuration option that they are the values of; `None` where the agent has `modes`.
    pub(super) option: Option<String>,
}

impl Modes {
    pub(super) fn of(reply: &SessionReply) -> Self {
        let option = reply.config_options.iter().find(|option| option.category.as_deref() == Some("mode"));
        match (&reply.modes, option) {
            (Some(ModesReply { available_modes, current_mode_id }), _) if !available_modes.is_empty() => Self {
                ids: available_modes.iter().map(|mode| mode.id.clone()).collect(),
                current: current_mode_id.clone(),
                option: None,
            },
            (_, Some(option)) => {
                Self { ids: option.values(), current: option.current_value.clone(), option: Some(option.id.clone()) }
            }
            _ => Self::default(),
        }
    }

    /// What this agent calls a permission mode: by names that are in use, or by its own.
    pub(super) fn id_of(&self, mode: &PermissionMode) -> Option<&str> {
        let own;
        let names: &[&str] = match mode {
            PermissionMode::Default => &["default", "ask", "manual", "alwaysask", "suggest", "readonly"],
            PermissionMode::AcceptEdits => &["acceptedits", "autoedit", "workspacewrite", "auto"],
            PermissionMode::Plan => &["plan", "architect"],
            PermissionMode::BypassPermissions => &[
                "bypasspermissions",
                "yolo",
                "fullaccess",
                "agentfullaccess",
                "dangerfullaccess",
                "allowall",
                "autoapprove",
            ],
            PermissionMode::Other(name) => {
                own = plain(name);
                &[own.as_str()]
            }
        };
        let find = |name: &&str| self.ids.iter().find(|id| plain(id) == **name).map(String::as_str);
        names.iter().find_map(find)
    }

    /// What has to be known of an agent that does not ask although it was asked to, if it is one.
    pub(super) fn that_do_not_ask(&self, mode: &PermissionMode) -> Option<String> {
        let asks = *mode != PermissionMode::Default || self.ids.is_empty() || self.id_of(mode).is_some();
        (!asks).then(|| {
            format!(
                "this agent has no mode that asks; it may run commands and change files without a question. Its modes are {}",
                self.ids.join(", ")
            )
        })
    }
}

/// A name without what agents write differently: the address before a `#`, hyphens, underscores, capitals.
pub(super) fn plain(id: &str) -> String {
    let name = id.rsplit('#').next().unwrap_or(id);
    name.chars().filter(|char| char.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(ids: &[&str]) -> Modes {
        Modes { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Modes::default() }
    }

    #[test]
    fn modes_are_known_by_their_names() {
        use PermissionMode::{AcceptEdits, BypassPermissions, Default, Other, Plan};
        for (ids, mode, expected) in [
            (&["default", "autoEdit", "yolo", "plan"][..], AcceptEdits, Some("autoEdit")),
            (&["default", "accept_edits"], AcceptEdits, Some("accept_edits")),
            (
                &["https://agent.example/modes#agent", "https://agent.example/modes#plan"],
                Plan,
                Some("https://agent.example/modes#plan"),
            ),
            (&["read-only", "auto", "full-access"], Default, Some("read-only")),
            (&["read-only", "auto", "full-access"], BypassPermissions, Some("full-access")),
            (&["auto-approve", "default"], BypassPermissions, Some("auto-approve")),
            (&["build", "plan"], Default, None),
            (&["build", "plan"], Other("Build".into()), Some("build")),
            (&["build", "plan"], Other("deploy".into()), None),
        ] {
            assert_eq!(modes(ids).id_of(&mode), expected, "{ids:?} {mode:?}");
        }
        assert!(modes(&["build", "plan"]).that_do_not_ask(&Default).is_some_and(|said| said.ends_with("build, plan")));
        assert_eq!(modes(&[]).that_do_not_ask(&Default), None);
        assert_eq!(modes(&["build"]).that_do_not_ask(&Plan), None);
    }

    #[test]
    fn modes_may_be_a_configuration_option() {
        let reply: SessionReply = serde_json::from_str(
            r#"{"configOptions": [7, {"id": "m", "category": "mode", "currentValue": "build",
                "options": [{"value": "build"}, {"name": "x"}, {"group": "g", "options": [{"value": "plan"}]}]}]}"#,
        )
        .unwrap();
        let modes = Modes::of(&reply);
        assert_eq!((modes.ids, modes.current.as_deref()), (vec!["build".into(), "plan".into()], Some("build")));
        assert_eq!(modes.option.as_deref(), Some("m"));
    }
}
