//! The lead of a run: an agent that is given the goal, and hears what a lead has to hear.

use std::collections::HashSet;
use std::fmt::Write as _;

use agent_backends::BackendType;

use super::options::RunOptions;
use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{SYSTEM, TEAM_LEAD, TeamName};
use crate::model::run::RunRecord;
use crate::model::status::PendingApproval;
use crate::model::team_file::{MemberSection, TeamFile};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::store::new_message;

/// So many members more than its file names a run with a lead may have, where the file does not say otherwise.
pub(super) const MAY_START: u64 = 8;

/// What has been passed on to the lead.
#[derive(Debug, Default)]
pub(super) struct LeadDesk {
    messages: HashSet<String>,
    questions: HashSet<String>,
}

impl LeadDesk {
    /// Passes on to the lead what members have written to the team's lead, and what only a lead can answer. That a member has ended its
    /// turn is not passed on: it would be a turn of the lead for each.
    pub(super) async fn pass_on(
        &mut self,
        orchestrator: &TeamOrchestrator,
        team: &TeamName,
        lead: &str,
        questions: &[PendingApproval],
    ) -> Result<()> {
        // Marked only when they have been passed on; what came meanwhile, too.
        let mut unread: Vec<Message> = orchestrator.read_inbox(team, TEAM_LEAD).await?;
        unread.retain(|message| !message.read);
        if !unread.is_empty() {
            self.pass_on_messages(orchestrator, team, lead, &unread).await?;
            let marked = orchestrator.read_and_mark(team, TEAM_LEAD).await?;
            self.pass_on_messages(orchestrator, team, lead, &marked).await?;
            self.messages.clear();
        }
        self.questions.retain(|id| questions.iter().any(|question| question.id == *id));
        for question in questions.iter().filter(|question| question.decides == Verdict::Lead && !is_plan(question)) {
            if self.questions.insert(question.id.clone()) {
                let PendingApproval { id, member, tool, summary, command, .. } = question;
                let what = command.as_ref().unwrap_or(summary);
                let text = format!(
                    "{member} asks for permission to use {tool}: {what}\n\nAnswer with the tool `answer_permission` and id \"{id}\"."
                );
                tell(orchestrator, team, lead, SYSTEM, &text).await?;
            }
        }
        Ok(())
    }

    async fn pass_on_messages(
        &mut self,
        orchestrator: &TeamOrchestrator,
        team: &TeamName,
        lead: &str,
        messages: &[Message],
    ) -> Result<()> {
        for message in messages.iter().filter(|message| message.from != lead) {
            if !self.messages.insert(message.key()) {
                continue;
            }
            let text = match StructuredMessage::parse(&message.text) {
                None => message.text.clone(),
                Some(StructuredMessage::PlanApprovalRequest { plan_content, request_id, .. }) => format!(
                    "My plan:\n\n{plan_content}\n\n(To be answered with the tool `answer_plan` and requestId \"{request_id}\".)"
                ),
                Some(_) => continue,
            };
            tell(orchestrator, team, lead, &message.from, &text).await?;
        }
        Ok(())
    }
}

fn is_plan(question: &PendingApproval) -> bool {
    question.id.starts_with("plan_approval-")
}

async fn tell(orchestrator: &TeamOrchestrator, team: &TeamName, lead: &str, from: &str, text: &str) -> Result<()> {
    let runtime = orchestrator.runtime(team)?;
    orchestrator.send_prepared(&runtime, lead.parse()?, new_message(from, text, None, None)).await
}

impl TeamOrchestrator {
    /// Starts the lead of a run, and gives it the goal; one that is known goes on.
    pub(super) async fn ensure_lead(
        &self,
        record: &RunRecord,
        section: &MemberSection,
        file: &TeamFile,
        options: &RunOptions,
    ) -> Result<()> {
        let (team, Some(name)) = (&record.run.team, &record.lead) else { return Ok(()) };
        let known = self.roster(team).await?.member(name).is_some_and(|member| member.launch.is_some());
        let resumes = record.prepared && known;
        if resumes {
            match self.resume_member(team, name, &options.surroundings).await {
                Err(Error::Running { .. }) => {}
                resumed => drop(resumed?),
            }
        } else {
            let (backend, mut spawn) = self.launch_of_section(name, section, options)?;
            (spawn.supervise.work, spawn.supervise.leads) = (false, true);
            match backend {
                Some(backend) => self.spawn_teammate_with(team, spawn.config, backend, spawn.supervise).await?,
                None => {
                    spawn.work = record.goal.clone().unwrap_or_default();
                    self.spawn_auto(team, spawn).await?
                }
            };
        }
        let input = match resumes {
            true => "The run was interrupted, and goes on now. See how the tasks stand with `task_list`.".to_owned(),
            false => goal(record, file, &self.backend_names()),
        };
        self.send_input_from(team, name, &input, Some("user".to_owned())).await.map(drop)
    }

    /// The names of the backends that a lead may start members of.
    fn backend_names(&self) -> Vec<String> {
        let backends = self.inner.backends.iter().filter(|(_, backend)| !backend.0.capabilities().any_program);
        let mut names: Vec<String> = backends.map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }
}

/// What a lead is given first.
fn goal(record: &RunRecord, file: &TeamFile, backends: &[String]) -> String {
    let mut text = format!("You lead the team `{}`.", record.run.team);
    match &record.goal {
        Some(goal) => drop(write!(text, " Your goal:\n\n{goal}")),
        None => text.push_str(" Your goal is that its tasks are done, and done well."),
    }
    let members: Vec<String> = file
        .members()
        .iter()
        .map(|(name, member)| {
            format!("- {name} ({})", member.backend.as_deref().unwrap_or(BackendType::KNOWN[0].as_str()))
        })
        .collect();
    if !members.is_empty() {
        let _ = write!(text, "\n\nYour teammates:\n{}", members.join("\n"));
    }
    if !file.tasks.is_empty() {
        let _ = write!(text, "\n\n{} tasks are on the list already; `task_list` shows them.", file.tasks.len());
    }
    let _ = write!(
        text,
        "\n\nYou plan and decide; your teammates do the work. Add tasks with `task_create`: each teammate that has nothing to do is given the next \
         one that waits for nothing, by itself. Start teammates with `spawn_teammate` where you need more (backend: {}). Then end your turn: you \
         hear of what teammates write to you, of plans and questions that are yours to answer, and when every task is settled. When the goal is \
         reached, use the tool `finish_run` with a summary of what came of it.",
        backends.join(", ")
    );
    text
}
