//! How a program is called.

use serde::{Deserialize, Serialize};

/// A program and its first arguments: how an agent CLI is called on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Command {
    program: String,
    args: Vec<String>,
}

impl Command {
    /// A program without arguments: a name that PATH is searched for, or a path.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), args: Vec::new() }
    }

    /// The same with one more argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with more arguments.
    pub fn with_args(mut self, args: impl IntoIterator<Item = String>) -> Self {
        self.args.extend(args);
        self
    }

    /// The program, as given.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// The arguments that come before those of the backend.
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

/// One line for a shell: what is more than plain characters stands in quotes.
pub(crate) fn shell_line<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=,@%+".contains(char);
    let quoted = words.map(|word| match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

impl TryFrom<Vec<String>> for Command {
    type Error = EmptyCommand;

    fn try_from(words: Vec<String>) -> Result<Self, EmptyCommand> {
        let mut words = words.into_iter();
        let program = words.next().filter(|word| !word.is_empty()).ok_or(EmptyCommand)?;
        Ok(Self { program, args: words.collect() })
    }
}

impl From<Command> for Vec<String> {
    fn from(command: Command) -> Self {
        std::iter::once(command.program).chain(command.args).collect()
    }
}

/// A command without a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command is empty; it needs at least a program")]
pub struct EmptyCommand;
