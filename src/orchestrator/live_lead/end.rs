//! The end of the lead: of a Claude Code that leads, or of a team's files. Its members do not outlive it, unless they were told to.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use agent_backends::process::ProcessId;

use super::kept::{End, KeptRoster};
use crate::error::Result;
use crate::model::event::EventKind;
use crate::model::name::{TEAM_LEAD, TeamName};
use crate::model::team::OnLeadExit;
use crate::model::time::iso;
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::runtime::TeamRuntime;
use crate::store::Store;
use crate::sync::lock;

/// How often is looked whether the lead is still there.
const LOOK: Duration = Duration::from_millis(400);
/// So often in a row a member has to be missing in the team's file, before it is taken for one that has left, and the file, before it is taken to be
/// gone.
const MISSING: u32 = 3;

/// What is known of a lead while it lives.
#[derive(Debug, Default)]
struct Watched {
    lead: Option<ProcessId>,
    /// When the team's file was changed last.
    changed: Option<SystemTime>,
    /// What is kept of our members' entries.
    kept: Option<KeptRoster>,
    /// How often in a row one of those was missing.
    missing: u32,
    /// How often in a row the team's file was.
    gone: u32,
}

impl TeamOrchestrator {
    /// Sees to it that the members of a team do not outlive their lead: `lead` led it when the last of them began to start, and may have ended
    /// before that was there.
    pub(crate) fn follow_lead(&self, runtime: &Arc<TeamRuntime>, lead: Option<ProcessId>) {
        if lead.is_some() {
            *lock(&runtime.lead) = lead;
        }
        let run = follow(Arc::downgrade(&self.inner), Arc::downgrade(runtime));
        runtime.following.ensure(run);
    }

    /// Tells of the end, and does with each member what was said at its start.
    async fn lead_ended(&self, runtime: &Arc<TeamRuntime>, watched: Watched, reason: &str) {
        if let Some(mut kept) = watched.kept.clone() {
            kept.end = Some(End { at: iso(jiff::Timestamp::now()), reason: reason.to_owned() });
            if let Err(error) = self.keep_roster(&runtime.name, &kept) {
                tracing::warn!(team = %runtime.name, %error, "the members of a team that has ended are not kept");
            }
        }
        // The next one may have others.
        *lock(&runtime.lead_hooks) = None;
        *lock(&runtime.lead) = None;
        runtime.feed.append(TEAM_LEAD, None, EventKind::LeadEnded { reason: reason.to_owned() });
        // Where nobody led, a person looks after them: who has removed the files may bring them back.
        let members =
            runtime.teammates().into_iter().filter(|teammate| watched.lead.is_some() && teammate.is_running());
        for teammate in members {
            let (name, team) = (teammate.name().clone(), runtime.name.clone());
            let done = match teammate.on_lead_exit() {
                OnLeadExit::Keep => Ok(()),
                OnLeadExit::Finish => self.let_go(&team, &name),
                OnLeadExit::Stop => self.shutdown_teammate(&team, &name).await.map(drop),
            };
            if let Err(error) = done {
                tracing::warn!(%team, %name, %error, "a member outlives its lead");
            }
        }
    }
}

async fn follow(inner: Weak<Inner>, runtime: Weak<TeamRuntime>) {
    let mut watched = Watched::default();
    loop {
        {
            let (Some(inner), Some(runtime)) = (inner.upgrade(), runtime.upgrade()) else { return };
            let orchestrator = TeamOrchestrator { inner };
            watched.lead = watched.lead.or(*lock(&runtime.lead));
            if runtime.running_names().is_empty() && watched.lead.is_none() {
                return;
            }
            match orchestrator.look_at_lead(&runtime.name, watched).await {
                Ok((now, None)) => watched = now,
                Ok((last, Some(reason))) => return orchestrator.lead_ended(&runtime, last, reason).await,
                Err(error) => {
                    tracing::warn!(team = %runtime.name, %error, "nobody knows whether the lead is still there");
                    watched = Watched::default();
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

impl TeamOrchestrator {
    /// Looks once; answers why the lead is gone, if it is.
    async fn look_at_lead(&self, team: &TeamName, mut watched: Watched) -> Result<(Watched, Option<&'static str>)> {
        let (name, this) = (team.clone(), self.clone());
        self.with_store(move |store| {
            if watched.lead.is_some_and(ProcessId::is_gone) {
                return Ok((watched, Some("the process of the Claude Code that leads is gone")));
            }
            let Some(changed) = store.team_changed(&name)? else {
                // Somebody may be writing it anew.
                watched.gone += 1;
                let reason = (watched.gone >= MISSING).then_some("the team's files are gone");
                return Ok((watched, reason));
            };
            watched.gone = 0;
            if (watched.changed != Some(changed) || watched.missing > 0) && watched.read(store, &name, &this) {
                watched.changed = Some(changed);
            }
            Ok((watched, None))
        })
        .await
    }
}

impl Watched {
    /// Keeps what the team's file says of our members; answers whether it could be read.
    fn read(&mut self, store: &Store, team: &TeamName, orchestrator: &TeamOrchestrator) -> bool {
        let Ok(lead) = store.lead_process(team) else { return false };
        self.lead = lead.filter(|lead| lead.is_alive()).or(self.lead);
        if self.lead.is_none() {
            return true;
        }
        let Ok((session, entries)) = store.our_entries(team) else { return false };
        let mut fresh = KeptRoster { session, lead: self.lead, entries, ..KeptRoster::default() };
        // Those of the same conversation that have not come back yet.
        let before = self.kept.clone().or_else(|| orchestrator.kept_roster(team));
        if let Some(before) = before.filter(|before| before.session == fresh.session) {
            fresh.keep_absent(&before);
        }
        let is_missing = self.kept.as_ref().is_some_and(|kept| kept.has_more_than(&fresh));
        self.missing = if is_missing { self.missing + 1 } else { 0 };
        if is_missing && self.missing < MISSING {
            return true;
        }
        self.missing = 0;
        if self.kept.as_ref() != Some(&fresh) {
            if let Err(error) = orchestrator.keep_roster(team, &fresh) {
                tracing::warn!(%team, %error, "the members of a led team are not kept");
            }
            self.kept = Some(fresh);
        }
        true
    }
}
