//! Messages between members, as Claude Code's inbox files have them.

use serde::{Deserialize, Serialize};

/// An entry of an inbox, without the fields that we do not know. The order is Claude Code's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sender's name.
    pub from: String,
    /// What it says: text, or a [`StructuredMessage`] as JSON.
    pub text: String,
    /// The same in a few words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// When it was written, as [`iso`](super::time::iso) writes it.
    pub timestamp: String,
    /// The sender's colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The version of the format.
    #[serde(rename = "msgV", default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// A UUID; older versions wrote none.
    #[serde(rename = "msg_id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Always `message`; older versions wrote none.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The plugin that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_plugin: Option<String>,
    /// What a live Claude Code that leads signs its messages with.
    #[serde(rename = "lead_sig", default, skip_serializing_if = "Option::is_none")]
    pub lead_signature: Option<String>,
    /// Who wrote it in the sender's name, if it was not the sender. A field of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// It does not wait for the end of its recipient's turn. A field of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// It says that it is the lead's, and nothing proves that. A field of ours, which is set when the message is taken out of the inbox.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// Up to 2.1.100 the reader sets it; later versions remove what was read.
    #[serde(default)]
    pub read: bool,
}

/// Messages that programs write and read. In a file they are JSON text in a [`Message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum StructuredMessage {
    /// You own this task now.
    TaskAssignment {
        /// Its id.
        task_id: String,
        /// Its subject.
        subject: String,
        /// Its description.
        description: String,
        /// Who says so.
        assigned_by: String,
        /// When.
        timestamp: String,
        /// Which attempt at the task this gives; it is not delivered when that attempt is over. A field of ours.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u64>,
    },
    /// Please stop.
    ShutdownRequest {
        /// `shutdown-<ms>@<name>`.
        request_id: String,
        /// Who asks.
        from: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// When.
        timestamp: String,
    },
    /// I stop.
    ShutdownApproved {
        /// The request's.
        request_id: String,
        /// Who answers.
        from: String,
        /// When.
        timestamp: String,
        /// Claude Code's pane, or `in-process`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pane_id: Option<String>,
        /// Claude Code's word for where it runs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backend_type: Option<String>,
    },
    /// A turn ended and nothing waits.
    IdleNotification {
        /// Who is idle.
        from: String,
        /// When.
        timestamp: String,
        /// `available`, `interrupted` or `failed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_reason: Option<String>,
        /// To whom it wrote in that turn, and what about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<String>,
        /// The task that it completed in that turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        completed_task_id: Option<String>,
        /// `resolved`, `blocked` or `failed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        completed_status: Option<String>,
        /// Why the turn failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure_reason: Option<String>,
        /// What it said last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<String>,
    },
    /// May I do this?
    PlanApprovalRequest {
        /// Who asks.
        from: String,
        /// When.
        timestamp: String,
        /// Where the plan is.
        plan_file_path: String,
        /// The plan.
        plan_content: String,
        /// `plan_approval-<ms>@<name>@<team>`.
        request_id: String,
    },
    /// May I use this tool? The fields are named as in no other message.
    #[serde(rename_all = "snake_case")]
    PermissionRequest {
        /// `perm-<ms>-<letters and digits>`.
        request_id: String,
        /// Who asks: as in the envelope.
        agent_id: String,
        /// Which tool.
        tool_name: String,
        /// The agent's id of its use.
        tool_use_id: String,
        /// To do what.
        description: String,
        /// Its arguments.
        input: serde_json::Value,
        /// Rules that would make the question needless.
        permission_suggestions: Vec<serde_json::Value>,
    },
    /// You may, or may not, use it.
    #[serde(rename_all = "snake_case")]
    PermissionResponse {
        /// The request's.
        request_id: String,
        /// `success`, or `error` for no.
        subtype: String,
        /// Why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// I do not stop.
    ShutdownRejected {
        /// The request's.
        request_id: String,
        /// Who answers.
        from: String,
        /// Why not.
        reason: String,
        /// When.
        timestamp: String,
    },
    /// You may, or may not.
    PlanApprovalResponse {
        /// The request's.
        request_id: String,
        /// Whether.
        approved: bool,
        /// What to do better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback: Option<String>,
        /// When.
        timestamp: String,
        /// What it may do now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permission_mode: Option<String>,
        /// SHA-256 of the plan, in hexadecimal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan_digest: Option<String>,
    },
}

impl Message {
    /// What it is called: its id, or, where an older version wrote none, what Claude Code knows it by.
    pub fn key(&self) -> String {
        match &self.id {
            Some(id) => id.clone(),
            None => format!("{}/{}", self.from, self.timestamp),
        }
    }
}

impl StructuredMessage {
    /// What an inbox entry's text holds.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("strings and booleans always serialise")
    }

    /// Whether a text is for programs: one of these, or what another version may know.
    pub fn is_one(text: &str) -> bool {
        let typed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        typed.is_ok_and(|object| object.get("type").is_some_and(serde_json::Value::is_string))
    }

    /// The structured message in a text, if it is one of those that we know.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_messages_are_written_as_claude_code_writes_them() {
        let message = StructuredMessage::TaskAssignment {
            task_id: "3".into(),
            subject: "Third".into(),
            description: "third".into(),
            assigned_by: "team-lead".into(),
            timestamp: "2026-11-21T01:53:53.393Z".into(),
            attempt: None,
        };
        assert_eq!(
            message.to_text(),
            r#"{"type":"task_assignment","taskId":"3","subject":"Third","description":"third","assignedBy":"team-lead","timestamp":"2026-11-21T01:53:53.393Z"}"#
        );
        assert_eq!(StructuredMessage::parse(&message.to_text()), Some(message));
    }
}
