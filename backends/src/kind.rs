//! The names of backends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name of a backend, in bytes.
const LONGEST: usize = 31;

/// The name of a backend: which agent a session is of. Any name of lower-case letters, digits and hyphens is one; those
/// that this crate brings a backend for are constants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendType {
    /// The name, filled up with zeros, so that the derived comparisons are those of the text.
    bytes: [u8; LONGEST],
}

#[expect(non_upper_case_globals, reason = "they read as the variants that programs have always named")]
impl BackendType {
    /// Claude Code, one long-lived stream-json process.
    pub const ClaudeCode: Self = Self::named("claude-code");
    /// Codex, threads of one `codex app-server`.
    pub const Codex: Self = Self::named("codex");
    /// Gemini CLI, one process for each turn.
    pub const GeminiCli: Self = Self::named("gemini");
    /// Gemini CLI as an ACP agent, one long-lived process.
    pub const GeminiAcp: Self = Self::named("gemini-acp");
    /// An agent of our own, which this program runs itself.
    pub const Native: Self = Self::named("native");
    /// Any agent that speaks the Agent Client Protocol.
    pub const Acp: Self = Self::named("acp");
}

impl BackendType {
    /// The backends of this crate, in the order in which lists show them.
    pub const KNOWN: [Self; 6] =
        [Self::ClaudeCode, Self::Codex, Self::GeminiCli, Self::GeminiAcp, Self::Native, Self::Acp];

    /// The name of a backend of your own: 1 to 31 lower-case letters, digits and hyphens, with a letter or a digit at both
    /// ends. For a name that comes from outside, use `parse`.
    ///
    /// # Panics
    /// The name is not like that. In a constant, the compiler says so.
    pub const fn named(name: &str) -> Self {
        Self::read(name).expect("a backend's name has 1 to 31 of a-z, 0-9 and -, and no hyphen at its ends")
    }

    const fn read(name: &str) -> Option<Self> {
        let name = name.as_bytes();
        if name.is_empty() || name.len() > LONGEST || name[0] == b'-' || name[name.len() - 1] == b'-' {
            return None;
        }
        let mut bytes = [0; LONGEST];
        let mut at = 0;
        while at < name.len() {
            if !matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'-') {
                return None;
            }
            bytes[at] = name[at];
            at += 1;
        }
        Some(Self { bytes })
    }

    /// The name used on the command line and on disk.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(LONGEST);
        str::from_utf8(&self.bytes[..end]).expect("only ASCII is let in")
    }

    /// What a member is called when nobody names it.
    pub fn short_name(&self) -> &str {
        match *self {
            Self::ClaudeCode => "claude",
            _ => self.as_str(),
        }
    }
}

impl fmt::Display for BackendType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for BackendType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackendType").field(&self.as_str()).finish()
    }
}

/// The text can be no backend's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown backend `{0}`; use claude-code, codex, gemini, gemini-acp or acp, or the name of one that was added (1 to 31 \
     of a-z, 0-9 and -)"
)]
pub struct UnknownBackend(pub String);

impl FromStr for BackendType {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "claude" => Ok(Self::ClaudeCode),
            "gemini-cli" => Ok(Self::GeminiCli),
            name => Self::read(name).ok_or_else(|| UnknownBackend(name.to_owned())),
        }
    }
}

impl Serialize for BackendType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for BackendType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_read_back_from_its_name() {
        const MINE: BackendType = BackendType::named("my-agent-2");
        for backend in BackendType::KNOWN.into_iter().chain([MINE, BackendType::named(&"x".repeat(LONGEST))]) {
            assert_eq!(backend.as_str().parse(), Ok(backend));
            let json = serde_json::to_value(backend).unwrap();
            assert_eq!(json, backend.as_str());
            assert_eq!(serde_json::from_value::<BackendType>(json).unwrap(), backend);
        }
        assert_eq!("claude".parse(), Ok(BackendType::ClaudeCode));
        assert_eq!("gemini-cli".parse(), Ok(BackendType::GeminiCli));
        assert_eq!(format!("{MINE:?} {MINE:<12}|"), "BackendType(\"my-agent-2\") my-agent-2  |");
        assert!(matches!(MINE, MINE) && !matches!(MINE, BackendType::Acp));
    }

    #[test]
    fn what_can_be_no_name_is_refused_with_the_names_that_there_are() {
        let too_long = "x".repeat(LONGEST + 1);
        for bad in ["", "-", "a-", "-a", "Codex", "my agent", "a/b", "ü", &too_long] {
            let error = bad.parse::<BackendType>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("gemini-acp"), "{error}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let mut names = BackendType::KNOWN;
        names.sort();
        assert_eq!(
            names.map(|name| name.to_string()),
            ["acp", "claude-code", "codex", "gemini", "gemini-acp", "native"]
        );
    }
}
