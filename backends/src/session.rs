//! The loop behind every session: one turn at a time, a queue of inputs, output in order, commands always heard.
//! It knows no protocol; a [`Driver`] does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::approval::{ApprovalId, Decision};
use crate::backend::AgentSession;
use crate::driver::{Answer, Driver, Facts, InputCheck, StopMode, TurnInput};
use crate::error::{BackendError, Result};
use crate::lock::lock;
use crate::outbox::{Outbox, TurnEnd};
use crate::output::{AgentOutput, OUTPUT_CHANNEL_SIZE, OutputReceiver, OutputSender, output_channel};
use crate::permission::PermissionMode;
use crate::process::StopReport;

/// Inputs that may wait for one agent.
const QUEUE_LIMIT: usize = 256;
/// Events that may wait for the reader before the agent is no longer read.
const OUTBOX_LIMIT: usize = 1024;

/// Events of an agent that are handled before commands are looked at.
const HANDLED_AT_ONCE: usize = 64;

enum SessionCommand {
    Input(TurnInput, oneshot::Sender<Result<()>>),
    Steer(TurnInput, oneshot::Sender<Result<bool>>),
    HasInput(String, oneshot::Sender<Result<Option<bool>>>),
    SetMode(PermissionMode, oneshot::Sender<Result<()>>),
    Interrupt(oneshot::Sender<Result<()>>),
    Probe,
    Answer(ApprovalId, Decision, oneshot::Sender<Result<()>>),
    Stop(StopMode, oneshot::Sender<Result<StopReport>>),
}

struct Shared {
    facts: Facts,
    alive: bool,
}

/// A session that a [`Driver`] runs: the loop, and the handle of it.
pub struct Session {
    name: String,
    check: InputCheck,
    commands: mpsc::Sender<SessionCommand>,
    output: Option<OutputReceiver>,
    shared: Arc<Mutex<Shared>>,
}

impl Session {
    /// Starts the loop, in a task of its own. The task ends when the session has ended and its output was read, or when the
    /// handle is dropped.
    pub fn start<D: Driver>(name: String, driver: D) -> Box<dyn AgentSession> {
        let (commands, receiver) = mpsc::channel(64);
        let (sender, output) = output_channel(OUTPUT_CHANNEL_SIZE);
        let shared = Arc::new(Mutex::new(Shared { facts: driver.facts(), alive: true }));
        let check = driver.input_check();
        let task = Loop {
            driver,
            commands: receiver,
            output: sender,
            shared: Arc::clone(&shared),
            queue: VecDeque::new(),
            inputs: 0,
            outbox: Outbox::default(),
            questions: JoinSet::new(),
            report: None,
            nobody_reads: false,
        };
        tokio::spawn(task.run());
        Box::new(Self { name, check, commands, output: Some(output), shared })
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T>>) -> SessionCommand) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| BackendError::ended())?;
        answer.await.unwrap_or_else(|_| Err(BackendError::ended()))
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

#[async_trait]
impl AgentSession for Session {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send_input(&mut self, input: &str) -> Result<()> {
        self.send_input_as(&uuid::Uuid::new_v4().to_string(), input).await
    }

    async fn send_input_as(&mut self, id: &str, input: &str) -> Result<()> {
        self.check_input(input)?;
        let input = TurnInput { id: id.to_owned(), text: input.to_owned(), quoted: false };
        self.ask(|reply| SessionCommand::Input(input, reply)).await
    }

    async fn send_quoted_as(&mut self, id: &str, input: &str) -> Result<()> {
        self.check_input(input)?;
        let input = TurnInput { id: id.to_owned(), text: input.to_owned(), quoted: true };
        self.ask(|reply| SessionCommand::Input(input, reply)).await
    }

    async fn has_input(&mut self, id: &str) -> Result<Option<bool>> {
        self.ask(|reply| SessionCommand::HasInput(id.to_owned(), reply)).await
    }

    async fn steer(&mut self, id: &str, input: &str) -> Result<bool> {
        self.check_input(input)?;
        let input = TurnInput { id: id.to_owned(), text: input.to_owned(), quoted: true };
        self.ask(|reply| SessionCommand::Steer(input, reply)).await
    }

    fn output_receiver(&mut self) -> Option<OutputReceiver> {
        self.output.take()
    }

    async fn is_alive(&self) -> bool {
        self.shared().alive
    }

    async fn interrupt(&mut self) -> Result<()> {
        self.ask(SessionCommand::Interrupt).await
    }

