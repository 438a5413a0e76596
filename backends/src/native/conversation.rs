//! The conversation of an agent of our own, and the file that it is kept in.
//!
//! The file has one JSON value in each line: a message, or all messages that take the place of what was there before. It only grows, so that an
//! agent that is killed at any moment loses no more than the line that it was writing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use uuid::Uuid;

use super::llm::ChatMessage;

/// The messages of a conversation, in memory and, where it is to be continued later, in a file.
#[derive(Debug, Default)]
pub struct Conversation {
    messages: Vec<ChatMessage>,
    file: Option<File>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Message(ChatMessage),
    Replaced { replaced: Vec<ChatMessage> },
}

#[derive(Serialize)]
struct Replaced<'a> {
    replaced: &'a [ChatMessage],
}

/// A folder with conversations, each under a name of its own.
#[derive(Clone, Debug)]
pub struct Conversations {
    dir: PathBuf,
}

impl Conversations {
    /// The conversations in this folder, which is made when the first one is.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Begins a conversation; answers its name, too.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create(&self) -> io::Result<(String, Conversation)> {
        std::fs::create_dir_all(&self.dir)?;
        let name = Uuid::new_v4();
        Ok((name.to_string(), Conversation::create(&self.path(name))?))
    }

    /// Goes on with the conversation of this name.
    ///
    /// # Errors
    /// There is none, or it cannot be read; another process has it open ([`WouldBlock`](io::ErrorKind::WouldBlock)).
    pub fn open(&self, name: &str) -> io::Result<Conversation> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no conversation `{name}`"));
        let path = self.path(name.parse().map_err(|_| missing())?);
        Conversation::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => error,
        })
    }

    fn path(&self, name: Uuid) -> PathBuf {
        self.dir.join(format!("{name}.jsonl"))
    }
}

impl Conversation {
    /// A conversation in memory only.
    pub fn new() -> Self {
        Self::default()
    }

    /// A conversation in a file that is not there yet.
    ///
    /// # Errors
    /// The file cannot be made, or is there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        hold(&file)?;
        Ok(Self { messages: Vec::new(), file: Some(file) })
    }

    /// The conversation in a file. A line that was not written to its end is left out; calls of tools of which nobody knows what came of them are
    /// answered so.
    ///
    /// # Errors
    /// There is no such file, or it cannot be read; another process has it open ([`WouldBlock`](io::ErrorKind::WouldBlock)).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        hold(&file)?;
        let mut messages = Vec::new();
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        let mut is_whole = true;
        while lines.read_until(b'\n', &mut line)? > 0 {
            is_whole = line.ends_with(b"\n");
            match serde_json::from_slice(&line) {
                Ok(Line::Message(message)) => messages.push(message),
                Ok(Line::Replaced { replaced }) => messages = replaced,
                Err(error) => tracing::warn!(path = %path.display(), %error, "a line of a conversation is left out"),
            }
            line.clear();
        }
        let mut conversation = Self { messages, file: Some(file) };
        if let (false, Some(file)) = (is_whole, &mut conversation.file) {
            file.write_all(b"\n")?;
        }
        conversation.answer_open_calls(
            "the agent was ended before it was known what came of this; look before you do it again",
        )?;
        Ok(conversation)
    }

    /// The messages so far.
    pub fn messages(&self) -> &[ChatMessage] {
        &self.messages
    }

    /// Adds a message.
    ///
    /// # Errors
    /// The file cannot take it; the conversation does not have it either.
    pub fn push(&mut self, message: ChatMessage) -> io::Result<()> {
        self.write(&message)?;
        self.messages.push(message);
        Ok(())
    }

    /// Puts other messages in the place of all that are there.
    ///
    /// # Errors
    /// The file cannot take them; the conversation stays as it was.
    pub fn replace(&mut self, messages: Vec<ChatMessage>) -> io::Result<()> {
        self.write(&Replaced { replaced: &messages })?;
        self.messages = messages;
        Ok(())
    }

    /// Gives each call of a tool that has no answer this one: no provider takes a conversation in which one is missing.
    pub(super) fn answer_open_calls(&mut self, why: &str) -> io::Result<()> {
        let last = self.messages.iter().rposition(|message| matches!(message, ChatMessage::Assistant { .. }));
        let Some(last) = last else { return Ok(()) };
        let ChatMessage::Assistant { tool_calls, .. } = &self.messages[last] else { return Ok(()) };
        let answered = |id: &str| {
            self.messages[last..].iter().any(|message| matches!(message, ChatMessage::Tool { call, .. } if call == id))
        };
        let open: Vec<_> = tool_calls.iter().filter(|call| !answered(&call.id)).cloned().collect();
        for call in open {
            self.push(ChatMessage::Tool { call: call.id, name: call.name, output: why.to_owned(), failed: true })?;
        }
        Ok(())
    }

    fn write<T: Serialize>(&mut self, line: &T) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let before = file.metadata()?.len();
        file.write_all(&text).inspect_err(|_| {
            // Half a line would take the next one with it.
            let _ = file.set_len(before);
        })
    }
}

