//! The files below a folder, in order of their names, without those that `.gitignore` and `.ignore` files name.
//!
//! Every folder is opened below the root anew, links are not followed, and files with rules are read like any other file: one that is a FIFO or that has no end
//! keeps nobody waiting. Rules above the root are not looked at, because nothing above it is read.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::overrides::Override;

use super::blocking::StopSign;
use crate::native::roots::Place;

/// The longest file with rules that is read.
const RULES_LIMIT: u64 = 1 << 20;
/// The most entries of one folder that are looked at.
const MOST_ENTRIES: usize = 1_000_000;

/// A walk through a folder. It yields paths below it.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    top: Place<'a>,
    /// What is to be found; all files if there is none.
    globs: Option<Override>,
    /// Names that begin with a dot, too.
    hidden: bool,
    /// A folder that is left out: it is walked by itself.
    apart: Option<PathBuf>,
    stop: &'a dyn StopSign,
    waiting: Vec<Next>,
    pub(super) unreadable: usize,
}

#[derive(Debug)]
enum Next {
    Folder(PathBuf, Arc<Rules>),
    File(PathBuf),
}

/// What one folder says is ignored below it, and those above it.
#[derive(Debug)]
struct Rules {
    above: Option<Arc<Rules>>,
    own: Gitignore,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        top: Place<'a>,
        globs: Option<Override>,
        hidden: bool,
        apart: Option<PathBuf>,
        stop: &'a dyn StopSign,
    ) -> Self {
        let mut rules = Arc::new(Rules { above: None, own: Gitignore::empty() });
        // What the folders above say of this one's contents holds too, up to the root.
        for folder in top.above() {
            rules = Rules::read(&folder, &name_for_rules(&folder), rules);
        }
        let waiting = vec![Next::Folder(PathBuf::from("."), rules)];
        Self { top, globs, hidden, apart, stop, waiting, unreadable: 0 }
    }

    /// Puts what is in a folder among what waits.
    fn open(&mut self, below: &Path, above: Arc<Rules>) {
        let place = self.top.join(below);
        let Ok(entries) = place.open_folder().and_then(|dir| place.listed(dir.entries())) else {
            self.unreadable += 1;
            return;
        };
        let rules = Rules::read(&place, &name_for_rules(&place), above);
        let mut found = Vec::new();
        for entry in entries.take(MOST_ENTRIES) {
            if self.stop.stop() {
                return;
            }
            let Ok((kind, name)) = entry.and_then(|entry| Ok((entry.file_type()?, entry.file_name()))) else {
                self.unreadable += 1;
                continue;
            };
            let dotted = name.as_encoded_bytes().starts_with(b".");
            if name == ".git" || (dotted && !self.hidden) || !(kind.is_dir() || kind.is_file()) {
                continue;
            }
            let path = if below == Path::new(".") { PathBuf::from(&name) } else { below.join(&name) };
            let named = name_for_rules(&self.top.join(&path));
            if rules.ignores(&named, kind.is_dir())
                || self.apart.as_ref().is_some_and(|apart| *apart == self.top.join(&path).absolute())
            {
                continue;
            }
            if let Some(globs) = &self.globs
                && globs.matched(Path::new("/").join(&path), kind.is_dir()).is_ignore()
            {
                continue;
            }
            found.push((name, if kind.is_dir() { Next::Folder(path, Arc::clone(&rules)) } else { Next::File(path) }));
        }
        // The last is taken first.
        found.sort_by(|(one, _), (other, _)| other.cmp(one));
        self.waiting.extend(found.into_iter().map(|(_, next)| next));
    }
}

impl Iterator for Walk<'_> {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while !self.stop.stop() {
            match self.waiting.pop()? {
                Next::File(path) => return Some(path),
                Next::Folder(path, rules) => self.open(&path, rules),
            }
        }
        None
    }
}

/// How the matchers of rules call a path: the root is `/` to them. They look at no disk.
fn name_for_rules(place: &Place<'_>) -> PathBuf {
    if place.below() == Path::new(".") { PathBuf::from("/") } else { Path::new("/").join(place.below()) }
}

impl Rules {
    /// The rules of a folder, on top of those above it.
    fn read(folder: &Place<'_>, named: &Path, above: Arc<Rules>) -> Arc<Self> {
        let mut builder = GitignoreBuilder::new(named);
        let mut any = false;
        // The later one has the last word.
        for name in [".gitignore", ".ignore"] {
            let Ok(opened) = folder.join(Path::new(name)).open_file() else { continue };
            let mut text = Vec::new();
            if opened.file.take(RULES_LIMIT).read_to_end(&mut text).is_err() {
                continue;
            }
            for line in String::from_utf8_lossy(&text).trim_start_matches('\u{feff}').lines() {
                // What is no rule is left out, as git does.
                any |= builder.add_line(None, line).is_ok();
            }
        }
        match builder.build() {
            Ok(own) if any => Arc::new(Self { above: Some(above), own }),
            _ => above,
        }
    }

    fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let mut rules = Some(self);
        while let Some(here) = rules {
            match here.own.matched(path, is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => rules = here.above.as_deref(),
            }
        }
        false
    }
}