    async fn set_permission_mode(&mut self, mode: PermissionMode) -> Result<()> {
        self.ask(|reply| SessionCommand::SetMode(mode, reply)).await
    }

    async fn answer(&mut self, approval: &ApprovalId, decision: Decision) -> Result<()> {
        self.ask(|reply| SessionCommand::Answer(approval.clone(), decision, reply)).await
    }

    fn session_id(&self) -> Option<String> {
        self.shared().facts.session_id.clone()
    }

    fn assigned_id(&self) -> Option<String> {
        self.shared().facts.assigned_id.clone()
    }

    fn model(&self) -> Option<String> {
        self.shared().facts.model.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.shared().facts.warnings.clone()
    }

    fn check_input(&self, input: &str) -> Result<()> {
        if input.trim().is_empty() {
            return Err(BackendError::EmptyInput);
        }
        (self.check)(input)
    }

    async fn probe(&mut self) {
        let _ = self.commands.send(SessionCommand::Probe).await;
    }

    fn pid(&self) -> Option<u32> {
        self.shared().facts.pid
    }

    async fn shutdown(&mut self) -> Result<StopReport> {
        self.ask(|reply| SessionCommand::Stop(StopMode::Politely, reply)).await
    }

    async fn force_kill(&mut self) -> Result<StopReport> {
        self.ask(|reply| SessionCommand::Stop(StopMode::Now, reply)).await
    }
}

struct Loop<D> {
    driver: D,
    commands: mpsc::Receiver<SessionCommand>,
    output: OutputSender,
    shared: Arc<Mutex<Shared>>,
    queue: VecDeque<(u64, TurnInput)>,
    inputs: u64,
    outbox: Outbox,
    /// What is asked of the agent beside the loop.
    questions: JoinSet<()>,
    report: Option<StopReport>,
    nobody_reads: bool,
}

