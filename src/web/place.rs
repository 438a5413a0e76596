//! What a page is about: all teams, a team, or a member, and which of their tabs.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::model::name::TEAM_LEAD;

/// What is shown of a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tab {
    #[default]
    Transcript,
    Tasks,
    Graph,
    Mail,
    Approvals,
    Budget,
    Timeline,
}

impl Tab {
    pub(super) const ALL: [Self; 7] =
        [Self::Transcript, Self::Tasks, Self::Graph, Self::Mail, Self::Approvals, Self::Budget, Self::Timeline];

    /// Its title, and in lower case its name in addresses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Transcript => "Transcript",
            Self::Tasks => "Tasks",
            Self::Graph => "Graph",
            Self::Mail => "Mail",
            Self::Approvals => "Approvals",
            Self::Budget => "Budget",
            Self::Timeline => "Timeline",
        }
    }
}

/// What a page is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Place {
    /// All teams when left out.
    #[serde(default)]
    pub(super) team: Option<String>,
    #[serde(default)]
    pub(super) member: Option<String>,
    #[serde(default)]
    pub(super) tab: Tab,
}

impl Place {
    pub(super) fn of(team: &str, member: Option<&str>) -> Self {
        Self { team: Some(team.to_owned()), member: member.map(str::to_owned), tab: Tab::default() }
    }

    pub(super) fn with(&self, tab: Tab) -> Self {
        Self { tab, ..self.clone() }
    }

    /// Whose transcript and inbox are those of the place: a team's are its lead's.
    pub(super) fn agent(&self) -> &str {
        self.member.as_deref().unwrap_or(TEAM_LEAD)
    }

    /// Its address.
    pub(super) fn address(&self) -> String {
        self.address_under("/")
    }

    /// The address of something that is about it.
    pub(super) fn address_under(&self, path: &str) -> String {
        let mut address = path.to_owned();
        let tab = Some(self.tab).filter(|tab| *tab != Tab::default()).map(|tab| tab.name().to_ascii_lowercase());
        let pairs = [("team", self.team.as_deref()), ("member", self.member.as_deref()), ("tab", tab.as_deref())];
        for (name, value) in pairs {
            let Some(value) = value else { continue };
            address.push(if address.contains('?') { '&' } else { '?' });
            let _ = write!(address, "{name}={}", encoded(value));
        }
        address
    }
}

/// Text as it may stand in an address.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_is_about() {
        assert_eq!(Place::default().address(), "/");
        let place = Place::of("a b&c", Some("ünï")).with(Tab::Tasks);
        assert_eq!(place.address_under("/live"), "/live?team=a%20b%26c&member=%C3%BCn%C3%AF&tab=tasks");
    }
}
