//! The task: its state, its loop, and the commands it takes.

mod approvals;
mod assignments;
mod hangs;
mod inputs;
mod limits;
mod mail;
mod report;
mod sessions;
mod tools;
mod turns;
mod urgent;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use agent_backends::{AgentOutput, AgentSession, BackendError, OutputReceiver};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::event::{Conversation, EventKind, MailState};
use crate::model::status::MemberState;
use crate::orchestrator::limits::accounts::Account;
use crate::orchestrator::teammate::journal::{Contents, Input, Journal, Record};
use crate::orchestrator::teammate::launcher::{Launched, Launcher};
use crate::orchestrator::teammate::mailbox::Mailbox;
use crate::orchestrator::teammate::native::Letters;
use crate::orchestrator::teammate::parts::{MemberCommand, Profile, Reply, Services, Shared};
use crate::orchestrator::teammate::question::{Grant, HookCalls, Question};
use crate::orchestrator::teammate::restart::{Next, Restarts};
use crate::orchestrator::teammate::tools_watch::ToolsWatch;
use crate::orchestrator::teammate::turn::CurrentTurn;
use crate::orchestrator::teammate::watchdog::Watchdog;
use crate::sync::lock;

pub(crate) struct Actor {
    profile: Profile,
    launcher: Launcher,
    journal: Journal,
    services: Services,
    account: Account,
    shared: Arc<Mutex<Shared>>,
    commands: mpsc::Receiver<MemberCommand>,
    phase: Phase,
    restarts: Restarts,
    /// Who waits for the start that is under way.
    waiters: Vec<Reply<Conversation>>,
    record: Record,
    /// Inputs that the agent was not given yet.
    queue: VecDeque<Input>,
    turn: CurrentTurn,
    next_turn: u64,
    limits_changed: watch::Receiver<()>,
    /// The end of a delta that may be the beginning of a secret.
    maybe_secret: String,
    approvals: HashMap<String, Question>,
    hook_calls: HookCalls,
    /// What was allowed for the session, where the agent does not keep that.
    granted: HashSet<Grant>,
    watchdog: Watchdog,
    tools: ToolsWatch,
    mail: Mailbox,
    ending: Option<Ending>,
    /// We go down with the member; nothing is started any more.
    shutting_down: bool,
    /// It leaves the team, and begins nothing any more; who waits for the end of its turn.
    finishing: Option<Vec<Reply<()>>>,
    /// The next session begins a new conversation.
    begins_fresh: bool,
    /// What the agent is told with its next turn, because it has lost its conversation.
    lost: Option<String>,
    /// What follows the session that has said its end, and why it ended.
    after_exit: Option<(Next, String)>,
}

/// What there is of a session.
pub(super) enum Phase {
    /// It lives.
    Up(Live),
    /// It is being started.
    Starting(JoinSet<Result<Launched, BackendError>>),
    /// It is started again at that time.
    Waiting(Instant),
    /// There is none.
    Down(Down),
}

pub(super) struct Live {
    pub(super) session: Box<dyn AgentSession>,
    pub(super) output: OutputReceiver,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Down {
    /// It was stopped, or ended well.
    Exited,
    /// It ended badly, or could not be started.
    Failed,
    /// It was started too often.
    StartLimit,
}

/// We end the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Nothing follows.
    Stop,
    /// Another one follows.
    Replace,
}

