//! Gives everything that a recording has in its order, and compares what comes of it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::Exit;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::call::Shell;
use super::file::Recording;
use super::ids::Ids;
use super::script::{Script, whose};
use super::seen::{Seen, Strand, is_mail_that_came};
use super::stage::{Played, Stage};
use super::wire;
use crate::daemon::surroundings::surroundings;
use crate::daemon::{Connection, CreateTeamParams, Failure, Follower};
use crate::model::event::{Event, EventKind};
use crate::model::recording::{CHANGES, Recorded, What};
use crate::model::task::TaskStatus;
use crate::sync::lock;

/// How long something that the recording has may take to happen again, and how long when something has not.
const PATIENCE: Duration = Duration::from_secs(10);
const IMPATIENCE: Duration = Duration::from_millis(500);
/// How many differences are told.
const MOST_TOLD: usize = 20;

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Events that were as in the recording.
    pub(crate) same: usize,
    /// What was not.
    pub(crate) differences: Vec<String>,
    /// Members that ran when the recording began, of whom it does not have all.
    pub(crate) left_out: Vec<String>,
}

/// A replay that was played to its end.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    /// Agents that the recording leaves running go on for as long as this is there.
    _stage: Stage,
}

/// Plays one recording.
pub(crate) struct Conductor {
    connection: Connection,
    recording: Recording,
    stage: Stage,
    shell: Shell,
    /// How many times as fast as it was; `None` for as fast as can be.
    speed: Option<f64>,
    ids: Ids,
    processes: HashMap<u64, Played>,
    /// For whom each process was started.
    members: HashMap<u64, String>,
    /// Tools that members use: their agents go on when they are answered.
    in_use: HashMap<String, JoinHandle<()>>,
    tokens: HashMap<String, String>,
    /// What has happened again.
    seen: Arc<Mutex<Seen>>,
    happened: watch::Receiver<u64>,
    outcome: Outcome,
}

