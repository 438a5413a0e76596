//! What is kept of a member across sessions, in a file of our own.

use std::path::Path;

use agent_backends::Usage;
use serde::{Deserialize, Serialize};

/// A member's conversation, and what it has used so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    pub(super) session_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) turns: u64,
    pub(super) usage: Usage,
}

impl Record {
    pub(super) fn load(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub(super) fn save(&self, path: &Path) {
        let write = || -> std::io::Result<()> {
            let dir = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(dir)?;
            // Private by default.
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer(&mut file, self)?;
            file.persist(path)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::error!(path = %path.display(), %error, "a member's session id was not written down");
        }
    }
}
