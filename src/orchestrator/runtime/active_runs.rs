//! The runs that go on in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, watch};

use super::Watching;
use crate::model::launch::Surroundings;
use crate::model::name::TeamName;
use crate::model::run::{RunId, RunState};
use crate::sync::lock;

/// How a person ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    /// Its members are stopped, politely first.
    Politely,
    /// Its members are killed.
    AtOnce,
}

/// What others tell a run, and what it tells them.
#[derive(Debug)]
pub(crate) struct RunControl {
    pub(crate) run: RunId,
    /// What its members get of whoever began it.
    pub(crate) surroundings: Surroundings,
    pub(crate) state: watch::Sender<RunState>,
    stop: Mutex<Option<Stop>>,
    summary: Mutex<Option<String>>,
    /// Something was said.
    pub(crate) told: Notify,
}

impl RunControl {
    pub(crate) fn new(run: RunId, surroundings: Surroundings) -> Self {
        Self {
            run,
            surroundings,
            state: watch::Sender::new(RunState::Running),
            stop: Mutex::default(),
            summary: Mutex::default(),
            told: Notify::new(),
        }
    }

    /// A person ends it. Who wants it at once does not wait for who wants it politely.
    pub(crate) fn stop(&self, how: Stop) {
        let mut stop = lock(&self.stop);
        *stop = Some(stop.map_or(how, |before| before.max(how)));
        drop(stop);
        self.told.notify_waiters();
    }

    /// Whether, and how, a person ends it.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        *lock(&self.stop)
    }

    /// The lead says that it is done.
    pub(crate) fn finish(&self, summary: String) {
        *lock(&self.summary) = Some(summary);
        self.told.notify_waiters();
    }

    /// There is more to do than the lead thought when it said so.
    pub(crate) fn go_on(&self) {
        *lock(&self.summary) = None;
    }

    /// What the lead said when it was done.
    pub(crate) fn finished(&self) -> Option<String> {
        lock(&self.summary).clone()
    }
}

/// The runs that go on. They end with it.
#[derive(Debug, Default)]
pub(crate) struct ActiveRuns {
    runs: Mutex<HashMap<TeamName, (Arc<RunControl>, Watching)>>,
    /// Whoever begins a run has this meanwhile.
    pub(crate) beginning: tokio::sync::Mutex<()>,
}

impl ActiveRuns {
    /// The run of a team that goes on.
    pub(crate) fn of(&self, team: &TeamName) -> Option<Arc<RunControl>> {
        let runs = lock(&self.runs);
        let control = runs.get(team).map(|(control, _)| Arc::clone(control));
        control.filter(|control| !control.state.borrow().has_ended())
    }

    /// Begins a run, in place of one that has ended.
    pub(crate) fn begin(&self, control: &Arc<RunControl>, run: impl Future<Output = ()> + Send + 'static) {
        let driving = Watching::default();
        driving.ensure(run);
        lock(&self.runs).insert(control.run.team.clone(), (Arc::clone(control), driving));
    }

    /// Lets go of all runs as they are: they can be resumed.
    pub(crate) fn abandon(&self) {
        lock(&self.runs).clear();
    }
}
