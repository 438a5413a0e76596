//! What a member's handle and its actor share: the commands that pass between them, and what may be looked at from outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_backends::{BackendType, Decision, Exit, PermissionMode, StopReport};
use tokio::sync::oneshot;

use crate::error::Result;
use crate::model::event::Conversation;
use crate::model::name::{AgentName, TeamName};
use crate::model::status::{MemberState, PendingApproval};
use crate::model::team::{OnLeadExit, RestartPolicy, TurnLimits};
use crate::orchestrator::feed::Feed;
use crate::orchestrator::feed::redact::Redactor;
use crate::orchestrator::hooks::approval::Asks;
use crate::orchestrator::limits::accounts::Accounts;
use crate::orchestrator::limits::ledger::Ledger;
use crate::orchestrator::teammate::journal::Record;
use crate::orchestrator::teammate::native::{Native, OwnLetters};
use crate::orchestrator::tokens::Tokens;
use crate::store::Store;

/// Who a member is, and how it is to be treated.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) name: AgentName,
    pub(crate) backend: BackendType,
    pub(crate) cwd: PathBuf,
    pub(crate) restart: RestartPolicy,
    pub(crate) limits: TurnLimits,
    pub(crate) approval_deadline: Duration,
    pub(crate) on_lead_exit: OnLeadExit,
    /// What ties it to the live lead that has started it, if one has.
    pub(crate) native: Option<Native>,
}

/// What a member shares with others.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) feed: Arc<Feed>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) store: Arc<Store>,
    /// Whom a question is put to before the team's policy decides.
    pub(crate) asks: Asks,
    pub(crate) tokens: Arc<Tokens>,
    /// What we write in the lead's name ourselves.
    pub(crate) own_letters: Arc<OwnLetters>,
    pub(crate) team: TeamName,
}

/// Whether a member that is stopped is to come back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterStop {
    /// It stays stopped until somebody starts it.
    Stay,
    /// The supervisor goes down, and the member comes back with it.
    Return,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

pub(crate) enum MemberCommand {
    Input {
        text: String,
        from: Option<String>,
        /// Another member asks it, and waits for the answer.
        asked: bool,
        reply: Reply<u64>,
    },
    /// Nobody waits for the answer to this turn any more: it is taken out of those that wait. Whether it was among them.
    Withdraw {
        turn: u64,
        reply: Reply<bool>,
    },
    /// Its inbox has changed.
    InboxChanged,
    Interrupt(Reply<()>),
    Answer {
        id: String,
        decision: Decision,
        by: String,
        reply: Reply<()>,
    },
    /// What it may do without asking.
    SetMode(PermissionMode, Reply<()>),
    Stop {
        now: bool,
        after: AfterStop,
        reply: Reply<StopReport>,
    },
    /// Begin nothing any more; the answer comes when the turn that runs has ended.
    FinishTurn(Reply<()>),
    /// Stop it if it runs, and start it with its conversation.
    Restart {
        /// With a new conversation.
        fresh: bool,
        reply: Reply<Conversation>,
    },
}

/// What others may look at.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: MemberState,
    pub(crate) reason: String,
    pub(crate) pid: Option<u32>,
    pub(crate) record: Record,
    pub(crate) queued: usize,
    /// The turn that has begun and not ended.
    pub(crate) turn: Option<u64>,
    pub(crate) approvals: Vec<PendingApproval>,
    pub(crate) warnings: Vec<String>,
    pub(crate) rate_limited_until: Option<i64>,
    pub(crate) exit: Option<Exit>,
    pub(crate) report: Option<StopReport>,
    pub(crate) activity: TurnActivity,
}

/// Seconds since 1970, as every time is written.
pub(crate) fn iso_seconds(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), crate::model::time::iso)
}

/// What a member did in its turn, beside what it said.
#[derive(Debug, Default)]
pub(crate) struct TurnActivity {
    /// Whom it wrote to, and what about.
    pub(crate) wrote: Vec<String>,
    /// The tasks that it completed, and how that went.
    pub(crate) completed: Vec<(String, &'static str)>,
}
