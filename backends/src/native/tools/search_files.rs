//! `search_files`: files by name, and lines in them by a regular expression.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use ignore::overrides::{Override, OverrideBuilder};
use serde_json::{Value, json};

use super::blocking::{self, Cancel, StopSign, Watched, refused};
use super::fields::Fields;
use super::list_directory::open_folders;
use super::matches::{InFile, Matches};
use super::shown::{count_of, shown, with_notes};
use super::walk::Walk;
use crate::native::error::{Error, Result};
use crate::native::roots::{PathError, Place, Roots};
use crate::native::tool::{Tool, ToolDefinition, ToolKind, ToolUse};

const NAME: &str = "search_files";
/// How long a search may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The longest line that is searched; a file with a longer one is left out, and that is said.
const LONGEST_LINE: usize = 16 << 20;
/// How large a regular expression may become.
const PATTERN_LIMIT: usize = 10 << 20;
const MOST_CONTEXT: u64 = 10;

/// Searches for files, and in files.
#[derive(Clone, Debug)]
pub struct SearchFilesTool {
    roots: Roots,
}

impl SearchFilesTool {
    /// The tool for files below these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

#[async_trait]
impl Tool for SearchFilesTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Finds files by `glob`, and lines in them by the regular expression `pattern`. At least one of both is needed; with `glob` alone the answer has \
                 the names of files. Files that .gitignore names, hidden ones and binary ones are left out, and links are not followed. Paths are relative to {}.",
                self.roots
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "glob": { "type": "string", "description": "Which files, as in .gitignore: `*.rs` at any depth, `src/**/*.ts` below `path`, `*.{js,ts}`." },
                    "pattern": { "type": "string", "description": "A regular expression of Rust, for one line." },
                    "path": { "type": "string", "description": "The folder, or the file, to search; everything if left out." },
                    "case_sensitive": { "type": "boolean", "description": "Whether case counts; true if left out." },
                    "context": { "type": "integer", "minimum": 0, "maximum": MOST_CONTEXT, "description": "How many lines to show around each match." },
                    "hidden": { "type": "boolean", "description": "Search files whose names begin with a dot, too; never .git." },
                },
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Read
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(shown);
        let mut title = "search".to_owned();
        if let Some(pattern) = text("pattern") {
            title += &format!(" for /{pattern}/");
        }
        if let Some(glob) = text("glob") {
            title += &format!(" in {glob}");
        }
        if let Some(path) = text("path") {
            title += &format!(" below {path}");
        }
        ToolUse { title, ..ToolUse::default() }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let search = Search::of(&arguments)?;
        let roots = self.roots.clone();
        blocking::run(NAME, move |cancel| search.run(&roots, cancel).map(Value::String).map_err(refused(NAME))).await
    }
}

/// What a call asks for.
struct Search {
    path: String,
    globs: Option<Override>,
    matcher: Option<RegexMatcher>,
    context: usize,
    hidden: bool,
}

/// When a search ends, whatever is left.
#[derive(Debug)]
struct Until<'a> {
    cancel: &'a Cancel,
    deadline: Instant,
}

impl StopSign for Until<'_> {
    fn stop(&self) -> bool {
        self.cancel.is_set() || Instant::now() >= self.deadline
    }
}

impl Search {
    fn of(arguments: &Value) -> Result<Self> {
        let fields = Fields::of(NAME, arguments)?;
        let given = |name| fields.optional_text(name).map(|text| text.filter(|text| !text.is_empty()));
        let (glob, pattern) = (given("glob")?, given("pattern")?);
        if glob.is_none() && pattern.is_none() {
            return Err(Error::tool(
                NAME,
                "neither `glob` nor `pattern` is given; say which files, or what is to be in them",
            ));
        }
        let sensitive = arguments.get("case_sensitive").is_none_or(Value::is_null) || fields.flag("case_sensitive")?;
        let globs = glob.map(|glob| globs(glob, sensitive)).transpose()?;
        let matcher = pattern.map(|pattern| matcher(pattern, sensitive)).transpose()?;
        let path = given("path")?.unwrap_or(".").to_owned();
        let context = fields.count("context", 0)?.unwrap_or(0).min(MOST_CONTEXT);
        Ok(Self {
            path,
            globs,
            matcher,
            context: usize::try_from(context).unwrap_or(0),
            hidden: fields.flag("hidden")?,
        })
    }

