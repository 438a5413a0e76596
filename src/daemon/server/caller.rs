//! Who is at the other end of a connection, by ancestry: whatever descends from this daemon was started by an agent of ours, and nothing
//! that an agent can unset or start anew makes it a person. What an agent may ask for is a list; what is not on it is refused.

use agent_backends::process::{descends_from, own_pid};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use crate::model::failure::{ErrorKind, Failure};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// A person, or a program of theirs.
    Person,
    /// An agent of ours, or what it has started.
    Agent,
}

tokio::task_local! {
    /// Who made the call that is being answered.
    pub(super) static CALLER: Caller;
}

/// What an agent that uses its shell may ask for. The team's tools are there for the rest, and know which member uses them.
const FOR_AGENTS: &[&str] = &[
    "hello",
    "process.list",
    "watch",
    "team.list",
    "team.status",
    "team.events",
    "run.list",
    "run.report",
    "team.report",
    "budget.list",
    "checkpoint.status",
    "member.send",
    "worktree.list",
    "approval.list",
    "approval.policy",
    "task.create",
    "task.list",
    "task.files",
    "task.update",
    "task.complete",
    "message.list",
    "message.trace",
    "message.undelivered",
    "memory.list",
    "memory.read",
    "memory.write",
    "memory.delete",
    "tool.list",
    "tool.call",
];

impl Caller {
    pub(super) fn of(stream: &UnixStream) -> Self {
        match stream.peer_cred().ok().and_then(|peer| peer.pid()) {
            Some(pid) if descends_from(pid, own_pid()) => Self::Agent,
            _ => Self::Person,
        }
    }

    /// Who made the call that is being answered.
    pub(super) fn current() -> Self {
        CALLER.try_with(|caller| *caller).unwrap_or(Self::Person)
    }

    /// Why a request is refused, as a reply to it, if it is.
    pub(super) fn refuses(self, request: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Request<'a> {
            #[serde(default)]
            method: String,
            #[serde(default)]
            params: Value,
            #[serde(borrow)]
            id: Option<&'a RawValue>,
        }
        if self == Self::Person {
            return None;
        }
        // What cannot be read here might be read by whoever answers.
        let request =
            serde_json::from_str(request).unwrap_or(Request { method: String::new(), params: Value::Null, id: None });
        let params = |name: &str| &request.params[name];
        let is_listed = FOR_AGENTS.contains(&request.method.as_str());
        let fits = match request.method.as_str() {
            "member.send" => params("interrupt") != &Value::Bool(true),
            // Whose a task is, whoever it is given to has to agree to, or the lead says.
            "task.create" => params("task")["owner"].is_null(),
            "task.update" => params("update")["owner"].is_null(),
            // Without a token they are the lead's.
            "tool.list" | "tool.call" => params("caller")["token"].is_string() && params("caller")["below"].is_null(),
            _ => true,
        };
        if is_listed && fits {
            return None;
        }
        let failure = Failure::new(
            ErrorKind::NotAllowed,
            "an agent asks for this, and only a person decides that or speaks as the lead",
        )
        .hint("use the team's tools, send_message for one");
        let error = jsonrpsee::types::ErrorObjectOwned::from(failure);
        let error = serde_json::to_string(&error).unwrap_or_default();
        let id = request.id.map_or("null", RawValue::get);
        Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(method: &str, params: &Value) -> bool {
        let request = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
        assert_eq!(Caller::Person.refuses(&request), None);
        let reply = Caller::Agent.refuses(&request);
        if let Some(reply) = &reply {
            let reply: Value = serde_json::from_str(reply).unwrap();
            assert_eq!((&reply["id"], &reply["error"]["data"]["kind"]), (&json!(7), &json!("not-allowed")), "{reply}");
        }
        reply.is_some()
    }

    #[test]
    fn an_agent_may_use_what_is_listed() {
        for (method, params, expected) in [
            ("team.status", json!({}), false),
            ("member.send", json!({"interrupt": false}), false),
            ("member.send", json!({"interrupt": true}), true),
            ("task.update", json!({"update": {"status": "completed"}}), false),
            ("task.update", json!({"update": {"owner": "me"}}), true),
            ("tool.call", json!({"caller": {"token": "t"}}), false),
            ("tool.call", json!({"caller": {"team": "t"}}), true),
            ("tool.call", json!({"caller": {"token": "t", "below": {"pid": 1}}}), true),
            ("member.let_go", json!({}), true),
            ("team.rejoin", json!({}), true),
            ("team.lead_mail", json!({}), true),
            ("task.delete", json!({}), true),
            ("checkpoint.status", json!({}), false),
            ("checkpoint.set", json!({}), true),
            ("team.create", json!({}), true),
            ("member.interrupt", json!({}), true),
            ("worktree.remove", json!({}), true),
            ("approval.answer", json!({}), true),
            ("message.send", json!({}), true),
            ("what.comes.later", json!({}), true),
        ] {
            assert_eq!(refused(method, &params), expected, "{method} {params}");
        }
    }

    #[test]
    fn every_name_on_the_list_is_a_call() {
        for method in FOR_AGENTS {
            assert!(crate::daemon::CALLS.iter().any(|(known, _)| known == method), "{method}");
        }
    }
}
