//! What the tests of the tools share: folders to play in, and one beside them that must not be touched.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::{CommandLimits, builtin};
use crate::native::roots::Roots;
use crate::native::tool::ToolRegistry;

pub(super) const SECRET: &str = "the secret of somebody else";

/// `source`, `work` and `outside`, which holds [`SECRET`] in `secret.txt` and in `folder/secret.txt`.
pub(super) struct Playground {
    folder: TempDir,
    pub(super) tools: ToolRegistry,
}

impl Playground {
    /// One in which both roots are one folder, `work`.
    pub(super) fn one() -> Self {
        Self::new("work", CommandLimits::default())
    }

    /// One in which they differ.
    pub(super) fn two() -> Self {
        Self::new("source", CommandLimits::default())
    }

    pub(super) fn with(limits: CommandLimits) -> Self {
        Self::new("work", limits)
    }

    fn new(source: &str, limits: CommandLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["source", "work", "outside/folder"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in ["outside/secret.txt", "outside/folder/secret.txt"] {
            std::fs::write(folder.path().join(name), SECRET).unwrap();
        }
        let roots = Roots::new(folder.path().join(source), folder.path().join("work")).unwrap();
        Self { folder, tools: builtin(&roots, limits) }
    }

    /// A path in the folder that holds all three.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    /// What the tool answers, or why it does not.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, String> {
        self.tools.get(tool).unwrap().execute(arguments).await.map_err(|error| error.to_string())
    }

    /// The same for tools that answer with a text.
    pub(super) async fn text(&self, tool: &str, arguments: Value) -> Result<String, String> {
        self.call(tool, arguments).await.map(|answer| answer.as_str().unwrap().to_owned())
    }

    /// That nothing outside has changed, and that nothing was added there.
    pub(super) fn assert_outside_untouched(&self) {
        assert_eq!(self.read("outside/secret.txt"), SECRET);
        assert_eq!(self.read("outside/folder/secret.txt"), SECRET);
        let names = |name: &str| {
            let entries = std::fs::read_dir(self.path(name)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names("outside"), ["folder", "secret.txt"]);
        assert_eq!(names("outside/folder"), ["secret.txt"]);
        assert_eq!(names("."), ["outside", "source", "work"]);
    }
}
