//! The grammar.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use super::agent_args::AgentArgs;
use super::checkpoint_args::CheckpointVerb;
use super::compose_args::{ComposeArgs, FanArgs};
use super::lead_args::{AtLeadExit, PanesIn};
use super::options::{
    ApprovalsVerb, AskArgs, BudgetArgs, DaemonVerb, MemoryVerb, PolicyArgs, ResumeWhen, SendArgs, SimulatedAgent,
    SpawnArgs, StopArgs, TailArgs, TaskVerb, WorktreeVerb,
};
use super::run_args::{RunArgs, Template};
use super::view_args::{ReplayArgs, ReplayIn, WebArgs};
use crate::model::time::duration;

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
    /// Print texts as they are, with their control characters
    #[arg(long, global = true)]
    pub(super) raw: bool,
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
        /// Note each completed task on its commit, with what it has cost (see `teams checkpoint`)
        #[arg(long)]
        checkpoints: bool,
    },
    /// List all teams
    List {
        /// Those whose lead, a Claude Code, has ended
        #[arg(long)]
        ended: bool,
    },
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
        /// Begin a new conversation, where the agent no longer has the one before, or can continue none
        #[arg(long)]
        fresh: bool,
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
    /// What completed tasks have cost, as git notes on the commits that they were completed at
    ///
    /// They are in `refs/notes/agent-teams` of the repository, where `git push` leaves them behind unless it is told of that ref.
    Checkpoint {
        #[command(subcommand)]
        verb: CheckpointVerb,
    },
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
        /// The same in a few words
        #[arg(long, value_name = "TEXT")]
        summary: Option<String>,
        /// Do not wait for the end of the recipient's turn: it comes into it, or interrupts it
        #[arg(long)]
        urgent: bool,
    },
    /// Ask a member to stop; it may refuse, and says why (exit code 1)
    Shutdown {
        /// The member
        #[arg(value_name = "NAME")]
        name: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Stop it after so long without an answer
        #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
        deadline: Duration,
    },
    /// Tell what became of a message
    Trace {
        /// As `teams message` and `teams inbox` show it
        #[arg(value_name = "MESSAGE-ID")]
        id: String,
    },
    /// What the team remembers
    Memory {
        #[command(subcommand)]
        verb: MemoryVerb,
    },
    /// Serve the team's tools over MCP on standard input and output
    ///
    /// For the configuration of an editor or a chat program, which thereby becomes the lead of the team: command `teams`,
    /// arguments `mcp --team TEAM --as team-lead`. Agents that `teams` has started have it already.
    Mcp {
        /// As whom; a member is known by what its agent was given
        #[arg(long = "as", value_name = "NAME")]
        who: Option<String>,
    },
    /// Show an inbox; nothing is consumed
    Inbox {
        /// Whose; the lead's when left out
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
        /// What no agent has got yet, of everybody who is ours
        #[arg(long, conflicts_with_all = ["name", "follow"])]
        undelivered: bool,
    },
    /// Show what agents ask permission for, and plans
    #[command(args_conflicts_with_subcommands = true)]
    Approvals {
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
        #[command(subcommand)]
        verb: Option<ApprovalsVerb>,
    },
    /// Show and set who decides what agents ask for; denials hold first, then the others in the order in which they were given
    Policy(PolicyArgs),
    /// Allow what an agent asks for, or answer its question
    Approve {
        /// As `teams approvals` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// The answer to a question that an agent asks its user; once for each, in their order
        #[arg(long = "answer", value_name = "TEXT", conflicts_with = "for_session")]
        answers: Vec<String>,
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
    /// Write a team file that runs: from a template, or from three answers
    Init {
        /// Where to; teams.toml when left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// What it is made from
        #[arg(long, value_name = "NAME")]
        template: Option<Template>,
    },
    /// Check a team file: what is wrong is shown with its line and column
    Check {
        /// The file; teams.toml when left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// Print the JSON schema of team files instead
        #[arg(long)]
        schema: bool,
    },
    /// Trust a team file, as it is now, to name programs and variables, and to let agents do things without asking
    Trust {
        /// The file; teams.toml when left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Start the members of a team file that do not run; this begins no task
    Up {
        /// The file; teams.toml when left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Stop the members of a team file, and its run if one goes on
    Down {
        /// The file; teams.toml when left out
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Run a team until its tasks are done: the members of a team file work through its tasks, or a lead pursues a goal
    ///
    /// Exit codes: 0 all done, 1 something failed, 3 the budget is used up, 4 an agent asked a question that nobody could answer, 124 the time is
    /// over. The run lives in the daemon: when this command is killed it goes on, and `teams attach` shows it.
    Run(Box<RunArgs>),
    /// List runs, of all teams or with -t of one
    Runs,
    /// Show a run until it ends, or follow a member; Ctrl-C leaves it alone
    Attach {
        /// A run's id, or a member; the last run when left out
        #[arg(value_name = "RUN|NAME")]
        what: Option<String>,
    },
    /// Print what a run came to, or all that a team has done
    Report {
        /// A team, or a run's id
        #[arg(value_name = "TEAM|RUN")]
        what: Option<String>,
        /// Write it as an HTML file without outside references: task graph, timeline of turns, usage
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Record a team: what is asked of it, every line between us and its agents, and its events, without secrets
    Record {
        /// The team
        #[arg(value_name = "TEAM")]
        team: String,
        /// Where to; a file that is not there yet
        #[arg(value_name = "FILE", required_unless_present = "stop")]
        file: Option<PathBuf>,
        /// End its recording
        #[arg(long, conflicts_with = "file")]
        stop: bool,
    },
    /// Write a file for whoever looks into a fault: versions, what is installed, the daemon's log, and a recording
    ///
    /// It has no secrets that we know of; read it before you pass it on.
    Bugreport {
        /// Where to; a file that is not there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What `teams record` has written; the team's events when left out
        #[arg(long, value_name = "FILE")]
        recording: Option<PathBuf>,
    },
    /// Play a recording back through the real code, without any agent or network, and see whether the same comes of it
    Replay(ReplayArgs),
    /// See all teams on one screen: who works, who needs you, what they say; answer them there
    Ui {
        /// Print lines instead: for screen readers, and for logs
        #[arg(long)]
        plain: bool,
    },
    /// See all teams on a page in a browser, on a phone too: the link that is printed opens it
    Web(WebArgs),
    /// Start your Claude Code as a lead whose teammates may be of any make: ask it for a codex or a gemini teammate
    ///
    /// `teams claude install` changes your settings so that every `claude` is such a lead, after it has shown how and you have agreed;
    /// `teams claude remove` takes that back. `--yes` behind either agrees beforehand.
    Claude {
        /// Where its teammates have their panes: own (nowhere to be seen) or tmux; tmux where this is a terminal of tmux
        #[arg(long, value_name = "WHERE")]
        panes: Option<PanesIn>,
        /// What becomes of its teammates when it has ended; finish when left out
        #[arg(long, value_name = "WHAT")]
        on_lead_exit: Option<AtLeadExit>,
        /// Everything from the first of these on is passed on to it
        #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Tell the Claude Code that has started this process of its team's mail, line by line, as long as it runs
    #[command(hide = true)]
    Attend,
    /// Have members work one after the other, each with the answer of the one before; print the last answer
    Pipe(ComposeArgs),
    /// Give several members the same, at the same time; print all answers, or what is made of them
    Fan(FanArgs),
    /// Work with an agent of our own, which needs no other program: a key for a model is enough, or a model server
    ///
    /// With a prompt it does that and ends. On a terminal it takes one input after the other. Otherwise, and with --acp, it speaks the
    /// Agent Client Protocol, for an editor.
    Agent(Box<AgentArgs>),
    /// Check each agent CLI, the state directory and the daemon
    Doctor,
    /// The background process that owns the agents
    Daemon {
        #[command(subcommand)]
        verb: DaemonVerb,
    },
    /// Watch a three-member team of simulated agents, end to end, in a temporary home
    Demo {
        /// Instead, play a recorded team in a view: ui or web
        #[arg(value_name = "VIEW")]
        view: Option<ReplayIn>,
    },
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
