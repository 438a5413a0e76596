//! A member's actor with an agent in memory, on a clock that goes on when nothing else is to be done. No process is started.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::driver::{Answer, Driver, Facts, StopMode, TurnInput};
use agent_backends::{
    AgentBackend, AgentOutput, AgentSession, Approval, ApprovalId, BackendError, BackendType, Decision, Exit, Outbox,
    OutputReceiver, PermissionMode, Session, SpawnConfig, StopReport, TurnEnd,
};
use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::parts::{AfterStop, MemberCommand};
use super::*;
use crate::model::event::{Event, MailState};
use crate::model::message::Message;
use crate::model::policy::Policy;
use crate::model::team::{IfLost, RestartPolicy, TurnLimits};
use crate::orchestrator::feed::{Rotation, Subscription};
use crate::orchestrator::hooks::approval::Asks;
use crate::orchestrator::limits::accounts::Accounts;
use crate::orchestrator::limits::ledger::Ledger;
use crate::store::{Store, new_message};

const HOUR: u64 = 3_600_000;
const MINUTE: u64 = 60_000;
const FAKE: BackendType = BackendType::named("fake");

/// What an agent says next.
type Say = Box<dyn FnOnce(&mut Outbox) + Send>;

/// The agent, whatever session it is in.
#[derive(Clone)]
struct Agent(Arc<Mutex<Brain>>);

struct Brain {
    begin: Instant,
    says: Option<mpsc::UnboundedSender<Say>>,
    /// What it heard, and at which second.
    heard: Vec<(u64, String)>,
    inputs: Vec<String>,
    /// What it answers when it is asked whether it has an input, each time.
    has_input: VecDeque<Option<bool>>,
    obeys_interrupts: bool,
    panics: bool,
}

impl Agent {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Brain {
            begin: Instant::now(),
            says: None,
            heard: Vec::new(),
            inputs: Vec::new(),
            has_input: VecDeque::new(),
            obeys_interrupts: true,
            panics: false,
        })))
    }

    fn brain(&self) -> MutexGuard<'_, Brain> {
        lock(&self.0)
    }

    fn hears(&self, what: String) {
        let mut brain = self.brain();
        let second = brain.begin.elapsed().as_secs();
        brain.heard.push((second, what));
    }

    fn heard(&self) -> Vec<(u64, String)> {
        self.brain().heard.clone()
    }

    fn says(&self, say: impl FnOnce(&mut Outbox) + Send + 'static) {
        let says = self.brain().says.clone().expect("a session");
        assert!(says.send(Box::new(say)).is_ok(), "it lives");
    }

    fn answers(&self, text: &str) {
        let text = text.to_owned();
        self.says(move |out| {
            out.accepted();
            out.push(AgentOutput::Message(text));
            out.end_turn(TurnEnd::Complete);
        });
    }

    fn is_refused(&self, resets_at: Option<i64>) {
        self.says(move |out| out.end_turn(TurnEnd::RateLimited { reason: "429".to_owned(), resets_at }));
    }

    fn dies(&self) {
        self.says(|out| out.exit(Exit::Code(1), "it died"));
    }
}

#[async_trait]
impl AgentBackend for Agent {
    fn backend_type(&self) -> BackendType {
        FAKE
    }

    async fn spawn(&self, config: SpawnConfig) -> Result<Box<dyn AgentSession>, BackendError> {
        let (says, events) = mpsc::unbounded_channel();
        self.brain().says = Some(says);
        self.hears(format!("spawn {}", config.resume.as_deref().unwrap_or("anew")));
        let session = Session::start(config.name, InMemory { agent: self.clone(), events });
        if self.brain().panics { Ok(Box::new(Panics(session))) } else { Ok(session) }
    }
}

struct InMemory {
    agent: Agent,
    events: mpsc::UnboundedReceiver<Say>,
}

#[async_trait]
impl Driver for InMemory {
    type Event = Say;

    fn start_turn(&mut self, input: &TurnInput, _out: &mut Outbox) -> Result<(), BackendError> {
        self.agent.brain().inputs.push(input.id.clone());
        self.agent.hears(format!("start {}", input.text));
        Ok(())
    }

    fn has_input(&self, id: &str) -> Answer<Option<bool>> {
        let known = self.agent.brain().inputs.contains(&id.to_owned());
        let answer = self.agent.brain().has_input.pop_front().flatten();
        self.agent.hears(format!("has it {}", if known { "the same" } else { "another" }));
        Box::pin(std::future::ready(Ok(answer)))
    }

