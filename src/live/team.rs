//! What is known of a team: its facts as they were read last, and what its events have told since.

use std::collections::BTreeMap;

use super::facts::{Fact, TeamFacts};
use super::transcript::Transcript;
use crate::model::event::{Event, EventKind};
use crate::model::message::Message;
use crate::model::status::{MemberState, MemberStatus};
use crate::model::task::TaskStatus;

/// What is known of a team.
#[derive(Clone, Debug, Default)]
pub(crate) struct TeamView {
    pub(crate) facts: Option<TeamFacts>,
    pub(crate) transcripts: BTreeMap<String, Transcript>,
    /// Since when each member is in its state, in milliseconds since 1970.
    pub(crate) since: BTreeMap<String, i64>,
    pub(crate) mail: BTreeMap<String, Vec<Message>>,
    /// How many teams of its name there were before, that are known of: their events had the same numbers.
    pub(crate) generation: u64,
    /// The number of the first event that was heard.
    first: Option<u64>,
}

impl TeamView {
    pub(crate) fn members(&self) -> &[MemberStatus] {
        self.facts.as_ref().map(|facts| facts.status.members.as_slice()).unwrap_or_default()
    }

    fn hear(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::State { .. })
            && let Ok(time) = event.time.parse::<jiff::Timestamp>()
        {
            self.since.insert(event.agent.clone(), time.as_millisecond());
        }
        let is_first = matches!(event.kind, EventKind::Spawned { conversation: None, .. });
        let is_cut = *self.first.get_or_insert(event.seq) > 1 && !is_first;
        self.transcripts.entry(event.agent.clone()).or_insert_with(|| Transcript::new(is_cut)).hear(event);
    }
}

/// Takes in a fact about teams: all of them, or one that alone is looked at.
pub(crate) fn learn(teams: &mut BTreeMap<String, TeamView>, only: Option<&str>, fact: Fact) {
    match fact {
        Fact::Teams(mut names) => {
            names.retain(|name| only.is_none_or(|only| only == name));
            teams.retain(|name, _| names.contains(name));
            for name in names {
                teams.entry(name).or_default();
            }
        }
        Fact::Team(facts) => {
            if let Some(team) = teams.get_mut(&facts.status.team) {
                team.facts = Some(*facts);
            }
        }
        Fact::Events(events) => {
            for event in &events {
                if let Some(team) = teams.get_mut(&event.team) {
                    team.hear(event);
                }
            }
        }
        Fact::Anew { team } => {
            if let Some(view) = teams.get_mut(&team) {
                let facts = view.facts.take();
                *view = TeamView { facts, generation: view.generation + 1, ..TeamView::default() };
            }
        }
        Fact::Mail { team, member, messages } => {
            if let Some(team) = teams.get_mut(&team) {
                team.mail.insert(member, messages);
            }
        }
        Fact::Connected | Fact::Lost { .. } | Fact::Done { .. } | Fact::Refused(_) | Fact::Time(_) => {}
    }
}

/// What a member is to the person, in the order in which they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    NeedsYou,
    Working,
    Idle,
    Stopped,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::NeedsYou, Self::Working, Self::Idle, Self::Stopped];

    pub(crate) fn of(team: &TeamView, member: &MemberStatus) -> Self {
        // What waits is a question of its agent, or a plan.
        let open = team.facts.iter().flat_map(|facts| &facts.approvals);
        let asks = open.filter(|open| open.member == member.name).any(|open| !open.decides.is_final());
        match member.state {
            _ if asks => Self::NeedsYou,
            MemberState::WaitingApproval | MemberState::Stuck => Self::NeedsYou,
            MemberState::Starting | MemberState::Busy | MemberState::RateLimited | MemberState::Stopping => {
                Self::Working
            }
            MemberState::Idle | MemberState::Native => Self::Idle,
            MemberState::Exited | MemberState::Failed | MemberState::Lost => Self::Stopped,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NeedsYou => "needs you",
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Stopped => "stopped or failed",
        }
    }
}

/// How much of a question is told of those who need the person.
const MOST_WORDS: usize = 60;

/// Somebody who needs the person, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Need {
    pub(crate) team: String,
    pub(crate) member: String,
    /// The question's id, where it is one.
    pub(crate) id: Option<String>,
    /// Why, in a line.
    pub(crate) what: String,
}

impl Need {
    /// Tells it from all others.
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.team, self.id.as_ref().unwrap_or(&self.member))
    }
}

/// All who need the person, in the order of the teams.
pub(crate) fn needs(teams: &BTreeMap<String, TeamView>) -> Vec<Need> {
    let mut needs = Vec::new();
    for (team, view) in teams {
        let need = |member: &str, id: Option<&String>, what: String| Need {
            team: team.clone(),
            member: member.to_owned(),
            id: id.cloned(),
            what: what.split_whitespace().take(MOST_WORDS).collect::<Vec<_>>().join(" ").chars().take(500).collect(),
        };
        for open in view.facts.iter().flat_map(|facts| &facts.approvals).filter(|open| !open.decides.is_final()) {
            let what = match open.questions.first() {
                Some(asks) => asks.text.clone(),
                None => format!("asks for {}: {}", open.tool, open.summary),
            };
            needs.push(need(&open.member, Some(&open.id), what));
        }
        for member in view.members().iter().filter(|member| member.state == MemberState::Stuck) {
            needs.push(need(&member.name, None, "gives no sign of life".to_owned()));
        }
    }
    needs
}

/// A number in a few characters.
pub(crate) fn short(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}

/// The task that a member has.
pub(crate) fn task_of(team: &TeamView, member: &MemberStatus) -> Option<String> {
    let tasks = &team.facts.as_ref()?.tasks;
    let has = |owner: &Option<String>| owner.as_deref() == Some(member.name.as_str());
    let task = tasks.iter().find(|task| task.status == TaskStatus::InProgress && has(&task.owner))?;
    Some(task.id.to_string())
}

/// How long, in a few characters.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
