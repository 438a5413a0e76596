//! Notes on commits, in a ref of our own: lines are added to them so that neither two writers nor a kill lose one or write it twice, and
//! they are read, whoever wrote them.
//!
//! `git notes append` reads the ref, and later replaces it whatever it is by then. So the tree of notes is made here, and the ref is moved
//! only from what was read.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::Git;
use crate::error::{Error, Result};
use crate::model::checkpoint::{Checkpoint, CheckpointNotes, NOTES_REF, NotedCheckpoint};

/// How often a note is tried to be written while others move the ref, or hold its lock.
const ATTEMPTS: u32 = 12;
/// Who writes them: the notes do not depend on whether the user has told git a name.
const WRITER: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "agent-teams"),
    ("GIT_AUTHOR_EMAIL", "agent-teams@localhost"),
    ("GIT_COMMITTER_NAME", "agent-teams"),
    ("GIT_COMMITTER_EMAIL", "agent-teams@localhost"),
];

/// A note in the tree of notes.
struct Entry {
    /// Where it is there: the commit's id, with slashes where there are many notes.
    path: String,
    blob: String,
}

impl Entry {
    fn commit(&self) -> String {
        self.path.replace('/', "")
    }
}

impl Git {
    /// Adds checkpoints to the note of a commit; those that it has already are left out. `repository` is a git directory.
    ///
    /// # Errors
    /// Git cannot write there, or others have kept it from doing so for too long.
    pub(crate) fn add_checkpoints(&self, repository: &Path, commit: &str, checkpoints: &[Checkpoint]) -> Result<()> {
        let mut attempt = 0;
        loop {
            let added = self.try_add(repository, commit, checkpoints);
            attempt += 1;
            match added {
                Err(error) if attempt < ATTEMPTS && is_contended(&error) => {
                    tracing::debug!(%error, attempt, "a note is tried once more");
                    // Two who began at the same time do not go on so.
                    let apart = u64::from(std::process::id() % 7) * 3;
                    std::thread::sleep(Duration::from_millis(apart + 10 * u64::from(attempt)));
                }
                added => return added,
            }
        }
    }

    fn try_add(&self, repository: &Path, commit: &str, checkpoints: &[Checkpoint]) -> Result<()> {
        let git_dir = [("GIT_DIR", repository.as_os_str())];
        let ask = |args: &[&str], stdin: &[u8]| self.run_quietly(repository, args, stdin, &git_dir);
        let before = self.notes_head(repository, &git_dir)?;
        let entries = before.as_ref().map_or(Ok(Vec::new()), |before| self.entries(repository, before, &git_dir))?;
        let entry = entries.iter().find(|entry| entry.commit() == commit);
        let mut note = entry.map_or(Ok(Vec::new()), |entry| ask(&["cat-file", "blob", &entry.blob], &[]))?;
        let known: Vec<String> =
            String::from_utf8_lossy(&note).lines().filter_map(Checkpoint::read).map(|known| known.key).collect();
        let new: Vec<&Checkpoint> = checkpoints.iter().filter(|checkpoint| !known.contains(&checkpoint.key)).collect();
        if new.is_empty() {
            return Ok(());
        }
        if !note.is_empty() && !note.ends_with(b"\n") {
            note.push(b'\n');
        }
        for checkpoint in new {
            note.extend_from_slice(checkpoint.line().as_bytes());
            note.push(b'\n');
        }
        let path = match entry {
            Some(entry) => entry.path.clone(),
            // Where git has made folders, the note goes into the one that it is looked for in.
            None => match commit.split_at_checked(2) {
                Some((folder, rest)) if entries.iter().any(|entry| entry.path.starts_with(&format!("{folder}/"))) => {
                    format!("{folder}/{rest}")
                }
                _ => commit.to_owned(),
            },
        };
        let blob = text(ask(&["hash-object", "-w", "--stdin"], &note)?);
        // An index of its own, in which nothing is checked out.
        let place = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
        let index = place.path().join("index");
        let env = [git_dir[0], ("GIT_INDEX_FILE", index.as_os_str())];
        if let Some(before) = &before {
            self.run_quietly(repository, &["read-tree", before], &[], &env)?;
        }
        let cached = format!("100644 {blob}\t{path}\n");
        self.run_quietly(repository, &["update-index", "--add", "--index-info"], cached.as_bytes(), &env)?;
        let tree = text(self.run_quietly(repository, &["write-tree"], &[], &env)?);
        let mut args = vec!["commit-tree", &tree, "-m", "Add checkpoints of completed tasks"];
        before.iter().for_each(|before| args.extend(["-p", before]));
        let writer = WRITER.map(|(name, value)| (name, OsStr::new(value)));
        let env = [&git_dir[..], &writer[..]].concat();
        let after = text(self.run_quietly(repository, &args, &[], &env)?);
        // An empty id means that there is no such ref yet.
        let before = before.as_deref().unwrap_or_default();
        let moves = ["update-ref", "-m", "teams: checkpoint", NOTES_REF, &after, before];
        self.run_quietly(repository, &moves, &[], &env).map(drop)
    }

    /// The commit that the ref of notes is at; `None` when there is none.
    fn notes_head(&self, dir: &Path, env: &[(&str, &OsStr)]) -> Result<Option<String>> {
        // An answer without a line is no failure, unlike that of `rev-parse`.
        let found = self.run_quietly(dir, &["for-each-ref", "--format=%(objectname)", NOTES_REF], &[], env)?;
        Ok(Some(text(found)).filter(|found| !found.is_empty()))
    }

