//! Drives one run from its beginning to its end.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use agent_backends::ApprovalKind;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lead::LeadDesk;
use super::options::RunOptions;
use super::prepare::Known;
use super::verdict::{End, Lead, Next, Snapshot, Standing, next};
use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::event::EventKind;
use crate::model::name::TEAM_LEAD;
use crate::model::run::{BranchReport, MergeFate, RunRecord, RunState};
use crate::model::status::{MemberState, MemberStatus, PendingApproval, TeamStatus};
use crate::model::team_file::{MergeMode, TeamFile};
use crate::orchestrator::entry::{Inner, TeamOrchestrator};
use crate::orchestrator::feed::Subscription;
use crate::orchestrator::hooks::approval::DECIDES_WITHIN;
use crate::orchestrator::limits::ledger::Ledger;
use crate::orchestrator::runtime::active_runs::{RunControl, Stop};
use crate::store::{StoreError, TaskList};

/// How long nothing may happen before a run is looked at all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long at least passes between two looks.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// How long a question waits for its policy before it is said that nobody answers it.
const POLICY_DECIDES_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn drive(
    inner: Weak<Inner>,
    control: Arc<RunControl>,
    mut record: RunRecord,
    file: TeamFile,
    options: RunOptions,
    known: Known,
) {
    let Some(orchestrator) = inner.upgrade().map(|inner| TeamOrchestrator { inner }) else { return };
    let prepared = tokio::select! {
        prepared = orchestrator.prepare(&mut record, &file, &options, known) => prepared,
        () = stopped(&control, Stop::Politely) => Ok(()),
    };
    drop((file, options));
    let end = match prepared {
        Ok(()) => {
            let Some(events) = orchestrator
                .runtime(&record.run.team)
                .ok()
                .map(|runtime| runtime.feed.subscribe(runtime.feed.last_seq() + 1))
            else {
                return;
            };
            drop(orchestrator);
            follow(&inner, &control, &record, events).await
        }
        Err(error) => Some(End::new(RunState::Failed, error.to_string())),
    };
    // Without one the program lets go of the run as it is.
    let Some((end, orchestrator)) = end.zip(inner.upgrade().map(|inner| TeamOrchestrator { inner })) else { return };
    orchestrator.end_run(&control, record, end).await;
}

/// Waits until a person ends the run in this way, or in a harder one.
async fn stopped(control: &RunControl, how: Stop) {
    loop {
        let told = control.told.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        if control.stopped().is_some_and(|stopped| stopped >= how) {
            return;
        }
        told.await;
    }
}

/// Looks at a run until it ends; `None` when the program lets go of it.
async fn follow(
    inner: &Weak<Inner>,
    control: &RunControl,
    record: &RunRecord,
    mut events: Subscription,
) -> Option<End> {
    let mut look = Look::default();
    loop {
        let looked = Instant::now();
        {
            let orchestrator = TeamOrchestrator { inner: inner.upgrade()? };
            match look.at(&orchestrator, control, record).await {
                Ok(Next::End(end)) => return Some(end),
                Ok(Next::AskLead(question)) => look.ask_lead(&orchestrator, record, &question).await,
                Ok(Next::GoOn) => {}
                Err(Error::Store(StoreError::NoTeam { .. })) => {
                    return Some(End::new(RunState::Failed, "its team was deleted"));
                }
                Err(error) => tracing::warn!(run = %record.run, %error, "a run cannot be looked at now"),
            }
        }
        // Nothing is kept alive while this waits.
        let again = looked + LOOK_AGAIN;
        let told = control.told.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) if !may_matter(&event.kind) => {}
                    Some(_) => break,
                    None => return None,
                },
                () = &mut told => break,
                () = tokio::time::sleep_until(again) => break,
            }
        }
        tokio::time::sleep_until(looked + AT_MOST_EVERY).await;
        while events.next_now().is_some() {}
    }
}

/// Whether a run may have ended with it.
fn may_matter(event: &EventKind) -> bool {
    matches!(
        event,
        EventKind::State { .. }
            | EventKind::Task { .. }
            | EventKind::Approval { .. }
            | EventKind::ApprovalClosed { .. }
            | EventKind::Idle
            | EventKind::Error { .. }
            | EventKind::Exited { .. }
    )
}

/// What is remembered from one look at a run to the next.
#[derive(Debug, Default)]
struct Look {
    /// Since when nobody has done anything.
    quiet_since: Option<Instant>,
    /// The questions that wait for a person, and since when.
    questions: HashMap<String, Instant>,
    /// The lead was asked whether that is all.
    lead_was_asked: bool,
    /// What has been passed on to the lead.
    desk: LeadDesk,
}