impl Actor {
    pub(crate) fn new(
        profile: Profile,
        launcher: Launcher,
        journal: Journal,
        services: Services,
        shared: Arc<Mutex<Shared>>,
        commands: mpsc::Receiver<MemberCommand>,
    ) -> Self {
        let record = journal.record().clone();
        let letters = Letters::new(&profile.name, profile.native.as_ref(), &services.own_letters);
        Self {
            restarts: Restarts::new(profile.restart),
            watchdog: Watchdog::new(profile.limits),
            tools: ToolsWatch::default(),
            mail: Mailbox::new(services.team.clone(), profile.name.clone(), Arc::clone(&services.store), letters),
            profile,
            account: Account::of(&*launcher.backend, &launcher.config),
            limits_changed: services.accounts.watch(),
            launcher,
            journal,
            services,
            shared,
            commands,
            phase: Phase::Down(Down::Exited),
            waiters: Vec::new(),
            record,
            queue: VecDeque::new(),
            turn: CurrentTurn::None,
            next_turn: 1,
            maybe_secret: String::new(),
            approvals: HashMap::new(),
            hook_calls: HookCalls::default(),
            granted: HashSet::new(),
            ending: None,
            shutting_down: false,
            finishing: None,
            begins_fresh: false,
            lost: None,
            after_exit: None,
        }
    }

    /// Takes up the member with its first session; `contents` is what its journal said before.
    pub(crate) fn begin(&mut self, contents: Contents, launched: Launched) {
        self.take_up(contents);
        self.restarts.starts(Instant::now());
        self.session_started(launched);
    }

