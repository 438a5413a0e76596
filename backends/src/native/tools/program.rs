//! Which file a command runs.

use std::path::{Path, PathBuf};

use super::shown::shown;

/// The file of a program: one that is named by a path is looked for in the working directory, any other one on `path`. With `listed`, a name must not lead
/// to a file in the working directory, where the agent could have put it itself.
pub(super) fn find(program: &str, path: Option<&str>, work_dir: &Path, listed: bool) -> Result<PathBuf, String> {
    let missing = |why: &str| format!("the program `{}` {why}", shown(program));
    let found = which::which_in(program, path, work_dir);
    let Ok(found) = found else {
        return Err(if !program.contains('/') {
            missing("was not found on PATH; use another one, or a path")
        } else if work_dir.join(program).exists() {
            missing("cannot be executed; it is a folder, or its mode does not say that it is a program")
        } else {
            missing("is not there; the path is taken from the working directory")
        });
    };
    // A folder on PATH may be relative too.
    let found = work_dir.join(found);
    let real = found.canonicalize().unwrap_or_else(|_| found.clone());
    if listed && !program.contains('/') && (found.starts_with(work_dir) || real.starts_with(work_dir)) {
        let why = format!(
            "is {}, in the working directory, and not the one that is allowed",
            shown(&found.to_string_lossy())
        );
        return Err(missing(&why));
    }
    Ok(found)
}
