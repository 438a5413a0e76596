//! Names of teams and members, checked once where they enter. Claude Code maps other characters differently for each of
//! its files; with these, all of its rules give the same path, and no name leaves its directory.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Who writes what no member does.
pub const SYSTEM: &str = "system";
/// The lead's name.
pub const TEAM_LEAD: &str = "team-lead";
/// Names that Claude Code keeps for itself.
const TAKEN: [&str; 5] = ["main", "lead", TEAM_LEAD, "user", SYSTEM];
const LONGEST: usize = 63;

/// A text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// It has other characters, or a wrong first one, or is too long or empty.
    #[error(
        "`{}` is not a valid {what} name: use 1 to 63 lower-case letters, digits and hyphens, beginning with a letter or digit{}",
        shown(name),
        suggestion(name)
    )]
    Malformed {
        /// Of what.
        what: &'static str,
        /// The text.
        name: String,
    },
    /// Claude Code means something else by it.
    #[error("the name `{name}` has a meaning of its own ({}); choose another one", TAKEN.join(", "))]
    Taken {
        /// The text.
        name: String,
    },
}

fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

fn suggestion(name: &str) -> String {
    make_valid(name).map(|name| format!("; `{name}` would do")).unwrap_or_default()
}

fn is_valid(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|byte| allowed(byte) || byte == b'-')
        && name.bytes().next().is_some_and(allowed)
}

/// The nearest valid name, if anything of the text can be kept.
pub fn make_valid(text: &str) -> Option<String> {
    let mapped: String =
        text.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' }).collect();
    let name: String = mapped.trim_matches('-').chars().take(LONGEST).collect();
    is_valid(&name).then_some(name)
}

macro_rules! name {
    ($name:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(name: &str) -> Result<Self, BadName> {
                if is_valid(name) {
                    Ok(Self(name.to_owned()))
                } else {
                    Err(BadName::Malformed { what: $what, name: name.to_owned() })
                }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadName;

            fn try_from(name: &str) -> Result<Self, BadName> {
                name.parse()
            }
        }

        impl TryFrom<&String> for $name {
            type Error = BadName;

            fn try_from(name: &String) -> Result<Self, BadName> {
                name.parse()
            }
        }

        impl From<&$name> for $name {
            fn from(name: &$name) -> Self {
                name.clone()
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(name: String) -> Result<Self, BadName> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(TeamName, "team", "The name of a team.");
name!(AgentName, "member", "The name of a member, the lead included.");

impl AgentName {
    /// The lead.
    pub fn lead() -> Self {
        Self(TEAM_LEAD.to_owned())
    }

    /// The name of a member of the roster as another program has written it, of any characters: nothing but its inbox may be asked for by
    /// it, whose file is called by Claude Code's rule.
    pub(crate) fn in_roster(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A name for a new member.
    ///
    /// # Errors
    /// It is malformed, or means something else to Claude Code.
    pub fn for_member(name: &str) -> Result<Self, BadName> {
        if TAKEN.contains(&name) {
            return Err(BadName::Taken { name: name.to_owned() });
        }
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_names_are_names() {
        for good in ["a", "my-team", "0", "x-", &"n".repeat(63)] {
            assert_eq!(good.parse::<TeamName>().as_deref().ok(), Some(good));
        }
        let long = "n".repeat(64);
        let bytes = "é".repeat(200);
        for bad in ["", "-rf", "a b", "A", "a\nb", "../../x", ".", "a/b", "a.b", "é", &long, &bytes] {
            let error = bad.parse::<AgentName>().unwrap_err().to_string();
            assert!(error.contains("not a valid member name") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn taken_names_are_refused_for_new_members_only() {
        for taken in TAKEN {
            assert!(AgentName::for_member(taken).is_err());
        }
        assert_eq!("team-lead".parse(), Ok(AgentName::lead()));
    }

    #[test]
    fn a_folder_name_becomes_a_team_name() {
        let cases = [("My Project", Some("my-project")), ("__x__", Some("x")), ("..", None), ("", None), ("É", None)];
        for (folder, expected) in cases {
            assert_eq!(make_valid(folder).as_deref(), expected, "{folder}");
        }
    }
}
