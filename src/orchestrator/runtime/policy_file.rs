//! A team's policy on disk.

use std::io;
use std::path::Path;

use crate::model::policy::Policy;
use crate::store::write_private;

/// Reads a policy; a file that is not there is the default.
pub(crate) fn read(path: &Path) -> io::Result<Policy> {
    match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Policy::default()),
        bytes => serde_json::from_slice(&bytes?).map_err(io::Error::other),
    }
}

/// Writes a policy in one step.
pub(crate) fn write(policy: &Policy, path: &Path) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    write_private(path, &serde_json::to_vec_pretty(policy)?)
}
