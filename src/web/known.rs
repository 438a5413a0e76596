//! What is known of all teams, and what a page is made of.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::place::Place;
use crate::live::team::TeamView;
use crate::model::run_report::RunReport;

/// Parts of a page that stand for a state: each is sent when it has changed, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Whether a daemon answers, and who needs the person.
    News,
    List,
    Head,
    Questions,
    Page,
}

impl Part {
    pub(super) const ALL: [Self; 5] = [Self::News, Self::List, Self::Head, Self::Questions, Self::Page];

    /// Its id on the page, and its name in the stream.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::List => "list",
            Self::Head => "head",
            Self::Questions => "questions",
            Self::Page => "page",
        }
    }
}

/// An event of a team, after which a transcript goes on: which of the teams of that name it is, and the event's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Since {
    pub(super) generation: u64,
    pub(super) seq: u64,
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.generation, self.seq)
    }
}

impl std::str::FromStr for Since {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (generation, seq) = text.split_once('.').unwrap_or(("0", text));
        Ok(Self { generation: generation.parse()?, seq: seq.parse()? })
    }
}

/// What was added to a transcript.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// It is all there is: what is on the page goes.
    pub(super) is_all: bool,
    /// Its last event.
    pub(super) last: Since,
    pub(super) html: String,
}

/// What is known now.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) teams: BTreeMap<String, TeamView>,
    /// Why nothing is known anew; `None` while a daemon answers.
    pub(super) lost: Option<String>,
    /// It is known which teams there are.
    pub(super) is_read: bool,
    /// How many facts were heard of teams.
    pub(super) facts: u64,
    pub(super) reports: HashMap<String, RunReport>,
    pub(super) read_only: bool,
}

impl Known {
    /// The team of a place.
    pub(super) fn team(&self, place: &Place) -> Option<&TeamView> {
        self.teams.get(place.team.as_ref()?)
    }

    /// Whether there is such a place, and it was read.
    pub(super) fn is_there(&self, place: &Place) -> bool {
        let is_read = |team: &TeamView| {
            let member = place.member.as_ref();
            team.facts.is_some() && member.is_none_or(|name| team.members().iter().any(|known| known.name == *name))
        };
        match &place.team {
            Some(_) => self.team(place).is_some_and(is_read),
            None => self.is_read && self.teams.values().all(|team| team.facts.is_some()),
        }
    }
}
