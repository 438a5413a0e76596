//! Reads a recording.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use crate::model::failure::{ErrorKind, Failure};
use crate::model::recording::{FORMAT, Recorded, What};

/// How long a recording can be, in bytes: what `teams record` writes at most, and what a bug report adds.
const LONGEST: u64 = 300 << 20;

/// A recording, as it is in its file.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) team: String,
    /// The version that has written it.
    pub(crate) version: String,
    pub(crate) lines: Vec<Recorded>,
    /// Its last line is cut off: whoever wrote it was killed.
    pub(crate) is_cut: bool,
}

/// Reads a recording.
///
/// # Errors
/// It cannot be read, is none, is of a later version, or is damaged.
pub(crate) fn read(path: &Path) -> Result<Recording, Failure> {
    let failed = |what: String| Failure::new(ErrorKind::BadInput, format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| failed(format!("it cannot be read: {error}")))?;
    let length = file.metadata().map_or(0, |data| data.len());
    if length > LONGEST {
        return Err(failed(format!("it has {} MiB, and no recording has more than {}", length >> 20, LONGEST >> 20)));
    }
    let mut lines: Vec<Recorded> = Vec::new();
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let count =
            reader.read_until(b'\n', &mut bytes).map_err(|error| failed(format!("it cannot be read: {error}")))?;
        if count == 0 {
            break;
        }
        match serde_json::from_slice::<Recorded>(&bytes) {
            Ok(line) => lines.push(line),
            Err(_) if number == 1 => {
                let hint = "`teams record TEAM FILE` and `teams bugreport` write recordings";
                return Err(failed("this is no recording".to_owned()).hint(hint));
            }
            Err(_) if !bytes.ends_with(b"\n") => {
                let (team, version) = begun(&lines).map_err(failed)?;
                return Ok(Recording { team, version, lines, is_cut: true });
            }
            Err(error) => {
                let what = format!("line {number} is damaged: {error}");
                return Err(failed(what).hint("ask whoever sent it for the file as it was written"));
            }
        }
    }
    let (team, version) = begun(&lines).map_err(failed)?;
    Ok(Recording { team, version, lines, is_cut: false })
}

/// The team and the version of the line that a recording begins with.
fn begun(lines: &[Recorded]) -> Result<(String, String), String> {
    let begun = lines.iter().map(|line| &line.what).find(|what| !matches!(what, What::Note { .. }));
    match begun {
        Some(What::Begun { format, version, .. }) if *format > FORMAT => {
            Err(format!("a later version has written it, {version}; replay it with that one"))
        }
        Some(What::Begun { team, version, .. }) => Ok((team.clone(), version.clone())),
        _ => Err("it does not say what it is a recording of".to_owned()),
    }
}
