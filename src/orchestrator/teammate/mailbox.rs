//! What a member's actor knows of its mail: what to look for in the inbox, what the agent may have, what is to be written to others.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::message::Message;
use crate::model::name::{AgentName, TeamName};
use crate::model::time::iso;
use crate::orchestrator::teammate::journal::Input;
use crate::orchestrator::teammate::native::Letters;
use crate::store;
use crate::store::Store;

/// Messages that become one turn, at most.
pub(crate) const MOST: usize = 50;
/// What may wait to be written into others' inboxes. Beyond it the oldest is given up.
pub(crate) const MOST_OUTGOING: usize = 200;
/// What the inbox refuses is tried again after this.
pub(crate) const TRY_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) team: TeamName,
    pub(crate) member: AgentName,
    pub(crate) store: Arc<Store>,
    /// Which of it is the lead's own.
    pub(crate) letters: Letters,
    /// There may be something in the inbox.
    pub(crate) changed: bool,
    /// There is something in it, for which there is no room yet.
    pub(crate) waits: bool,
    /// What is done with files, one thing at a time.
    pub(crate) job: JoinSet<FileJob>,
    /// Inputs that are in the journal and may be in the inbox too, by their turns.
    pub(crate) unconfirmed: BTreeMap<u64, Vec<String>>,
    /// What was given to an agent that ended before it said that it had it.
    pub(crate) unsure: Vec<Input>,
    /// The first so many of these were given to a conversation that there is no more.
    pub(crate) lost: usize,
    /// A turn failed before the agent said that it had its input: was it the agent that failed, or the input?
    pub(crate) undecided: Option<Undecided>,
    /// What is to be written into others' inboxes, in order.
    pub(crate) outgoing: VecDeque<(AgentName, Message)>,
    /// They could not be written, and are tried again then.
    pub(crate) outgoing_after: Option<Instant>,
    pub(crate) not_before: Option<Instant>,
    /// When somebody stopped the member: what was written before that does not start it.
    pub(crate) stopped_at: Option<String>,
    /// What runs is to make room for mail.
    pub(crate) urgent: bool,
}

#[derive(Debug)]
pub(crate) struct Undecided {
    pub(crate) input: Input,
    pub(crate) reason: String,
    /// An agent that lives on until then has refused it.
    pub(crate) until: Instant,
}

#[derive(Debug)]
pub(crate) enum FileJob {
    Read(store::Result<Vec<Message>>),
    Removed(u64, store::Result<()>),
    /// The first so many outgoing.
    Sent(usize, store::Result<()>),
}

impl Mailbox {
    pub(crate) fn new(team: TeamName, member: AgentName, store: Arc<Store>, letters: Letters) -> Self {
        Self {
            team,
            member,
            store,
            letters,
            changed: true,
            waits: false,
            job: JoinSet::new(),
            unconfirmed: BTreeMap::new(),
            unsure: Vec::new(),
            lost: 0,
            undecided: None,
            outgoing: VecDeque::new(),
            outgoing_after: None,
            not_before: None,
            stopped_at: None,
            urgent: false,
        }
    }

    /// What a job came to. Cancel-safe; pending while there is none.
    pub(crate) async fn done(&mut self) -> FileJob {
        match self.job.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => {
                tracing::error!(member = %self.member, %error, "a job was lost");
                std::future::pending().await
            }
            None => std::future::pending().await,
        }
    }

    /// When there is something to do again.
    pub(crate) fn next(&self) -> Option<Instant> {
        let undecided = self.undecided.as_ref().map(|undecided| undecided.until);
        // While one thing is done, nothing else is begun.
        let retries = [self.not_before, self.outgoing_after].map(|at| at.filter(|_| self.job.is_empty()));
        [undecided].into_iter().chain(retries).flatten().min()
    }

    /// Whether this input may be given to the agent.
    pub(crate) fn is_confirmed(&self, input: &Input) -> bool {
        !self.unconfirmed.contains_key(&input.turn)
    }

    /// An input of mail that was found in the journal.
    pub(crate) fn found_in_journal(&mut self, input: &Input) {
        if !input.mail.is_empty() {
            self.unconfirmed.insert(input.turn, input.mail.iter().map(Message::key).collect());
        }
    }

    pub(crate) fn run(&mut self, job: impl FnOnce(&Store, &TeamName, &AgentName) -> FileJob + Send + 'static) {
        let (store, team, member) = (Arc::clone(&self.store), self.team.clone(), self.member.clone());
        self.job.spawn_blocking(move || job(&store, &team, &member));
    }

    pub(crate) fn look(&mut self) {
        (self.changed, self.waits) = (false, false);
        self.run(|store, team, member| FileJob::Read(store.read_inbox_of(team, member)));
    }

    /// Where nothing can be written for long, what waits must not fill the memory.
    pub(crate) fn give_up_oldest(&mut self) {
        // Those of a job are being written.
        let at = if self.job.is_empty() { 0 } else { MOST };
        if self.outgoing.len() > MOST_OUTGOING
            && let Some((to, message)) = self.outgoing.remove(at)
        {
            tracing::error!(member = %self.member, %to, id = message.key(), "a message was given up: too many wait to be written");
        }
    }

    /// Nobody knows whether the agent has this; they are asked for in the order in which they were given.
    pub(crate) fn unsure_of(&mut self, input: Input) {
        self.unsure.push(input);
        self.unsure.sort_by_key(|input| input.turn);
    }

    /// Somebody stops the member.
    pub(crate) fn note_stopped(&mut self) {
        self.stopped_at = Some(iso(jiff::Timestamp::now()));
    }

    /// Whatever waits can be given to it.
    pub(crate) fn session_starts(&mut self) {
        (self.stopped_at, self.changed) = (None, true);
    }

    pub(crate) fn starts_member(&self, messages: &[Message]) -> bool {
        self.stopped_at.as_ref().is_none_or(|stopped| messages.iter().any(|message| message.timestamp > *stopped))
    }

    pub(crate) fn is_free(&self) -> bool {
        self.job.is_empty() && self.not_before.is_none_or(|at| at <= Instant::now())
    }

    pub(crate) fn later(&mut self) {
        self.not_before = Some(Instant::now() + TRY_AGAIN);
    }
}
