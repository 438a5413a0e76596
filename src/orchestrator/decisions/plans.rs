//! Plans: a member that was spawned to plan changes nothing until the lead, or a person, has approved what it means to do. An
//! approval is for one text and no other.

use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use agent_backends::{ApprovalKind, PermissionMode};

use crate::error::{Error, Result};
use crate::model::approval::Verdict;
use crate::model::event::EventKind;
use crate::model::message::{Message, StructuredMessage};
use crate::model::name::{AgentName, TEAM_LEAD, TeamName};
use crate::model::task::{Task, TaskId, TaskStatus};
use crate::model::team::PlanGate;
use crate::model::time::iso;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::runtime::waiting_plans::{Plan, TOOL, digest};
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::store::new_message;

/// The longest plan, in bytes.
const LONGEST: usize = 256 << 10;

impl TeamOrchestrator {
    /// Looks for an answer to a member's plan that a live Claude Code has written into its inbox.
    pub(crate) async fn apply_plan_answer(&self, runtime: &TeamRuntime, member: &AgentName) -> Result<()> {
        let Some(plan) = runtime.plans.of(member) else { return Ok(()) };
        if !self.has_live_lead(&runtime.name).await? {
            return Ok(());
        }
        let teammate = runtime.teammate(member);
        let is_forged = |message: &Message| teammate.as_ref().is_some_and(|teammate| teammate.is_forged(message));
        let inbox = self.read_inbox(&runtime.name, member).await?;
        for message in inbox.iter().filter(|message| message.from == TEAM_LEAD && !is_forged(message)) {
            let Some(StructuredMessage::PlanApprovalResponse { request_id, approved, plan_digest, .. }) =
                StructuredMessage::parse(&message.text)
            else {
                continue;
            };
            // An answer is for this text and no other.
            if request_id != plan.request_id || plan_digest.is_some_and(|digest| digest != plan.digest) {
                continue;
            }
            self.settle_plan(runtime, member, plan, approved, TEAM_LEAD).await?;
            return Ok(());
        }
        Ok(())
    }

    /// Hands in a member's plan; a plan of its that waits is withdrawn, and one that was approved is worth nothing any more,
    /// unless it is the same. Answers the request's id, or `None` for a plan that is approved already.
    ///
    /// # Errors
    /// The member needs no approval, the plan is empty or too long, or the lead cannot be told.
    pub async fn submit_plan(&self, team: &str, member: &str, plan: &str) -> Result<Option<String>> {
        let (team, member): (TeamName, AgentName) = (team.parse()?, member.parse()?);
        if plan.trim().is_empty() {
            return Err(Error::EmptyPlan);
        }
        if plan.len() > LONGEST {
            return Err(Error::LongMessage { bytes: plan.len(), limit: LONGEST });
        }
        let gate =
            self.plan_gate(&team, &member).await?.ok_or_else(|| Error::NoPlanNeeded { member: member.to_string() })?;
        let digest = digest(plan);
        if gate.approved.as_ref() == Some(&digest) {
            return Ok(None);
        }
        let runtime = self.runtime(&team)?;
        if gate.approved.is_some() {
            self.enter_mode(&runtime, &member, PermissionMode::Plan, gate.without_approval()).await?;
        }
        let now = jiff::Timestamp::now();
        let request_id = format!("plan_approval-{}@{member}@{team}", now.as_millisecond());
        let path = self.keep_plan(&team, &member, now, plan)?;
        let shown = self.inner.redactor.redact(plan).into_owned();
        let request = StructuredMessage::PlanApprovalRequest {
            from: member.to_string(),
            timestamp: iso(now),
            plan_file_path: path.to_string_lossy().into_owned(),
            plan_content: shown.clone(),
            request_id: request_id.clone(),
        };
        let first_line = shown.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        let summary = first_line.chars().take(120).collect::<String>();
        let waits = Plan { request_id: request_id.clone(), digest, first_line: summary.clone(), text: shown.clone() };
        let before = runtime.plans.change(|plans| plans.insert(member.clone(), waits))?;
        self.send_prepared(&runtime, AgentName::lead(), new_message(&member, &request.to_text(), None, None)).await?;
        if let Some(before) = before {
            runtime.feed.append(&member, None, closed(before.request_id, "withdrawn", None));
        }
        let (id, tool) = (request_id.clone(), TOOL.to_owned());
        let (kind, details, questions) = (ApprovalKind::Plan, Some(shown), Vec::new());
        let decides = Verdict::Lead;
        let asked = EventKind::Approval { id, tool, summary, kind, command: None, details, questions, decides };
        runtime.feed.append(&member, None, asked);
        Ok(Some(request_id))
    }

    /// Approves a plan, which lifts its member's mode, or rejects it. The member is told.
    ///
    /// # Errors
    /// No plan waits under that id, or the agent refuses its new mode; then the plan waits on.
    pub async fn answer_plan(
        &self,
        team: &str,
        request_id: &str,
        approve: bool,
        feedback: Option<&str>,
        by: &str,
    ) -> Result<()> {
        let team: TeamName = team.parse()?;
        let runtime = self.runtime(&team)?;
        let unknown = || Error::NoApproval { id: request_id.to_owned() };
        let (member, plan) = runtime.plans.of_request(request_id).ok_or_else(unknown)?;
        let digest = plan.digest.clone();
        let mode = self.settle_plan(&runtime, &member, plan, approve, by).await?;
        let response = StructuredMessage::PlanApprovalResponse {
            request_id: request_id.to_owned(),
            approved: approve,
            feedback: feedback.map(str::to_owned),
            timestamp: iso(jiff::Timestamp::now()),
            permission_mode: mode.map(|mode| mode.to_string()),
            plan_digest: Some(digest),
        };
        self.send_text(&team, TEAM_LEAD, &member, response.to_text()).await
    }

