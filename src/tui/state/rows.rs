//! The list of teams and members: who needs the person comes first.

use super::parts::{Place, State};
use crate::live::team::Group;
use crate::model::status::MemberStatus;

/// A line of the list.
#[derive(Clone, Debug)]
pub(in crate::tui) enum Row<'a> {
    Team(&'a str),
    Group(Group),
    Member(&'a str, &'a MemberStatus),
}

impl Row<'_> {
    pub(in crate::tui) fn is_selected(&self, state: &State) -> bool {
        self.place().is_some() && self.place() == state.selected
    }

    /// What is selected with it; nothing with a heading.
    pub(in crate::tui) fn place(&self) -> Option<Place> {
        match self {
            Self::Team(team) => Some(Place { team: (*team).to_owned(), member: None }),
            Self::Group(_) => None,
            Self::Member(team, member) => Some(Place { team: (*team).to_owned(), member: Some(member.name.clone()) }),
        }
    }
}

impl State {
    /// All lines of the list, in their order.
    pub(in crate::tui) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for (name, team) in &self.teams {
            rows.push(Row::Team(name));
            for group in Group::ALL {
                let mut own = team.members().iter().filter(|member| Group::of(team, member) == group).peekable();
                if own.peek().is_some() {
                    rows.push(Row::Group(group));
                    rows.extend(own.map(|member| Row::Member(name, member)));
                }
            }
        }
        rows
    }

    /// How many members need the person.
    pub(in crate::tui) fn need_you(&self) -> usize {
        let members = self.teams.values().flat_map(|team| team.members().iter().map(move |member| (team, member)));
        members.filter(|(team, member)| Group::of(team, member) == Group::NeedsYou).count()
    }
}