    async fn next(&mut self) -> Say {
        match self.events.recv().await {
            Some(say) => say,
            None => std::future::pending().await,
        }
    }

    fn handle(&mut self, event: Say, out: &mut Outbox) {
        event(out);
    }

    fn interrupt(&mut self, out: &mut Outbox) -> Result<(), BackendError> {
        self.agent.hears("interrupt".to_owned());
        if self.agent.brain().obeys_interrupts {
            out.end_turn(TurnEnd::Interrupted);
        }
        Ok(())
    }

    fn answer(&mut self, approval: &ApprovalId, decision: Decision, out: &mut Outbox) -> Result<(), BackendError> {
        self.agent.hears(format!("answer {decision:?}"));
        out.push(AgentOutput::ApprovalClosed(approval.clone()));
        Ok(())
    }

    fn probe(&mut self) {
        self.agent.hears("probe".to_owned());
    }

    async fn stop(&mut self, how: StopMode) -> Result<StopReport, BackendError> {
        self.agent.hears(format!("stop {how:?}"));
        Ok(StopReport::nothing())
    }

    fn facts(&self) -> Facts {
        Facts { session_id: Some("talk".to_owned()), ..Facts::default() }
    }
}

/// A session that brings its member's actor down.
struct Panics(Box<dyn AgentSession>);

#[async_trait]
impl AgentSession for Panics {
    fn name(&self) -> &str {
        self.0.name()
    }

    async fn send_input(&mut self, input: &str) -> Result<(), BackendError> {
        panic!("no input like {input}")
    }

    fn output_receiver(&mut self) -> Option<OutputReceiver> {
        self.0.output_receiver()
    }

    async fn is_alive(&self) -> bool {
        self.0.is_alive().await
    }

    async fn interrupt(&mut self) -> Result<(), BackendError> {
        self.0.interrupt().await
    }

    async fn set_permission_mode(&mut self, mode: PermissionMode) -> Result<(), BackendError> {
        self.0.set_permission_mode(mode).await
    }

    async fn answer(&mut self, approval: &ApprovalId, decision: Decision) -> Result<(), BackendError> {
        self.0.answer(approval, decision).await
    }

    fn session_id(&self) -> Option<String> {
        self.0.session_id()
    }

    fn model(&self) -> Option<String> {
        self.0.model()
    }

    fn pid(&self) -> Option<u32> {
        self.0.pid()
    }

    async fn shutdown(&mut self) -> Result<StopReport, BackendError> {
        self.0.shutdown().await
    }

    async fn force_kill(&mut self) -> Result<StopReport, BackendError> {
        self.0.force_kill().await
    }
}

/// What the members of a team share.
struct Team {
    dir: tempfile::TempDir,
    services: Services,
}

impl Team {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let store = Store::new(path("teams"), path("tasks"), path("locks"));
        let team = "t".parse().unwrap();
        store.create_team(&team, None, Path::new("/"), 0).unwrap();
        let feed = Feed::open(&team, &path("state"), Rotation::default(), Arc::default(), Arc::default()).unwrap();
        let services = Services {
            feed: Arc::new(feed),
            ledger: Arc::new(Ledger::new(Policy::default(), std::iter::empty())),
            accounts: Arc::new(Accounts::new(Duration::from_secs(60))),
            redactor: Arc::default(),
            store: Arc::new(store),
            tokens: Arc::default(),
            own_letters: Arc::default(),
            asks: Asks(Arc::new(|| None)),
            team,
        };
        Self { dir, services }
    }

    async fn member(&self, name: &str, limits: TurnLimits, restart: RestartPolicy) -> Rig {
        self.member_of(Agent::new(), name, limits, restart).await
    }

    async fn member_of(&self, agent: Agent, name: &str, limits: TurnLimits, restart: RestartPolicy) -> Rig {
        let profile = Profile {
            name: name.parse().unwrap(),
            backend: FAKE,
            cwd: self.dir.path().to_owned(),
            restart,
            limits,
            approval_deadline: Duration::from_secs(300),
            on_lead_exit: Default::default(),
            native: None,
        };
        let mut config = SpawnConfig::new(name, "");
        config.inherit_env = Some([("HOME".to_owned(), "/home/a".to_owned())].into());
        let launcher = Launcher { backend: Arc::new(agent.clone()), config, if_lost: IfLost::Fail, recorder: None };
        let launched = launcher.first().await.unwrap();
        let (journal, contents) = Journal::open(&self.dir.path().join(format!("{name}.jsonl"))).unwrap();
        let told = self.services.feed.subscribe(self.services.feed.last_seq() + 1);
        let teammate = Teammate::start(profile, launcher, launched, journal, contents, self.services.clone());
        Rig { agent, teammate, told }
    }

    fn write(&self, to: &Rig, text: &str) {
        let mut message = [new_message("team-lead", text, None, None)];
        self.services
            .store
            .send(&self.services.store.team(&self.services.team).unwrap(), to.teammate.name(), &mut message)
            .unwrap();
        to.teammate.inbox_changed();
    }

    fn inbox_of_lead(&self) -> Vec<Message> {
        self.services.store.read_inbox_of(&self.services.team, &AgentName::lead()).unwrap()
    }
}

