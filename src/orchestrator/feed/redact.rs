//! Keeps the values of secrets out of what is written and shown: transcripts, states, logs. What an agent says may have them
//! in it, because its tools can read its environment.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

/// Shorter values are too likely to be something else.
const SHORTEST: usize = 8;
/// Words in the names of variables whose values are secrets.
const TELLING: [&str; 14] = [
    "KEY",
    "APIKEY",
    "KEYS",
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "COOKIE",
];

/// Knows the secrets that agents were given, in memory only.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: RwLock<Vec<Secret>>,
}

struct Secret {
    name: String,
    value: String,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why a variable is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It was in the shell's environment: its name tells whether it is a secret.
    Shell,
    /// Somebody gave it to this agent: it is one.
    Given,
}

impl Redactor {
    /// Learns what is secret of an agent's variables.
    pub(crate) fn learn<'a>(&self, variables: impl Iterator<Item = (&'a String, &'a String)>, origin: Origin) {
        let telling = |name: &str| name.to_uppercase().split('_').any(|word| TELLING.contains(&word));
        let secret = |name: &str| origin == Origin::Given || telling(name);
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in variables.filter(|(name, value)| value.len() >= SHORTEST && secret(name)) {
            // As it is, and as JSON has it.
            let quoted = serde_json::to_string(value).unwrap_or_default();
            for form in [value.as_str(), quoted.trim_matches('"')] {
                if !secrets.iter().any(|secret| secret.value == form) {
                    secrets.push(Secret { name: name.clone(), value: form.to_owned() });
                }
            }
        }
        // One that is within another goes after it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.value.len()));
    }

    /// The text with the names of secrets in the places of their values.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(&secret.value) {
                text = Cow::Owned(text.replace(&secret.value, &format!("[{} redacted]", secret.name)));
            }
        }
        text
    }

    /// How many bytes at the end of a text may be the beginning of a secret whose rest comes with the next piece.
    pub(crate) fn unsure(&self, text: &str) -> usize {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let begun = |secret: &Secret| {
            let longest = text.len().min(secret.value.len() - 1);
            let fits =
                |length: &usize| secret.value.is_char_boundary(*length) && text.ends_with(&secret.value[..*length]);
            (1..=longest).rev().find(fits).unwrap_or(0)
        };
        secrets.iter().map(begun).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        let shell = [("API_KEY", "sesame-open-1"), ("HOME", "/home/somebody"), ("MY_TOKEN", "short")];
        let shell = shell.map(|(name, value)| (name.to_owned(), value.to_owned()));
        redactor.learn(shell.iter().map(|(name, value)| (name, value)), Origin::Shell);
        let given = ("PHRASE".to_owned(), "two \"quoted\" words".to_owned());
        redactor.learn([(&given.0, &given.1)].into_iter(), Origin::Given);
        redactor
    }

    #[test]
    fn values_of_secrets_become_their_names() {
        let cases = [
            ("key=sesame-open-1;", "key=[API_KEY redacted];"),
            (r#"{"text":"two \"quoted\" words"}"#, r#"{"text":"[PHRASE redacted]"}"#),
            ("short /home/somebody", "short /home/somebody"),
        ];
        for (text, expected) in cases {
            assert_eq!(redactor().redact(text), expected);
        }
    }

    #[test]
    fn a_secret_that_comes_in_pieces_is_waited_for() {
        for (text, unsure) in [("the key is sesame-", 7), ("s", 1), ("sesame-open-1", 0), ("nothing", 0), ("ä", 0)] {
            assert_eq!(redactor().unsure(text), unsure, "{text}");
        }
    }
}