impl Look {
    async fn at(&mut self, orchestrator: &TeamOrchestrator, control: &RunControl, record: &RunRecord) -> Result<Next> {
        let team = &record.run.team;
        let status = orchestrator.status(team).await?;
        let tasks = orchestrator.list_tasks(team).await?;
        let ledger = Arc::clone(&orchestrator.runtime(team)?.ledger);
        let questions = orchestrator.approvals(team).await?;
        if let Some(lead) = &record.lead {
            self.desk.pass_on(orchestrator, team, lead, &questions).await?;
        }
        // A plan that waits for its answer keeps its author from working, and nobody else.
        let plan_waits = (record.attended || record.lead.is_some())
            && questions.iter().any(|question| question.kind == ApprovalKind::Plan);
        let unanswered = match record.attended {
            true => None,
            false => self.unanswered(orchestrator, record, questions),
        };
        let snapshot = self.snapshot(control, record, &status, &tasks, &ledger, plan_waits);
        Ok(next(&Snapshot { unanswered, ..snapshot }))
    }

    fn snapshot(
        &mut self,
        control: &RunControl,
        record: &RunRecord,
        status: &TeamStatus,
        tasks: &TaskList,
        ledger: &Ledger,
        plan_waits: bool,
    ) -> Snapshot {
        let ours: Vec<&MemberStatus> = status.members.iter().filter(|member| member.backend.is_some()).collect();
        let standing = Standing::of(record, tasks, |owner| ours.iter().any(|member| member.name == owner));
        let refused = |member: &MemberStatus| ledger.check_turn(&member.name, 0).err().map(|error| error.message());
        let is_busy = |member: &MemberStatus| match member.state {
            MemberState::Idle => member.queued > 0 || (member.unread > 0 && refused(member).is_none()),
            state => state.is_running(),
        };
        let mut running = ours.iter().filter(|member| member.state.is_running()).peekable();
        let over_budget = match running.peek() {
            Some(_) => running.map(|member| refused(member)).collect::<Option<Vec<_>>>().map(|mut all| all.remove(0)),
            None => None,
        };
        let busy = plan_waits || ours.iter().any(|member| is_busy(member));
        let now = Instant::now();
        let quiet_since = match busy {
            true => None,
            false => Some(*self.quiet_since.get_or_insert(now)),
        };
        self.quiet_since = quiet_since;
        if !standing.open.is_empty() {
            self.lead_was_asked = false;
            control.go_on();
        }
        let lead = record.lead.as_ref().map(|name| ours.iter().find(|member| member.name == *name));
        let lead = match (lead, control.finished()) {
            (None, _) => Lead::None,
            (Some(_), Some(summary)) => Lead::Finished(summary),
            (Some(None), None) => Lead::Gone("it is no longer in the team".to_owned()),
            (Some(Some(member)), None) if !member.state.is_running() => {
                Lead::Gone(member.failure.clone().unwrap_or_else(|| member.state.as_str().to_owned()))
            }
            (Some(Some(member)), None) if is_busy(member) => Lead::Busy,
            _ if self.lead_was_asked => Lead::HasNothingToAdd,
            _ => Lead::Idle,
        };
        Snapshot {
            tasks: standing,
            lead,
            is_cancelled: control.stopped().is_some(),
            time_is_over: record.deadline_ms.is_some_and(|deadline| Timestamp::now().as_millisecond() >= deadline),
            unanswered: None,
            is_busy: busy,
            over_budget,
            quiet: quiet_since.map_or(Duration::ZERO, |since| now - since),
        }
    }

    /// The first question that only a person could answer, once whoever else may decide has had time to.
    fn unanswered(
        &mut self,
        orchestrator: &TeamOrchestrator,
        record: &RunRecord,
        open: Vec<PendingApproval>,
    ) -> Option<String> {
        let now = Instant::now();
        let waits = |decides: Verdict| match decides {
            Verdict::Ask => true,
            Verdict::Lead => record.lead.is_none(),
            Verdict::Allow | Verdict::Deny => false,
        };
        let open: Vec<_> = open.into_iter().filter(|question| waits(question.decides)).collect();
        self.questions.retain(|id, _| open.iter().any(|question| question.id == *id));
        let asked = orchestrator.inner.approval_hook.is_some() || orchestrator.approval_hooks(&record.run.team);
        let patience = if asked { DECIDES_WITHIN } else { POLICY_DECIDES_WITHIN };
        for question in open {
            let since = *self.questions.entry(question.id.clone()).or_insert(now);
            if now - since >= patience {
                let what = question.command.as_ref().unwrap_or(&question.summary);
                return Some(format!(
                    "{} asks for {} ({what}), and nobody is there to answer; allow or deny it in [policy], or run it in a terminal",
                    question.member, question.tool
                ));
            }
        }
        None
    }

