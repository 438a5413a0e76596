//! The options of the verbs that have many.

use std::path::PathBuf;
use std::time::Duration;

use agent_backends::BackendType;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::lead_args::AtLeadExit;
use crate::model::approval::Verdict;
use crate::model::task::TaskStatus;
use crate::model::time::duration;

#[derive(Debug, ClapArgs)]
pub(super) struct SpawnArgs {
    /// Its name; the backend's short name when left out (then gemini-2, gemini-3 …)
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Which agent: claude-code (or claude), codex, gemini, gemini-acp, native, acp; auto chooses one, and says why
    #[arg(long, value_name = "BACKEND")]
    pub(super) backend: BackendType,
    /// Standing instructions
    #[arg(long, value_name = "TEXT", conflicts_with = "prompt_file")]
    pub(super) prompt: Option<String>,
    /// Standing instructions, from a file
    #[arg(long, value_name = "FILE")]
    pub(super) prompt_file: Option<PathBuf>,
    /// The model
    #[arg(long, value_name = "M")]
    pub(super) model: Option<String>,
    /// How hard the model thinks, in the agent's own words
    #[arg(long, value_name = "LEVEL")]
    pub(super) effort: Option<String>,
    /// Where it works; the current folder when left out
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<PathBuf>,
    /// default, acceptEdits, plan or bypassPermissions
    #[arg(long, value_name = "MODE")]
    pub(super) permission_mode: Option<String>,
    /// It begins in mode plan, and gets its permission mode when its plan is approved
    #[arg(long)]
    pub(super) plan_approval: bool,
    /// What is done when the agent no longer has its conversation, or can continue none
    #[arg(long, value_name = "WHAT", default_value = "fail")]
    pub(super) if_lost: WhenLost,
    /// What becomes of it when the Claude Code that leads its team has ended; finish when left out
    #[arg(long, value_name = "WHAT")]
    pub(super) on_lead_exit: Option<AtLeadExit>,
    /// A variable for the agent, on top of this shell's environment
    #[arg(long, value_name = "K=V", value_parser = variable)]
    pub(super) env: Vec<(String, String)>,
    /// The most agentic steps in a turn
    #[arg(long, value_name = "N")]
    pub(super) max_turns: Option<u32>,
    /// Continue this conversation
    #[arg(long, value_name = "SESSION")]
    pub(super) resume: Option<String>,
    /// The agent to run, for --backend acp
    #[arg(long, value_name = "PROGRAM ARGS")]
    pub(super) command: Option<String>,
    /// How long it may take to become ready
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// How long it may take to stop when asked, and again on SIGTERM, before it is killed; 3s each when left out
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) stop_grace: Option<Duration>,
    /// Give it a git worktree of its own, made from the checkout it is spawned in; a branch of its own when none is named
    #[arg(long, value_name = "BRANCH", num_args = 0..=1, default_missing_value = "")]
    pub(super) worktree: Option<String>,
    /// When it is started again, with its conversation, if its session ends by itself
    #[arg(long, value_name = "WHEN", default_value = "never")]
    pub(super) restart: RestartWhen,
    /// How long a turn may take; 6h when left out
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    pub(super) turn_limit: Option<Duration>,
    /// How long a turn may go on without a sign of life of the agent; 30m when left out
    #[arg(long, value_name = "DURATION", value_parser = some_time)]
    pub(super) silence_limit: Option<Duration>,
    /// Give it the team's tasks, one after the other
    #[arg(long)]
    pub(super) work: bool,
    /// What it can do, in a word that tasks may want
    #[arg(long, value_name = "WORD")]
    pub(super) capability: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct BudgetArgs {
    /// A member; the whole team when left out
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// So many turns; `none` lifts a limit
    #[arg(long, value_name = "N", value_parser = limit::<u64>)]
    pub(super) turns: Option<Limit<u64>>,
    /// So many tokens, read and written
    #[arg(long, value_name = "N", value_parser = limit::<u64>)]
    pub(super) tokens: Option<Limit<u64>>,
    /// So many US dollars, of agents that say what they cost
    #[arg(long, value_name = "USD", value_parser = limit::<f64>)]
    pub(super) cost: Option<Limit<f64>>,
    /// So much time in which turns run
    #[arg(long, value_name = "DURATION", value_parser = time_limit)]
    pub(super) wall: Option<Limit<Duration>>,
    /// So many members, for the whole team
    #[arg(long, value_name = "N", value_parser = limit::<u64>, conflicts_with = "name")]
    pub(super) members: Option<Limit<u64>>,
}

