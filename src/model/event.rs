//! What happened to a member, numbered within its team. The same value goes to the transcript, to `tail --json` and to
//! subscribers.

use agent_backends::{AgentOutput, ApprovalKind, Exit, ToolStatus, Usage, UserQuestion};
use serde::{Deserialize, Serialize};

use super::approval::Verdict;
use super::hook::HookEvent;
use super::run::RunState;
use super::task::TaskStatus;

/// One line of a team's transcript.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Grows by one within a team, from 1, and never repeats.
    pub seq: u64,
    /// When, as [`iso`](super::time::iso) writes it.
    pub time: String,
    /// The team.
    pub team: String,
    /// The member.
    pub agent: String,
    /// The member's turn it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// How far a message is on its way to an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MailState {
    /// It is in the member's inbox.
    Queued,
    /// It is given to the agent, in the turn that the event belongs to. Told before it is, so that no crash hides it.
    Injected,
    /// The agent has it.
    Acknowledged,
    /// The agent did not get it, and gets it again.
    Returned,
    /// The agent will not get it.
    Refused,
}

impl MailState {
    /// As in the transcript.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Injected => "injected",
            Self::Acknowledged => "acknowledged",
            Self::Returned => "returned",
            Self::Refused => "refused",
        }
    }
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskChange {
    /// It is new.
    Created,
    /// It is another than before.
    Changed,
    /// It is gone.
    Deleted,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum EventKind {
    /// The team was created. It is told of the lead.
    TeamCreated {
        /// What it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// The Claude Code that led the team has ended, or the team's files are gone. It is told of the lead; its members end their turns and are
    /// stopped, unless they were told otherwise.
    LeadEnded {
        /// Which of both.
        reason: String,
    },
    /// A backend was chosen for the member, which is started next.
    Routed {
        /// Which.
        backend: String,
        /// Why.
        reason: String,
    },
    /// The member was started.
    Spawned {
        /// Its backend.
        backend: String,
        /// What became of the conversation that it had, if it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<Conversation>,
        /// Why it did not go on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The member is in another state now.
    State {
        /// Its name, as in `status --json`.
        state: String,
        /// Why.
        reason: String,
    },
    /// What became of a message for the member.
    Mail {
        /// The message's.
        id: String,
        /// Who wrote it.
        from: String,
        /// How far it is.
        state: MailState,
        /// The message, when it is given to the agent or refused, or was found in its conversation after a crash.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Why, where that is not plain.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A task of the team's list was created, changed or deleted, by a member, a person or another program. It is told of the
    /// lead. Changes that follow each other at once may be told as one.
    Task {
        /// The task's id.
        id: String,
        /// What became of it.
        change: TaskChange,
        /// Its subject, now or at last.
        subject: String,
        /// Its status, now or at last.
        status: TaskStatus,
        /// Its owner, now or at last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// Why it has failed for good, if it has: nobody is given it any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// The fields that have changed, by their names in the task's file.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fields: Vec<String>,
    },
    /// A turn began.
    TurnStarted {
        /// What it was given; `None` when the agent began it by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<String>,
        /// Who gave it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
    },
    /// A piece of text.
    Delta {
        /// It.
        text: String,
    },
    /// A whole message.
    Message {
        /// It.
        text: String,
    },
    /// The deltas since the last message are no part of the answer: the agent's request broke off, and it begins anew.
    Retracted,
    /// A tool is used.
    Tool {
        /// The agent's id of this use.
        id: String,
        /// The tool.
        name: String,
        /// How far it is.
        status: ToolStatus,
        /// What it does.
        summary: String,
    },
    /// The agent asks for permission.
    Approval {
        /// Under this id.
        id: String,
        /// For this tool.
        tool: String,
        /// To do this.
        summary: String,
        /// Of this kind.
        #[serde(default)]
        kind: ApprovalKind,
        /// The whole command that it wants to run, where it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// The whole of anything else that it wants to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<String>,
        /// What it wants to know, where it asks for answers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        questions: Vec<UserQuestion>,
        /// Who decides, by the team's policy.
        #[serde(default, skip_serializing_if = "Verdict::is_ask")]
        decides: Verdict,
    },
    /// A question is closed: a plan, say, is approved.
    ApprovalClosed {
        /// Its id.
        id: String,
        /// Its kind.
        #[serde(default)]
        kind: ApprovalKind,
        /// `allowed`, `denied`, `expired` or `withdrawn`.
        outcome: String,
        /// Who decided: `user`, `team-lead`, `policy`, `hook`, `deadline`, or `session` for what was allowed for the session before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// What the turn used.
    Usage {
        /// It.
        #[serde(flatten)]
        usage: Usage,
    },
    /// The turn succeeded.
    TurnCompleted {
        /// The whole answer: the turn's messages.
        text: String,
    },
    /// The turn was interrupted.
    TurnInterrupted {
        /// What was said until then.
        text: String,
        /// What it was given, when it was cut off by the end of the daemon: it is not given again by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<String>,
    },
    /// The lead, or a person, asks the member to stop, which it may refuse.
    ShutdownRequested {
        /// The request's id, which an answer names.
        id: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A hook has said no.
    HookRejected {
        /// Its command, or its name.
        hook: String,
        /// To what.
        event: HookEvent,
        /// Why.
        feedback: String,
    },
    /// A run was begun, or goes on. It is told of the lead.
    RunStarted {
        /// Its id.
        run: String,
        /// What the lead is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        goal: Option<String>,
    },
    /// A run has ended. It is told of the lead.
    RunEnded {
        /// Its id.
        run: String,
        /// How.
        state: RunState,
        /// Why, or what the lead said at its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nothing runs and nothing waits.
    Idle,
    /// The turn, or the member, failed.
    Error {
        /// Why.
        message: String,
    },
    /// Something to know that changes nothing.
    Notice {
        /// It.
        message: String,
    },
    /// Text was dropped.
    Lagged {
        /// This much.
        bytes: u64,
    },
    /// The member's session ended.
    Exited {
        /// With this code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// By this signal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Another one follows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restarts: bool,
    },
}

/// What became of a conversation when its member was started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conversation {
    /// It goes on.
    Resumed,
    /// There was none to go on with, and a new one began.
    Fresh,
}

impl EventKind {
    /// The end of a session.
    pub fn exited(exit: &Exit, restarts: bool) -> Self {
        match exit {
            Exit::Code(code) => Self::Exited { code: Some(*code), signal: None, restarts },
            Exit::Signal(signal) => Self::Exited { code: None, signal: Some(*signal), restarts },
            _ => Self::Exited { code: None, signal: None, restarts },
        }
    }

    /// The same with every text that a person or an agent has written exchanged.
    pub fn map_text(self, exchange: impl Fn(String) -> String) -> Self {
        let optional = |text: Option<String>| text.map(&exchange);
        match self {
            Self::Spawned { backend, conversation, reason } => {
                Self::Spawned { backend, conversation, reason: optional(reason) }
            }
            Self::Routed { backend, reason } => Self::Routed { backend, reason: exchange(reason) },
            Self::State { state, reason } => Self::State { state, reason: exchange(reason) },
            Self::Mail { id, from, state, text, reason } => {
                Self::Mail { id, from, state, text: optional(text), reason: optional(reason) }
            }
            Self::Task { id, change, subject, status, owner, failed, fields } => {
                let (subject, failed) = (exchange(subject), optional(failed));
                Self::Task { id, change, subject, status, owner, failed, fields }
            }
            Self::TeamCreated { description } => Self::TeamCreated { description: optional(description) },
            Self::ShutdownRequested { id, reason } => Self::ShutdownRequested { id, reason: optional(reason) },
            Self::TurnStarted { input, from } => Self::TurnStarted { input: optional(input), from },
            Self::Delta { text } => Self::Delta { text: exchange(text) },
            Self::Message { text } => Self::Message { text: exchange(text) },
            Self::Tool { id, name, status, summary } => {
                Self::Tool { id, name: exchange(name), status, summary: exchange(summary) }
            }
            Self::Approval { id, tool, summary, kind, command, details, questions, decides } => Self::Approval {
                decides,
                id,
                tool: exchange(tool),
                summary: exchange(summary),
                kind,
                command: optional(command),
                details: optional(details),
                questions: questions.into_iter().map(|question| question.map_text(&exchange)).collect(),
            },
            Self::TurnCompleted { text } => Self::TurnCompleted { text: exchange(text) },
            Self::TurnInterrupted { text, input } => {
                Self::TurnInterrupted { text: exchange(text), input: optional(input) }
            }
            Self::Error { message } => Self::Error { message: exchange(message) },
            Self::Notice { message } => Self::Notice { message: exchange(message) },
            Self::HookRejected { hook, event, feedback } => {
                Self::HookRejected { hook: exchange(hook), event, feedback: exchange(feedback) }
            }
            Self::RunStarted { run, goal } => Self::RunStarted { run, goal: optional(goal) },
            Self::RunEnded { run, state, reason } => Self::RunEnded { run, state, reason: optional(reason) },
            other @ (Self::ApprovalClosed { .. }
            | Self::LeadEnded { .. }
            | Self::Usage { .. }
            | Self::Retracted
            | Self::Idle
            | Self::Lagged { .. }
            | Self::Exited { .. }) => other,
        }
    }

    /// About how many bytes of text it carries.
    pub fn text_len(&self) -> usize {
        match self {
            Self::Delta { text } | Self::Message { text } => text.len(),
            Self::TurnCompleted { text } | Self::TurnInterrupted { text, .. } => text.len(),
            Self::TurnStarted { input: text, .. } | Self::Mail { text, .. } => text.as_ref().map_or(0, String::len),
            Self::Error { message } | Self::Notice { message } => message.len(),
            _ => 0,
        }
    }

    /// The session's own event in that turn, for readers of a member's output; `None` for what only the team knows of. The
    /// input of a turn that somebody asked for is the turn's number, because a member outlives its sessions.
    pub fn as_output(&self, turn: Option<u64>) -> Option<AgentOutput> {
        use agent_backends::{Approval, ApprovalId, ToolEvent};
        Some(match self.clone() {
            Self::Routed { .. } | Self::Spawned { .. } | Self::State { .. } | Self::Mail { .. } | Self::Task { .. } => {
                return None;
            }
            Self::RunStarted { .. } | Self::RunEnded { .. } | Self::HookRejected { .. } => return None,
            Self::TeamCreated { .. } | Self::LeadEnded { .. } | Self::ShutdownRequested { .. } => return None,
            Self::Exited { restarts: true, .. } => {
                AgentOutput::Notice("the session has ended, and is started again".to_owned())
            }
            Self::TurnStarted { input, .. } => AgentOutput::TurnStarted { input: turn.filter(|_| input.is_some()) },
            Self::Delta { text } => AgentOutput::Delta(text),
            Self::Message { text } => AgentOutput::Message(text),
            Self::Retracted => AgentOutput::Retracted,
            Self::Tool { id, name, status, summary } => AgentOutput::Tool(ToolEvent { id, name, status, summary }),
            Self::Approval { id, tool, summary, kind, command, details, questions, .. } => {
                AgentOutput::Approval(Approval { id: ApprovalId(id), tool, summary, kind, command, details, questions })
            }
            Self::ApprovalClosed { id, .. } => AgentOutput::ApprovalClosed(ApprovalId(id)),
            Self::Usage { usage } => AgentOutput::Usage(usage),
            Self::TurnCompleted { .. } => AgentOutput::TurnComplete,
            Self::TurnInterrupted { .. } => AgentOutput::TurnInterrupted,
            Self::Idle => AgentOutput::Idle,
            Self::Error { message } => AgentOutput::Error(message),
            Self::Notice { message } => AgentOutput::Notice(message),
            Self::Lagged { bytes } => AgentOutput::Lagged { bytes },
            Self::Exited { code: Some(code), .. } => AgentOutput::Exited(Exit::Code(code)),
            Self::Exited { signal: Some(signal), .. } => AgentOutput::Exited(Exit::Signal(signal)),
            Self::Exited { .. } => AgentOutput::Exited(Exit::Unknown),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_looks_as_documented() {
        let event = Event {
            seq: 7,
            time: "2026-11-21T01:41:38.979Z".into(),
            team: "review".into(),
            agent: "gemini".into(),
            turn: Some(2),
            kind: EventKind::Delta { text: "Hello ".into() },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"seq":7,"time":"2026-11-21T01:41:38.979Z","team":"review","agent":"gemini","turn":2,"type":"delta","text":"Hello "}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn a_question_is_whole_for_who_reads_output_and_in_old_transcripts() {
        let line = r#"{"type":"approval","id":"a-1","tool":"shell","summary":"touch x"}"#;
        let old: EventKind = serde_json::from_str(line).unwrap();
        assert!(matches!(&old, EventKind::Approval { kind: ApprovalKind::Other, command: None, .. }));
        let kind = ApprovalKind::Command;
        let command = Some("touch x; touch hunter2".to_owned());
        let (id, tool, summary) = ("a-1".to_owned(), "shell".to_owned(), "touch x".to_owned());
        let (details, questions) = (None, Vec::new());
        let decides = Verdict::Ask;
        let asked = EventKind::Approval { id, tool, summary, kind, command, details, questions, decides };
        let asked = asked.map_text(|text| text.replace("hunter2", "***"));
        let Some(AgentOutput::Approval(approval)) = asked.as_output(Some(3)) else { panic!("{asked:?}") };
        assert_eq!((approval.kind, approval.command.as_deref()), (kind, Some("touch x; touch ***")));
    }

    #[test]
    fn a_turn_that_was_asked_for_names_its_number() {
        let started = |input: Option<&str>| EventKind::TurnStarted { input: input.map(str::to_owned), from: None };
        let output = |kind: EventKind| kind.as_output(Some(3));
        assert_eq!(output(started(Some("x"))), Some(AgentOutput::TurnStarted { input: Some(3) }));
        assert_eq!(output(started(None)), Some(AgentOutput::TurnStarted { input: None }));
    }

    #[test]
    fn every_kind_is_read_back() {
        let usage = Usage { input_tokens: 3, output_tokens: 4, cost_usd: Some(0.25) };
        for kind in [
            EventKind::Usage { usage },
            EventKind::Idle,
            EventKind::exited(&Exit::Signal(9), true),
            EventKind::TurnStarted { input: Some("x".into()), from: None },
            EventKind::Approval {
                id: "a-1".into(),
                tool: "shell".into(),
                summary: "touch x".into(),
                kind: ApprovalKind::Command,
                command: Some("touch x; touch y".into()),
                details: Some("more".into()),
                questions: vec![UserQuestion { text: "?".into(), choices: vec!["a".into()], several: true }],
                decides: Verdict::Deny,
            },
            EventKind::Retracted,
        ] {
            let event =
                Event { seq: 1, time: String::new(), team: String::new(), agent: String::new(), turn: None, kind };
            let line = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
        }
    }
}
