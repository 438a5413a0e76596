//! The tools that a simulated agent was given: MCP servers, each started for one call.

use std::process::Stdio;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// A server, as every agent's configuration describes it in its own way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    command: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// Servers by name, as Claude Code, Codex and Gemini CLI are told of them. `${NAME}` is taken from our environment.
pub(super) fn servers(described: &Value) -> Vec<Server> {
    described.as_object().into_iter().flatten().map(|(_, server)| one(server)).collect()
}

/// A list of servers, as an ACP agent is told of them.
pub(super) fn listed(described: &Value) -> Vec<Server> {
    described.as_array().into_iter().flatten().map(one).collect()
}

fn one(described: &Value) -> Server {
    let text = |value: &Value| value.as_str().map(expanded).unwrap_or_default();
    let env = match &described["env"] {
        Value::Object(env) => env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Value::Array(env) => env.iter().map(|pair| (text(&pair["name"]), text(&pair["value"]))).collect(),
        _ => Vec::new(),
    };
    let args = described["args"].as_array().into_iter().flatten().map(text).collect();
    Server { command: text(&described["command"]), args, env }
}

fn expanded(text: &str) -> String {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.and_then(|name| std::env::var(name).ok()).unwrap_or_else(|| text.to_owned())
}

/// Uses a tool, of whichever server has it; answers its text, or what went wrong.
pub(super) async fn call(servers: &[Server], tool: &str, arguments: &Map<String, Value>) -> String {
    for server in servers {
        match server.call(tool, arguments).await {
            Ok(text) => return text,
            Err(error) => eprintln!("{}: {error}", server.command),
        }
    }
    format!("no such tool: {tool}")
}

/// Asks each server what it has, as agents do that keep their servers running.
pub(super) async fn list(servers: &[Server]) {
    for server in servers {
        if let Err(error) = server.request("tools/list", &json!({})).await {
            eprintln!("{}: {error}", server.command);
        }
    }
}

impl Server {
    async fn call(&self, tool: &str, arguments: &Map<String, Value>) -> std::io::Result<String> {
        let reply = self.request("tools/call", &json!({"name": tool, "arguments": arguments})).await?;
        let texts = reply["result"]["content"].as_array().into_iter().flatten();
        let texts: Vec<&str> = texts.filter_map(|content| content["text"].as_str()).collect();
        match &reply["error"] {
            Value::Null => Ok(texts.join("\n")),
            error => Err(std::io::Error::other(error.to_string())),
        }
    }

    async fn request(&self, method: &str, params: &Value) -> std::io::Result<Value> {
        let mut child = Command::new(&self.command)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let mut stdin = child.stdin.take().ok_or_else(gone)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "simulated", "version": "0"}});
        for line in [
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": method, "params": params}),
        ] {
            stdin.write_all(format!("{line}\n").as_bytes()).await?;
        }
        while let Some(line) = lines.next_line().await? {
            let reply: Value = serde_json::from_str(&line)?;
            if reply["id"] != 2 {
                continue;
            }
            drop(stdin);
            child.wait().await?;
            return Ok(reply);
        }
        Err(gone())
    }
}