impl Conductor {
    /// Makes the team, in an empty home, and a place for its agents. Events go to `told` as they happen.
    ///
    /// # Errors
    /// The daemon does not do it, or the socket cannot be made.
    pub(crate) async fn new(
        connection: Connection,
        recording: Recording,
        socket: &Path,
        speed: Option<f64>,
        any_agent: String,
        told: mpsc::Sender<Event>,
    ) -> anyhow::Result<Self> {
        let stage = Stage::open(socket)?;
        let surroundings = surroundings(&connection)?;
        let cwd = surroundings.cwd.clone().unwrap_or_default();
        let create =
            CreateTeamParams { team: recording.team.clone(), description: None, cwd, resume: Default::default() };
        connection.call(create).await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (happens, happened) = watch::channel(0);
        let mut follower = Follower::new(&connection, &recording.team, Vec::new(), 1);
        let follows = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok(event) = follower.next().await {
                // None has come for a while.
                let Some(event) = event else { continue };
                // That the team was made is no part of its recording.
                if !matches!(event.kind, EventKind::TeamCreated { .. }) {
                    lock(&follows).add(&event);
                }
                let _ = told.send(event).await;
                happens.send_modify(|count| *count += 1);
            }
        });
        Ok(Self {
            connection,
            recording,
            stage,
            shell: Shell::new(&surroundings, any_agent),
            speed,
            ids: Ids::default(),
            processes: HashMap::new(),
            members: HashMap::new(),
            in_use: HashMap::new(),
            tokens: HashMap::new(),
            seen,
            happened,
            outcome: Outcome::default(),
        })
    }

    /// Plays it to its end.
    pub(crate) async fn play(mut self) -> Finished {
        let mut script = Script::of(std::mem::take(&mut self.recording.lines));
        let lines = std::mem::take(&mut script.lines);
        let began = Instant::now();
        let mut recorded = Seen::default();
        // What has to have come before somebody answers it, and how many of its strand there are with it.
        let mut mail = Vec::new();
        for Recorded { ms, seq, what } in lines {
            if let Some(speed) = self.speed {
                sleep_until(began + Duration::from_millis(ms).div_f64(speed)).await;
            }
            // What had happened before this has happened again.
            let (seen, before) = (Arc::clone(&self.seen), script.before(seq));
            let has_happened = |_: &u64| lock(&seen).whole() >= before;
            if timeout(self.patience(), self.happened.wait_for(has_happened)).await.is_err() {
                self.differs(format!("after {ms} ms: an event does not come"));
            }
            match what {
                What::Event { event } if !script.plays(&event) => {
                    let whose = whose(&event).to_owned();
                    if !self.outcome.left_out.contains(&whose) {
                        self.outcome.left_out.push(whose);
                    }
                }
                What::Event { event } => {
                    if matches!(event.kind, EventKind::TeamCreated { .. }) {
                        continue;
                    }
                    let count = recorded.add(&event);
                    if is_mail_that_came(&event) {
                        mail.push((event, count));
                    } else {
                        self.wait_for_event(&event, count).await;
                    }
                }
                What::Call { method, params, member } => {
                    // It may be an answer to some of it.
                    self.wait_for_mail(&mut mail).await;
                    self.ask(&method, params, member).await;
                }
                other => self.let_agent_act(other).await,
            }
        }
        self.wait_for_mail(&mut mail).await;
        // Nobody has waited for how tasks are in the end.
        let seen = Arc::clone(&self.seen);
        let are_tasks_as_then = |_: &u64| {
            let seen = lock(&seen);
            recorded.strands().all(|(strand, theirs)| match (theirs.last(), seen.of(strand).last()) {
                (Some(theirs), Some(ours)) => status_of(theirs) == status_of(ours),
                _ => false,
            })
        };
        let _ = timeout(self.patience(), self.happened.wait_for(are_tasks_as_then)).await;
        self.compare(&recorded);
        Finished { outcome: self.outcome, _stage: self.stage }
    }

    fn patience(&self) -> Duration {
        if self.outcome.differences.is_empty() { PATIENCE } else { IMPATIENCE }
    }

    fn differs(&mut self, what: String) {
        if self.outcome.differences.len() < MOST_TOLD {
            self.outcome.differences.push(what);
        }
    }

    /// Waits until there are so many events of a strand, and learns the ids of the last.
    async fn wait_for_event(&mut self, event: &Event, count: usize) {
        let (seen, strand) = (Arc::clone(&self.seen), Strand::of(event));
        let is_there = |_: &u64| lock(&seen).of(&strand).len() >= count;
        if timeout(self.patience(), self.happened.wait_for(is_there)).await.is_err() {
            let kind = serde_json::to_value(event).ok().and_then(|event| Some(event["type"].as_str()?.to_owned()));
            return self.differs(format!("{}: `{}` does not come", event.agent, kind.unwrap_or_default()));
        }
        let ours = lock(&self.seen).of(&strand)[count - 1].clone();
        drop(self.ids.difference(&comparable(event), &comparable(&ours)));
    }

    async fn wait_for_mail(&mut self, mail: &mut Vec<(Box<Event>, usize)>) {
        for (event, count) in mail.drain(..) {
            self.wait_for_event(&event, count).await;
        }
    }

    /// Asks the daemon what was asked then. Nobody waits for the answer: what comes of it is in the recording.
    async fn ask(&mut self, method: &str, mut params: Value, member: Option<String>) {
        // A recording may come from anybody: what is not among these is not asked, whatever it does.
        if !CHANGES.contains(&method) || !params.is_object() {
            return;
        }
        let mut method = method;
        if method == "daemon.stop" {
            // The daemon of a replay goes on, for whoever looks at it.
            (method, params) = ("member.stop", json!({ "team": self.recording.team }));
        }
        self.ids.exchange_in(&mut params);
        self.shell.fit(method, &mut params, &mut self.ids);
        if let Some(member) = &member {
            params["caller"] = json!({ "token": self.tokens.get(member) });
        } else if method == "tool.call" {
            params["caller"] = json!({ "team": self.recording.team });
        }
        let (connection, method) = (self.connection.clone(), method.to_owned());
        // That something was refused was so in the recording, too, or is seen in what does not come.
        let asked = tokio::spawn(async move {
            let answer: Result<Value, Failure> = connection.call_any(&method, params).await;
            drop(answer);
        });
        self.in_use.extend(member.map(|member| (member, asked)));
    }

    /// Has an agent do what it did, or waits until it hears what it heard.
    async fn let_agent_act(&mut self, what: What) {
        match what {
            What::Started { process, member, args } => {
                let label = format!("{member}@{}", self.recording.team);
                let Ok(played) = timeout(self.patience(), self.stage.next(&label)).await else {
                    return self.differs(format!("{member}: its agent is not started"));
                };
                args.iter().zip(&played.args).for_each(|(theirs, ours)| self.ids.learn(theirs, ours));
                self.members.insert(process, member.clone());
                self.tokens.extend(played.token.clone().map(|token| (member, token)));
                self.processes.insert(process, played);
            }
            What::Input { process, text } => {
                let patience = self.patience();
                for line in text.lines() {
                    let Some(played) = self.processes.get_mut(&process) else { return };
                    match timeout(patience, played.inputs.recv()).await {
                        Ok(Some(ours)) => self.ids.learn(line, &ours),
                        _ => return self.differs(format!("process {process} is not told: {line}")),
                    }
                }
            }
            What::Output { process, line } => {
                if let Some(used) = self.members.get(&process).and_then(|member| self.in_use.remove(member)) {
                    let _ = timeout(self.patience(), used).await;
                }
                self.order(process, |ids| wire::Order::Output(ids.exchange(&line))).await;
            }
            What::TooLong { process } => self.order(process, |_| wire::Order::TooLong).await,
            What::OutputEnded { process } => self.order(process, |_| wire::Order::CloseOutput).await,
            What::Stderr { process, line } => self.order(process, |ids| wire::Order::Stderr(ids.exchange(&line))).await,
            What::Ended { process, exit } => {
                self.order(process, |_| wire::Order::Exit(exit.clone())).await;
                // It was killed, or it goes by itself: whatever is written to it from now on, nobody hears.
                if matches!(exit, Exit::Code(_) | Exit::Signal(_)) {
                    self.processes.remove(&process);
                }
            }
            _ => {}
        }
    }

    async fn order(&self, process: u64, order: impl FnOnce(&Ids) -> wire::Order) {
        if let Some(played) = self.processes.get(&process) {
            played.order(order(&self.ids)).await;
        }
    }

    /// Compares all events, strand by strand.
    fn compare(&mut self, recorded: &Seen) {
        let seen = Arc::clone(&self.seen);
        let seen = lock(&seen);
        for (strand, theirs) in recorded.strands() {
            let (agent, ours) = (&strand.agent, seen.of(strand));
            for (number, event) in theirs.iter().enumerate() {
                let Some(now) = ours.get(number) else { break };
                match self.ids.difference(&comparable(event), &comparable(now)) {
                    None => self.outcome.same += 1,
                    Some(what) => self.differs(format!("{agent}, event {}: {what}", event.seq)),
                }
            }
            // What came after the end of a recording that is cut off, it cannot have.
            if theirs.len() > ours.len() || theirs.len() < ours.len() && !self.recording.is_cut {
                self.differs(format!("{agent}: {} events, and now {}", theirs.len(), ours.len()));
            }
        }
    }
}

/// How a task is, by an event of it.
fn status_of(event: &Event) -> Option<TaskStatus> {
    match &event.kind {
        EventKind::Task { status, .. } => Some(*status),
        _ => None,
    }
}

/// An event without what differs every time.
fn comparable(event: &Event) -> Value {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        let is_task = matches!(event.kind, EventKind::Task { .. });
        fields.retain(|name, _| match name.as_str() {
            "seq" | "time" => false,
            // What has changed depends on what was told before.
            "change" | "fields" => !is_task,
            _ => true,
        });
    }
    value
}
