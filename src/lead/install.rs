//! Makes every Claude Code that a person starts such a lead, and takes that back: changes of their settings, and a file for each type of agent.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_backends::claude::lead::{LeadSetup, settings_taken_back};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// A file that is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    /// What is in it; `None` where there is none.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Change {
    /// What changes, line by line.
    pub(crate) fn diff(&self) -> String {
        let lines = |text: &Option<String>| -> Vec<String> {
            text.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
        };
        let (old, new) = (lines(&self.before), lines(&self.after));
        let same_begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = old.len().min(new.len()) - same_begin;
        let same_end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let mut text = match (&self.before, &self.after) {
            (None, _) => format!("{} (new)\n", self.path.display()),
            (_, None) => format!("{} (removed)\n", self.path.display()),
            _ => format!("{}\n", self.path.display()),
        };
        for (sign, lines) in [('-', &old), ('+', &new)] {
            for line in &lines[same_begin..lines.len() - same_end] {
                let _ = writeln!(text, "{sign} {line}");
            }
        }
        text
    }

    fn apply(&self) -> anyhow::Result<()> {
        // Whoever agreed may have taken their time.
        anyhow::ensure!(
            read(&self.path)? == self.before,
            "{} was changed meanwhile; say this again",
            self.path.display()
        );
        let done = match &self.after {
            Some(text) => self
                .path
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| replace(&self.path, text.as_bytes(), 0o644)),
            None => fs::remove_file(&self.path),
        };
        done.with_context(|| format!("cannot change {}", self.path.display()))
    }
}

/// What has to be changed in a person's folder; nothing where all of it is there.
///
/// # Errors
/// Their settings cannot be read, or an agent of a type's name is theirs.
pub(crate) fn changes(claude_dir: &Path, state_dir: &Path, setup: &LeadSetup<'_>) -> anyhow::Result<Vec<Change>> {
    let path = claude_dir.join("settings.json");
    let before = read(&path)?;
    let after = setup.settings(before.as_deref()).with_context(|| format!("cannot add to {}", path.display()))?;
    let mut changes = vec![Change { path, before, after: Some(after) }];
    let ours = installed(state_dir)?;
    for kind in setup.agent_types {
        let path = claude_dir.join("agents").join(format!("{}.md", kind.name));
        let before = read(&path)?;
        let is_ours = ours.iter().any(|change| change.path == path && change.after == before);
        let hint = "it is yours; rename it, and say this again";
        anyhow::ensure!(before.is_none() || is_ours, "there is an agent {} already; {hint}", path.display());
        changes.push(Change { path, before, after: Some(kind.definition()) });
    }
    changes.retain(|change| change.before != change.after);
    Ok(changes)
}

/// Makes the changes, and notes them first.
///
/// # Errors
/// A file cannot be written; what was done before stays, and is noted.
pub(crate) fn install(state_dir: &Path, changes: &[Change]) -> anyhow::Result<()> {
    let mut noted = installed(state_dir)?;
    for change in changes {
        match noted.iter_mut().find(|known| known.path == change.path) {
            // What was there before the first time comes back, and what was written since stays.
            Some(known) => {
                if known.after != change.before {
                    known.before = match (&change.before, is_settings(&change.path)) {
                        (Some(now), true) => {
                            Some(settings_taken_back(now, known.before.as_deref(), known.after.as_deref())?)
                        }
                        (now, _) => now.clone(),
                    };
                }
                known.after.clone_from(&change.after);
            }
            None => noted.push(change.clone()),
        }
    }
    note(state_dir, &noted)?;
    changes.iter().try_for_each(Change::apply)
}

/// What takes all of it back: files that nobody has changed since are what they were, byte by byte; of changed settings only what is ours goes, and
/// changed agents stay, as theirs.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn removal(state_dir: &Path) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for Change { path, before, after } in installed(state_dir)? {
        let now = read(&path)?;
        let Some(text) = &now else { continue };
        let back = match path.extension().is_some_and(|extension| extension == "json") {
            _ if now == after => before,
            true => Some(
                settings_taken_back(text, before.as_deref(), after.as_deref())
                    .with_context(|| format!("cannot read {}", path.display()))?,
            ),
            false => continue,
        };
        changes.push(Change { path, before: now, after: back });
    }
    Ok(changes)
}

/// Takes it back.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn remove(state_dir: &Path, changes: &[Change]) -> anyhow::Result<()> {
    changes.iter().try_for_each(Change::apply)?;
    match fs::remove_file(noted_in(state_dir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn is_settings(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn noted_in(state_dir: &Path) -> PathBuf {
    state_dir.join("installed.json")
}

fn installed(state_dir: &Path) -> anyhow::Result<Vec<Change>> {
    let path = noted_in(state_dir);
    match read(&path)? {
        Some(text) => serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display())),
        None => Ok(Vec::new()),
    }
}

fn note(state_dir: &Path, changes: &[Change]) -> anyhow::Result<()> {
    let path = noted_in(state_dir);
    let text = serde_json::to_string_pretty(changes)?;
    // It may have secrets in it, as settings may.
    fs::create_dir_all(state_dir)
        .and_then(|()| replace(&path, text.as_bytes(), 0o600))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Puts a text in the place of a file, or of what a link leads to, and leaves its permissions; a new one has this mode.
pub(super) fn replace(path: &Path, text: &[u8], mode: u32) -> std::io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let permissions = fs::metadata(&path).map(|meta| meta.permissions());
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text)?;
    file.as_file().set_permissions(permissions.unwrap_or_else(|_| fs::Permissions::from_mode(mode)))?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
