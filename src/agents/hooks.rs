//! Hooks: a program's say in what the agents of a team do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;

use super::task::{Task, TaskResult};
use crate::model::hook::{HookEvent as SharedEvent, HookInput, HookVerdict};
use crate::orchestrator::{Hook as SharedHook, WeakOrchestrator};
use crate::sync::lock;

/// How long a hook may take.
const LONGEST: Duration = Duration::from_secs(60);

/// A program's say in what the agents of a team do.
pub trait Hook: Send + Sync + 'static {
    /// Says what it thinks of something. It runs on a thread of its own, and what it judges waits for it, at most a minute; one that panics or takes
    /// longer has no say.
    fn on_event(&self, event: &HookEvent) -> HookResult;
}

/// What a [`Hook`] is told of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HookEvent {
    /// An agent has nothing to do. A rejection gives it the feedback as its next input.
    TeammateIdle {
        /// The agent's name.
        agent_name: String,
    },
    /// A task is about to be added. A rejection adds none.
    TaskCreated {
        /// The task. One that an agent adds has no more than a title and a description yet, and the id 0.
        task: Task,
    },
    /// A task is about to be completed. A rejection sends it back to whoever did it, and counts as a failure.
    TaskCompleted {
        /// The task, with its result.
        task: Task,
        /// Who did it.
        agent_name: String,
    },
}

/// What a [`Hook`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HookResult {
    /// Go on.
    #[default]
    Continue,
    /// No.
    Reject {
        /// Why, in words for the agent.
        feedback: String,
    },
}

/// The hooks of a team, as the orchestrator asks them.
#[derive(Clone)]
pub(super) struct Hooks(Arc<Inner>);

struct Inner {
    hooks: Vec<Arc<dyn Hook>>,
    orchestrator: Arc<OnceLock<WeakOrchestrator>>,
    /// How many tasks with this title and description were judged before the run began.
    judged: Mutex<HashMap<(String, String), usize>>,
}

impl Hooks {
    pub(super) fn new(hooks: Vec<Arc<dyn Hook>>, orchestrator: Arc<OnceLock<WeakOrchestrator>>) -> Self {
        Self(Arc::new(Inner { hooks, orchestrator, judged: Mutex::default() }))
    }

    /// Why a task of the program's own is not to be added.
    pub(super) async fn refuses(&self, task: &Task) -> Option<String> {
        match self.ask(HookEvent::TaskCreated { task: task.clone() }).await {
            HookVerdict::Veto(feedback) => Some(feedback),
            HookVerdict::Pass => None,
        }
    }

    /// Takes note of tasks that were judged and are added: the run asks about them again.
    pub(super) fn accepted(&self, tasks: &[Task]) {
        let mut judged = lock(&self.0.judged);
        for task in tasks {
            *judged.entry((task.title.clone(), text_of(task))).or_default() += 1;
        }
    }

    fn was_judged(&self, input: &HookInput) -> bool {
        let key = (input.task_subject.clone().unwrap_or_default(), input.task_description.clone().unwrap_or_default());
        let mut judged = lock(&self.0.judged);
        match judged.get_mut(&key) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// What the first hook says that says no. They run where they may block, each for itself.
    async fn ask(&self, event: HookEvent) -> HookVerdict {
        for hook in &self.0.hooks {
            let (hook, event) = (Arc::clone(hook), event.clone());
            let asked = tokio::task::spawn_blocking(move || hook.on_event(&event));
            match tokio::time::timeout(LONGEST, asked).await {
                Ok(Ok(HookResult::Continue)) => {}
                Ok(Ok(HookResult::Reject { feedback })) => return HookVerdict::Veto(feedback),
                Ok(Err(error)) => tracing::warn!(%error, "a hook has failed, and has no say"),
                Err(_) => tracing::warn!("a hook took longer than {LONGEST:?}, and has no say"),
            }
        }
        HookVerdict::Pass
    }

    /// The task that a hook is asked about.
    async fn task_of(&self, input: &HookInput) -> Task {
        let known = match (self.0.orchestrator.get().and_then(WeakOrchestrator::upgrade), &input.task_id) {
            (Some(orchestrator), Some(id)) => {
                let tasks = orchestrator.list_tasks(&input.team_name).await.ok();
                tasks.and_then(|tasks| {
                    let found = tasks.tasks.iter().find(|task| *task.id == **id)?;
                    Some(Task::of_shared(found, &tasks.tasks))
                })
            }
            _ => None,
        };
        let mut task = known.unwrap_or_else(|| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            Task::new("", text(&input.task_subject), text(&input.task_description), "")
        });
        if let Some(notes) = &input.task_result {
            task.result = Some(TaskResult { notes: notes.clone() });
        }
        task
    }
}

/// The description of a task in the shared list, which has none that is empty.
pub(super) fn text_of(task: &Task) -> String {
    if task.description.trim().is_empty() { task.title.clone() } else { task.description.clone() }
}

#[async_trait]
impl SharedHook for Hooks {
    fn name(&self) -> &str {
        "the program"
    }

    fn hears(&self, event: SharedEvent) -> bool {
        use SharedEvent::{TaskCompleted, TaskCreated, TeammateIdle};
        !self.0.hooks.is_empty() && matches!(event, TaskCompleted | TaskCreated | TeammateIdle)
    }

    async fn judge(&self, input: HookInput) -> HookVerdict {
        let agent_name = input.teammate_name.clone().unwrap_or_default();
        match input.hook_event_name {
            SharedEvent::TeammateIdle => self.ask(HookEvent::TeammateIdle { agent_name }).await,
            SharedEvent::TaskCreated if self.was_judged(&input) => HookVerdict::Pass,
            SharedEvent::TaskCreated => {
                let task = Task { id: uuid::Uuid::nil(), ..self.task_of(&HookInput { task_id: None, ..input }).await };
                self.ask(HookEvent::TaskCreated { task }).await
            }
            SharedEvent::TaskCompleted => {
                let task = self.task_of(&input).await;
                self.ask(HookEvent::TaskCompleted { task, agent_name }).await
            }
            _ => HookVerdict::Pass,
        }
    }
}
