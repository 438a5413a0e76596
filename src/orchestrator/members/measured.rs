//! What the turns of each backend took, in a team and in all teams of this home: from their transcripts, when somebody wants to know.

use std::collections::HashMap;
use std::time::Duration;

use agent_backends::BackendType;

use crate::model::name::TeamName;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::taken::{Taken, last_change};
use crate::routing::{ENOUGH_TURNS, Measured};

/// The last so many turns of a backend count.
const MOST_TURNS: usize = 50;
/// At most so many teams are looked at, those first that have done something last.
const MOST_TEAMS: usize = 32;

impl TeamOrchestrator {
    /// What turns took by backend: in this team where there were enough, else in all teams.
    pub(super) async fn measured(&self, team: &TeamName) -> HashMap<BackendType, Measured> {
        let (orchestrator, team) = (self.clone(), team.clone());
        let read = self.with_store(move |_| Ok(orchestrator.read_measured(&team)));
        read.await.unwrap_or_default()
    }

    fn read_measured(&self, team: &TeamName) -> HashMap<BackendType, Measured> {
        let of_team = self.turns_by_backend(team);
        let mut of_all = of_team.clone();
        for other in self.last_teams().iter().filter(|other| *other != team) {
            for (backend, turns) in self.turns_by_backend(other) {
                of_all.entry(backend).or_default().extend(turns);
            }
        }
        let figures = |(backend, turns): (BackendType, Vec<Taken>)| {
            let own = of_team.get(&backend).filter(|own| own.len() >= ENOUGH_TURNS);
            let (turns, of) = match own {
                Some(own) => (own.as_slice(), "of this team"),
                None => (turns.as_slice(), "of all teams"),
            };
            (backend, medians(turns, of))
        };
        of_all.into_iter().map(figures).collect()
    }

    fn turns_by_backend(&self, team: &TeamName) -> HashMap<BackendType, Vec<Taken>> {
        let turns = self.inner.turns_taken.of(&self.inner.team_dir(team));
        let mut by_backend: HashMap<BackendType, Vec<Taken>> = HashMap::new();
        // The newest first.
        for turn in turns.iter().flat_map(|turns| turns.iter().rev()) {
            if let Ok(backend) = turn.backend.parse() {
                by_backend.entry(backend).or_default().push(turn.clone());
            }
        }
        by_backend
    }

    /// The teams that have done something last.
    fn last_teams(&self) -> Vec<TeamName> {
        let entries = std::fs::read_dir(self.inner.state_dir.join("teams")).into_iter().flatten().flatten();
        let mut teams: Vec<_> = entries
            .filter_map(|entry| {
                let name = entry.file_name().to_str()?.parse::<TeamName>().ok()?;
                Some((last_change(&entry.path()).ok()?, name))
            })
            .collect();
        teams.sort_by(|a, b| b.cmp(a));
        teams.into_iter().take(MOST_TEAMS).map(|(_, name)| name).collect()
    }
}

fn medians(turns: &[Taken], of: &'static str) -> Measured {
    let turns = &turns[..turns.len().min(MOST_TURNS)];
    let mut durations: Vec<Duration> = turns.iter().map(|turn| turn.duration).collect();
    durations.sort_unstable();
    let mut costs: Vec<f64> = turns.iter().filter_map(|turn| turn.cost_usd).collect();
    costs.sort_by(f64::total_cmp);
    Measured {
        turns: turns.len(),
        duration: durations.get(durations.len() / 2).copied(),
        priced: costs.len(),
        cost_usd: costs.get(costs.len() / 2).copied(),
        of,
    }
}
