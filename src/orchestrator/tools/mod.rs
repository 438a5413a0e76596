//! The team's tools, which every member has, whatever its agent: what there is, who may use it, what it does. How an agent
//! reaches them is not known here.

mod ask;
mod fit;
mod identity;
mod lead;
mod member;
mod params;
mod tasks;

use std::sync::LazyLock;

use params::{
    AnswerPermissionParams, AnswerPlanParams, AnswerShutdownParams, AskTeammateParams, AssignTaskParams,
    FinishRunParams, MemoryListParams, MemoryReadParams, MemoryWriteParams, ReadMessagesParams, SendMessageParams,
    SpawnTeammateParams, StopTeammateParams, SubmitPlanParams, TaskClaimParams, TaskCompleteParams, TaskCreateParams,
    TaskGetParams, TaskListParams, TaskUpdateParams, TeamStatusParams,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::model::launch::Surroundings;
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::tokens::Identity;

/// Who has a tool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Everybody,
    Members,
    Planners,
    Lead,
}

/// Why a tool did not do what it was asked to, for the model.
struct Refusal(String);

impl<E: Into<Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

fn refuse<T>(reason: impl Into<String>) -> ToolAnswer<T> {
    Err(Refusal(reason.into()))
}

type ToolAnswer<T = String> = Result<T, Refusal>;

/// The only list of tools: name, who has it, whether it only reads, its parameters, what the model is told, and the method that
/// does it. The first line names what a method may be given besides its parameters.
macro_rules! tools {
    (
        ($this:ident, $who:ident, $arguments:ident, $surroundings:ident)
        $($name:literal $whose:ident $read_only:literal $params:ident $description:literal
            => $method:ident $(($extra:ident))?,)*
    ) => {
        /// Made once: a schema takes longer than most tools.
        static ALL: LazyLock<Vec<(Whose, ToolDescription)>> = LazyLock::new(|| {
            vec![$((Whose::$whose, ToolDescription {
                name: $name.to_owned(),
                description: $description.to_owned(),
                input_schema: schema::<$params>(),
                read_only: $read_only,
            })),*]
        });

        impl TeamOrchestrator {
            async fn dispatch(
                &$this,
                $who: &Identity,
                tool: &str,
                $arguments: Map<String, Value>,
                $surroundings: Surroundings,
            ) -> ToolAnswer {
                let schema = ALL.iter().find(|(_, known)| known.name == tool).map(|(_, known)| &known.input_schema);
                let $arguments = match schema {
                    Some(schema) => fit::fit($arguments, schema),
                    None => $arguments,
                };
                match tool {
                    $($name => $this.$method($who, parse::<$params>($arguments)? $(, $extra)?).await,)*
                    other => refuse(format!("there is no tool `{other}`")),
                }
            }
        }
    };
}

tools! {
    (self, who, arguments, surroundings)
    "team_status" Everybody true TeamStatusParams
        "Who is in the team, what each one is doing, and how the tasks stand."
        => tool_team_status,
    "send_message" Everybody false SendMessageParams
        "Write to one teammate, several, or everybody (\"*\"). A teammate that is busy gets it after its turn. What you write \
         as your answer is not seen by your teammates: use this tool to talk to them."
        => tool_send_message,
    "ask_teammate" Everybody false AskTeammateParams
        "Have a teammate do or answer something now, wait for it, and get its answer. For a piece of your work that another agent is \
         better at. A teammate that is busy is asked after its turn. For what need not be waited for, use send_message."
        => tool_ask_teammate,
    "read_messages" Everybody true ReadMessagesParams
        "Look at the messages that wait for you. Those of a teammate are given to it as its next turn by themselves; you need \
         this only to look while you are busy. The lead's are marked as read."
        => tool_read_messages,
    "task_list" Everybody true TaskListParams
        "The team's tasks: id, subject, status, owner, and what each one waits for."
        => tool_task_list,
    "task_get" Everybody true TaskGetParams
        "One task, whole."
        => tool_task_get,
    "task_create" Everybody false TaskCreateParams
        "Add a task to the team's list. It may wait for others."
        => tool_task_create,
    "task_update" Everybody false TaskUpdateParams
        "Change a task: its text, its status, what it waits for."
        => tool_task_update,
    "task_claim" Everybody false TaskClaimParams
        "Take a task that nobody works on and that waits for nothing: the one you name, or the first there is. No task is given \
         to two."
        => tool_task_claim,
    "task_complete" Everybody false TaskCompleteParams
        "Say that a task of yours is done, or cannot be done, with a note of what came of it."
        => tool_task_complete,
    "memory_read" Everybody true MemoryReadParams
        "Read a value that the team remembers, with its version."
        => tool_memory_read,
    "memory_write" Everybody false MemoryWriteParams
        "Remember a JSON value for the whole team under a name. With expectedVersion nobody else's change is overwritten."
        => tool_memory_write,
    "memory_list" Everybody true MemoryListParams
        "The names of all values that the team remembers."
        => tool_memory_list,
    "submit_plan" Planners false SubmitPlanParams
        "Hand in your plan for approval. Until it is approved you change nothing; the answer comes \
         as a message."
        => tool_submit_plan,
    "answer_shutdown" Members false AnswerShutdownParams
        "Answer a request to stop: approve it, and you are stopped after this turn, your open tasks free for others; or reject it \
         with your reason."
        => tool_answer_shutdown,
    "spawn_teammate" Lead false SpawnTeammateParams
        "Start a teammate. It waits for messages; give it standing instructions."
        => tool_spawn_teammate(surroundings),
    "stop_teammate" Lead false StopTeammateParams
        "Ask a teammate to stop; it may refuse, and you hear why. Its tasks that are not done are free for others then. With now it \
         is stopped whatever it says."
        => tool_stop_teammate,
    "answer_plan" Lead false AnswerPlanParams
        "Approve a teammate's plan, so that it may carry it out, or reject it with what to do better."
        => tool_answer_plan,
    "answer_permission" Lead false AnswerPermissionParams
        "Answer a teammate's agent that asks whether it may use a tool. You cannot allow what you yourself may not do without asking."
        => tool_answer_permission,
    "assign_task" Lead false AssignTaskParams
        "Make a teammate the owner of a task; it is told so."
        => tool_assign_task,
    "finish_run" Lead false FinishRunParams
        "Say that the run is done, with a summary of what came of it. Its members are stopped then. It is refused while tasks are open."
        => tool_finish_run,
}

