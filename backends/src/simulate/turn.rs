//! A turn of a simulated agent, whatever its protocol.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::brain::{Brain, Memory, Prompt};
use super::script::Step;
use super::tools;

/// How often an agent that is held looks for its file.
const HOLD_POLL: Duration = Duration::from_millis(5);

/// What a line of input means to a turn.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// Nothing, or it was answered at once.
    Nothing,
    /// Begin a turn, now or after the one that runs.
    Prompt(Prompt),
    /// Take this into the turn that runs, and drop the answer that is under way.
    Steer(Prompt),
    /// Take this into the turn that runs after its next use of a tool; without one, begin a turn after it.
    Join(Prompt),
    /// End the turn.
    Interrupt,
    /// The answer to the question that is open.
    Answer { allow: bool },
    /// It cannot be understood, and the real agent would end.
    Fatal,
}

/// What a permission mode says about running a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    Given,
    Ask,
    Refused,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    Complete,
    Interrupted,
    Failed { status: u16 },
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tokens {
    pub(super) input: u64,
    pub(super) output: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToolEnd {
    Done,
    Failed,
    Denied,
}

/// How one protocol says things.
pub(super) trait Speaker {
    fn heard(&mut self, line: &str) -> Heard;
    fn permission(&self) -> Permission;
    fn turn_begins(&mut self, prompt: &Prompt);
    /// The turn goes on with a further prompt.
    fn steered(&mut self, _prompt: &Prompt) {}
    fn delta(&mut self, text: &str);
    fn message(&mut self, text: &str);
    fn tool_begins(&mut self, id: &str, command: &str);
    fn asks(&mut self, id: &str, command: &str);
    fn tool_ends(&mut self, id: &str, command: &str, output: &str, end: ToolEnd);
    fn turn_ends(&mut self, ending: &Ending, tokens: Tokens);
    /// The end of the turn will not be told.
    fn end_is_lost(&mut self) {}
}

/// Writes one line of JSON. A reader that is gone ends the program.
pub(super) fn say(value: &impl Serialize) {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    if out.write_all(&line).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Standard input, a line at a time, from a task of its own.
pub(super) fn input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = input.next_line().await {
            if sender.send(line).await.is_err() {
                break;
            }
        }
    });
    lines
}

/// Obeys prompts until the input ends; answers the last turn's ending, or `None` after a line that is fatal.
pub(super) async fn converse<S: Speaker>(
    speaker: &mut S,
    brain: &Brain,
    memory: &mut Memory,
    lines: &mut mpsc::Receiver<String>,
) -> Option<Ending> {
    let mut ending = Ending::Complete;
    let mut prompts = VecDeque::new();
    loop {
        while let Some(prompt) = prompts.pop_front() {
            let (steered, joins, tokens) = (VecDeque::new(), VecDeque::new(), Tokens::default());
            let mut turn =
                Turn { speaker, lines, prompts: &mut prompts, steered, joins, answered: None, stop: None, tokens };
            ending = turn.run(brain, memory, prompt).await?;
            // What no tool made room for.
            let joins = std::mem::take(&mut turn.joins);
            joins.into_iter().rev().for_each(|prompt| prompts.push_front(prompt));
        }
        let Some(line) = lines.recv().await else { return Some(ending) };
        match speaker.heard(&line) {
            Heard::Prompt(prompt) | Heard::Join(prompt) => prompts.push_back(prompt),
            Heard::Fatal => return None,
            Heard::Nothing | Heard::Steer(_) | Heard::Interrupt | Heard::Answer { .. } => {}
        }
    }
}

struct Turn<'a, S> {
    speaker: &'a mut S,
    lines: &'a mut mpsc::Receiver<String>,
    prompts: &'a mut VecDeque<Prompt>,
    steered: VecDeque<Prompt>,
    joins: VecDeque<Prompt>,
    answered: Option<bool>,
    stop: Option<Stop>,
    tokens: Tokens,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Interrupted,
    Fatal,
}

