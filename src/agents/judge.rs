//! Judges the plans of agents with the language model, where no agent leads the team.

use std::sync::Arc;

use agent_backends::ApprovalKind;
use agent_backends::native::llm::LlmClient;
use agent_backends::native::{AgentLoop, LoopSettings, ToolRegistry};

use crate::model::name::TEAM_LEAD;
use crate::model::status::PendingApproval;
use crate::orchestrator::{Identity, TeamOrchestrator};

/// What the model is told.
const INSTRUCTIONS: &str = "You lead a team of agents. One of them has handed in a plan, and does nothing until you have answered. Approve a plan that does what its task asks \
for, and no more. Reject one that is wrong, that leaves something out, or that risks what nobody asked it to touch. Your first line is the word APPROVE or the word REJECT; after REJECT say \
what has to be better.";

/// Judges plans with a language model.
pub(super) struct Judge {
    client: Arc<dyn LlmClient>,
    settings: LoopSettings,
    goal: String,
}

impl Judge {
    pub(super) fn new(client: Arc<dyn LlmClient>, settings: LoopSettings, goal: &str) -> Self {
        Self { client, settings, goal: goal.to_owned() }
    }

    /// Answers the plan of a member that waits, if one does. The member hears of it as it hears of any answer to a plan: by a message.
    pub(super) async fn answer(&self, orchestrator: &TeamOrchestrator, who: &Identity) {
        let open = orchestrator.approvals(&who.team).await.unwrap_or_default();
        let is_theirs = |open: &PendingApproval| open.member == who.name.as_str() && open.kind == ApprovalKind::Plan;
        let Some(plan) = open.into_iter().find(is_theirs) else { return };
        let text = plan.details.as_deref().unwrap_or(&plan.summary);
        let (approve, feedback) = match self.verdict(&who.name, text).await {
            Ok(verdict) => verdict,
            Err(error) => (false, format!("nobody could judge the plan ({error}); hand it in again")),
        };
        let feedback = (!approve).then_some(feedback);
        let answered = orchestrator.answer_plan(&who.team, &plan.id, approve, feedback.as_deref(), TEAM_LEAD).await;
        if let Err(error) = answered {
            tracing::warn!(member = %who.name, %error, "a plan waits on");
        }
    }

    async fn verdict(&self, who: &str, plan: &str) -> Result<(bool, String), agent_backends::native::Error> {
        let mut lead = AgentLoop::new(Arc::clone(&self.client), ToolRegistry::new(), INSTRUCTIONS)
            .with_settings(self.settings.clone());
        let said = lead.run(format!("The team's goal: {}\n\nThe plan of `{who}`:\n\n{plan}", self.goal)).await?;
        Ok(verdict_of(&said.final_content))
    }
}

/// What an answer says: whether it approves, and what it says besides. One that says neither rejects.
fn verdict_of(answer: &str) -> (bool, String) {
    let answer = answer.trim();
    let word: String = answer.chars().skip_while(|c| !c.is_alphanumeric()).take_while(|c| c.is_alphabetic()).collect();
    let rest = match answer.find(&word) {
        Some(at) if !word.is_empty() => answer[at + word.len()..].trim_start_matches(|c: char| !c.is_alphanumeric()),
        _ => "",
    };
    match word.to_ascii_uppercase().as_str() {
        "APPROVE" | "APPROVED" => (true, rest.to_owned()),
        "REJECT" | "REJECTED" if !rest.is_empty() => (false, rest.to_owned()),
        "REJECT" | "REJECTED" => (false, "no reason was given; make the plan clearer".to_owned()),
        _ => (false, answer.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::verdict_of;

    #[test]
    fn only_a_clear_yes_approves() {
        for (answer, expected) in [
            ("APPROVE", (true, "")),
            ("**Approved.** Go on.", (true, "Go on.")),
            ("REJECT\nNo tests.", (false, "No tests.")),
            ("reject", (false, "no reason was given; make the plan clearer")),
            ("I would approve it if", (false, "I would approve it if")),
            ("", (false, "")),
        ] {
            assert_eq!(verdict_of(answer), (expected.0, expected.1.to_owned()), "{answer}");
        }
    }
}