fn schema<P: schemars::JsonSchema>() -> Map<String, Value> {
    let mut schema = schemars::SchemaGenerator::new(schemars::generate::SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    }))
    .into_root_schema_for::<P>()
    .to_value();
    match schema.as_object_mut() {
        Some(object) => {
            object.remove("title");
            object.remove("description");
            // An agent may ask for it, also where there is nothing in it.
            object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
            std::mem::take(object)
        }
        None => Map::new(),
    }
}

fn parse<P: DeserializeOwned>(arguments: Map<String, Value>) -> ToolAnswer<P> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Refusal(format!("the arguments do not fit: {error}")))
}

fn listed(has: impl Fn(Whose) -> bool) -> Vec<ToolDescription> {
    ALL.iter().filter(|(whose, _)| has(*whose)).map(|(_, tool)| tool.clone()).collect()
}

impl TeamOrchestrator {
    /// The tools that somebody has.
    pub fn tools_of(&self, who: &Identity) -> Vec<ToolDescription> {
        let has = |whose: Whose| match whose {
            Whose::Everybody => true,
            Whose::Members => !who.is_lead(),
            Whose::Planners => who.plans_first,
            Whose::Lead => who.may_lead(),
        };
        listed(has)
    }

    /// The tools that every lead has.
    pub fn tools_of_a_lead(&self) -> Vec<ToolDescription> {
        listed(|whose| matches!(whose, Whose::Everybody | Whose::Lead))
    }

    /// Uses a tool as somebody. `surroundings` are those of whoever it starts.
    pub async fn use_tool(
        &self,
        who: &Identity,
        tool: &str,
        arguments: Map<String, Value>,
        surroundings: Surroundings,
    ) -> ToolOutcome {
        let outcome = match self.tools_of(who).iter().any(|known| known.name == tool) {
            true => self.dispatch(who, tool, arguments, surroundings).await,
            false => refuse(match ALL.iter().find(|(_, known)| known.name == tool) {
                Some((Whose::Lead, _)) => format!("`{tool}` is for the lead; ask it with send_message"),
                Some(_) if who.is_lead() => format!("`{tool}` is for teammates, and you are the lead"),
                Some(_) => format!("`{tool}` is for teammates that plan first; you need no approval to begin"),
                None => format!("there is no tool `{tool}`"),
            }),
        };
        match outcome {
            Ok(text) => ToolOutcome { text, failed: false },
            Err(Refusal(text)) => ToolOutcome { text, failed: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_tells_a_model_what_it_needs() {
        for (_, tool) in ALL.iter() {
            assert!(tool.description.len() > 15 && tool.description.len() < 400, "{}", tool.name);
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
            let properties = tool.input_schema["properties"].as_object().expect("properties");
            for (name, property) in properties {
                assert!(property.get("description").is_some(), "{} {name}", tool.name);
                assert!(property.get("$ref").is_none(), "{} {name}", tool.name);
            }
        }
    }
}
