//! All that is known of the teams, for every page that is open: it is taken in once, and each part of a page is drawn once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::known::{Entries, Known, Part, Since};
use super::pages::{self, Shown};
use super::place::{Place, Tab};
use crate::daemon::TeamReportParams;
use crate::live::facts::{Fact, Request};
use crate::live::line::{Line, Requests};
use crate::live::team::{Need, learn, needs};
use crate::sync::lock;

/// How long it takes at most until a team that was made is heard of.
const HEARD_OF: Duration = Duration::from_secs(1);
/// How long what a page asks the daemon for stays good: an inbox, and what a team has done so far.
const MAIL_FOR: Duration = Duration::from_secs(1);
const REPORT_FOR: Duration = Duration::from_secs(5);
/// How long at least passes between two times that all pages are told something.
const PACE: Duration = Duration::from_millis(40);
/// How long it is known when something was asked.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// What is known, and what was drawn of it since something has changed.
#[derive(Default)]
struct Inner {
    known: Known,
    parts: HashMap<(Part, Place), Arc<str>>,
    entries: HashMap<(Place, Since), Arc<Entries>>,
}

/// When something was asked of the daemon for a page, and how many facts were known then.
struct Load {
    facts: u64,
    at: Instant,
}

/// What is known, for all pages.
pub(super) struct Hub {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
    requests: Requests,
    loads: Mutex<HashMap<Place, Load>>,
}

impl Hub {
    pub(super) fn new(requests: Requests, read_only: bool) -> Self {
        let known = Known { read_only, lost: Some("connecting".to_owned()), ..Known::default() };
        let (version, _) = watch::channel(0);
        let inner = Mutex::new(Inner { known, ..Inner::default() });
        Self { inner, version, requests, loads: Mutex::default() }
    }

    /// Takes facts in until there are no more, and tells all pages of them at a pace; tells of everybody who begins to need the person.
    pub(super) async fn run(&self, line: &mut Line, only: Option<&str>, told: mpsc::Sender<Need>) {
        let mut open = HashSet::new();
        let mut due: Option<tokio::time::Instant> = None;
        let mut published = tokio::time::Instant::now();
        // Nothing but events was heard of since.
        let mut only_events = true;
        loop {
            let fact = tokio::select! {
                fact = line.facts.recv() => match fact {
                    Some(fact) => fact,
                    None => return,
                },
                () = tokio::time::sleep_until(due.unwrap_or(published)), if due.is_some() => {
                    self.publish(only_events);
                    (due, published, only_events) = (None, tokio::time::Instant::now(), true);
                    continue;
                }
            };
            due = due.or(Some(published + PACE));
            only_events &= matches!(fact, Fact::Events(_));
            let mut inner = lock(&self.inner);
            let known = &mut inner.known;
            known.facts += u64::from(!matches!(fact, Fact::Connected | Fact::Lost { .. }));
            match fact {
                Fact::Connected => known.lost = None,
                Fact::Lost { why } => known.lost = Some(why),
                Fact::Events(_) => learn(&mut known.teams, only, fact),
                fact => {
                    known.is_read |= matches!(fact, Fact::Teams(_));
                    learn(&mut known.teams, only, fact);
                    known.reports.retain(|team, _| known.teams.contains_key(team));
                    let needing = needs(&known.teams);
                    for need in needing.iter().filter(|need| !open.contains(*need)) {
                        // Whoever is slow to notify others misses no question on the page.
                        let _ = told.try_send(need.clone());
                    }
                    open = needing.into_iter().collect();
                }
            }
        }
    }

    /// Tells all pages that something else is known.
    fn publish(&self, only_events: bool) {
        let mut inner = lock(&self.inner);
        inner.entries.clear();
        // Everything else is made of what is read of a team.
        inner.parts.retain(|(part, _), _| only_events && !matches!(part, Part::List | Part::Head));
        drop(inner);
        self.version.send_modify(|version| *version += 1);
    }

    /// Changes each time that something else is known.
    pub(super) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Waits until a place is known, for as long as a team takes at most to be heard of; answers whether it is there.
    pub(super) async fn finds(&self, place: &Place) -> bool {
        let mut version = self.version();
        let found = version.wait_for(|_| lock(&self.inner).known.is_there(place));
        matches!(tokio::time::timeout(HEARD_OF, found).await, Ok(Ok(_)))
    }

    /// A whole page.
    pub(super) fn page(&self, place: &Place) -> Shown {
        let mut inner = lock(&self.inner);
        let parts = Part::ALL.map(|part| (part, inner.part(part, place)));
        let entries = inner.entries(place, Since::default());
        Shown { parts, entries, read_only: inner.known.read_only }
    }

    pub(super) fn part(&self, part: Part, place: &Place) -> Arc<str> {
        lock(&self.inner).part(part, place)
    }

    /// What was added to a transcript since this event.
    pub(super) fn entries(&self, place: &Place, since: Since) -> Arc<Entries> {
        lock(&self.inner).entries(place, since)
    }

    /// Asks the daemon for what this page shows and no fact tells: at most so often, however many look at it. Answers how long that holds.
    pub(super) async fn load(&self, place: &Place) -> Option<Duration> {
        let team = place.team.clone()?;
        let holds = match place.tab {
            Tab::Mail => MAIL_FOR,
            Tab::Timeline => REPORT_FOR,
            _ => return None,
        };
        // What a team has done is the same for all of its members.
        let what = if place.tab == Tab::Timeline { Place::of(&team, None).with(place.tab) } else { place.clone() };
        let facts = {
            let known = &lock(&self.inner).known;
            // A page of one team tells nothing of others.
            known.team(place)?;
            known.facts
        };
        {
            let mut loads = lock(&self.loads);
            let is_good = |load: &Load| load.facts == facts || load.at.elapsed() < holds;
            if loads.get(&what).is_some_and(is_good) {
                return Some(holds);
            }
            loads.retain(|_, load| load.at.elapsed() < KEPT_FOR);
            loads.insert(what, Load { facts, at: Instant::now() });
        }
        // What cannot be had now is asked for again when that is over.
        if place.tab == Tab::Timeline {
            if let Ok(report) = self.requests.call(TeamReportParams { team: team.clone() }).await {
                lock(&self.inner).known.reports.insert(team, report);
            }
        } else {
            let read = Request::ReadMail { team, member: place.agent().to_owned() };
            let answer = self.requests.clone().perform(read).await;
            learn(&mut lock(&self.inner).known.teams, None, answer);
        }
        self.publish(false);
        Some(holds)
    }
}

impl Inner {
    fn part(&mut self, part: Part, place: &Place) -> Arc<str> {
        let Self { known, parts, .. } = self;
        let draw = || pages::part(known, part, place).into();
        Arc::clone(parts.entry((part, place.clone())).or_insert_with(draw))
    }

    fn entries(&mut self, place: &Place, since: Since) -> Arc<Entries> {
        let Self { known, entries, .. } = self;
        let draw = || Arc::new(pages::entries(known, place, since));
        Arc::clone(entries.entry((place.clone(), since)).or_insert_with(draw))
    }
}
