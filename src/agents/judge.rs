//! Judges the plans of agents with the language model, where no agent leads the team.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_backends::ApprovalKind;
use agent_backends::native::llm::{LlmClient, TokenUsage};
use agent_backends::native::{AgentLoop, LoopSettings, ToolRegistry};

use crate::model::name::TEAM_LEAD;
use crate::model::status::PendingApproval;
use crate::orchestrator::{Identity, TeamOrchestrator};
use crate::sync::lock;

/// How long judging a plan may take.
const LONGEST: Duration = Duration::from_secs(600);
/// What the model is told.
const INSTRUCTIONS: &str = "You lead a team of agents. One of them has handed in a plan, and does nothing until you have answered. Approve a plan that does what its task asks \
for, and no more. Reject one that is wrong, that leaves something out, or that risks what nobody asked it to touch. Your first line is the word APPROVE or the word REJECT, and nothing else; the lines after REJECT say \
what has to be better.";

/// Judges plans with a language model.
pub(super) struct Judge {
    client: Arc<dyn LlmClient>,
    settings: LoopSettings,
    goal: String,
    spent: Mutex<TokenUsage>,
}

impl Judge {
    pub(super) fn new(client: Arc<dyn LlmClient>, settings: LoopSettings, goal: &str) -> Self {
        Self { client, settings, goal: goal.to_owned(), spent: Mutex::default() }
    }

    /// What judging has used.
    pub(super) fn spent(&self) -> TokenUsage {
        *lock(&self.spent)
    }

    /// Answers the plan of a member that waits, if one does. The member hears of it as it hears of any answer to a plan: by a message.
    pub(super) async fn answer(&self, orchestrator: &TeamOrchestrator, who: &Identity) {
        let open = orchestrator.approvals(&who.team).await.unwrap_or_default();
        let is_theirs = |open: &PendingApproval| open.member == who.name.as_str() && open.kind == ApprovalKind::Plan;
        let Some(plan) = open.into_iter().find(is_theirs) else { return };
        let text = plan.details.as_deref().unwrap_or(&plan.summary);
        let (approve, feedback) = match tokio::time::timeout(LONGEST, self.verdict(&who.name, text)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(error)) => (false, format!("nobody could judge the plan ({error}); hand it in again")),
            Err(_) => (false, format!("nobody has judged the plan within {LONGEST:?}; hand it in again")),
        };
        let feedback = Some(feedback).filter(|feedback| !feedback.is_empty());
        let answered = orchestrator.answer_plan(&who.team, &plan.id, approve, feedback.as_deref(), TEAM_LEAD).await;
        if let Err(error) = answered {
            tracing::warn!(member = %who.name, %error, "a plan waits on");
        }
    }

    async fn verdict(&self, who: &str, plan: &str) -> Result<(bool, String), agent_backends::native::Error> {
        let mut lead = AgentLoop::new(Arc::clone(&self.client), ToolRegistry::new(), INSTRUCTIONS)
            .with_settings(self.settings.clone());
        let said = lead.run(format!("The team's goal: {}\n\nThe plan of `{who}`:\n\n{plan}", self.goal)).await?;
        *lock(&self.spent) += said.usage;
        Ok(verdict_of(&said.final_content))
    }
}

/// What an answer says: whether it approves, and what it says besides. One that says neither rejects.
fn verdict_of(answer: &str) -> (bool, String) {
    let answer = answer.trim();
    let (first, rest) = answer.split_once('\n').unwrap_or((answer, ""));
    let word = first.trim_matches(|c: char| !c.is_alphanumeric()).to_ascii_uppercase();
    let rest = rest.trim().to_owned();
    match word.as_str() {
        "APPROVE" | "APPROVED" => (true, rest),
        "REJECT" | "REJECTED" if !rest.is_empty() => (false, rest),
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
            ("**Approved.**\n\nGo on.", (true, "Go on.")),
            ("APPROVE only if tests are added", (false, "APPROVE only if tests are added")),
            ("Approved? No.", (false, "Approved? No.")),
            ("REJECT\nNo tests.", (false, "No tests.")),
            ("reject", (false, "no reason was given; make the plan clearer")),
            ("I would approve it if", (false, "I would approve it if")),
            ("", (false, "")),
        ] {
            assert_eq!(verdict_of(answer), (expected.0, expected.1.to_owned()), "{answer}");
        }
    }
}
