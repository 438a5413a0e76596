//! The backends that this crate brings, all together: for whoever looks at each of them.

use crate::acp::AcpBackend;
use crate::backend::AgentBackend;
use crate::claude::{self, ClaudeCodeBackend};
use crate::codex::{self, CodexBackend};
use crate::command::Command;
use crate::gemini::{self, GeminiCliBackend};
use crate::kind::BackendType;

/// The backend of this name, with its usual command; `None` for one that this crate does not bring.
pub fn backend(name: BackendType) -> Option<Box<dyn AgentBackend>> {
    Some(match name {
        BackendType::ClaudeCode => Box::new(ClaudeCodeBackend::new()),
        BackendType::Codex => Box::new(CodexBackend::with_command(Command::new(codex::PROGRAM))),
        BackendType::GeminiCli => Box::new(GeminiCliBackend::with_command(Command::new(gemini::PROGRAM))),
        BackendType::GeminiAcp => Box::new(AcpBackend::gemini_with_command(Command::new(gemini::PROGRAM))),
        BackendType::Native => Box::new(AcpBackend::native()),
        BackendType::Acp => Box::new(AcpBackend::new()),
        _ => return None,
    })
}

/// All of them, in the order of [`BackendType::KNOWN`].
pub fn backends() -> impl Iterator<Item = Box<dyn AgentBackend>> {
    BackendType::KNOWN.into_iter().filter_map(backend)
}

/// Variables by which an agent marks the shells that it starts: a nested agent would take them for its own. A name that
/// ends in a star stands for all that begin like it.
pub fn shell_marks() -> impl Iterator<Item = &'static str> {
    [claude::SHELL_MARKS, codex::SHELL_MARKS, gemini::SHELL_MARKS].into_iter().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_has_a_backend_that_bears_it() {
        let names: Vec<BackendType> = backends().map(|backend| backend.backend_type()).collect();
        assert_eq!(names, BackendType::KNOWN);
        assert!(backend(BackendType::named("my-agent")).is_none());
    }

    #[test]
    fn what_takes_any_program_has_no_usual_one() {
        for backend in backends() {
            let (name, capabilities) = (backend.backend_type(), backend.capabilities());
            assert_eq!(backend.default_command().is_none(), capabilities.any_program, "{name}");
            let is_ours = name == BackendType::Native;
            assert_eq!(backend.npm_package().is_none(), capabilities.any_program || is_ours, "{name}");
            assert!(!capabilities.account_variables.is_empty() && !capabilities.login.is_empty(), "{name}");
        }
    }
}
