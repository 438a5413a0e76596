//! The chat completions API of OpenAI, as most agents speak it.

use serde_json::{Value, json};

use super::{Act, Conversation, Plan, array, id, text_of, words};

/// What ends a stream.
pub(super) const DONE: &str = "[DONE]";

/// What was said so far.
pub(super) fn conversation(body: &Value) -> Conversation {
    let mut conversation = Conversation::default();
    for message in array(&body["messages"]) {
        match (message["role"].as_str(), &message["content"]) {
            (Some("user"), Value::String(text)) => conversation.user_text(text),
            (Some("user"), parts) => {
                array(parts).iter().for_each(|part| conversation.user_text(text_of(&part["text"])))
            }
            (Some("tool"), output) => conversation.tool_said(output.to_string()),
            _ => {}
        }
    }
    conversation
}

/// The agent's tool that does this, and those of its arguments that it knows.
fn tool(act: &Act, body: &Value) -> (String, Value) {
    let tools = || array(&body["tools"]).iter().map(|tool| &tool["function"]);
    let one_of = |names: &[&str], arguments: Value| {
        let found = names.iter().find_map(|name| tools().find(|tool| tool["name"] == *name)).unwrap_or(&Value::Null);
        let mut arguments = arguments;
        if let Some(arguments) = arguments.as_object_mut() {
            arguments.retain(|name, _| found["parameters"]["properties"].get(name).is_some());
        }
        (text_of(&found["name"]).to_owned(), arguments)
    };
    match act {
        Act::Run(command) => {
            let argv = json!(["sh", "-c", command]);
            let arguments = json!({"command": command, "argv": argv, "description": "run it", "is_background": false});
            let (name, mut arguments) = one_of(&["bash", "run_shell_command", "run_command"], arguments);
            if arguments["argv"].is_array() {
                arguments = json!({"argv": arguments["argv"]});
            }
            (name, arguments)
        }
        Act::Write(file) => {
            let arguments = json!({"filePath": file, "file_path": file, "path": file, "content": "written\n"});
            one_of(&["write", "write_file"], arguments)
        }
        Act::Call(tool, input) => (tool.clone(), input.clone()),
        Act::Text(_) => (String::new(), Value::Null),
    }
}

/// The response, in pieces.
pub(super) fn events(plan: &Plan, body: &Value) -> Vec<(String, Value)> {
    let response = id("chatcmpl");
    let chunk = |delta: Value, finish: Value| {
        json!({"id": response, "object": "chat.completion.chunk", "created": 1, "model": body["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut chunks = Vec::new();
    let finish = match &plan.act {
        Act::Text(text) => {
            chunks.extend(
                words(text).iter().map(|word| chunk(json!({"role": "assistant", "content": word}), Value::Null)),
            );
            "stop"
        }
        act => {
            let (name, arguments) = tool(act, body);
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let call = json!({"index": 0, "id": id("call"), "type": "function", "function": function});
            chunks.push(chunk(json!({"role": "assistant", "content": null, "tool_calls": [call]}), Value::Null));
            "tool_calls"
        }
    };
    chunks.push(chunk(json!({}), json!(finish)));
    let mut last = chunk(json!({}), Value::Null);
    last["choices"] = json!([]);
    last["usage"] = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120});
    chunks.push(last);
    chunks.push(json!(DONE));
    chunks.into_iter().map(|chunk| (String::new(), chunk)).collect()
}

/// The response, whole.
pub(super) fn whole(plan: &Plan, body: &Value) -> Value {
    let (message, finish) = match &plan.act {
        Act::Text(text) => (json!({"role": "assistant", "content": text}), "stop"),
        act => {
            let (name, arguments) = tool(act, body);
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let call = json!({"id": id("call"), "type": "function", "function": function});
            (json!({"role": "assistant", "content": null, "tool_calls": [call]}), "tool_calls")
        }
    };
    json!({"id": id("chatcmpl"), "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}})
}
