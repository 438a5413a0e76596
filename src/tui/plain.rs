//! The view in lines, one for each thing that a person would want to hear of.

use std::collections::BTreeMap;

use super::state::State;
use crate::live::facts::Fact;
use crate::live::team::Group;
use crate::model::event::EventKind;

/// Tells what has changed, in lines.
#[derive(Debug)]
pub(super) struct Teller {
    state: State,
    groups: BTreeMap<(String, String), Group>,
    told: Vec<String>,
}

impl Teller {
    pub(super) fn new(team: Option<String>) -> Self {
        Self { state: State::new(team), groups: BTreeMap::new(), told: Vec::new() }
    }

    /// Takes a fact in, and answers what is new with it.
    pub(super) fn tell(&mut self, fact: Fact) -> Vec<String> {
        let mut lines = Vec::new();
        match &fact {
            Fact::Lost { why } => lines.push(format!("no daemon answers: {why}")),
            Fact::Connected => lines.push("connected".to_owned()),
            Fact::Refused(failure) => lines.push(failure.message.clone()),
            Fact::Events(events) => {
                for event in events {
                    if let EventKind::TurnCompleted { text } = &event.kind {
                        lines.push(format!("{}/{} says: {text}", event.team, event.agent));
                    }
                }
            }
            _ => {}
        }
        let _ = self.state.apply(fact);
        let mut groups = BTreeMap::new();
        let mut open = Vec::new();
        for (name, team) in &self.state.teams {
            for member in team.members() {
                let (key, group) = ((name.clone(), member.name.clone()), Group::of(team, member));
                if self.groups.get(&key) != Some(&group) {
                    lines.push(format!("{name}/{}: {} ({})", member.name, group.name(), member.state.as_str()));
                }
                groups.insert(key, group);
            }
            for asked in team.facts.iter().flat_map(|facts| &facts.approvals) {
                if !self.told.contains(&asked.id) {
                    let what = asked.command.as_ref().unwrap_or(&asked.summary);
                    lines.push(format!(
                        "{name}/{} asks for {}: {what} (teams approve {})",
                        asked.member, asked.tool, asked.id
                    ));
                }
                open.push(asked.id.clone());
            }
        }
        (self.groups, self.told) = (groups, open);
        lines
    }
}
