//! The two traits: a factory for sessions of one agent, and one live conversation with one.

use async_trait::async_trait;

use crate::approval::{ApprovalId, Decision};
use crate::capabilities::{Capabilities, Group};
use crate::command::Command;
use crate::config::SpawnConfig;
use crate::discover;
use crate::error::Result;
use crate::kind::BackendType;
use crate::output::OutputReceiver;
use crate::permission::PermissionMode;
use crate::process::StopReport;

/// A factory for sessions of one agent CLI.
#[async_trait]
pub trait AgentBackend: Send + Sync {
    /// The name of this backend.
    fn backend_type(&self) -> BackendType;

    /// What its agent can do, and what has to be known of it.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// The backend whose program and account this one uses too; itself, unless it is another way of running the same
    /// program.
    fn family(&self) -> BackendType {
        self.backend_type()
    }

    /// Starts a session and waits until the agent is ready for input. No turn is started.
    ///
    /// # Errors
    /// The program is missing or too old, the working directory does not exist, the agent is not logged in, it did not
    /// become ready in time, cannot do what `config` asks for, or reports settings that differ from it.
    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>>;

    /// Tells the agent of the group that the session is to be a member of, as far as the agent has to know: by arguments and
    /// variables in `config`.
    fn join(&self, _config: &mut SpawnConfig, _group: &Group<'_>) {}

    /// The command that runs the agent when nobody says otherwise.
    fn default_command(&self) -> Option<Command> {
        None
    }

    /// The npm package that brings the program.
    fn npm_package(&self) -> Option<&'static str> {
        None
    }

    /// The version of the program that this backend is tested with; others may work.
    fn tested_version(&self) -> Option<&'static str> {
        None
    }

    /// The oldest version of the program that works, found by trying.
    fn oldest_version(&self) -> Option<&'static str> {
        None
    }

    /// What of these settings the agent cannot do, as far as that is known without starting it; `None` when nothing is.
    fn refuses(&self, _config: &SpawnConfig) -> Option<String> {
        None
    }

    /// Whether the agent can be asked for a model of this name; `None` when the name does not tell.
    fn runs_model(&self, _model: &str) -> Option<bool> {
        None
    }

    /// Why the agent would not reach its model's provider with these settings, as far as that shows without starting it. `None` does not say that
    /// it would.
    fn lacks_login(&self, _config: &SpawnConfig) -> Option<String> {
        None
    }

    /// Asks the program for its version.
    ///
    /// # Errors
    /// The program is missing, cannot be started, or does not answer in time.
    async fn version(&self, command: &Command) -> Result<String> {
        discover::version(self.backend_type(), command, self.npm_package()).await
    }

    /// Whether the agent can reach its model's provider, as far as it can tell; `None` when it cannot, or did not start.
    async fn login_state(&self, _command: &Command) -> Option<bool> {
        None
    }
}

/// One live conversation with one agent: takes input, gives output.
///
/// Dropping a session kills its processes; [`shutdown`](AgentSession::shutdown) is the polite way, and the only one that
/// reports what became of them.
#[async_trait]
pub trait AgentSession: Send + Sync {
    /// The name the session was spawned with.
    fn name(&self) -> &str;

    /// Tells whether this input could be given to the agent at all.
    ///
    /// # Errors
    /// It is empty, or too large for this agent.
    fn check_input(&self, _input: &str) -> Result<()> {
        Ok(())
    }

    /// Queues `input` as one turn. It starts at once when the agent is idle, else after the turns before it.
    ///
    /// # Errors
    /// The input is empty or too large for this agent, the queue is full, or the session has ended.
    async fn send_input(&mut self, input: &str) -> Result<()>;

    /// As [`send_input`](AgentSession::send_input), under an id of the caller's (a UUID), by which the agent can be asked
    /// later whether it [has](AgentSession::has_input) it.
    ///
    /// # Errors
    /// As [`send_input`](AgentSession::send_input).
    async fn send_input_as(&mut self, _id: &str, input: &str) -> Result<()> {
        self.send_input(input).await
    }