    /// What the journal says of earlier sessions: turns that were cut off are told of, what was not begun waits.
    fn take_up(&mut self, contents: Contents) {
        self.next_turn = contents.last_turn.max(contents.record.turns) + 1;
        for input in contents.cut {
            let text = Some(input.text).filter(|text| !text.is_empty());
            let event = EventKind::TurnInterrupted { text: String::new(), input: text };
            self.services.feed.append(&self.profile.name, Some(input.turn), event);
            self.record.turns = self.record.turns.max(input.turn);
            self.ended(input.turn);
        }
        for input in contents.unsure {
            let event = EventKind::TurnInterrupted { text: String::new(), input: None };
            self.services.feed.append(&self.profile.name, Some(input.turn), event);
            self.record.turns = self.record.turns.max(input.turn);
            self.mail.unsure.push(input);
        }
        for input in contents.queued {
            // Whoever asked has heard that no answer comes, or is gone.
            if input.asked {
                self.forget(&input);
                continue;
            }
            self.mail.found_in_journal(&input);
            self.queue.push_back(input);
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            self.pump().await;
            let timer = self.next_timer();
            tokio::select! {
                // What the agent said comes before what is asked of it now.
                biased;
                happened = happens(&mut self.phase) => match happened {
                    Happened::Output(Some(event)) => self.event(event),
                    Happened::Output(None) => self.session_over().await,
                    Happened::Started(Ok(launched)) => self.session_started(launched),
                    Happened::Started(Err(reason)) => self.start_failed(&reason),
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => break,
                },
                done = self.mail.done() => self.file_job_done(done),
                (id, said) = self.hook_calls.answered() => self.hook_answered(id, said).await,
                Ok(()) = self.limits_changed.changed() => self.limit_changed(),
                () = tokio::time::sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.tick().await,
            }
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let restart = match self.phase {
            Phase::Waiting(at) => Some(at),
            _ => None,
        };
        let watch = self.turn.number().and_then(|_| self.watchdog.next());
        [restart, watch, self.next_expiry(), self.limit_ends(), self.mail.next(), self.tools.due()]
            .into_iter()
            .flatten()
            .min()
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        if matches!(self.phase, Phase::Waiting(at) if at <= now) {
            self.begin_start("it is time to start it again");
        }
        self.expire().await;
        self.mail_decided(false);
        self.limit_changed();
        self.look_at_tools();
        if self.turn.number().is_some() && self.watchdog.next().is_some_and(|due| due <= now) {
            self.escalate().await;
        }
    }

    pub(super) fn emit(&self, kind: EventKind) {
        self.services.feed.append(&self.profile.name, self.turn.number(), kind);
    }

    pub(super) fn session(&mut self) -> Option<&mut Box<dyn AgentSession>> {
        match &mut self.phase {
            Phase::Up(live) => Some(&mut live.session),
            _ => None,
        }
    }

    /// What the evidence says.
    fn derived_state(&self) -> MemberState {
        match &self.phase {
            _ if self.ending == Some(Ending::Stop) && matches!(self.phase, Phase::Up(_)) => MemberState::Stopping,
            Phase::Starting(_) | Phase::Waiting(_) => MemberState::Starting,
            Phase::Down(Down::Exited) => MemberState::Exited,
            Phase::Down(Down::Failed | Down::StartLimit) => MemberState::Failed,
            Phase::Up(_) if self.watchdog.is_suspicious() => MemberState::Stuck,
            Phase::Up(_) if self.waits_for_provider() => MemberState::RateLimited,
            Phase::Up(_) if !self.approvals.is_empty() => MemberState::WaitingApproval,
            Phase::Up(_) if !self.turn.is_none() || !self.queue.is_empty() => MemberState::Busy,
            Phase::Up(_) => MemberState::Idle,
        }
    }

    /// Whether a limit keeps it from working. A turn that runs shows by itself whether the provider answers.
    fn waits_for_provider(&self) -> bool {
        self.turn.is_held() || (self.turn.is_none() && self.services.accounts.limit(self.account).is_some())
    }

    /// Looks at the evidence again; a change is an event, with this reason.
    pub(super) fn note_state(&mut self, reason: impl Into<String>) {
        let state = self.derived_state();
        let pid = self.session().and_then(|session| session.pid());
        let limit = self.services.accounts.limit(self.account);
        let changed = {
            let mut shared = lock(&self.shared);
            shared.pid = pid;
            shared.queued = self.queue.len();
            shared.turn = self.turn.at_work();
            shared.rate_limited_until = limit.map(|limit| limit.resets_at);
            shared.record.clone_from(&self.record);
            std::mem::replace(&mut shared.state, state) != state
        };
        if changed {
            let reason = self.services.redactor.redact(&reason.into()).into_owned();
            lock(&self.shared).reason.clone_from(&reason);
            self.emit(EventKind::State { state: state.as_str().to_owned(), reason });
        } else {
            self.services.feed.note_member(&self.profile.name);
        }
    }

    /// Writes down what a later session needs.
    pub(super) fn save(&mut self) {
        if let Err(error) = self.journal.save(&self.record) {
            tracing::error!(member = %self.profile.name, %error, "what is known of a member was not written down");
        }
        self.services.ledger.note(&self.profile.name, self.record.spent());
        lock(&self.shared).record.clone_from(&self.record);
    }

    /// A turn needs no answer any more.
    pub(super) fn ended(&mut self, turn: u64) {
        if let Err(error) = self.journal.ended(turn) {
            tracing::error!(member = %self.profile.name, %error, turn, "the end of a turn was not written down");
        }
    }

    async fn command(&mut self, command: MemberCommand) {
        match command {
            MemberCommand::Input { text, from, asked, reply } => {
                let _ = reply.send(self.take_input(text, from, asked));
            }
            MemberCommand::Withdraw { turn, reply } => {
                let _ = reply.send(Ok(self.withdraw(turn)));
            }
            MemberCommand::InboxChanged => self.inbox_changed(),
            MemberCommand::Interrupt(reply) => {
                // One that was given to the agent again is interrupted there.
                let held = self.turn.held_input().is_some();
                if held {
                    self.end_held(|text| EventKind::TurnInterrupted { text, input: None });
                    self.note_state("its turn was interrupted");
                }
                let done = match self.session() {
                    _ if held => Ok(()),
                    Some(session) => session.interrupt().await.map_err(Error::from),
                    None => Ok(()),
                };
                let _ = reply.send(done);
            }
            MemberCommand::SetMode(mode, reply) => {
                let _ = reply.send(self.set_mode(mode).await);
            }
            MemberCommand::Answer { id, decision, by, reply } => {
                let outcome =
                    if matches!(decision, agent_backends::Decision::Deny { .. }) { "denied" } else { "allowed" };
                let _ = reply.send(self.decide(&id, decision, outcome, &by).await);
            }
            MemberCommand::Stop { now, after, reply } => {
                let _ = reply.send(self.stop(now, after).await);
            }
            MemberCommand::FinishTurn(reply) => self.finishing.get_or_insert_default().push(reply),
            MemberCommand::Restart { fresh, reply } => {
                self.finishing = None;
                self.begins_fresh = fresh;
                self.restart(reply).await;
            }
        }
    }

    /// Gives the session the next input, when it has none. One that is refused makes room for the next.
    async fn pump(&mut self) {
        self.advance_mail();
        if let Some(waiters) = &mut self.finishing {
            if self.turn.is_none() {
                waiters.drain(..).for_each(|waiter| drop(waiter.send(Ok(()))));
            }
            return;
        }
        self.make_room().await;
        while !self.turn.has_given() && self.ending.is_none() && matches!(self.phase, Phase::Up(_)) {
            // One that has said its end cannot be asked.
            if !self.mail.unsure.is_empty() && self.turn.number().is_none() && self.after_exit.is_none() {
                self.resolve_unsure().await;
            }
            let Some(input) = self.next_input() else { return };
            let held = self.turn.is_held();
            let Some(input) = self.without_what_is_over(input).await else { continue };
            let budget = self.services.ledger.check_turn(&self.profile.name, 0);
            if let Err(error) = budget
                && !held
            {
                self.refuse(&input, error.to_string());
                continue;
            }
            // Written down first: killed in between, we would rather report a turn as cut off than have it done twice.
            if !self.record.first_turn_begun {
                self.record.first_turn_begun = true;
                self.save();
            }
            if !held {
                // Told first: killed in between, it is told once more.
                self.record_mail(&input, MailState::Injected, input.doubtful.then_some("it may have had it before"));
            }
            let Phase::Up(live) = &mut self.phase else { return };
            let given = match self.journal.begun(input.turn) {
                Ok(()) => {
                    // Its agent may use a tool before it says that it has begun.
                    lock(&self.shared).turn.get_or_insert(input.turn);
                    let prompt = match &self.lost {
                        Some(note) => Cow::Owned(format!("{note}\n\n{}", input.prompt())),
                        None => input.prompt(),
                    };
                    let sent = match input.is_quoted() {
                        true => live.session.send_quoted_as(&input.id, &prompt).await,
                        false => live.session.send_input_as(&input.id, &prompt).await,
                    };
                    if sent.is_ok() {
                        self.lost = None;
                    }
                    sent.map_err(|error| error.to_string())
                }
                Err(error) => Err(format!("that it is begun could not be written down ({error}); send it again")),
            };
            if given.is_err() {
                lock(&self.shared).turn = self.turn.at_work();
            }
            match given {
                Ok(()) => self.turn.give(input),
                // A session that has ended says so next, and the input waits for what follows.
                Err(_) if !live.session.is_alive().await => {
                    if !held {
                        self.put_back(input);
                    }
                    return;
                }
                Err(message) if held => self.end_held(|_| EventKind::Error { message }),
                Err(message) => self.refuse(&input, message),
            }
        }
    }
}

/// What happens without our doing.
enum Happened {
    Output(Option<AgentOutput>),
    Started(Result<Launched, String>),
}

/// Cancel-safe.
async fn happens(phase: &mut Phase) -> Happened {
    match phase {
        Phase::Up(live) => Happened::Output(live.output.recv().await),
        Phase::Starting(start) => Happened::Started(match start.join_next().await {
            Some(Ok(Ok(launched))) => Ok(launched),
            Some(Ok(Err(error))) => Err(error.to_string()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("nobody starts it".to_owned()),
        }),
        Phase::Waiting(_) | Phase::Down(_) => std::future::pending().await,
    }
}
