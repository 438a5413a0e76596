//! Whoever speaks MCP to `teams mcp`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::Home;

/// An MCP client.
pub(crate) struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    id: u64,
}

impl Client {
    pub(crate) fn start(home: &Home, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = home.command(args);
        let mut child = command
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("teams runs");
        let stdin = child.stdin.take().expect("stdin");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut client = Self { child, stdin, lines, id: 0 };
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}});
        let reply = client.request("initialize", hello);
        assert_eq!(reply["serverInfo"]["name"], "teams", "{reply}");
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    pub(crate) fn lead(home: &Home) -> Self {
        Self::start(home, &["mcp", "--team", "crew", "--as", "team-lead"], &[])
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.stdin, "{line}").expect("it listens");
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let line = self.lines.next().expect("an answer").expect("UTF-8");
            let reply: Value = serde_json::from_str(&line).expect("JSON");
            if reply["id"] == id {
                return reply["result"].clone();
            }
        }
    }

    /// What a tool says, and whether it failed.
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> (String, bool) {
        let reply = self.request("tools/call", json!({"name": tool, "arguments": arguments}));
        let text = reply["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
        (text, reply["isError"] == true)
    }

    pub(crate) fn does(&mut self, tool: &str, arguments: Value) -> String {
        let (text, failed) = self.call(tool, arguments);
        assert!(!failed, "{tool}: {text}");
        text
    }

    pub(crate) fn refuses(&mut self, tool: &str, arguments: Value) -> String {
        let (text, failed) = self.call(tool, arguments);
        assert!(failed, "{tool}: {text}");
        text
    }

    pub(crate) fn names(&mut self) -> Vec<String> {
        let reply = self.request("tools/list", json!({}));
        let tools = reply["tools"].as_array().expect("tools");
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