    /// As [`send_input_as`](AgentSession::send_input_as), of what others than the agent's user have written: nothing in it is the agent's own
    /// language, no mention of a file and no command.
    ///
    /// # Errors
    /// As [`send_input`](AgentSession::send_input).
    async fn send_quoted_as(&mut self, id: &str, input: &str) -> Result<()> {
        self.send_input_as(id, input).await
    }

    /// Whether the conversation has the input that was sent under this id, in this session or in one before it that it
    /// continues. `None` where the agent cannot tell.
    ///
    /// # Errors
    /// The agent was asked and did not answer.
    async fn has_input(&mut self, _id: &str) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Gives the turn that runs a further input, which others have written, under an id of the caller's. The agent finishes the tool that it uses, takes
    /// it (Codex drops the answer that it is in the midst of), and goes on with the same turn.
    /// [`AgentOutput::InputAccepted`](crate::AgentOutput::InputAccepted) follows when it has it. `false` when the agent cannot take it, or no turn runs any
    /// more; then it does not have it.
    ///
    /// # Errors
    /// The session has ended, or the agent did not answer: then nobody knows whether it has it.
    async fn steer(&mut self, _id: &str, _input: &str) -> Result<bool> {
        Ok(false)
    }

    /// The session's output, handed out once; `None` after that.
    fn output_receiver(&mut self) -> Option<OutputReceiver>;

    /// Whether the session can still take input.
    async fn is_alive(&self) -> bool;

    /// Ends the running turn; what waits behind it stays queued. Does nothing when no turn runs.
    ///
    /// # Errors
    /// The session has ended.
    async fn interrupt(&mut self) -> Result<()>;

    /// Asks the agent whether its turn still runs, where its protocol can. An end that was missed is then reported as any
    /// other; else nothing happens.
    async fn probe(&mut self) {}

    /// Changes what the agent may do without asking, from its next use of a tool on, or from its next turn on. Its conversation
    /// goes on.
    ///
    /// # Errors
    /// The agent has no such mode, or refuses.
    async fn set_permission_mode(&mut self, mode: PermissionMode) -> Result<()>;

    /// Answers a question the agent asked with [`AgentOutput::Approval`](crate::AgentOutput::Approval).
    ///
    /// # Errors
    /// No such question is open: it was answered, withdrawn, or belongs to a turn that ended.
    async fn answer(&mut self, approval: &ApprovalId, decision: Decision) -> Result<()>;

    /// The agent's own name for the conversation, with which [`SpawnConfig::resume`] continues it. `None` while the agent
    /// has not made it durable.
    fn session_id(&self) -> Option<String>;

    /// The id that the conversation has, or will have once it is durable: what was killed in its first turn may be found
    /// under it.
    fn assigned_id(&self) -> Option<String> {
        self.session_id()
    }

    /// The model that the agent says it uses, when it says so.
    fn model(&self) -> Option<String>;

    /// The process that serves the session now; `None` when there is none (a one-shot agent between turns).
    fn pid(&self) -> Option<u32>;

    /// What whoever runs the agent has to know of it, as long as the session lives: that it does not ask before it acts, for
    /// instance, although it was told to.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Stops the session, politely first: by protocol, then by closing its input, then SIGTERM, then SIGKILL, each with a
    /// deadline, and verifies what is left. The output ends with [`AgentOutput::Exited`](crate::AgentOutput::Exited). Calling it again returns the same
    /// report.
    ///
    /// # Errors
    /// The processes could not be looked at, so nothing can be said about them.
    async fn shutdown(&mut self) -> Result<StopReport>;

    /// Kills the session's processes now and verifies that none is left.
    ///
    /// # Errors
    /// As [`shutdown`](AgentSession::shutdown).
    async fn force_kill(&mut self) -> Result<StopReport>;
}