/// A member and its agent.
struct Rig {
    agent: Agent,
    teammate: Arc<Teammate>,
    told: Subscription,
}

impl Rig {
    async fn input(&mut self, text: &str) -> u64 {
        let text = text.to_owned();
        let turn = self
            .teammate
            .ask(|reply| MemberCommand::Input { text, from: None, asked: false, reply })
            .await
            .unwrap()
            .unwrap();
        self.until(|kind| matches!(kind, EventKind::TurnStarted { .. })).await;
        turn
    }

    /// The events up to the first like this.
    async fn until(&mut self, wanted: impl Fn(&EventKind) -> bool) -> Vec<Arc<Event>> {
        let mut events = Vec::new();
        loop {
            let event = self.told.next().await.unwrap();
            if event.agent != self.teammate.name().as_str() {
                continue;
            }
            events.push(Arc::clone(&event));
            if wanted(&event.kind) {
                return events;
            }
        }
    }

    /// How the turn ended, and what was noticed before.
    async fn end(&mut self) -> (EventKind, Vec<String>) {
        let ends = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::TurnCompleted { .. } | EventKind::TurnInterrupted { .. } | EventKind::Error { .. }
            )
        };
        let events = self.until(ends).await;
        let notices = events.iter().filter_map(|event| match &event.kind {
            EventKind::Notice { message } => Some(message.clone()),
            _ => None,
        });
        (events.last().unwrap().kind.clone(), notices.collect())
    }

    async fn until_state(&mut self, state: MemberState) {
        let wanted = state.as_str();
        self.until(|kind| matches!(kind, EventKind::State { state, .. } if state == wanted)).await;
    }

    async fn until_mail(&mut self, wanted: MailState) -> Arc<Event> {
        let events = self.until(|kind| matches!(kind, EventKind::Mail { state, .. } if *state == wanted)).await;
        Arc::clone(events.last().unwrap())
    }

    fn heard(&self, second: u64) -> Vec<String> {
        self.agent.heard().into_iter().filter(|(at, _)| *at == second).map(|(_, what)| what).collect()
    }
}

fn limits(turn_ms: u64, silence_ms: u64) -> TurnLimits {
    TurnLimits { turn_ms, silence_ms }
}

