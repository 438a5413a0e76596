//! The tools that everybody has, but for those for tasks.

use serde_json::{Value, json};

use super::params::{
    AnswerShutdownParams, MemoryListParams, MemoryReadParams, MemoryWriteParams, ReadMessagesParams, Recipients,
    SendMessageParams, SubmitPlanParams, TeamStatusParams,
};
use super::{Identity, ToolAnswer, refuse};
use crate::model::envelope::{self, Delivery};
use crate::model::message::Message;
use crate::model::name::TEAM_LEAD;
use crate::model::status::TaskCounts;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::mail::Letter;
use crate::orchestrator::teammate::parts::TurnActivity;

impl TeamOrchestrator {
    pub(super) async fn tool_team_status(&self, who: &Identity, _: TeamStatusParams) -> ToolAnswer {
        let status = self.status(&who.team).await?;
        let tasks = TaskCounts::of(&*self.list_tasks(&who.team).await?);
        let members: Vec<Value> = status
            .members
            .iter()
            .map(|member| {
                json!({"name": member.name, "agent": member.backend, "state": member.state, "reason": member.reason,
                    "unreadMessages": member.unread, "asksFor": member.approvals})
            })
            .collect();
        Ok(json!({"team": status.team, "description": status.description, "you": who.name, "lead": TEAM_LEAD,
            "teammates": members, "tasks": tasks})
        .to_string())
    }

    pub(super) async fn tool_send_message(&self, who: &Identity, params: SendMessageParams) -> ToolAnswer {
        let letter = Letter { text: params.message, summary: params.summary, via: None, urgent: params.urgent };
        let to: Vec<String> = match params.to {
            Recipients::One(name) => vec![name],
            Recipients::Several(names) => names,
        };
        if to.is_empty() {
            return refuse("say to whom: a name, several, or \"*\"");
        }
        let posted = self.send_messages(&who.team, &who.name, &to, letter).await?;
        let mut lines = Vec::new();
        for (name, message) in &posted {
            if *name != TEAM_LEAD {
                let about = message.summary.clone().unwrap_or_else(|| message.text.chars().take(60).collect());
                self.note_activity(who, |activity| activity.wrote.push(format!("[to {name}] {about}")));
            }
            lines.push(format!("to {name}: {}", message.key()));
        }
        Ok(format!("Sent. {}", lines.join("; ")))
    }

    pub(super) async fn tool_read_messages(&self, who: &Identity, _: ReadMessagesParams) -> ToolAnswer {
        let unread: Vec<Message> = match who.is_lead() {
            true => self.read_and_mark(&who.team, TEAM_LEAD).await?,
            false => self.read_inbox(&who.team, &who.name).await?,
        };
        let unread: Vec<Message> = unread.into_iter().filter(|message| !message.read).collect();
        if unread.is_empty() {
            return Ok("No message waits for you.".to_owned());
        }
        let text = envelope::wrap(&unread, Delivery::First);
        Ok(match who.is_lead() {
            true => text,
            false => format!("{text}\n\nThese are given to you as your next turn; you need not answer them now."),
        })
    }

    pub(super) async fn tool_memory_read(&self, who: &Identity, params: MemoryReadParams) -> ToolAnswer {
        Ok(json!(self.recall(&who.team, &params.name).await?).to_string())
    }

    pub(super) async fn tool_memory_write(&self, who: &Identity, params: MemoryWriteParams) -> ToolAnswer {
        if params.value.is_null() {
            self.forget_memory(&who.team, &params.name, params.expected_version).await?;
            return Ok(format!("`{}` is forgotten.", params.name));
        }
        let remember = self.remember(&who.team, &params.name, params.value, params.expected_version, &who.name);
        Ok(format!("`{}` is remembered, version {}.", params.name, remember.await?.version))
    }

    pub(super) async fn tool_memory_list(&self, who: &Identity, _: MemoryListParams) -> ToolAnswer {
        let entries = self.memories(&who.team).await?;
        if entries.is_empty() {
            return Ok("Nothing is remembered yet.".to_owned());
        }
        let row = |entry: &crate::model::memory::MemoryEntry| json!({"name": entry.name, "version": entry.version, "by": entry.by, "at": entry.at});
        Ok(Value::from(entries.iter().map(row).collect::<Vec<_>>()).to_string())
    }

    pub(super) async fn tool_submit_plan(&self, who: &Identity, params: SubmitPlanParams) -> ToolAnswer {
        Ok(match self.submit_plan(&who.team, &who.name, &params.plan).await? {
            Some(id) => format!("Your plan is handed in ({id}). End your turn; the answer comes as a message."),
            None => "This very plan is approved already. Carry it out.".to_owned(),
        })
    }

    pub(super) async fn tool_answer_shutdown(&self, who: &Identity, params: AnswerShutdownParams) -> ToolAnswer {
        let rejected = match (params.approve, params.reason) {
            (true, _) => None,
            (false, Some(reason)) if !reason.trim().is_empty() => Some(reason),
            (false, _) => return refuse("say why not, in reason"),
        };
        self.answer_shutdown(&who.team, &who.name, &params.request_id, rejected).await?;
        Ok(match params.approve {
            true => "You are stopped when this turn has ended; end it now.".to_owned(),
            false => "The lead is told your reason. Go on.".to_owned(),
        })
    }

    /// Notes what a member does in its turn.
    pub(super) fn note_activity(&self, who: &Identity, note: impl FnOnce(&mut TurnActivity)) {
        let teammate = self.teams().get(&who.team).and_then(|runtime| runtime.teammate(&who.name));
        if let Some(teammate) = teammate {
            teammate.note_activity(note);
        }
    }
}