impl<D: Driver> Loop<D> {
    async fn run(mut self) {
        loop {
            self.start_next_turn();
            self.publish();
            self.pass_on_text();
            if self.outbox.exited && self.outbox.events.is_empty() && self.report.is_some() {
                break;
            }
            let reads_agent = !self.outbox.exited && self.outbox.events.len() < OUTBOX_LIMIT;
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                room = self.output.ready(), if !self.outbox.events.is_empty() => {
                    self.nobody_reads |= room.is_err();
                    self.pass_on();
                }
                event = self.driver.next(), if reads_agent => self.handle(event).await,
            }
        }
        if self.report.is_none() {
            self.stop(StopMode::Now).await.ok();
        }
        self.publish();
        self.finish().await;
    }

    /// Handles an event, and those that follow it at once as long as text comes of them and nothing else.
    async fn handle(&mut self, mut event: D::Event) {
        for handled in 1.. {
            let before = self.outbox.events.len();
            self.driver.handle(event, &mut self.outbox);
            if self.outbox.exited {
                self.stop(StopMode::Now).await.ok();
                return;
            }
            let mut new = self.outbox.events.range(before..);
            let is_only_text = new.len() > 0 && new.all(AgentOutput::is_text);
            if !is_only_text || handled == HANDLED_AT_ONCE {
                return;
            }
            match ready_now(self.driver.next()).await {
                Some(next) => event = next,
                None => return,
            }
        }
    }

    /// The session is over: what is left of the output goes out, and every further command hears so.
    async fn finish(mut self) {
        while let Some(event) = self.outbox.events.pop_front() {
            if self.output.send(event).await.is_err() {
                break;
            }
        }
        drop(self.output);
        while let Some(command) = self.commands.recv().await {
            match command {
                SessionCommand::Stop(_, reply) => {
                    let report = self.report.clone().ok_or_else(BackendError::ended);
                    let _ = reply.send(report);
                }
                SessionCommand::Probe => {}
                SessionCommand::Steer(_, reply) => {
                    let _ = reply.send(Err(BackendError::ended()));
                }
                SessionCommand::HasInput(_, reply) => {
                    let _ = reply.send(Err(BackendError::ended()));
                }
                SessionCommand::Input(_, reply)
                | SessionCommand::SetMode(_, reply)
                | SessionCommand::Interrupt(reply)
                | SessionCommand::Answer(_, _, reply) => {
                    let _ = reply.send(Err(BackendError::ended()));
                }
            }
        }
    }

    fn start_next_turn(&mut self) {
        while !self.outbox.busy && !self.outbox.exited {
            let Some((ordinal, input)) = self.queue.pop_front() else { return };
            self.outbox.begin(Some(ordinal));
            if let Err(error) = self.driver.start_turn(&input, &mut self.outbox) {
                self.outbox.end_turn(TurnEnd::Failed(error.to_string()));
            }
            self.note_idle();
        }
    }

    fn note_idle(&mut self) {
        let ended = self.outbox.events.back().is_some_and(AgentOutput::ends_turn);
        if ended && !self.outbox.busy && !self.outbox.exited && self.queue.is_empty() {
            self.outbox.push(AgentOutput::Idle);
        }
    }

    /// Passes on the text that comes first, which waits for nothing.
    fn pass_on_text(&mut self) {
        if !self.outbox.events.front().is_some_and(AgentOutput::is_text) {
            return;
        }
        let events = &mut self.outbox.events;
        let is_next = |events: &VecDeque<AgentOutput>| events.front().is_some_and(AgentOutput::is_text);
        let text = std::iter::from_fn(|| if is_next(events) { events.pop_front() } else { None });
        if self.nobody_reads {
            text.for_each(drop);
        } else {
            self.nobody_reads = self.output.push_all(text).is_err();
        }
    }

    /// Passes on what can go without waiting; called when one control event can.
    fn pass_on(&mut self) {
        let mut room = true;
        while let Some(event) = self.outbox.events.front() {
            if !event.is_text() && !std::mem::take(&mut room) {
                return;
            }
            if let Some(event) = self.outbox.events.pop_front()
                && !self.nobody_reads
            {
                self.nobody_reads = self.output.push(event).is_err();
            }
        }
    }

    async fn obey(&mut self, command: SessionCommand) {
        match command {
            SessionCommand::Input(input, reply) => {
                let _ = reply.send(self.enqueue(input));
            }
            SessionCommand::Steer(input, reply) if self.outbox.busy => {
                self.outbox.offer_more();
                let answer = self.driver.steer(input);
                self.beside(answer, reply);
            }
            SessionCommand::Steer(_, reply) => {
                let _ = reply.send(Ok(false));
            }
            SessionCommand::HasInput(id, reply) => {
                let answer = self.driver.has_input(&id);
                self.beside(answer, reply);
            }
            SessionCommand::SetMode(mode, reply) => {
                let answer = self.driver.set_mode(mode);
                self.beside(answer, reply);
            }
            SessionCommand::Interrupt(reply) => {
                let done = if self.outbox.exited {
                    Err(BackendError::ended())
                } else if self.outbox.busy {
                    self.driver.interrupt(&mut self.outbox)
                } else {
                    Ok(())
                };
                let _ = reply.send(done);
            }
            SessionCommand::Probe => {
                if self.outbox.busy && !self.outbox.exited {
                    self.driver.probe();
                }
            }
            SessionCommand::Answer(id, decision, reply) => {
                let done = if self.outbox.is_open(&id) {
                    self.driver.answer(&id, decision, &mut self.outbox)
                } else {
                    Err(BackendError::NoSuchApproval { id: id.0 })
                };
                let _ = reply.send(done);
            }
            SessionCommand::Stop(how, reply) => {
                let report = self.stop(how).await;
                self.publish();
                let _ = reply.send(report);
            }
        }
        self.note_idle();
    }

    fn beside<T: Send + 'static>(&mut self, answer: Answer<T>, reply: oneshot::Sender<Result<T>>) {
        while self.questions.try_join_next().is_some() {}
        self.questions.spawn(async move {
            let _ = reply.send(answer.await);
        });
    }

    fn enqueue(&mut self, input: TurnInput) -> Result<()> {
        if self.outbox.exited {
            return Err(BackendError::ended());
        }
        if self.queue.len() >= QUEUE_LIMIT {
            return Err(BackendError::QueueFull { waiting: self.queue.len() });
        }
        self.inputs += 1;
        self.queue.push_back((self.inputs, input));
        Ok(())
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport> {
        if let Some(report) = &self.report {
            return Ok(report.clone());
        }
        let report = self.driver.stop(how).await?;
        self.outbox.end_turn(TurnEnd::Interrupted);
        self.outbox.exit(report.exit.clone(), "");
        self.report = Some(report.clone());
        Ok(report)
    }

    fn publish(&mut self) {
        self.note_idle();
        let mut shared = lock(&self.shared);
        let before = std::mem::replace(&mut shared.facts, self.driver.facts());
        shared.alive = !self.outbox.exited;
        if self.outbox.exited {
            shared.facts.pid = None;
        } else if shared.facts != before {
            self.outbox.push(AgentOutput::FactsChanged);
        }
    }
}

/// What a future answers without waiting, if it does.
async fn ready_now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
