//! A call of `run_command`, read once for whoever is asked and for whoever runs it: both see the same command.

use std::time::Duration;

use serde_json::Value;

use super::fields::Fields;
use super::shown::shown;
use crate::native::error::{Error, Result};

/// What the tool is called.
pub(super) const NAME: &str = "run_command";

/// What a call of `run_command` asks for.
pub(super) struct Call {
    pub(super) words: Vec<String>,
    pub(super) shell: Option<String>,
    pub(super) timeout: Option<Duration>,
}

impl Call {
    pub(super) fn of(arguments: &Value) -> Result<Self> {
        let wrong = |message: &str| Error::tool(NAME, message);
        let fields = Fields::of(NAME, arguments)?;
        let (words, command, shell) = (fields.words("argv")?, fields.optional_text("command")?, fields.flag("shell")?);
        let timeout = fields.count("timeout_seconds", 1)?.map(Duration::from_secs);
        let call = match (words, command, shell) {
            (Some(words), None, false) => Self { words, shell: None, timeout },
            (None, Some(command), true) => {
                let words = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
                Self { words, shell: Some(command.to_owned()), timeout }
            }
            (None, Some(_), false) => {
                return Err(wrong(
                    "a command line needs a shell: set `shell`, or give the words of the command as `argv`",
                ));
            }
            (Some(_), _, _) => {
                return Err(wrong("`argv` goes without `command` and without `shell`; give one or the other"));
            }
            (None, None, _) => return Err(wrong("`argv` is missing; it is to be a list of texts, the program first")),
        };
        if call.words.first().is_none_or(String::is_empty) {
            return Err(wrong("`argv` is empty; its first word is the program"));
        }
        if call.words.iter().any(|word| word.contains('\0')) {
            return Err(wrong("the command has a NUL character in it, which none can have"));
        }
        Ok(call)
    }

    pub(super) fn title(&self) -> String {
        match &self.shell {
            Some(command) => format!("run in a shell: {}", shown(command)),
            None => format!("run {}", self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")),
        }
    }
}

/// A word of a command as people can tell it from its neighbours.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_alphanumeric() || "-_./=:,+@%".contains(char);
    let word = shown(word);
    if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
