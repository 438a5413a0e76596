//! The kinds of teammates that a lead can ask for: the backends, and the members of the team file in the folder that it works in.

use std::path::Path;

use agent_backends::{AgentBackend, BackendType, known};

use crate::model::team_file::{TEAM_FILE, TeamFile};

/// What a kind begins with that our plugin brings.
const OF_PLUGIN: &str = "teams:";
/// The kinds that are an agent without a definition of its own.
const PLAIN: [&str; 2] = ["general-purpose", "claude"];

/// A kind of teammate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The word for it.
    pub(super) name: String,
    pub(super) backend: BackendType,
    pub(super) model: Option<String>,
    pub(super) effort: Option<String>,
    /// Standing instructions.
    pub(super) prompt: String,
    /// It changes nothing until its plan is approved.
    pub(super) plans: bool,
    /// A definition of the lead's own, by its name.
    pub(super) definition: Option<String>,
}

impl Kind {
    fn plain(name: &str, backend: BackendType) -> Self {
        let (model, effort, prompt, plans, definition) = (None, None, String::new(), false, None);
        Self { name: name.to_owned(), backend, model, effort, prompt, plans, definition }
    }

    /// The kind that a lead means; what no member and no backend is called is a definition of its own.
    pub(super) fn named(name: Option<&str>, folder: &Path) -> Option<Self> {
        let own = name.map(|name| name.strip_prefix(OF_PLUGIN).unwrap_or(name));
        if let Some(kind) = own.and_then(|own| all(folder).into_iter().find(|kind| kind.name == own)) {
            return Some(kind);
        }
        let definition = name.filter(|name| !PLAIN.contains(name)).map(str::to_owned);
        Some(Self { definition, ..Self::plain(name.unwrap_or_default(), leads()?) })
    }

    /// What the lead's model is told of it.
    pub(super) fn description(&self) -> String {
        let first = self.prompt.lines().find(|line| !line.trim().is_empty()).map(|line| format!(": {}", line.trim()));
        format!(
            "A {} agent as a teammate{}, in a process of its own with its own model, tools and permissions. Always give it a `name`: without \
             one it does not run.",
            self.backend,
            first.unwrap_or_default()
        )
    }
}

/// All kinds beside the lead's own; a member of the file goes before a backend of its name.
pub(super) fn all(folder: &Path) -> Vec<Kind> {
    let mut kinds = of_file(folder);
    for (name, backend) in of_backends() {
        if kinds.iter().all(|kind| kind.name != name) {
            kinds.push(Kind::plain(&name, backend));
        }
    }
    kinds
}

/// The backend of the lead's own kind.
fn leads() -> Option<BackendType> {
    known::backends().find(|backend| backend.capabilities().agent_types).map(|backend| backend.backend_type())
}

fn of_backends() -> impl Iterator<Item = (String, BackendType)> {
    let other = |backend: &dyn AgentBackend| {
        let capabilities = backend.capabilities();
        !capabilities.agent_types && !capabilities.any_program
    };
    known::backends().filter(move |backend| other(&**backend)).map(|backend| {
        let backend = backend.backend_type();
        (backend.short_name().to_owned(), backend)
    })
}

/// The members of the team file in a folder. Of what the file says of them, what would name a program or another file, give a variable or weaken permissions is
/// left out: a project's file is a stranger.
fn of_file(folder: &Path) -> Vec<Kind> {
    let text = std::fs::read_to_string(folder.join(TEAM_FILE)).unwrap_or_default();
    let Ok(file) = TeamFile::parse(&text, &Default::default()) else { return Vec::new() };
    let kind = |(name, section): (String, crate::model::team_file::MemberSection)| {
        let backend = match section.backend.as_deref() {
            None | Some("auto") => leads()?,
            Some(backend) => backend.parse().ok()?,
        };
        if known::backend(backend).is_none_or(|known| known.capabilities().any_program) {
            return None;
        }
        let prompt = section.prompt.unwrap_or_default();
        let plans = section.plan_approval.unwrap_or_default();
        Some(Kind { name, backend, model: section.model, effort: section.effort, prompt, plans, definition: None })
    };
    file.members().into_iter().filter_map(kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_member_of_the_file_a_backend_or_the_leads_own() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| Kind::named(Some(name), folder.path()).unwrap();
        for (name, backend) in of_backends() {
            assert_eq!(named(&name), Kind::plain(&name, backend));
            assert_eq!(named(&format!("teams:{name}")).backend, backend);
        }
        assert!(of_backends().any(|(name, _)| name == "codex"));
        for plain in [None, Some("general-purpose")] {
            let kind = Kind::named(plain, folder.path()).unwrap();
            assert_eq!((kind.backend, kind.definition), (leads().unwrap(), None));
        }
        assert_eq!(named("my-reviewer").definition.as_deref(), Some("my-reviewer"));
        let text = "[team]\nname='t'\n[[member]]\nname='security'\nbackend='codex'\nmodel='m'\nprompt='''\nLook for ways in.\n'''\npermission-mode='bypassPermissions'\n\
                    [[member]]\nname='any'\nbackend='acp'\ncommand='x'\n[[member]]\nname='codex'\nbackend='gemini'\n";
        std::fs::write(folder.path().join(TEAM_FILE), text).unwrap();
        let security = named("security");
        assert_eq!((security.model.as_deref(), security.prompt.as_str()), (Some("m"), "Look for ways in.\n"));
        assert!(security.description().contains("teammate: Look for ways in."), "{}", security.description());
        assert_eq!(named("codex").backend.short_name(), "gemini", "the file's own");
        assert_eq!(named("any").definition.as_deref(), Some("any"), "it names a program");
    }
}
