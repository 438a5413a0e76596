//! What a team remembers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a value: 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit, so that
/// it is a harmless file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemoryName(String);

/// A text that names no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` cannot name a value: use 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit",
    .0.chars().take(80).collect::<String>().escape_debug()
)]
pub struct BadMemoryName(pub String);

impl FromStr for MemoryName {
    type Err = BadMemoryName;

    fn from_str(text: &str) -> Result<Self, BadMemoryName> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let begins_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if (1..=64).contains(&text.len()) && begins_well && text.bytes().all(harmless) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadMemoryName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for MemoryName {
    type Error = BadMemoryName;

    fn try_from(text: String) -> Result<Self, BadMemoryName> {
        text.parse()
    }
}

impl From<MemoryName> for String {
    fn from(name: MemoryName) -> Self {
        name.0
    }
}

impl fmt::Display for MemoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that a team remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemoryEntry {
    /// What it is called.
    pub name: MemoryName,
    /// Grows with each change, and never comes again for this name.
    pub version: u64,
    /// It.
    pub value: serde_json::Value,
    /// Who changed it last.
    pub by: String,
    /// When.
    pub at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_folder() {
        for good in ["plan", "A.b-c_1", "0", &"x".repeat(64)] {
            assert!(good.parse::<MemoryName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "../x", ".hidden", "a/b", "-rf", "a b", "é", "a\nb", &"x".repeat(65)] {
            assert!(bad.parse::<MemoryName>().is_err(), "{bad}");
        }
    }
}
