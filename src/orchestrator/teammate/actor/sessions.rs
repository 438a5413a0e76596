//! The sessions of a member: how one ends and another follows.

use std::time::Duration;

use agent_backends::{Exit, StopReport};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::event::{Conversation, EventKind};
use crate::orchestrator::teammate::actor::{Actor, Down, Ending, Live, Phase};
use crate::orchestrator::teammate::launcher::Launched;
use crate::orchestrator::teammate::parts::{AfterStop, Reply};
use crate::orchestrator::teammate::restart::Next;
use crate::sync::lock;

impl Actor {
    /// Starts a session with the member's conversation, beside the loop.
    pub(super) fn begin_start(&mut self, reason: &str) {
        self.restarts.starts(Instant::now());
        let (launcher, record) = (self.launcher.clone(), self.record.clone());
        let mut start = JoinSet::new();
        let fresh = std::mem::take(&mut self.begins_fresh);
        start.spawn(async move { launcher.again(&record, fresh).await });
        self.phase = Phase::Starting(start);
        self.note_state(reason);
    }

    /// A session is there.
    pub(super) fn session_started(&mut self, launched: Launched) {
        let Launched { mut session, conversation, reason } = launched;
        let output = session.output_receiver().expect("a new session has its output");
        if conversation != Some(Conversation::Resumed) {
            let why = reason.as_deref().filter(|_| self.record.session_id.is_some());
            self.lost = why.map(|why| {
                format!("(You begin anew: the conversation that you had is gone, because {why}. Ask for what you need to know of it.)")
            });
            self.record.session_id = None;
            self.record.first_turn_begun = false;
        }
        self.record.assigned_id = session.assigned_id();
        (self.record.wanted, self.record.alive) = (true, true);
        {
            let mut shared = lock(&self.shared);
            shared.exit = None;
            shared.warnings.clear();
        }
        if conversation != Some(Conversation::Resumed) {
            self.mail_begins_anew();
        }
        self.granted.clear();
        self.mail.session_starts();
        self.phase = Phase::Up(Live { session, output });
        // On disk before its first turn.
        self.facts_changed();
        let backend = self.profile.backend.to_string();
        self.emit(EventKind::Spawned { backend, conversation, reason });
        self.hear_warnings();
        self.watch_tools();
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Ok(conversation.unwrap_or(Conversation::Fresh)));
        }
        self.note_state(match conversation {
            Some(Conversation::Resumed) => "it is ready, and its conversation goes on",
            _ => "it is ready",
        });
    }

    pub(super) fn start_failed(&mut self, reason: &str) {
        let next = self.restarts.next(Instant::now(), true, jitter());
        self.answer_waiters(reason);
        self.follow(next, &format!("it could not be started: {reason}"));
    }

    /// The session says that it has ended.
    pub(super) fn session_exited(&mut self, exit: &Exit) {
        let next = match self.ending {
            Some(Ending::Stop) => Next::Rest,
            Some(Ending::Replace) => Next::After(Duration::ZERO),
            None => self.restarts.next(Instant::now(), *exit != Exit::Code(0), jitter()),
        };
        if let Some(input) = self.turn.take_back() {
            self.put_back(input);
        }
        if self.turn.number().is_some() && !self.turn.is_held() {
            self.end_turn(EventKind::Error { message: "its session ended without a word".to_owned() });
        }
        self.mail_decided(true);
        self.approvals.clear();
        self.record.alive = false;
        self.save();
        {
            let mut shared = lock(&self.shared);
            shared.exit = Some(exit.clone());
            shared.approvals.clear();
        }
        self.emit(EventKind::exited(exit, matches!(next, Next::After(_))));
        self.after_exit = Some((next, format!("its session ended by itself ({exit})")));
    }

    /// All that the session said was heard.
    pub(super) async fn session_over(&mut self) {
        if let Phase::Up(live) = &mut self.phase {
            // What it left is known, and whoever waits for the end hears it.
            let report = live.session.shutdown().await.ok();
            lock(&self.shared).report = report;
        }
        if self.after_exit.is_none() {
            self.session_exited(&Exit::Unknown);
        }
        let Some((next, reason)) = self.after_exit.take() else { return };
        self.follow(next, &reason);
    }

    fn follow(&mut self, next: Next, reason: &str) {
        match next {
            Next::Rest => self.go_down(Down::Failed, reason),
            Next::StartLimit => {
                let name = &self.profile.name;
                let reason = format!(
                    "start-limit: it was started five times within ten seconds, and {reason}; look into it, then say `teams restart {name}`"
                );
                self.go_down(Down::StartLimit, &reason);
            }
            Next::After(wait) => {
                self.phase = Phase::Waiting(Instant::now() + wait);
                self.note_state(format!("{reason}; it is started again in {:.1} s", wait.as_secs_f32()));
            }
        }
    }

    /// Nothing follows by itself. What waits is given back.
    fn go_down(&mut self, down: Down, reason: &str) {
        self.phase = Phase::Down(down);
        self.end_held(|_| EventKind::Error {
            message: format!("it waited for a rate limit to end ({reason}); send it again"),
        });
        // Mail waits for whoever starts it again.
        let (mail, inputs) = std::mem::take(&mut self.queue).into_iter().partition(|input| !input.mail.is_empty());
        self.queue = mail;
        for input in Vec::from(inputs) {
            let message = format!("the session ended before this input was begun ({reason}); send it again");
            self.refuse(&input, message);
        }
        self.note_state(reason);
    }

    pub(super) async fn stop(&mut self, now: bool, after: AfterStop) -> Result<StopReport> {
        self.shutting_down |= after == AfterStop::Return;
        let was_down = matches!(self.phase, Phase::Down(_));
        self.cancel_start("it was stopped").await;
        let report = self.end_session(Ending::Stop, now).await?;
        // What it was told before it was stopped is done; the next input begins again.
        for waiter in self.finishing.take().into_iter().flatten() {
            let _ = waiter.send(Ok(()));
        }
        if after == AfterStop::Return {
            // They stay in the journal, for whoever resumes the member.
            self.queue.clear();
        }
        if after == AfterStop::Stay {
            self.record.wanted = false;
        }
        self.record.alive = false;
        self.save();
        self.mail.note_stopped();
        self.go_down(Down::Exited, "it was stopped");
        self.flush_outgoing().await;
        // What was found when its session ended by itself is told once.
        let known = lock(&self.shared).report.take().filter(|_| !was_down);
        Ok(report.or(known).unwrap_or_else(StopReport::nothing))
    }

    /// Nobody waits for a start that is under way; what there is of it is killed.
    async fn cancel_start(&mut self, reason: &str) {
        if let Phase::Starting(start) = &mut self.phase {
            start.shutdown().await;
            self.phase = Phase::Down(Down::Failed);
            self.answer_waiters(reason);
        }
    }

    fn answer_waiters(&mut self, reason: &str) {
        for waiter in self.waiters.drain(..) {
            let member = self.profile.name.to_string();
            let _ = waiter.send(Err(Error::NotStarted { member, reason: reason.to_owned() }));
        }
    }

    /// Ends the session that lives, if one does; all that it says until then is heard.
    pub(super) async fn end_session(&mut self, ending: Ending, now: bool) -> Result<Option<StopReport>> {
        self.ending = Some(ending);
        self.note_state("it is being stopped");
        let Phase::Up(live) = &mut self.phase else {
            self.ending = None;
            return Ok(None);
        };
        let report = if now { live.session.force_kill().await } else { live.session.shutdown().await };
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                // Nothing is known, so it may still be there, and may be stopped again.
                self.ending = None;
                self.note_state("it could not be stopped");
                return Err(error.into());
            }
        };
        while let Phase::Up(live) = &mut self.phase
            && let Some(event) = live.output.recv().await
        {
            self.event(event);
        }
        (self.ending, self.after_exit) = (None, None);
        lock(&self.shared).report = Some(report.clone());
        Ok(Some(report))
    }

    pub(super) async fn restart(&mut self, reply: Reply<Conversation>) {
        if self.shutting_down {
            let _ = reply.send(Err(Error::ShuttingDown));
            return;
        }
        self.cancel_start("it is started once more").await;
        if let Err(error) = self.end_session(Ending::Replace, false).await {
            let _ = reply.send(Err(error));
            return;
        }
        self.restarts.forgive();
        self.waiters.push(reply);
        self.begin_start("somebody restarts it");
    }
}

/// A number from 0 to 1 that nobody knows.
fn jitter() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0
}
