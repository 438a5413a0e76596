//! What the tools take. Names are those of Claude Code's own tools, where it has one.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

macro_rules! params {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Debug, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub(super) struct $name {
                $($(#[$field_meta])* pub(super) $field: $type,)*
            }
        )*
    };
}

params! {
    TeamStatusParams {}
    SendMessageParams {
        /// A teammate's name, several names, or "*" for everybody. The lead is "team-lead".
        to: Recipients,
        /// What you have to say, in plain text.
        message: String,
        /// The same in a few words.
        #[serde(default)]
        summary: Option<String>,
        /// True: it does not wait until they have done what they do, but comes into it, or interrupts it. For what cannot wait.
        #[serde(default)]
        urgent: bool,
    }
    AskTeammateParams {
        /// The teammate's name. The lead cannot be asked.
        name: String,
        /// What it is to do or to answer, with all that it needs to know: it sees nothing of your conversation.
        question: String,
        /// How long you wait, in seconds: 1 to 1500; 300 when left out.
        #[serde(default)]
        timeout_seconds: Option<u64>,
    }
    ReadMessagesParams {}
    TaskListParams {
        /// Only those with this status: pending, in_progress or completed.
        #[serde(default)]
        status: Option<Status>,
        /// Only those of this teammate.
        #[serde(default)]
        owner: Option<String>,
    }
    TaskGetParams {
        /// The task's id.
        task_id: String,
    }
    TaskCreateParams {
        /// What is to be done, in a line.
        subject: String,
        /// What is to be done, with all that whoever does it needs to know.
        description: String,
        /// The subject while somebody works on it ("Reviewing the parser").
        #[serde(default)]
        active_form: Option<String>,
        /// Ids of tasks that have to be completed first.
        #[serde(default)]
        add_blocked_by: Vec<String>,
        /// Tasks with lower numbers are begun first; 0 when left out.
        #[serde(default)]
        priority: i64,
        /// Whatever else belongs to it.
        #[serde(default)]
        metadata: Option<Map<String, Value>>,
    }
    TaskUpdateParams {
        /// The task's id.
        task_id: String,
        /// A new status: pending, in_progress, completed, or deleted.
        #[serde(default)]
        status: Option<NewStatus>,
        /// A new subject.
        #[serde(default)]
        subject: Option<String>,
        /// A new description.
        #[serde(default)]
        description: Option<String>,
        /// A new active form.
        #[serde(default)]
        active_form: Option<String>,
        /// A new owner: yourself, or "" for nobody. The lead may name anybody.
        #[serde(default)]
        owner: Option<String>,
        /// Ids of tasks that it shall wait for, in addition.
        #[serde(default)]
        add_blocked_by: Option<Vec<String>>,
        /// Ids of tasks that shall wait for it, in addition.
        #[serde(default)]
        add_blocks: Option<Vec<String>>,
        /// Keys to set; one with null is removed.
        #[serde(default)]
        metadata: Option<Map<String, Value>>,
    }
    TaskClaimParams {
        /// The task's id; leave it out for the first that is free.
        #[serde(default)]
        task_id: Option<String>,
    }
    TaskCompleteParams {
        /// The task's id.
        task_id: String,
        /// What came of it.
        #[serde(default)]
        note: Option<String>,
        /// True when it cannot be done: it is free for another attempt, if there may be one, and the note says why.
        #[serde(default)]
        failed: bool,
        /// Which attempt this is about, as you were told with the task.
        #[serde(default)]
        attempt: Option<u64>,
    }
    MemoryReadParams {
        /// The value's name.
        name: String,
    }
    MemoryWriteParams {
        /// The value's name: letters, digits, dots, hyphens, underscores.
        name: String,
        /// Any JSON; null forgets it.
        value: Value,
        /// Only if this is the version that is there; 0 for a value that must not be there yet.
        #[serde(default)]
        expected_version: Option<u64>,
    }
    MemoryListParams {}
    SubmitPlanParams {
        /// The whole plan, in Markdown.
        plan: String,
    }
    AnswerPermissionParams {
        /// The id of the question, as team_status shows it.
        id: String,
        /// Whether it may.
        approve: bool,
        /// The answers to the questions that it asks its user, in their order; only where it asks any.
        #[serde(default)]
        answers: Option<Vec<String>>,
        /// Why not.
        #[serde(default)]
        reason: Option<String>,
    }
    AnswerPlanParams {
        /// The requestId of the request.
        request_id: String,
        /// Whether the plan may be carried out.
        approve: bool,
        /// What to do better.
        #[serde(default)]
        feedback: Option<String>,
    }
    AnswerShutdownParams {
        /// The requestId of the request.
        request_id: String,
        /// Whether you stop.
        approve: bool,
        /// Why not.
        #[serde(default)]
        reason: Option<String>,
    }
    SpawnTeammateParams {
        /// Its name: lower-case letters, digits, hyphens.
        name: String,
        /// Its agent: claude-code, codex, gemini, gemini-acp or native, or auto for whichever fits.
        backend: String,
        /// Its standing instructions.
        prompt: String,
        /// Its model; leave it out for the agent's own choice.
        #[serde(default)]
        model: Option<String>,
        /// Where it works; leave it out for your own directory.
        #[serde(default)]
        cwd: Option<String>,
        /// What it may do without asking: default, acceptEdits or plan.
        #[serde(default)]
        permission_mode: Option<String>,
        /// True: it changes nothing until its plan is approved.
        #[serde(default)]
        plan_approval: bool,
    }
    StopTeammateParams {
        /// Its name.
        name: String,
        /// Why.
        #[serde(default)]
        reason: Option<String>,
        /// Stop it at once, whatever it says.
        #[serde(default)]
        now: bool,
    }
    FinishRunParams {
        /// What came of it, for whoever wanted it done.
        summary: String,
    }
    AssignTaskParams {
        /// The task's id.
        task_id: String,
        /// Whose it is from now on.
        owner: String,
    }
}

/// Whom a message is for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Recipients {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Pending,
    InProgress,
    Completed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum NewStatus {
    Pending,
    InProgress,
    Completed,
    Deleted,
}