impl<S: Speaker> Turn<'_, S> {
    async fn run(&mut self, brain: &Brain, memory: &mut Memory, prompt: Prompt) -> Option<Ending> {
        memory.add(&prompt);
        self.speaker.turn_begins(&prompt);
        let mut prompt = prompt.text;
        self.tokens.input = 100;
        let (mut failed, mut lost) = (None, false);
        let mut steps = VecDeque::from(brain.steps(memory));
        let mut number = 0;
        loop {
            // An interrupt that came with the prompt is heard before anything is done.
            self.listen_now();
            if self.stop.is_some() {
                break;
            }
            if let Some(next) = self.steered.pop_front() {
                memory.add(&next);
                self.speaker.steered(&next);
                prompt = next.text;
                steps = VecDeque::from(brain.steps(memory));
            }
            let Some(step) = steps.pop_front() else { break };
            number += 1;
            match step {
                Step::Say { text, delay_ms, hold } => {
                    self.tell(&text, Duration::from_millis(delay_ms), hold.as_deref()).await;
                }
                Step::Recall => {
                    let text = format!("recalled: {}", memory.prompts.join(" | "));
                    self.tell(&text, Duration::ZERO, None).await;
                }
                Step::Run { command } => {
                    let id = format!("tool-{}-{number}", memory.prompts.len());
                    self.use_tool(&id, &command, brain.cwd.as_deref()).await;
                    for next in std::mem::take(&mut self.joins) {
                        memory.add(&next);
                        self.speaker.steered(&next);
                        steps.extend(brain.steps(memory));
                    }
                }
                Step::Call { tool, arguments } => {
                    if let Some(said) = self.meanwhile(tools::call(&brain.servers, &tool, &arguments)).await {
                        self.tell(&said, Duration::ZERO, None).await;
                    }
                }
                Step::Usage { input_tokens, output_tokens } => {
                    self.tokens.input += input_tokens;
                    self.tokens.output += output_tokens;
                }
                Step::Fail { status } => {
                    failed = Some(status);
                    break;
                }
                Step::Limited { times } => {
                    if memory.prompts.iter().filter(|heard| **heard == prompt).count() <= times {
                        failed = Some(429);
                        break;
                    }
                }
                Step::Wait { ms } => self.pause(Duration::from_millis(ms)).await,
                Step::Hold { file } => self.hold(&file).await,
                Step::Silence => self.pause(Duration::MAX).await,
                Step::Deaf => loop {
                    // What is written to it is read by nobody; its end ends it, as a pipe does.
                    if self.lines.recv().await.is_none() {
                        std::process::exit(0);
                    }
                },
                Step::LoseEnd => lost = true,
                Step::Crash { code } => std::process::exit(code),
                Step::Flood { lines } => {
                    for line in 0..lines {
                        self.speaker.delta(&format!("line {line}\n"));
                    }
                    self.speaker.message(&(0..lines).map(|line| format!("line {line}\n")).collect::<String>());
                }
            }
        }
        let ending = match (self.stop, failed) {
            (Some(Stop::Fatal), _) => return None,
            (Some(Stop::Interrupted), _) => Ending::Interrupted,
            (None, Some(status)) => Ending::Failed { status },
            (None, None) => Ending::Complete,
        };
        if lost {
            self.speaker.end_is_lost();
        }
        self.speaker.turn_ends(&ending, self.tokens);
        Some(ending)
    }

    fn hear(&mut self, line: &str) {
        match self.speaker.heard(line) {
            Heard::Nothing => {}
            Heard::Prompt(prompt) => self.prompts.push_back(prompt),
            Heard::Steer(prompt) => self.steered.push_back(prompt),
            Heard::Join(prompt) => self.joins.push_back(prompt),
            Heard::Interrupt => self.stop = Some(Stop::Interrupted),
            Heard::Answer { allow } => self.answered = Some(allow),
            Heard::Fatal => self.stop = Some(Stop::Fatal),
        }
    }

    fn listen_now(&mut self) {
        while let Ok(line) = self.lines.try_recv() {
            self.hear(&line);
        }
    }

    /// Does something, and listens meanwhile; `None` when that ends the turn. The end of the input ends no turn.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let mut open = true;
        while self.stop.is_none() {
            tokio::select! {
                done = &mut work => return Some(done),
                line = self.lines.recv(), if open => match line {
                    Some(line) => self.hear(&line),
                    None => open = false,
                },
            }
        }
        None
    }

    async fn pause(&mut self, time: Duration) {
        let over = sleep(time);
        tokio::pin!(over);
        while !self.is_cut() {
            tokio::select! {
                () = &mut over => return,
                line = self.lines.recv() => match line {
                    Some(line) => self.hear(&line),
                    // The end of the input ends no turn.
                    None => return over.await,
                },
            }
        }
    }

    /// Waits until a file is there, and listens meanwhile.
    async fn hold(&mut self, file: &Path) {
        while !self.is_cut() && !file.exists() {
            self.pause(HOLD_POLL).await;
        }
    }

    /// What is being said is not said to its end.
    fn is_cut(&self) -> bool {
        self.stop.is_some() || !self.steered.is_empty()
    }

    async fn tell(&mut self, text: &str, delay: Duration, mut hold: Option<&Path>) {
        let mut said = String::new();
        for word in text.split_inclusive(' ') {
            if !delay.is_zero() {
                self.pause(delay).await;
            }
            self.listen_now();
            if self.is_cut() {
                break;
            }
            self.tokens.output += 1;
            self.speaker.delta(word);
            said.push_str(word);
            if let Some(file) = hold.take() {
                self.hold(file).await;
            }
        }
        // A partial answer that is steered away is dropped; one that is interrupted is told.
        if self.steered.is_empty() {
            self.speaker.message(&said);
        }
    }

    async fn use_tool(&mut self, id: &str, command: &str, cwd: Option<&Path>) {
        self.speaker.tool_begins(id, command);
        let allowed = match self.speaker.permission() {
            Permission::Given => true,
            Permission::Refused => false,
            Permission::Ask => {
                self.answered = None;
                self.speaker.asks(id, command);
                while self.stop.is_none() && self.answered.is_none() {
                    match self.lines.recv().await {
                        Some(line) => self.hear(&line),
                        // Nobody is left who could answer.
                        None => break,
                    }
                }
                self.answered == Some(true)
            }
        };
        if self.stop.is_some() {
            return;
        }
        if !allowed {
            self.speaker.tool_ends(id, command, "denied", ToolEnd::Denied);
            return self.tell("tool said: denied", Duration::ZERO, None).await;
        }
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell.arg("-c").arg(command).stdin(std::process::Stdio::null()).kill_on_drop(true);
        if let Some(cwd) = cwd {
            shell.current_dir(cwd);
        }
        let Some(output) = self.meanwhile(shell.output()).await else { return };
        let (text, end) = match output {
            Ok(output) => {
                let end = if output.status.success() { ToolEnd::Done } else { ToolEnd::Failed };
                (String::from_utf8_lossy(&output.stdout).trim().to_owned(), end)
            }
            Err(error) => (error.to_string(), ToolEnd::Failed),
        };
        self.speaker.tool_ends(id, command, &text, end);
        self.tell(&format!("tool said: {text}"), Duration::ZERO, None).await;
    }
}