fn error_of(end: EventKind) -> String {
    match end {
        EventKind::Error { message } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_turn_is_asked_for_then_interrupted_then_its_agent_replaced() {
    let mut rig = Team::new().member("m", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    rig.agent.brain().obeys_interrupts = false;
    rig.input("work").await;
    let (end, notices) = rig.end().await;
    let message = error_of(end);
    assert!(message.contains("no sign of life for 60.0 s") && message.contains("were killed"), "{message}");
    assert_eq!(notices.len(), 3, "{notices:?}");
    rig.until_state(MemberState::Idle).await;
    let expected =
        [(0, "spawn anew"), (0, "start work"), (60, "probe"), (70, "interrupt"), (80, "stop Now"), (80, "spawn talk")];
    assert_eq!(rig.agent.heard(), expected.map(|(at, what)| (at, what.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_sign_of_life_ends_the_suspicion_and_an_interrupt_that_is_obeyed_ends_the_turn() {
    let mut rig = Team::new().member("m", limits(5 * MINUTE, MINUTE), RestartPolicy::Never).await;
    rig.input("work").await;
    rig.until_state(MemberState::Stuck).await;
    rig.agent.says(|out| out.push(AgentOutput::Delta("still here".to_owned())));
    rig.until_state(MemberState::Busy).await;
    assert_eq!(rig.heard(60), ["probe"]);
    // Talking all the time does not help against the limit of the turn.
    while rig.agent.brain().begin.elapsed() < Duration::from_secs(299) {
        tokio::time::sleep(Duration::from_secs(20)).await;
        rig.agent.says(|out| out.push(AgentOutput::Delta(".".to_owned())));
    }
    let message = error_of(rig.end().await.0);
    assert!(message.contains("the turn has taken") && message.ends_with("it was interrupted"), "{message}");
    assert_eq!(rig.heard(310), ["interrupt"]);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_a_decision_is_waited_for_does_not_count() {
    let mut rig = Team::new().member("m", limits(2 * MINUTE, MINUTE), RestartPolicy::Never).await;
    rig.input("work").await;
    let id = ApprovalId("q".to_owned());
    let approval = Approval { id, tool: "Bash".to_owned(), summary: "make".to_owned(), ..Approval::default() };
    rig.agent.says(move |out| out.push(AgentOutput::Approval(approval)));
    rig.until_state(MemberState::WaitingApproval).await;
    let events = rig.until(|kind| matches!(kind, EventKind::ApprovalClosed { .. })).await;
    assert!(matches!(&events.last().unwrap().kind, EventKind::ApprovalClosed { outcome, .. } if outcome == "expired"));
    assert!(rig.heard(300).iter().any(|heard| heard.starts_with("answer Deny")), "{:?}", rig.agent.heard());
    assert!(rig.heard(60).is_empty() && rig.heard(120).is_empty(), "{:?}", rig.agent.heard());
    rig.until_state(MemberState::Stuck).await;
    assert_eq!(rig.heard(360), ["probe"], "the silence counts from the decision on");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_refused_goes_on_by_itself_when_the_limit_is_lifted() {
    let mut rig = Team::new().member("m", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    let turn = rig.input("work").await;
    rig.agent.is_refused(None);
    rig.until_state(MemberState::RateLimited).await;
    rig.until_state(MemberState::Busy).await;
    assert_eq!(rig.heard(60), ["start work"], "nothing had come of it, so it is given as it was");
    let inputs = rig.agent.brain().inputs.clone();
    assert_ne!(inputs[0], inputs[1], "an agent that remembers the first one would drop it");
    // Refused again: twice as long, and what has come of it stays.
    rig.agent.says(|out| out.push(AgentOutput::Message("half".to_owned())));
    rig.agent.is_refused(None);
    rig.until_state(MemberState::RateLimited).await;
    rig.until_state(MemberState::Busy).await;
    let heard = rig.heard(180);
    assert!(heard.len() == 1 && heard[0].contains("Go on with what you were doing"), "{heard:?}");
    rig.agent.answers("whole");
    let (end, _) = rig.end().await;
    assert_eq!(end, EventKind::TurnCompleted { text: "half\n\nwhole".to_owned() });
    assert_eq!(rig.teammate.status().turns, turn, "it is one turn");
}

#[tokio::test(start_paused = true)]
async fn a_limit_beyond_the_turns_own_ends_it_and_a_held_turn_can_be_interrupted() {
    let mut rig = Team::new().member("m", limits(30_000, MINUTE), RestartPolicy::Never).await;
    rig.input("work").await;
    rig.agent.is_refused(None);
    let message = error_of(rig.end().await.0);
    assert!(message.contains("beyond the turn's limit"), "{message}");

    let mut rig = Team::new().member("m", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    rig.input("work").await;
    rig.agent.is_refused(None);
    rig.until_state(MemberState::RateLimited).await;
    rig.teammate.ask(MemberCommand::Interrupt).await.unwrap().unwrap();
    assert!(matches!(rig.end().await.0, EventKind::TurnInterrupted { .. }));
    assert!(!rig.agent.heard().iter().any(|(_, what)| what == "interrupt"), "the agent does nothing that could be");
}

#[tokio::test(start_paused = true)]
async fn who_shares_an_account_waits_with_it() {
    let team = Team::new();
    let mut first = team.member("first", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    let mut second = team.member("second", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    first.input("work").await;
    first.agent.is_refused(None);
    first.until_state(MemberState::RateLimited).await;
    second.input("work too").await;
    assert_eq!(second.heard(0), ["spawn anew"], "{:?}", second.agent.heard());
    assert_eq!(second.heard(60), ["start work too"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_whether_it_arrived_is_asked_for_when_the_agent_is_back() {
    let team = Team::new();
    let mut rig = team.member("m", limits(HOUR, MINUTE), RestartPolicy::OnFailure).await;
    // It has it: it is not given again.
    rig.agent.brain().has_input = [Some(true)].into();
    team.write(&rig, "one");
    rig.until_mail(MailState::Injected).await;
    rig.agent.dies();
    rig.until_mail(MailState::Acknowledged).await;
    let starts = |rig: &Rig| rig.agent.heard().iter().filter(|(_, what)| what.starts_with("start")).count();
    assert_eq!((starts(&rig), rig.teammate.status().in_doubt), (1, 0));
    // It has it not: it is given again under the same name, and accepted.
    rig.agent.brain().has_input = [Some(false)].into();
    team.write(&rig, "two");
    rig.until_mail(MailState::Injected).await;
    rig.agent.dies();
    rig.until_mail(MailState::Returned).await;
    rig.until_mail(MailState::Injected).await;
    rig.until(|kind| matches!(kind, EventKind::TurnStarted { .. })).await;
    rig.agent.answers("thanks");
    rig.until_mail(MailState::Acknowledged).await;
    rig.end().await;
    let inputs = rig.agent.brain().inputs.clone();
    assert_eq!(inputs[1], inputs[2]);
    assert_eq!((starts(&rig), rig.teammate.status().in_doubt), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_kills_its_agent_each_time_is_given_up_and_its_writer_told() {
    let team = Team::new();
    let mut rig = team.member("m", limits(HOUR, MINUTE), RestartPolicy::OnFailure).await;
    team.write(&rig, "poison");
    for _ in 0..3 {
        rig.until_mail(MailState::Injected).await;
        rig.until(|kind| matches!(kind, EventKind::TurnStarted { .. })).await;
        rig.agent.dies();
    }
    let refused = rig.until_mail(MailState::Refused).await;
    assert!(matches!(&refused.kind, EventKind::Mail { reason: Some(reason), .. } if reason.contains("3 times")));
    let inputs = rig.agent.brain().inputs.clone();
    assert_eq!(inputs.len(), 3);
    assert_ne!(inputs[0], inputs[1], "nobody knows whether it has the first, which it would drop under the same name");
    assert_eq!(rig.teammate.status().in_doubt, 2);
    rig.teammate.ask(|reply| MemberCommand::Stop { now: false, after: AfterStop::Stay, reply }).await.unwrap().unwrap();
    let told = team.inbox_of_lead();
    assert!(told.iter().any(|message| message.text.contains("Your message to m was not delivered")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_dies_again_and_again_is_given_up_until_somebody_restarts_it() {
    let mut rig = Team::new().member("m", limits(HOUR, MINUTE), RestartPolicy::OnFailure).await;
    for _ in 0..5 {
        rig.until(|kind| matches!(kind, EventKind::Spawned { .. })).await;
        rig.agent.dies();
    }
    rig.until_state(MemberState::Failed).await;
    let status = rig.teammate.status();
    assert!(status.failure.as_deref().is_some_and(|why| why.starts_with("start-limit")), "{status:?}");
    let spawns: Vec<u64> =
        rig.agent.heard().into_iter().filter(|(_, what)| what.starts_with("spawn")).map(|(at, _)| at).collect();
    assert_eq!(spawns.len(), 5);
    let text = "more".to_owned();
    let refused =
        rig.teammate.ask(|reply| MemberCommand::Input { text, from: None, asked: false, reply }).await.unwrap();
    assert!(matches!(refused, Err(crate::error::Error::StartLimit { .. })), "{refused:?}");
    rig.teammate.ask(|reply| MemberCommand::Restart { fresh: false, reply }).await.unwrap().unwrap();
    rig.input("work").await;
    rig.agent.answers("done");
    assert_eq!(rig.end().await.0, EventKind::TurnCompleted { text: "done".to_owned() });
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_panics_is_a_failed_member_and_the_others_go_on() {
    let team = Team::new();
    let bad = Agent::new();
    bad.brain().panics = true;
    let mut fallen = team.member_of(bad, "fallen", limits(HOUR, MINUTE), RestartPolicy::Always).await;
    let mut other = team.member("other", limits(HOUR, MINUTE), RestartPolicy::Never).await;
    let text = "this".to_owned();
    fallen.teammate.ask(|reply| MemberCommand::Input { text, from: None, asked: false, reply }).await;
    fallen.until(|kind| matches!(kind, EventKind::Exited { restarts: false, .. })).await;
    let status = fallen.teammate.status();
    assert_eq!(status.state, MemberState::Failed);
    assert!(status.failure.as_deref().is_some_and(|why| why.contains("no input like this")), "{status:?}");
    assert!(fallen.teammate.has_ended() && !fallen.teammate.is_running());
    let asked = fallen.teammate.ask(MemberCommand::Interrupt).await;
    assert!(asked.is_none(), "nobody hears any more");
    other.input("work").await;
    other.agent.answers("done");
    assert_eq!(other.end().await.0, EventKind::TurnCompleted { text: "done".to_owned() });
}
