//! Values of a team file that are texts with a meaning: durations, variables, what looks like a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::model::time::duration as read_duration;

/// A duration, as text or as a number of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a duration such as \"30s\", \"5m\" or \"1h30m\"")]
    enum Written {
        Seconds(f64),
        Text(String),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Seconds(seconds) => seconds.to_string(),
        Written::Text(text) => text,
    };
    let read = read_duration(&text).map_err(serde::de::Error::custom)?;
    match read.is_zero() {
        true => Err(serde::de::Error::custom("it has to be longer than nothing")),
        false => Ok(Some(read)),
    }
}

/// A text with `${NAME}` replaced by what the environment has.
///
/// # Errors
/// The name of a variable that is not set, or what is no name.
pub(super) fn expand(text: &str, environment: &BTreeMap<String, String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            expanded.push_str(&rest[..at - 1]);
            expanded.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after.find('}').ok_or_else(|| "`${` has no `}`; write `$${` for the two characters".to_owned())?;
        let name = &after[..end];
        match environment.get(name) {
            Some(value) => expanded.push_str(value),
            None => return Err(format!("the variable {name} is not set; set it, or write a value")),
        }
        rest = &after[end + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Whether a text begins as keys of well-known services do.
pub(super) fn looks_secret(text: &str) -> bool {
    const BEGINNINGS: [&str; 9] = ["sk-", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AIza", "AKIA"];
    let mut words = text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '-' || char == '_'));
    words.any(|word| word.len() >= 16 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
}

/// Whether a variable of that name is likely to hold a secret.
pub(super) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|part| name.contains(part))
}
