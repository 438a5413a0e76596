//! Asks the hooks of a team: those of the program, the commands of its team file, and those of a live lead.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_backends::{Decision, Supervision};
use serde_json::json;

use crate::model::event::EventKind;
use crate::model::hook::{HookEvent, HookInput, HookVerdict};
use crate::model::name::{TEAM_LEAD, TeamName};
use crate::model::status::PendingApproval;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::hooks::approval::{ApprovalHook, Asks, DECIDES_WITHIN, Decides};
use crate::orchestrator::hooks::{Hook, command};
use crate::orchestrator::runtime::TeamRuntime;
use crate::sync::lock;

impl TeamOrchestrator {
    /// Whether anybody wants to hear of this.
    pub(crate) fn hooks_hear(&self, runtime: &TeamRuntime, event: HookEvent) -> bool {
        self.inner.hooks.0.iter().any(|hook| hook.hears(event))
            || runtime.ledger.policy().hooks.iter().any(|hook| hook.event == event)
            || lock(&runtime.lead_hooks).iter().flat_map(|lead| &lead.commands).any(|hook| hook.event == event)
    }

    /// What a hook is told of a member.
    pub(crate) async fn hook_input(&self, event: HookEvent, team: &TeamName, member: Option<&str>) -> HookInput {
        let roster = self.roster(team).await.ok();
        let known = member.and_then(|name| roster.as_ref()?.member(name).cloned());
        let cwd = known.and_then(|member| member.cwd).unwrap_or_else(|| PathBuf::from("/"));
        let mut input = HookInput::new(event, team.as_str(), member.map(str::to_owned), cwd);
        let teammate = self.teams().get(team).cloned().and_then(|runtime| runtime.teammate(member?));
        input.session_id = teammate.and_then(|teammate| teammate.status().session_id);
        input
    }

    /// Whether hooks of a team have a say in what agents ask for.
    pub(crate) fn approval_hooks(&self, team: &TeamName) -> bool {
        let runtime = self.teams().get(team).cloned();
        runtime.is_some_and(|runtime| self.hooks_hear(&runtime, HookEvent::ApprovalRequested))
    }

    /// What the hooks of a team say to something: the feedback of the first that says no. One that fails is told of, and has no say.
    pub(crate) async fn judged(&self, runtime: &TeamRuntime, input: HookInput) -> Option<String> {
        let event = input.hook_event_name;
        let agent = input.teammate_name.clone().unwrap_or_else(|| TEAM_LEAD.to_owned());
        let programs = self.inner.hooks.0.iter().filter(|hook| hook.hears(event)).cloned();
        let programs: Vec<Arc<dyn Hook>> = programs.collect();
        let environment = lock(&runtime.hook_environment).clone();
        let of_team = runtime.ledger.policy().hooks.clone().into_iter().map(|hook| (hook, environment.clone()));
        let lead = lock(&runtime.lead_hooks).clone();
        let of_lead = lead.into_iter().flat_map(|lead| {
            let environment = lead.environment;
            lead.commands.into_iter().map(move |hook| (hook, environment.clone()))
        });
        let commands: Vec<_> = of_team.chain(of_lead).filter(|(hook, _)| hook.event == event).collect();
        for hook in programs {
            let name = hook.name().to_owned();
            let judged = input.clone();
            // A task of its own, so that a panic is its own too.
            let call = tokio::spawn(async move { hook.judge(judged).await });
            let abort = call.abort_handle();
            let said = match tokio::time::timeout(DECIDES_WITHIN, call).await {
                Ok(Ok(verdict)) => Ok(verdict),
                Ok(Err(error)) => Err(format!("it failed ({error})")),
                Err(_) => {
                    abort.abort();
                    Err(format!("it took longer than {DECIDES_WITHIN:?}"))
                }
            };
            if let Some(feedback) = self.heard(runtime, &agent, event, &name, said) {
                return Some(feedback);
            }
        }
        for (hook, environment) in commands {
            let supervision = Supervision {
                shim: self.inner.shim.clone(),
                registry: Some(self.inner.registry.clone()),
                label: format!("hook@{}", runtime.name),
                tap: None,
            };
            let said = command::run(&hook, &input, environment, supervision).await;
            if let Some(feedback) = self.heard(runtime, &agent, event, &hook.command, said) {
                return Some(feedback);
            }
        }
        None
    }

    fn heard(
        &self,
        runtime: &TeamRuntime,
        agent: &str,
        event: HookEvent,
        hook: &str,
        said: Result<HookVerdict, String>,
    ) -> Option<String> {
        let (kind, veto) = match said {
            Ok(HookVerdict::Pass) => return None,
            Ok(HookVerdict::Veto(feedback)) => {
                let (hook, told) = (hook.to_owned(), feedback.clone());
                (EventKind::HookRejected { hook, event, feedback: told }, Some(feedback))
            }
            Err(reason) => {
                let message = format!("the hook `{hook}` for {} has no say: {reason}", event.as_str());
                (EventKind::Notice { message }, None)
            }
        };
        runtime.feed.append(agent, None, kind);
        veto
    }

    /// Whom a question of a team's agent is put to: the program, then the team's hooks.
    pub(crate) fn asks(&self, team: TeamName) -> Asks {
        let program = self.inner.approval_hook.clone();
        let inner = Arc::downgrade(&self.inner);
        Asks(Arc::new(move || {
            let this = TeamOrchestrator { inner: inner.upgrade()? };
            let runtime = this.teams().get(&team).cloned()?;
            if !this.hooks_hear(&runtime, HookEvent::ApprovalRequested) {
                return program.clone();
            }
            let (program, inner) = (program.clone(), inner.clone());
            let limit = program.as_ref().map_or(Duration::ZERO, |program| program.limit);
            let longest = runtime
                .ledger
                .policy()
                .hooks
                .iter()
                .map(|hook| Duration::from_millis(hook.timeout_ms))
                .sum::<Duration>();
            let hook = move |team: TeamName, question: PendingApproval| {
                let (program, inner) = (program.clone(), inner.clone());
                let decides = async move {
                    if let Some(program) = program
                        && let Ok(Some(decision)) =
                            tokio::time::timeout(program.limit, (program.hook)(team.clone(), question.clone())).await
                    {
                        return Some(decision);
                    }
                    let this = TeamOrchestrator { inner: inner.upgrade()? };
                    let runtime = this.teams().get(&team).cloned()?;
                    let veto = this.judged(&runtime, this.of_question(&team, question).await).await;
                    veto.map(|reason| Decision::Deny { reason })
                };
                Box::pin(decides) as Decides
            };
            // Each has its own limit; this one ends what they do not.
            let limit = limit + longest + 2 * DECIDES_WITHIN;
            Some(ApprovalHook { hook: Arc::new(hook), limit })
        }))
    }

    async fn of_question(&self, team: &TeamName, question: PendingApproval) -> HookInput {
        let PendingApproval { member, tool, summary, command, details, .. } = question;
        let mut input = self.hook_input(HookEvent::ApprovalRequested, team, Some(&member)).await;
        input.tool_name = Some(tool);
        input.tool_input = Some(match (command, details) {
            (Some(command), _) => json!({"command": command}),
            (None, details) => json!({"details": details.unwrap_or(summary)}),
        });
        input
    }
}