    fn run(&self, roots: &Roots, cancel: &Cancel) -> Result<String, PathError> {
        let until = Until { cancel, deadline: Instant::now() + TIME_LIMIT };
        let mut found = Found { matches: Matches::default(), searched: 0, left_out: 0, unreadable: 0 };
        match open_folders(roots, &self.path) {
            Ok(folders) => {
                let both = folders.len() > 1;
                for (place, _) in folders {
                    if both {
                        found.matches.heading(&format!("in {}:", place.root_path().display()));
                    }
                    let apart = (both && !place.is_written()).then(|| roots.work_dir().to_owned());
                    self.folder(&place, apart, &until, &mut found);
                }
            }
            Err(PathError::NotAFolder { .. }) => {
                let place = roots.file(&self.path)?;
                // That it is there and can be read, or why not.
                place.open_file()?;
                self.file(&place, &shown(&self.path), &until, &mut found);
            }
            Err(error) => return Err(error),
        }
        cancel.check()?;
        Ok(found.answer(self.matcher.is_some(), until.stop()))
    }

    fn folder(&self, top: &Place<'_>, apart: Option<PathBuf>, until: &Until<'_>, found: &mut Found) {
        let mut walk = Walk::new(top.clone(), self.globs.clone(), self.hidden, apart, until);
        while !found.matches.full
            && let Some(path) = walk.next()
        {
            let place = top.join(&path);
            self.file(&place, &shown(&place.below().to_string_lossy()), until, found);
        }
        found.unreadable += walk.unreadable;
    }

    fn file(&self, place: &Place<'_>, name: &str, until: &Until<'_>, found: &mut Found) {
        let Some(matcher) = &self.matcher else {
            // The walk has seen it in a folder that may be another one by now.
            if place.link_metadata().is_ok_and(|metadata| metadata.is_file()) {
                found.searched += 1;
                found.matches.file(name);
            }
            return;
        };
        let Ok(opened) = place.open_file() else {
            found.unreadable += 1;
            return;
        };
        found.searched += 1;
        let context = self.context > 0;
        let sink = InFile { matches: &mut found.matches, matcher, name, context, first: true };
        let searched = self.searcher().search_reader(matcher, Watched::new(opened.file, until), sink);
        if searched.is_err() && !until.stop() {
            found.left_out += 1;
        }
    }

    fn searcher(&self) -> Searcher {
        SearcherBuilder::new()
            .line_number(true)
            .before_context(self.context)
            .after_context(self.context)
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(Some(LONGEST_LINE))
            .build()
    }
}

struct Found {
    matches: Matches,
    searched: usize,
    left_out: usize,
    unreadable: usize,
}

impl Found {
    fn answer(self, in_files: bool, timed_out: bool) -> String {
        let mut notes = Vec::new();
        if self.matches.count == 0 {
            notes.push(format!("nothing was found in {}", count_of(self.searched, "file")));
        }
        if self.matches.full {
            let what = if in_files { "matches" } else { "files" };
            notes.push(format!(
                "the first {} {what} are shown, and there are more; search for less",
                self.matches.count
            ));
        }
        if timed_out {
            notes.push(format!("the search was ended after {} seconds; search a smaller part", TIME_LIMIT.as_secs()));
        }
        if self.left_out > 0 {
            let files = count_of(self.left_out, "file");
            notes.push(format!("{files} could not be searched to the end: a line is too long, or it cannot be read"));
        }
        if self.unreadable > 0 {
            notes.push(format!("{} could not be opened", count_of(self.unreadable, "file or folder")));
        }
        with_notes(self.matches.text, &notes)
    }
}

fn globs(glob: &str, sensitive: bool) -> Result<Override> {
    let wrong = |error: ignore::Error| Error::tool(NAME, format!("`glob` cannot be read: {error}"));
    let mut builder = OverrideBuilder::new(Path::new("/"));
    builder.case_insensitive(!sensitive).map_err(wrong)?.add(glob).map_err(wrong)?;
    builder.build().map_err(wrong)
}

fn matcher(pattern: &str, sensitive: bool) -> Result<RegexMatcher> {
    RegexMatcherBuilder::new()
        .case_insensitive(!sensitive)
        .crlf(true)
        .line_terminator(Some(b'\n'))
        .size_limit(PATTERN_LIMIT)
        .dfa_size_limit(PATTERN_LIMIT)
        .build(pattern)
        .map_err(|error| Error::tool(NAME, format!("`pattern` is no regular expression that can be used: {error}")))
}
