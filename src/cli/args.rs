//! The grammar.

use std::path::PathBuf;
use std::time::Duration;

use agent_backends::BackendType;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::duration;
use crate::model::task::TaskStatus;

/// Run Claude Code, Codex, Gemini CLI and ACP agents as teammates of one team.
///
/// A background daemon owns the agents; it starts by itself when a verb needs it. Teams, tasks and messages are kept in
/// Claude Code's own files, so that a Claude Code session on this machine sees the same team.
#[derive(Debug, Parser)]
#[command(name = "teams", version, max_term_width = 100)]
#[command(
    after_help = "Start here:\n  teams demo                              watch a team of simulated agents work\n  teams doctor                            see which agent CLIs are installed and logged in\n  teams create review                     create a team\n  teams spawn --backend gemini            start an agent in it\n  git diff | teams ask gemini \"Review\"    give it something to do, and read its answer"
)]
pub struct Args {
    /// The team; else $TEAMS_TEAM, else the only team there is
    #[arg(short = 't', long = "team", global = true, value_name = "NAME")]
    pub(super) in_team: Option<String>,
    /// Print JSON: one document, or one object a line for streams
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create a team
    Create {
        /// Its name; the current folder's name, made valid, when left out
        #[arg(value_name = "TEAM")]
        team: Option<String>,
        /// What it is for
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// auto: its members come back by themselves after a crash or a reboot, with the next verb that needs the daemon
        #[arg(long, value_name = "WHO", default_value = "manual")]
        resume: ResumeWhen,
    },
    /// List all teams
    List,
    /// Show a team's members: backend, state, process, model, turns, tokens, unread mail
    Status {
        /// The team
        #[arg(value_name = "TEAM")]
        team: Option<String>,
    },
    /// Delete a team: its roster, inboxes, tasks and transcript
    Delete {
        /// The team
        #[arg(value_name = "TEAM")]
        team: Option<String>,
        /// Stop its members first
        #[arg(long)]
        force: bool,
    },
    /// Start an agent as a member of the team; this starts no turn
    ///
    /// The agent inherits this shell's environment and umask. Permission modes: `default` asks before it changes anything
    /// (`teams approvals` shows what waits), `acceptEdits` edits files without asking, `plan` changes nothing,
    /// `bypassPermissions` asks nothing. What each agent makes of them is in the README.
    Spawn(Box<SpawnArgs>),
    /// Give a member input; it becomes a turn of its own
    ///
    /// The input is TEXT, standard input, or both: TEXT, a blank line, standard input. A busy member takes it after the
    /// turn that runs.
    Send(SendArgs),
    /// Give a member input and print its answer as it comes (= send --wait)
    Ask(AskArgs),
    /// Print what members said, as text; with --json every event
    Tail(TailArgs),
    /// End a member's running turn; what waits behind it stays
    Interrupt {
        /// The member
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Bring back members that do not run, each with its own conversation: after a crash, a reboot, a stop of the daemon
    ///
    /// Members that somebody has stopped stay away; an input for one of them brings it back.
    Resume {
        /// The team
        #[arg(value_name = "TEAM")]
        team: Option<String>,
    },
    /// Stop a member if it runs, and start it with its conversation
    Restart {
        /// The member
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Stop members, and print what was verified: how each ended, how many processes are left
    Stop(StopArgs),
    /// Show members' processes: pid, age, memory, what each is
    Ps {
        /// Only what a daemon that is gone left behind, of any team
        #[arg(long)]
        orphans: bool,
    },
    /// Show what the team and its members may use and have used; with options, set it
    ///
    /// When a budget is used up the next turn is refused; one that runs is not cut off.
    Budget(BudgetArgs),
    /// The git worktrees of the team's members
    Worktree {
        #[command(subcommand)]
        verb: WorktreeVerb,
    },
    /// The team's tasks
    Task {
        #[command(subcommand)]
        verb: TaskVerb,
    },
    /// Write a message into a member's inbox; `*` writes to everyone but the sender
    Message {
        /// The recipient: a member, `team-lead`, or `*`
        #[arg(value_name = "TO")]
        to: String,
        /// What to say
        #[arg(value_name = "TEXT")]
        text: String,
        /// Who says it
        #[arg(long, value_name = "NAME", default_value = "team-lead")]
        from: String,
    },
    /// Show an inbox; nothing is consumed
    Inbox {
        /// Whose; the lead's when left out
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
    },
    /// Show what agents ask permission for
    Approvals,
    /// Allow what an agent asks for
    Approve {
        /// As `teams approvals` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// Do not ask again for the like in this session, where the agent can
        #[arg(long)]
        for_session: bool,
    },
    /// Deny what an agent asks for; its turn goes on
    Deny {
        /// As `teams approvals` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// What the agent is told, where it can be told
        #[arg(long, value_name = "TEXT", default_value = "denied by the user")]
        reason: String,
    },
    /// Check each agent CLI, the state directory and the daemon
    Doctor,
    /// The background process that owns the agents
    Daemon {
        #[command(subcommand)]
        verb: DaemonVerb,
    },
    /// Watch a three-member team of simulated agents, end to end, in a temporary home
    Demo,
    /// Print a completion script for a shell
    Completions {
        /// Which
        shell: Shell,
    },
    /// A scripted agent on standard input and output
    #[command(hide = true)]
    Simulate {
        /// Whose protocol it speaks
        agent: SimulatedAgent,
        /// What it does, as JSON; without it, the directives in each prompt
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
        /// What the real agent would be given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct SpawnArgs {
    /// Its name; the backend's short name when left out (then gemini-2, gemini-3 …)
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Which agent: claude-code (or claude), codex, gemini, gemini-acp, acp
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
    /// Only the last N events
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
    /// Delete a task; its id is never used again
    Delete {
        /// Which
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Draw the dependencies
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
