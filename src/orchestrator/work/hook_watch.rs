//! Has a team's hooks told of what its members do: turns that succeed, members with nothing to do, ends, budgets. What a hook says no to goes
//! on with the hook's feedback, a few times.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::dispatch::Worker;
use crate::model::event::{Event, EventKind};
use crate::model::hook::{HookEvent, HookInput};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::sync::lock;

/// How often in a row a hook may keep a member at work.
const MOST_IN_A_ROW: u32 = 3;
/// From whom the feedback of a hook is.
const FROM: &str = "hook";

/// What hooks are to be told, and what they have said.
#[derive(Debug, Default)]
pub(super) struct HookWatch {
    heard: Vec<Arc<Event>>,
    /// How often in a row hooks have kept a member at work.
    kept: Arc<Mutex<HashMap<String, u32>>>,
    /// Members that may begin no further turn, as hooks were told.
    over_budget: HashSet<String>,
}

impl HookWatch {
    /// Notes what hooks may want to hear of.
    pub(super) fn note(&mut self, event: &Arc<Event>) {
        match &event.kind {
            EventKind::TurnStarted { from, .. } if from.as_deref() != Some(FROM) => {
                lock(&self.kept).remove(&event.agent);
            }
            EventKind::Idle | EventKind::TurnCompleted { .. } | EventKind::Exited { restarts: false, .. } => {
                self.heard.push(Arc::clone(event));
            }
            _ => {}
        }
    }

    /// Tells hooks what was noted, each beside everything else. Who has been given a task meanwhile is not idle.
    pub(super) fn tell(
        &mut self,
        orchestrator: &TeamOrchestrator,
        runtime: &Arc<TeamRuntime>,
        workers: &[Worker],
        works: impl Fn(&str) -> bool,
    ) {
        let is_ours = |name: &str| workers.iter().any(|worker| worker.name.as_str() == name);
        for event in std::mem::take(&mut self.heard) {
            let (hook, answer, reason) = match &event.kind {
                EventKind::TurnCompleted { text } => (HookEvent::TurnCompleted, Some(text.clone()), None),
                EventKind::Exited { code, signal, .. } => {
                    let by = signal.map(|signal| format!("by signal {signal}"));
                    let how = code.map(|code| format!("with code {code}")).or(by);
                    (
                        HookEvent::MemberExited,
                        None,
                        Some(format!("it ended {}", how.unwrap_or_else(|| "when asked".into()))),
                    )
                }
                _ => (HookEvent::TeammateIdle, None, None),
            };
            let name = event.agent.as_str();
            let is_at_work = hook == HookEvent::TeammateIdle && works(name);
            if is_ours(name) && !is_at_work && orchestrator.hooks_hear(runtime, hook) {
                self.ask(orchestrator, runtime, hook, name, answer, reason);
            }
        }
        if !orchestrator.hooks_hear(runtime, HookEvent::BudgetExceeded) {
            return;
        }
        for name in workers.iter().filter(|worker| worker.runs).map(|worker| worker.name.as_str()) {
            match runtime.ledger.check_turn(name, 0) {
                Ok(()) => drop(self.over_budget.remove(name)),
                Err(error) => {
                    if self.over_budget.insert(name.to_owned()) {
                        self.ask(orchestrator, runtime, HookEvent::BudgetExceeded, name, None, Some(error.message()));
                    }
                }
            }
        }
    }

    fn ask(
        &self,
        orchestrator: &TeamOrchestrator,
        runtime: &Arc<TeamRuntime>,
        event: HookEvent,
        member: &str,
        answer: Option<String>,
        reason: Option<String>,
    ) {
        let (this, runtime, member) = (orchestrator.clone(), Arc::clone(runtime), member.to_owned());
        let kept = Arc::clone(&self.kept);
        tokio::spawn(async move {
            let input = this.hook_input(event, &runtime.name, Some(&member)).await;
            let input = HookInput { last_assistant_message: answer, reason, ..input };
            let Some(feedback) = this.judged(&runtime, input).await else {
                if event == HookEvent::TeammateIdle {
                    lock(&kept).remove(&member);
                }
                return;
            };
            if !matches!(event, HookEvent::TeammateIdle | HookEvent::TurnCompleted) {
                return;
            }
            let times = {
                let mut kept = lock(&kept);
                let times = kept.entry(member.clone()).or_default();
                *times += 1;
                *times
            };
            if times > MOST_IN_A_ROW {
                let message =
                    format!("hooks have kept it at work {MOST_IN_A_ROW} times in a row; it is left alone now");
                runtime.feed.append(&member, None, EventKind::Notice { message });
                return;
            }
            let sent = this.send_input_from(&runtime.name, &member, &feedback, Some(FROM.to_owned())).await;
            if let Err(error) = sent {
                tracing::info!(team = %runtime.name, %member, %error, "the feedback of a hook was not given");
            }
        });
    }
}
