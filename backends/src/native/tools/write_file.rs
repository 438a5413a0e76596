//! `write_file`: a whole file, new or in place of what it was.

use std::io::Read;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::blocking::{self, refused};
use super::fields::Fields;
use super::shown::shown;
use crate::native::error::Result;
use crate::native::roots::{Opened, PathError, Roots};
use crate::native::tool::{FileChange, Tool, ToolDefinition, ToolKind, ToolUse};

const NAME: &str = "write_file";
/// What a file held is shown to whoever is asked, up to so many bytes.
const SHOWN_LIMIT: u64 = 256 << 10;

/// Writes a whole file.
#[derive(Clone, Debug)]
pub struct WriteFileTool {
    roots: Roots,
}

impl WriteFileTool {
    /// The tool for files below the working directory of these roots.
    pub fn new(roots: Roots) -> Self {
        Self { roots }
    }
}

#[async_trait]
impl Tool for WriteFileTool {
    fn definition(&self) -> ToolDefinition {
        ToolDefinition {
            name: NAME.to_owned(),
            description: format!(
                "Writes a file with the content that it is given, in place of all that it held. Folders are made. Paths are relative to {}; nothing else can be \
                 written. To change a part of a file, use edit_file.",
                self.roots.work_dir().display()
            ),
            parameters: json!({
                "type": "object",
                "properties": {
                    "path": { "type": "string", "description": "The file." },
                    "content": { "type": "string", "description": "All that it is to hold." },
                },
                "required": ["path", "content"],
            }),
        }
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Edit
    }

    fn describe(&self, arguments: &Value) -> ToolUse {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let (Some(path), Some(content)) = (text("path"), text("content")) else {
            return ToolUse { title: format!("{NAME} {}", shown(&arguments.to_string())), ..ToolUse::default() };
        };
        let bytes = content.len();
        let title = |what: &str| format!("{what} {} ({bytes} bytes)", shown(path));
        let change = |old| Some(FileChange { path: path.to_owned(), old, new: content.to_owned() });
        match before(&self.roots, path) {
            Before::Nothing => ToolUse { title: title("create"), change: change(None), ..ToolUse::default() },
            Before::Text(old) => {
                let old = String::from_utf8_lossy(&old).into_owned();
                ToolUse { title: title("overwrite"), change: change(Some(old)), ..ToolUse::default() }
            }
            Before::Unknown(why) => ToolUse { title: format!("{}, {why}", title("write")), ..ToolUse::default() },
        }
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let fields = Fields::of(NAME, &arguments)?;
        let (path, content) = (fields.text("path")?.to_owned(), fields.text("content")?.to_owned());
        let roots = self.roots.clone();
        blocking::run(NAME, move |cancel| {
            let _writing = roots.writing();
            let write = || {
                let place = roots.to_write(&path)?;
                cancel.check()?;
                let target = place.target(true)?;
                target.replace(content.as_bytes(), || cancel.check())?;
                Ok(target.exists())
            };
            let existed = write().map_err(refused(NAME))?;
            let what = if existed { "overwrote" } else { "created" };
            Ok(Value::String(format!("{what} {} ({} bytes)", shown(&path), content.len())))
        })
        .await
    }
}

/// What a file holds before it is changed.
pub(super) enum Before {
    Nothing,
    Text(Vec<u8>),
    /// It is not shown, for this reason.
    Unknown(String),
}

/// Looks at a file that is about to be changed, for whoever is asked.
pub(super) fn before(roots: &Roots, path: &str) -> Before {
    let opened = roots.to_write(path).and_then(|place| place.target(false)).and_then(|target| target.open());
    match opened {
        Ok(Some(Opened { bytes, .. })) if bytes > SHOWN_LIMIT => {
            Before::Unknown(format!("now a file of {bytes} bytes"))
        }
        Ok(Some(opened)) => {
            let mut text = Vec::new();
            match opened.file.take(SHOWN_LIMIT).read_to_end(&mut text) {
                Ok(_) => Before::Text(text),
                Err(error) => Before::Unknown(format!("now a file that cannot be read: {error}")),
            }
        }
        Ok(None) | Err(PathError::Missing { .. }) => Before::Nothing,
        Err(error) => Before::Unknown(format!("which will fail: {error}")),
    }
}
