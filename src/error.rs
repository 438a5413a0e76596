//! The library's error: what a subsystem says, and what only the whole can say.

mod kind;

use std::path::PathBuf;

use agent_backends::BackendError;
use agent_backends::UnknownBackend;

pub use crate::model::failure::ErrorKind;
use crate::model::failure::Failure;
use crate::model::name::BadName;
use crate::model::run::{BadRunId, RunState};
use crate::model::task::BadTaskId;
use crate::model::team_file::BadTeamFile;
use crate::store::StoreError;

/// What to do about a run that has not ended.
fn run_remedy(state: RunState, run: &str) -> String {
    match state {
        RunState::Interrupted => {
            "go on with it with `teams run --resume`, or delete its team with `teams delete`".to_owned()
        }
        _ => format!("look at it with `teams attach {run}`, or end it with `teams down`"),
    }
}

/// What every call of the library answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the library. Its text says what was tried, why it failed, and what to do next, which is the last part of the
/// text, after a semicolon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An agent.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A name that is none.
    #[error(transparent)]
    BadName(#[from] BadName),
    /// A task id that is none.
    #[error(transparent)]
    BadTaskId(#[from] BadTaskId),
    /// A backend that is none.
    #[error(transparent)]
    UnknownBackend(#[from] UnknownBackend),
    /// The orchestrator was built without this backend.
    #[error("no backend `{backend}` is set up; use one of: {}", available.join(", "))]
    NoBackend {
        /// Which.
        backend: String,
        /// Those that are.
        available: Vec<String>,
    },
    /// No backend can be chosen for a member that is started with backend `auto`.
    #[error(
        "no backend can be used here:{}; mend one of these (`teams doctor` looks at them), or name a backend",
        lines(why)
    )]
    NoRoute {
        /// Each backend, and why not.
        why: Vec<(String, String)>,
    },
    /// A router has chosen a backend that cannot be used.
    #[error(
        "the router `{router}` has chosen {backend}, which cannot be used here: {reason}; have it answer one that fits, or nothing"
    )]
    BadRoute {
        /// Its name.
        router: String,
        /// What it has chosen.
        backend: String,
        /// Why not.
        reason: String,
    },
    /// A conversation is to be continued, and no backend is named.
    #[error("a conversation belongs to the agent that had it, so its backend cannot be chosen; name the backend")]
    WhoseConversation,
    /// A command is given, and no backend is named.
    #[error("a command is one agent's, so its backend cannot be chosen; name the backend, or leave the command out")]
    WhoseCommand,
    /// A question would have somebody wait for itself.
    #[error("{} would wait for itself: {}; answer with what you know, or say in your answer what you need", chain.first().map_or("", String::as_str), chain.join(" -> "))]
    AskLoop {
        /// Who waits for whom; the last is the first.
        chain: Vec<String>,
    },
    /// Too many would wait for each other.
    #[error("too many would wait for each other: {}, and at most {deepest} may; answer with what you know, or write with send_message", chain.join(" -> "))]
    AskTooDeep {
        /// Who waits for whom.
        chain: Vec<String>,
        /// How many may.
        deepest: usize,
    },
    /// A question was not answered in time.
    #[error("{member} did not answer within {seconds} s; {}", after_the_time(*withdrawn))]
    AskTimedOut {
        /// Who was asked.
        member: String,
        /// How long it was waited for.
        seconds: u64,
        /// The member had not begun with it.
        withdrawn: bool,
    },
    /// Whoever asks has ended its turn, or itself, before the answer came, or was in none.
    #[error("the turn of {member} in which it asked is over; ask again in another one")]
    AskerEnded {
        /// Who asked.
        member: String,
    },
    /// Whoever is asked waits for its provider.
    #[error(
        "the provider of {member} takes no requests until {until}; ask somebody else, or write with send_message, which waits"
    )]
    AskedIsLimited {
        /// Who was asked.
        member: String,
        /// Until when.
        until: String,
    },
    /// The lead is asked.
    #[error("the lead has no turns that could be waited for; write to it with send_message")]
    LeadIsNotAsked,
    /// The member is in the roster and does not run.
    #[error("member `{member}` of team `{team}` does not run ({state}); {remedy}")]
    NotRunning {
        /// The team.
        team: String,
        /// The member.
        member: String,
        /// What became of it.
        state: String,
        /// What to do.
        remedy: String,
    },
    /// The member does not run, and whoever gives it an input has to say in which surroundings it is started.
    #[error("member `{member}` of team `{team}` does not run; call again with `surroundings`, in which it is started")]
    Dormant {
        /// The team.
        team: String,
        /// The member.
        member: String,
    },
    /// Git refused.
    #[error("`git {command}` failed in {}: {reason}", dir.display())]
    Git {
        /// What was tried.
        command: String,
        /// Where.
        dir: PathBuf,
        /// What it said.
        reason: String,
    },
    /// Something would be lost with a worktree.
    #[error("the worktree {} is kept: {reason}; commit and merge it, or say --force", path.display())]
    WorktreeInUse {
        /// The worktree.
        path: PathBuf,
        /// What would be lost.
        reason: String,
    },
    /// A member has no worktree.
    #[error("member `{member}` has no worktree of its own; `teams worktree list` shows who has")]
    NoWorktree {
        /// The member.
        member: String,
    },
    /// A team file that is none.
    #[error(transparent)]
    BadTeamFile(#[from] BadTeamFile),
    /// A text that is no id of a run.
    #[error(transparent)]
    BadRunId(#[from] BadRunId),
    /// A run of the team goes on, or was interrupted.
    #[error("run {run} is {}; {}", state.as_str(), run_remedy(*state, run))]
    RunGoesOn {
        /// Which.
        run: String,
        /// How far it is.
        state: RunState,
    },
    /// The run does not go on.
    #[error("run {run} does not go on: it is {}", state.as_str())]
    RunEnded {
        /// Which.
        run: String,
        /// How it ended.
        state: RunState,
    },
    /// There is no such run.
    #[error("there is no run {run}; `teams runs` shows which there are")]
    NoRun {
        /// Which.
        run: String,
    },
    /// No run of the team can be resumed.
    #[error("no run of team `{team}` can be resumed; begin one with `teams run`")]
    NothingToResume {
        /// The team.
        team: String,
    },
    /// A run without tasks and without a lead.
    #[error("there is nothing to do: the file has no [[task]]; add one, or give a lead a goal with --goal")]
    NothingToDo,
    /// A command in a team file that cannot be split into words.
    #[error("`{command}` is not a command; write a program and its arguments as for a shell")]
    BadCommand {
        /// It.
        command: String,
    },
    /// A hook says no.
    #[error("{what}: {feedback}")]
    Vetoed {
        /// What was not done.
        what: String,
        /// Why, in the hook's words.
        feedback: String,
    },
    /// The budget is used up.
    #[error("the budget of {whose} is used up ({used}); no turn is begun; `teams budget` shows and changes it")]
    OverBudget {
        /// Whose.
        whose: String,
        /// What of what.
        used: String,
    },
    /// The member was started too often within a short time.
    #[error(
        "member `{member}` was started five times within ten seconds and ended each time; see how with `teams tail {member}`, then say `teams restart {member}`"
    )]
    StartLimit {
        /// The member.
        member: String,
    },
    /// The member's session could not be started.
    #[error("member `{member}` could not be started: {reason}")]
    NotStarted {
        /// The member.
        member: String,
        /// Why.
        reason: String,
    },
    /// The member runs.
    #[error("member `{member}` of team `{team}` is running; stop it first with `teams stop {member} -t {team}`")]
    Running {
        /// The team.
        team: String,
        /// The member.
        member: String,
    },
    /// The team has running members.
    #[error("team `{team}` has running members ({}); stop them first, or delete with --force", members.join(", "))]
    TeamBusy {
        /// The team.
        team: String,
        /// Who runs.
        members: Vec<String>,
    },
    /// A message is too long.
    #[error("the message has {bytes} bytes, and may have {limit}; write it to a file, and tell its path")]
    LongMessage {
        /// Its length.
        bytes: usize,
        /// The longest.
        limit: usize,
    },
    /// A member writes to another too often.
    #[error(
        "you have sent {to} {most} messages in a short time, which is the most, and nothing was sent; wait {seconds} s, think whether it needs to be said, and say it in one message"
    )]
    TooManyMessages {
        /// To whom.
        to: String,
        /// The most.
        most: usize,
        /// How long to wait.
        seconds: u64,
    },
    /// Nothing is known of a message.
    #[error("nothing is known of a message `{id}`; `teams inbox` and `teams tail --json` show the ids of messages")]
    NoMessage {
        /// Its id.
        id: String,
    },
    /// A question that is not for the lead.
    #[error("the lead cannot answer `{id}`: {reason}; a person can, with `teams approve {id}` or `teams deny {id}`")]
    NotTheLeads {
        /// Its id.
        id: String,
        /// Why.
        reason: &'static str,
    },
    /// A member that may do what it is asked to.
    #[error("member `{member}` was not spawned with --plan-approval, and needs nobody's approval for a plan")]
    NoPlanNeeded {
        /// The member.
        member: String,
    },
    /// A plan without a text.
    #[error("the plan is empty; say what you mean to do")]
    EmptyPlan,
    /// A text that a program would read as its own.
    #[error(
        "a JSON object with a type is read by programs, and is not sent as a message; use the tool or the command for it, or put it into words"
    )]
    OnlyForPrograms,
    /// A message to several, one of whom could not be written to.
    #[error("it was written to {}, and to nobody else: {reason}; do not send it to them again", to.join(", "))]
    PartlySent {
        /// Who has it.
        to: Vec<String>,
        /// What went wrong.
        reason: String,
    },
    /// A member that was asked to stop, and has not answered.
    #[error(
        "{member} was asked to stop already, and has not answered yet; `teams stop {member}` stops it without asking"
    )]
    AskedAlready {
        /// The member.
        member: String,
    },
    /// A team that is recorded already.
    #[error("team {team} is recorded already, in {}; `teams record {team} --stop` ends that", file.display())]
    RecordedAlready {
        /// The team.
        team: String,
        /// Where.
        file: PathBuf,
    },
    /// A team that is not recorded.
    #[error("team {team} is not recorded; `teams record {team} FILE` begins a recording")]
    NotRecorded {
        /// The team.
        team: String,
    },
    /// A request that is not open.
    #[error("there is no open request `{id}`; use the requestId of the message that you got")]
    NoRequest {
        /// Its id.
        id: String,
    },
    /// A token that was never given out, or is worth nothing any more.
    #[error("unknown or expired member token: the agent that it was given to has ended")]
    UnknownToken,
    /// Nobody who has started a process leads a team.
    #[error("the Claude Code that has started this leads no team that is known; start it with `teams claude`")]
    NotLed,
    /// No question under that id.
    #[error(
        "no open approval `{id}`: it was answered, withdrawn, or has expired; `teams approvals` lists those that are open"
    )]
    NoApproval {
        /// The id.
        id: String,
    },
    /// Answers were given where permission is asked for, or the other way about, or too many or too few.
    #[error("`{id}` asks {}, and {given} were given; {}", asked_for(*wanted), how_to_answer(id, *wanted))]
    WrongAnswers {
        /// The question's id.
        id: String,
        /// How many answers it wants; none where it asks for permission.
        wanted: usize,
        /// How many there were.
        given: usize,
    },
    /// Another process drives this team.
    #[error("team `{team}` is driven by another process (it holds {}); use that one, or another state directory", path.display())]
    Elsewhere {
        /// The team.
        team: String,
        /// Its transcript.
        path: PathBuf,
    },
    /// A file of our own failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A path that must be known is not.
    #[error("{0}")]
    NoPath(&'static str),
    /// A turn that somebody waited for failed.
    #[error("turn {turn} of `{member}` failed: {reason}; see what it did with `teams tail {member}`")]
    TurnFailed {
        /// Whose turn it was.
        member: String,
        /// Its number.
        turn: u64,
        /// Why it failed.
        reason: String,
    },
    /// A turn that somebody waited for was interrupted.
    #[error(
        "turn {turn} of `{member}` was interrupted; give it again, or see what was said with `teams tail {member}`"
    )]
    TurnInterrupted {
        /// Whose turn it was.
        member: String,
        /// Its number.
        turn: u64,
    },
    /// What the daemon answers, or that it cannot be reached.
    #[error(transparent)]
    Daemon(#[from] Failure),
    /// The orchestrator is being shut down.
    #[error("shutting down; nothing new is started")]
    ShuttingDown,
}

/// For what takes a name or anything that may become one: a name is one already.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

fn asked_for(answers: usize) -> String {
    match answers {
        0 => "for permission and for no answer".to_owned(),
        1 => "its user one question".to_owned(),
        many => format!("its user {many} questions"),
    }
}

fn how_to_answer(id: &str, answers: usize) -> String {
    match answers {
        0 => format!("`teams approve {id}`"),
        _ => format!(
            "`teams approvals show {id}` shows them, and `teams approve {id}{}` answers",
            " --answer TEXT".repeat(answers.min(9))
        ),
    }
}

/// What becomes of a question that was not answered in time.
fn after_the_time(withdrawn: bool) -> &'static str {
    match withdrawn {
        true => {
            "it was busy, and the question is withdrawn: ask again later, ask somebody else, or write with send_message"
        }
        false => {
            "it goes on with the question, but its answer is not waited for: ask later what came of it, or do without"
        }
    }
}

/// Each on a line of its own.
fn lines(why: &[(String, String)]) -> String {
    why.iter().map(|(backend, reason)| format!("\n  {backend}: {reason}")).collect()
}