/// Keeps everybody else from going on with a conversation as long as its file is open.
fn hold(file: &File) -> io::Result<()> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::new(io::ErrorKind::WouldBlock, "another process has the conversation open")
        }
        TryLockError::Error(error) => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::llm::ToolCall;

    fn calling() -> ChatMessage {
        let call = |id: &str| ToolCall { id: id.into(), name: "read_file".into(), arguments: serde_json::json!({}) };
        ChatMessage::Assistant { text: String::new(), tool_calls: vec![call("1"), call("2")], continuation: None }
    }

    #[test]
    fn a_conversation_is_read_as_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.jsonl");
        let mut conversation = Conversation::create(&path).unwrap();
        assert!(Conversation::create(&path).is_err(), "none is overwritten");
        conversation.push(ChatMessage::user("plum")).unwrap();
        conversation.push(ChatMessage::assistant("noted")).unwrap();
        conversation.replace(vec![ChatMessage::user("in short")]).unwrap();
        conversation.push(ChatMessage::user("pear")).unwrap();
        assert_eq!(conversation.messages(), [ChatMessage::user("in short"), ChatMessage::user("pear")]);
        assert_eq!(Conversation::open(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock, "it is open");
        drop(conversation);
        let again = Conversation::open(&path).unwrap();
        assert_eq!(again.messages(), [ChatMessage::user("in short"), ChatMessage::user("pear")]);
    }

    #[test]
    fn a_torn_line_costs_itself_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.jsonl");
        let line = serde_json::to_string(&ChatMessage::user("plum")).unwrap();
        std::fs::write(&path, format!("{line}\n{}", &line[..9])).unwrap();
        let mut conversation = Conversation::open(&path).unwrap();
        conversation.push(ChatMessage::user("pear")).unwrap();
        drop(conversation);
        let again = Conversation::open(&path).unwrap();
        assert_eq!(again.messages(), [ChatMessage::user("plum"), ChatMessage::user("pear")]);
    }

    #[test]
    fn a_call_that_nobody_answered_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.jsonl");
        let mut conversation = Conversation::create(&path).unwrap();
        conversation.push(calling()).unwrap();
        let done = ChatMessage::Tool { call: "1".into(), name: "read_file".into(), output: "x".into(), failed: false };
        conversation.push(done.clone()).unwrap();
        drop(conversation);
        let again = Conversation::open(&path).unwrap();
        let [_, first, ChatMessage::Tool { call, failed: true, .. }] = again.messages() else { panic!("{again:?}") };
        assert_eq!((first, call.as_str()), (&done, "2"));
        drop(again);
        assert_eq!(Conversation::open(&path).unwrap().messages().len(), 3, "and once");
    }
}