    async fn ask_lead(&mut self, orchestrator: &TeamOrchestrator, record: &RunRecord, question: &str) {
        let Some(lead) = &record.lead else { return };
        let sent = orchestrator.send_input_from(&record.run.team, lead, question, Some(TEAM_LEAD.to_owned())).await;
        match sent {
            Ok(_) => self.lead_was_asked = true,
            Err(error) => tracing::warn!(run = %record.run, %error, "the lead could not be asked"),
        }
    }
}

impl TeamOrchestrator {
    /// Sets up what a run needs.
    async fn prepare(&self, record: &mut RunRecord, file: &TeamFile, options: &RunOptions, known: Known) -> Result<()> {
        let team = record.run.team.clone();
        let (run, goal) = (record.run.to_string(), record.goal.clone());
        self.runtime(&team)?.feed.append(TEAM_LEAD, None, EventKind::RunStarted { run, goal });
        self.set_up_policy(&team, file, options).await?;
        self.ensure_members(&team, file, options, known).await?;
        self.ensure_tasks(&team, &record.run, file).await?;
        if let Some(lead) = &file.lead {
            self.ensure_lead(record, lead, file, options).await?;
        }
        record.prepared = true;
        self.write_run(record)
    }

    /// Stops what the run has started, and writes down how it ended.
    async fn end_run(&self, control: &RunControl, mut record: RunRecord, end: End) {
        let team = record.run.team.clone();
        if self.roster(&team).await.is_err_and(|error| matches!(error, Error::Store(StoreError::NoTeam { .. }))) {
            // Its files are gone, and none is made anew.
            control.state.send_replace(end.state);
            return;
        }
        if end.state == RunState::Cancelled && control.stopped() == Some(Stop::AtOnce) {
            self.stop_members_of(&record, true).await;
        } else {
            tokio::select! {
                () = self.stop_members_of(&record, false) => {}
                () = stopped(control, Stop::AtOnce) => self.stop_members_of(&record, true).await,
            }
        }
        (record.state, record.reason) = (end.state, end.reason);
        if record.state != RunState::Cancelled {
            self.merge_for(&mut record).await;
        }
        record.last_task = self.list_tasks(&team).await.ok().map(|tasks| tasks.last_number());
        record.ended_ms = Some(Timestamp::now().as_millisecond());
        if let Err(error) = self.write_run(&record) {
            tracing::error!(run = %record.run, %error, "how a run ended was not written down");
        }
        let ended =
            EventKind::RunEnded { run: record.run.to_string(), state: record.state, reason: record.reason.clone() };
        if let Ok(runtime) = self.runtime(&team) {
            runtime.feed.append(TEAM_LEAD, None, ended);
        }
        self.inner.recorder.end_of_run(&team, &record.run.to_string()).await;
        control.state.send_replace(record.state);
    }

    /// Brings the branches of the run's members together, as far as that goes.
    async fn merge_for(&self, record: &mut RunRecord) {
        let failed = match self.merge_branches(record).await {
            Ok(branches) => {
                record.branches = branches;
                let is_left = |branch: &&BranchReport| matches!(branch.fate, MergeFate::Conflict | MergeFate::Left);
                let left = record.branches.iter().find(is_left).filter(|_| record.merge != MergeMode::None);
                left.map(|branch| {
                    let note = branch.note.clone().unwrap_or_default();
                    format!("the branch {} of {} is not merged: {note}", branch.branch, branch.member)
                })
            }
            Err(error) => Some(format!("the branches are not merged: {error}")),
        };
        if let Some(reason) = failed.filter(|_| record.state == RunState::Done) {
            (record.state, record.reason) = (RunState::Failed, Some(reason));
        }
    }

    async fn stop_members_of(&self, record: &RunRecord, now: bool) {
        let team = &record.run.team;
        let mut stops = JoinSet::new();
        for name in self.running_members(team).into_iter().filter(|name| !record.members_before.contains(name)) {
            let (this, team) = (self.clone(), team.clone());
            stops.spawn(async move {
                let stopped = match now {
                    true => this.kill_teammate(&team, &name).await,
                    false => this.shutdown_teammate(&team, &name).await,
                };
                if let Err(error) = stopped {
                    tracing::error!(%team, %name, %error, "a member of a run was not stopped");
                }
            });
        }
        stops.join_all().await;
    }
}