    fn entries(&self, dir: &Path, tree: &str, env: &[(&str, &OsStr)]) -> Result<Vec<Entry>> {
        let listed = self.run_quietly(dir, &["ls-tree", "-r", "-z", "--full-tree", tree], &[], env)?;
        let listed = String::from_utf8_lossy(&listed);
        let read = |line: &str| {
            let (about, path) = line.split_once('\t')?;
            let blob = about.strip_prefix("100644 blob ")?.to_owned();
            let is_note = !path.is_empty() && path.bytes().all(|byte| byte == b'/' || byte.is_ascii_hexdigit());
            is_note.then(|| Entry { path: path.to_owned(), blob })
        };
        Ok(listed.split('\0').filter_map(read).collect())
    }

    /// The checkpoints of the repository that a folder is in, whichever worktree of it that is.
    ///
    /// # Errors
    /// The folder is in no repository, or git cannot read it.
    pub(crate) fn checkpoints(&self, dir: &Path) -> Result<CheckpointNotes> {
        self.run_quietly(dir, &["rev-parse", "--git-dir"], &[], &[])?;
        let Some(head) = self.notes_head(dir, &[])? else { return Ok(CheckpointNotes::default()) };
        let entries = self.entries(dir, &head, &[])?;
        let wanted: String = entries.iter().map(|entry| format!("{}\n", entry.blob)).collect();
        let contents = self.run_quietly(dir, &["cat-file", "--batch"], wanted.as_bytes(), &[])?;
        let mut notes = CheckpointNotes::default();
        for (entry, note) in entries.iter().zip(batch(&contents)) {
            for line in String::from_utf8_lossy(note).lines().filter(|line| !line.trim().is_empty()) {
                match Checkpoint::read(line) {
                    Some(checkpoint) => {
                        notes.checkpoints.push(NotedCheckpoint { commit: entry.commit(), checkpoint });
                    }
                    None => notes.unreadable += 1,
                }
            }
        }
        self.tell_once(dir, &mut notes.checkpoints);
        notes.checkpoints.sort_by(|a, b| {
            let order = |noted: &NotedCheckpoint| (noted.checkpoint.completed.clone(), noted.checkpoint.key.clone());
            order(a).cmp(&order(b))
        });
        Ok(notes)
    }

    /// Leaves each checkpoint once. One that a rebase has copied stays with the commit that some branch has.
    fn tell_once(&self, dir: &Path, checkpoints: &mut Vec<NotedCheckpoint>) {
        let mut times: HashMap<String, u32> = HashMap::new();
        checkpoints.iter().for_each(|noted| *times.entry(noted.checkpoint.key.clone()).or_default() += 1);
        let is_copied = |noted: &NotedCheckpoint| times.get(&noted.checkpoint.key).is_some_and(|times| *times > 1);
        let copied: HashSet<String> =
            checkpoints.iter().filter(|noted| is_copied(noted)).map(|noted| noted.commit.clone()).collect();
        let in_branches = if copied.is_empty() { HashSet::new() } else { self.in_branches(dir, copied) };
        let mut chosen: HashMap<String, NotedCheckpoint> = HashMap::new();
        let mut order = Vec::new();
        for noted in checkpoints.drain(..) {
            let key = noted.checkpoint.key.clone();
            match chosen.get(&key) {
                Some(_) if !in_branches.contains(&noted.commit) => {}
                before => {
                    if before.is_none() {
                        order.push(key.clone());
                    }
                    chosen.insert(key, noted);
                }
            }
        }
        checkpoints.extend(order.into_iter().filter_map(|key| chosen.remove(&key)));
    }

    /// Those of some commits that a branch or a tag has. All are asked for at once, since git walks the history each time.
    fn in_branches(&self, dir: &Path, mut commits: HashSet<String>) -> HashSet<String> {
        let listed = self.run_quietly(dir, &["rev-list", "--branches", "--remotes", "--tags"], &[], &[]);
        let listed = listed.inspect_err(|error| tracing::debug!(%error, "which of two notes is shown is open"));
        let listed = listed.unwrap_or_default();
        let has: HashSet<&[u8]> = listed.split(|byte| *byte == b'\n').collect();
        commits.retain(|commit| has.contains(commit.as_bytes()));
        commits
    }

    /// The commit that a word names in the repository that a folder is in.
    ///
    /// # Errors
    /// It names none.
    #[cfg(feature = "cli")]
    pub(crate) fn commit_named(&self, dir: &Path, word: &str) -> Result<String> {
        let found =
            self.run_quietly(dir, &["rev-parse", "--verify", "--quiet", &format!("{word}^{{commit}}")], &[], &[]);
        found.map(text)
    }
}

/// Whether others move the ref at this moment.
fn is_contended(error: &Error) -> bool {
    matches!(error, Error::Git { command, reason, .. } if command.starts_with("update-ref") && reason.contains("lock"))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The contents in an answer of `git cat-file --batch`; nothing for what is missing.
fn batch(mut answer: &[u8]) -> Vec<&[u8]> {
    let mut contents = Vec::new();
    while let Some(end) = answer.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&answer[..end]);
        answer = &answer[end + 1..];
        let size = head.rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
        let content = size.and_then(|size| answer.get(..size));
        contents.push(content.unwrap_or_default());
        // A line's end follows.
        answer = content.and_then(|content| answer.get(content.len() + 1..)).unwrap_or(answer);
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_of_any_bytes_are_told_apart() {
        let answer = b"aa blob 3\na\nb\nbb missing\ncc blob 0\n\ndd blob 2\n\xff\n\n";
        assert_eq!(batch(answer), [&b"a\nb"[..], b"", b"", b"\xff\n"]);
        assert_eq!(batch(b"aa blob 9\nabc"), [b""]);
    }
}