/// A limit, or `none`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limit<T>(pub(super) Option<T>);

fn limit<T: std::str::FromStr>(text: &str) -> Result<Limit<T>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    text.parse().map(|limit| Limit(Some(limit))).map_err(|_| "write a number, or `none`".to_owned())
}

fn time_limit(text: &str) -> Result<Limit<Duration>, String> {
    if text == "none" { Ok(Limit(None)) } else { duration(text).map(|limit| Limit(Some(limit))) }
}

/// `--restart`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RestartWhen {
    /// Never; an input for it still brings it back
    Never,
    /// When it was killed, ended with another code than 0, or could not be started
    OnFailure,
    /// Whenever nobody has stopped it
    Always,
}

/// `--resume` of a team
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ResumeWhen {
    /// When somebody says `teams resume`
    Manual,
    /// With the next verb that needs the daemon
    Auto,
}

fn some_time(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("no turn can end in no time".into()) } else { Ok(time) })
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct SendArgs {
    #[command(flatten)]
    pub(super) ask: AskArgs,
    /// Print the answer as it comes, and end with the turn
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct AskArgs {
    /// The member
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// What it shall do
    #[arg(value_name = "TEXT")]
    pub(super) text: Option<String>,
    /// End its running turn first
    #[arg(long)]
    pub(super) interrupt: bool,
    /// Leave standard input alone, in a loop that reads it for one; without this, what is piped in is sent behind TEXT
    #[arg(short = 'n', long)]
    pub(super) no_stdin: bool,
    /// Wait no longer than this; the turn goes on, and the exit code is 124
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

impl From<AskArgs> for SendArgs {
    fn from(ask: AskArgs) -> Self {
        Self { ask, wait: true }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct TailArgs {
    /// Which members; all when left out
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Go on with what comes
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Only the last N lines
    #[arg(short = 'n', value_name = "N")]
    pub(super) last: Option<usize>,
    /// Only events from this number on
    #[arg(long, value_name = "SEQ")]
    pub(super) since: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct StopArgs {
    /// Which members
    #[arg(value_name = "NAME", required_unless_present = "all")]
    pub(super) names: Vec<String>,
    /// All of the team
    #[arg(long, conflicts_with = "names")]
    pub(super) all: bool,
    /// Kill at once
    #[arg(long)]
    pub(super) now: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum WorktreeVerb {
    /// List them: whose, where, which branch, whether something in them would be lost
    List,
    /// Remove a member's worktree, and its branch if everything in it is merged
    Remove {
        /// The member
        #[arg(value_name = "NAME")]
        name: String,
        /// Also if changes or commits would be lost; the branch of those commits stays
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct PolicyArgs {
    /// Deny this: `TOOL`, or `TOOL COMMAND-PREFIX`; TOOL is the agent's own name for it, `command`, `edit` or `*`
    #[arg(long, value_name = "RULE")]
    pub(super) deny: Vec<String>,
    /// Ask a person about this
    #[arg(long, value_name = "RULE")]
    pub(super) ask: Vec<String>,
    /// Let the lead decide about this
    #[arg(long, value_name = "RULE")]
    pub(super) lead: Vec<String>,
    /// Allow this
    #[arg(long, value_name = "RULE")]
    pub(super) allow: Vec<String>,
    /// What holds where no rule does
    #[arg(long, value_name = "WHAT")]
    pub(super) otherwise: Option<Otherwise>,
    /// What the lead may do without asking, and so may grant: default, acceptEdits, plan or bypassPermissions
    #[arg(long, value_name = "MODE")]
    pub(super) lead_mode: Option<String>,
    /// Forget what was said before
    #[arg(long)]
    pub(super) clear: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Otherwise {
    Ask,
    Lead,
    Deny,
    Allow,
}

impl From<Otherwise> for Verdict {
    fn from(otherwise: Otherwise) -> Self {
        match otherwise {
            Otherwise::Ask => Self::Ask,
            Otherwise::Lead => Self::Lead,
            Otherwise::Deny => Self::Deny,
            Otherwise::Allow => Self::Allow,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum MemoryVerb {
    /// The names of all values
    List,
    /// Print a value
    Get {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remember a value
    Set {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// JSON; what is none is taken as text
        #[arg(value_name = "VALUE")]
        value: String,
        /// Only if this is the version that is there; 0 when there must be none
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
    },
    /// Forget a value
    Delete {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Only if this is the version that is there
        #[arg(long, value_name = "VERSION")]
        expect: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TaskVerb {
    /// Add a task
    Add {
        /// What is to be done, in a line
        #[arg(value_name = "SUBJECT")]
        subject: String,
        /// What is to be done
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// The subject while somebody works on it ("Reviewing …")
        #[arg(long, value_name = "TEXT")]
        active_form: Option<String>,
        /// Who shall work on it
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// A task that it waits for
        #[arg(long, value_name = "ID")]
        blocked_by: Vec<String>,
        /// Tasks with lower numbers are begun first
        #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
        /// How often it is given out again when it failed; 2 when left out
        #[arg(long, value_name = "N")]
        max_retries: Option<u32>,
        /// Who may be given it: member=NAME, backend=BACKEND or capability=WORD
        #[arg(long, value_name = "K=V", value_parser = variable)]
        wants: Vec<(String, String)>,
        /// The file that it is about
        #[arg(long, value_name = "FILE")]
        target_file: Option<String>,
        /// What its owner should know
        #[arg(long, value_name = "K=V", value_parser = variable)]
        context: Vec<(String, String)>,
    },
    /// List tasks
    List {
        /// Only those: pending, in_progress or completed
        #[arg(long, value_name = "S")]
        status: Option<TaskStatus>,
        /// Only those of this member
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// Show one task
    Show {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Change a task
    Update {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
        /// pending, in_progress or completed
        #[arg(long, value_name = "S")]
        status: Option<TaskStatus>,
        /// Who works on it; empty for nobody
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// A new subject
        #[arg(long, value_name = "T")]
        subject: Option<String>,
        /// A new description
        #[arg(long, value_name = "T")]
        description: Option<String>,
        /// A task that it shall wait for
        #[arg(long, value_name = "ID")]
        add_blocked_by: Vec<String>,
        /// A task that shall wait for it
        #[arg(long, value_name = "ID")]
        add_blocks: Vec<String>,
    },
    /// Complete a task, and say which tasks it unblocks
    Done {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Make a task that has failed, or is done, one that can be begun
    Retry {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Say that a task has failed: nobody is given it, and what waits for it does not begin
    Fail {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
        /// Why
        #[arg(long, value_name = "T", default_value = "a person said so")]
        reason: String,
    },
    /// Wait until tasks are done; exit code 1 when one has failed
    Wait {
        /// Which; all when left out
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// How long at most
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Show the task that would be begun next
    Next,
    /// Delete a task; its id is never used again
    Delete {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show the tasks as a tree, each below what it waits for
    Tree,
    /// Draw the dependencies; `*` is what holds up the end of all
    Graph {
        /// How
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: GraphFormat,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum GraphFormat {
    /// For people
    Text,
    /// For Mermaid
    Mermaid,
    /// For Graphviz
    Dot,
    /// A picture for browsers
    Svg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub(super) enum DaemonVerb {
    /// Be the daemon, in the foreground
    Run,
    /// Start the daemon, unless it runs
    Start,
    /// Stop every member, then the daemon
    Stop,
    /// Say whether it runs, and where its files are
    Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SimulatedAgent {
    ClaudeCode,
    Codex,
    Gemini,
    Acp,
}

#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsVerb {
    /// Show one question whole: the command, the change of files, or what it wants to know
    Show {
        /// As `teams approvals` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// What is done when a conversation is lost.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum WhenLost {
    Fail,
    Fresh,
}
