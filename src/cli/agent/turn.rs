//! One turn of an agent at a terminal: what is shown of it, what it asks, and Ctrl-C.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex};

use agent_backends::PermissionMode;
use agent_backends::native::llm::{TokenUsage, ToolCall};
use agent_backends::native::{
    AgentLoop, AgentLoopResult, AgentSetup, Error, LoopEvent, PermissionGate, Rule, SubAgentRegistry, ToolKind,
    ToolOutcome, ToolUse, rule,
};
use anyhow::Context as _;
use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::cli::output::{Output, Style};
use crate::sync::lock;
use crate::visible::visible;

/// A question of an agent, and where its answer goes.
pub(super) struct Question {
    what: ToolUse,
    answer: oneshot::Sender<Answer>,
}

/// What a person says to a question.
enum Answer {
    Yes,
    /// Yes, and to everything of that kind from now on.
    Always,
    No,
}

/// Asks whoever sits at the terminal; where nobody does, what would have to be asked is denied.
pub(super) struct Asks {
    mode: Mutex<PermissionMode>,
    always: Mutex<Vec<ToolKind>>,
    questions: Option<mpsc::Sender<Question>>,
}

#[async_trait]
impl PermissionGate for Asks {
    async fn decide(&self, call: &ToolCall, kind: ToolKind, what: &ToolUse) -> Result<(), String> {
        let mode = lock(&self.mode).clone();
        match rule(&mode, kind) {
            Rule::Allow => return Ok(()),
            Rule::Deny => return Err(format!("not in permission mode {mode}; say what you would do")),
            Rule::Ask => {}
        }
        let Some(questions) = &self.questions else {
            return Err(format!("nobody is there who could allow `{}`; do without it", call.name));
        };
        if lock(&self.always).contains(&kind) {
            return Ok(());
        }
        let (answer, said) = oneshot::channel();
        let _ = questions.send(Question { what: what.clone(), answer }).await;
        match said.await {
            Ok(Answer::Yes) => Ok(()),
            Ok(Answer::Always) => {
                lock(&self.always).push(kind);
                Ok(())
            }
            Ok(Answer::No) | Err(_) => Err("the person at the terminal has said no".to_owned()),
        }
    }
}

/// A terminal, or what stands in for one, with which an agent is used.
pub(super) struct Terminal<'a> {
    output: &'a Output,
    pub(super) lines: Lines<BufReader<Stdin>>,
    events: mpsc::UnboundedReceiver<LoopEvent>,
    questions: mpsc::Receiver<Question>,
    /// Ctrl-C, also what was pressed while nobody waited for it.
    pub(super) interrupts: Signal,
    /// What all turns have used.
    pub(super) used: TokenUsage,
    pub(super) cost_usd: Option<f64>,
    pub(super) tools: usize,
}

impl<'a> Terminal<'a> {
    /// An agent in the current folder, connected with the terminal.
    pub(super) fn with(
        setup: &AgentSetup,
        mode: PermissionMode,
        output: &'a Output,
    ) -> anyhow::Result<(AgentLoop, Self)> {
        let work_dir = std::env::current_dir().context("there is no current folder")?;
        let agent = setup.agent(&work_dir)?;
        // As much as a model says while a line is written.
        let (heard, events) = mpsc::unbounded_channel();
        let (asked, questions) = mpsc::channel(1);
        let is_watched = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let gate = Asks { mode: Mutex::new(mode), always: Mutex::default(), questions: is_watched.then_some(asked) };
        let mut agent = agent
            .with_gate(Arc::new(gate))
            .with_observer(Arc::new(move |event| {
                let _ = heard.send(event);
            }))
            .with_subagents(SubAgentRegistry::builtin(), Some(setup.clients()));
        if let Some(extend) = super::extension::extension(setup) {
            extend(&mut agent, &work_dir);
        }
        let lines = BufReader::new(tokio::io::stdin()).lines();
        let interrupts = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let terminal = Self {
            output,
            lines,
            events,
            questions,
            interrupts,
            used: TokenUsage::default(),
            cost_usd: None,
            tools: 0,
        };
        Ok((agent, terminal))
    }

    /// Gives the agent an input, and shows what comes of it. Ctrl-C ends the turn.
    pub(super) async fn turn(
        &mut self,
        agent: &mut AgentLoop,
        input: &str,
    ) -> anyhow::Result<Result<AgentLoopResult, Error>> {
        let cancel = CancellationToken::new();
        let run = agent.run_until(input, &cancel);
        tokio::pin!(run);
        let mut turn = (TokenUsage::default(), None);
        let ended = loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.show(event, &mut turn)?,
                Some(question) = self.questions.recv() => self.ask(question, &cancel).await?,
                Some(()) = self.interrupts.recv() => cancel.cancel(),
                ended = &mut run => break ended,
            }
        };
        while let Ok(event) = self.events.try_recv() {
            self.show(event, &mut turn)?;
        }
        self.used += turn.0;
        self.cost_usd = match (self.cost_usd, turn.1) {
            (Some(before), Some(more)) => Some(before + more),
            (before, more) => before.or(more),
        };
        self.output.text("\n")?;
        Ok(ended)
    }

    fn show(&mut self, event: LoopEvent, turn: &mut (TokenUsage, Option<f64>)) -> anyhow::Result<()> {
        match event {
            LoopEvent::Text(text) => self.output.text(&text)?,
            LoopEvent::Message(_) => self.output.text("\n")?,
            LoopEvent::Retracted => self.output.note("(the answer broke off, and is asked for again)"),
            LoopEvent::Retrying { after, reason } => {
                self.output.note(&format!("{reason}; the next attempt is in {:.1} s", after.as_secs_f32()));
            }
            LoopEvent::ToolStarted { what, .. } => {
                self.tools += 1;
                self.output.note(&format!("{} {}", self.output.paint(Style::Dim, "*"), what.title));
            }
            LoopEvent::ToolEnded { outcome: ToolOutcome::Completed, .. } => {}
            LoopEvent::ToolEnded { output, .. } => {
                let first = output.lines().next().unwrap_or_default();
                self.output.note(&format!("  {first}"));
            }
            LoopEvent::Usage { used, cost_usd } => *turn = (used, cost_usd),
            LoopEvent::Compacted { before, after } => {
                self.output.note(&format!("(summed up what was said before: {before} tokens are {after} now)"));
            }
            LoopEvent::Background(result) => {
                self.output.note(&format!("({} has ended in the background)", result.name))
            }
            _ => {}
        }
        Ok(())
    }

    async fn ask(&mut self, question: Question, cancel: &CancellationToken) -> anyhow::Result<()> {
        let Question { what, answer } = question;
        let mut shown = what.title.clone();
        if let Some(line) = &what.shell {
            shown = format!("run in a shell: {line}");
        } else if !what.argv.is_empty() {
            shown = format!("run: {}", shell_words::join(&what.argv));
        } else if let Some(change) = &what.change {
            shown = format!("{}\n{}", what.title, change.new);
        }
        eprint!("{}\nAllow? [y]es, [a]lways this kind, [N]o: ", visible(&shown));
        std::io::stderr().flush()?;
        let said = tokio::select! {
            line = self.lines.next_line() => line?.unwrap_or_default(),
            _ = self.interrupts.recv() => {
                cancel.cancel();
                String::new()
            }
        };
        let said = match said.trim().to_lowercase().as_str() {
            "y" | "yes" => Answer::Yes,
            "a" | "always" => Answer::Always,
            _ => Answer::No,
        };
        // A turn that has ended meanwhile asks no more.
        let _ = answer.send(said);
        Ok(())
    }
}
