//! What the view is told, and what it asks for: the two sides between its state, which is pure, and the daemon.

use agent_backends::Decision;

use crate::model::event::Event;
use crate::model::failure::Failure;
use crate::model::message::Message;
use crate::model::policy::BudgetStatus;
use crate::model::status::{PendingApproval, TeamStatus};
use crate::model::task::Task;

/// Something that the view is told.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A daemon answers.
    Connected,
    /// The daemon is gone; another one is waited for.
    Lost {
        /// Why.
        why: String,
    },
    /// These teams exist, and no others.
    Teams(Vec<String>),
    /// A team as it is now.
    Team(Box<TeamFacts>),
    /// Events of a team, in their order.
    Events(Vec<Event>),
    /// A team's events are numbered anew: it is another one of the same name.
    Anew {
        /// The team.
        team: String,
    },
    /// What is in a member's inbox.
    Mail {
        /// The team.
        team: String,
        /// The member.
        member: String,
        /// Its messages.
        messages: Vec<Message>,
    },
    /// A request was done.
    Done {
        /// What to say of it, if anything.
        say: Option<String>,
    },
    /// A request failed.
    Refused(Failure),
    /// It is later: milliseconds since 1970.
    Time(i64),
}

/// All that is read of a team at once.
#[derive(Clone, Debug)]
pub(crate) struct TeamFacts {
    pub(crate) status: TeamStatus,
    pub(crate) tasks: Vec<Task>,
    pub(crate) approvals: Vec<PendingApproval>,
    pub(crate) budgets: Vec<BudgetStatus>,
}

/// Something that is asked of the daemon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// Gives a member an input.
    Send {
        /// The team.
        team: String,
        /// The member.
        member: String,
        /// The input.
        text: String,
    },
    /// Answers a question.
    Answer {
        /// The team.
        team: String,
        /// The question's id.
        id: String,
        /// The answer.
        decision: Decision,
    },
    /// Ends a member's running turn.
    Interrupt {
        /// The team.
        team: String,
        /// The member.
        member: String,
    },
    /// Stops a member.
    Stop {
        /// The team.
        team: String,
        /// The member.
        member: String,
    },
    /// Reads a member's inbox.
    ReadMail {
        /// The team.
        team: String,
        /// The member.
        member: String,
    },
    /// Runs a verb of the command line, as it is written after `teams`.
    Run {
        /// The team that it is about, where it does not say.
        team: Option<String>,
        /// Its words.
        words: Vec<String>,
    },
}