    /// Decides about a plan, if it still waits; answers the mode that its member has now, if it was lifted.
    async fn settle_plan(
        &self,
        runtime: &TeamRuntime,
        member: &AgentName,
        plan: Plan,
        approve: bool,
        by: &str,
    ) -> Result<Option<PermissionMode>> {
        let unknown = || Error::NoApproval { id: plan.request_id.clone() };
        let gate = self.plan_gate(&runtime.name, member).await?.ok_or_else(unknown)?;
        // Taken before anything is lifted: the plan may be another one by now, or decided.
        runtime.plans.take(member, &plan.request_id)?.ok_or_else(unknown)?;
        let mut mode = None;
        if approve {
            let task = self.task_in_progress(&runtime.name, member).await?;
            let passed = PlanGate { approved: Some(plan.digest.clone()), task, ..gate.clone() };
            if let Err(error) = self.enter_mode(runtime, member, gate.then.clone(), passed).await {
                let back = runtime.plans.change(|plans| {
                    plans.entry(member.clone()).or_insert(plan);
                });
                return back.and(Err(error));
            }
            mode = Some(gate.then.clone());
            if runtime.plans.of(member).is_some() {
                // Another one was handed in meanwhile.
                self.enter_mode(runtime, member, PermissionMode::Plan, gate.without_approval()).await?;
                mode = Some(PermissionMode::Plan);
            }
        }
        let outcome = if approve { "allowed" } else { "denied" };
        runtime.feed.append(member, None, closed(plan.request_id, outcome, Some(by)));
        Ok(mode)
    }

    /// Has a member plan again that begins a task and whose plan was approved for another one. Answers whether it has to plan now.
    ///
    /// # Errors
    /// Its agent refuses to plan.
    pub(crate) async fn plans_for(&self, team: &TeamName, member: &AgentName, task: &TaskId) -> Result<bool> {
        let Some(gate) = self.plan_gate(team, member).await? else { return Ok(false) };
        if gate.approved.is_none() {
            return Ok(true);
        }
        if gate.task.as_deref().is_none_or(|known| *known == **task) {
            return Ok(false);
        }
        let runtime = self.runtime(team)?;
        self.enter_mode(&runtime, member, PermissionMode::Plan, gate.without_approval()).await?;
        Ok(true)
    }

    /// The number of the task that a member works on.
    async fn task_in_progress(&self, team: &TeamName, member: &AgentName) -> Result<Option<String>> {
        let team = team.clone();
        let tasks = self.with_store(move |store| store.tasks(&team)).await?;
        let is_its =
            |task: &Task| task.status == TaskStatus::InProgress && task.owner.as_deref() == Some(member.as_str());
        Ok(tasks.tasks.iter().find(|task| is_its(task)).map(|task| task.id.to_string()))
    }

    pub(crate) async fn plan_gate(&self, team: &TeamName, member: &AgentName) -> Result<Option<PlanGate>> {
        let known = self.roster(team).await?;
        Ok(known.member(member).and_then(|member| member.launch.clone()).and_then(|launch| launch.plan))
    }

    /// Lets a member do what a mode allows, from now on and in all its later sessions.
    async fn enter_mode(
        &self,
        runtime: &TeamRuntime,
        member: &AgentName,
        mode: PermissionMode,
        gate: PlanGate,
    ) -> Result<()> {
        if let Some(teammate) = runtime.teammate(member) {
            let mode = mode.clone();
            teammate.ask(|reply| MemberCommand::SetMode(mode, reply)).await.unwrap_or(Err(Error::ShuttingDown))?;
        }
        let (team, member) = (runtime.name.clone(), member.clone());
        self.with_store(move |store| {
            store.edit_launch(&team, &member, |launch| {
                launch.permission_mode = mode;
                launch.plan = Some(gate);
            })
        })
        .await
    }

    pub(crate) fn plans_dir(&self, team: &TeamName) -> PathBuf {
        self.inner.team_dir(team).join("plans")
    }

    fn keep_plan(&self, team: &TeamName, member: &AgentName, now: jiff::Timestamp, plan: &str) -> Result<PathBuf> {
        use std::io::Write as _;
        let dir = self.plans_dir(team);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(Error::io("create", &dir))?;
        let path = dir.join(format!("{member}-{}.md", now.as_millisecond()));
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(plan.as_bytes())).map_err(Error::io("write", &path))?;
        Ok(path)
    }
}

/// The end of a plan's wait.
fn closed(id: String, outcome: &str, by: Option<&str>) -> EventKind {
    EventKind::ApprovalClosed { id, kind: ApprovalKind::Plan, outcome: outcome.to_owned(), by: by.map(str::to_owned) }
}
