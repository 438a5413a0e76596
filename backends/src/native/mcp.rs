//! The tools of an MCP server, as tools of an agent of our own.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use rmcp::model::{CallToolRequestParams, ContentBlock};
use rmcp::service::{Peer, RoleClient, RunningService, ServiceExt as _};
use serde_json::Value;
use tokio::io::AsyncWrite;

use super::error::{Error, Result};
use super::tool::{Tool, ToolDefinition, ToolKind};
use crate::config::McpServer;
use crate::kind::BackendType;
use crate::pipes::StdinWriter;
use crate::process::{AgentProcess, ProcessSpec, Supervision};

/// How long a server may take to tell its tools.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running MCP server; it ends when this and the last of its tools are dropped.
struct Server {
    peer: Peer<RoleClient>,
    _service: RunningService<RoleClient, ()>,
    _process: AgentProcess,
}

/// Starts an MCP server, and answers its tools, each under the name `mcp__SERVER__TOOL`.
///
/// # Errors
/// It cannot be started, or does not tell its tools in time.
pub async fn tools_of(server: &McpServer, cwd: &Path, supervision: &Supervision) -> Result<Vec<Arc<dyn Tool>>> {
    let failed = |why: String| Error::Config(format!("the MCP server `{}` cannot be used: {why}", server.name));
    let spec = ProcessSpec {
        backend: BackendType::Native,
        command: server.command.clone(),
        args: Vec::new(),
        cwd: cwd.to_owned(),
        package: None,
        inherit_env: None,
        env: server.env.clone().into_iter().collect::<BTreeMap<_, _>>(),
        umask: None,
        stop_grace: None,
        supervision: supervision.clone(),
        stderr: None,
    };
    let (process, stdin, stdout) = AgentProcess::spawn(spec).map_err(|error| failed(error.to_string()))?;
    let start = async {
        let service = ().serve((stdout.into_bytes(), Input(stdin))).await.map_err(|error| failed(error.to_string()))?;
        let tools = service.peer().list_all_tools().await.map_err(|error| failed(error.to_string()))?;
        Ok((service, tools))
    };
    let started = tokio::time::timeout(START_LIMIT, start).await;
    let (service, tools) =
        started.unwrap_or_else(|_| Err(failed(format!("it tells no tools within {} s", START_LIMIT.as_secs()))))?;
    let running = Arc::new(Server { peer: service.peer().clone(), _service: service, _process: process });
    Ok(tools
        .into_iter()
        .map(|tool| {
            let definition = ToolDefinition {
                name: name_of(&server.name, &tool.name),
                description: tool.description.as_deref().unwrap_or_default().to_owned(),
                parameters: Value::Object(tool.input_schema.as_ref().clone()),
            };
            Arc::new(McpTool { server: Arc::clone(&running), name: tool.name.into_owned(), definition })
                as Arc<dyn Tool>
        })
        .collect())
}

/// The longest name of a tool that every provider takes.
const LONGEST_NAME: usize = 64;

/// A name that every provider takes: of other characters than letters, digits, `_` and `-` each is a `_`, and a long one ends in a number of its own.
fn name_of(server: &str, tool: &str) -> String {
    let whole = format!("mcp__{server}__{tool}");
    let name = plain(&whole);
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let number = whole.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{}_{number:08x}", &name[..LONGEST_NAME - 9])
}

/// How the names of all tools of a server begin, but of one whose own name is too long.
pub(super) fn beginning_of(server: &str) -> String {
    plain(&format!("mcp__{server}__"))
}

fn plain(name: &str) -> String {
    let plain = |char: char| if char.is_ascii_alphanumeric() || matches!(char, '_' | '-') { char } else { '_' };
    name.chars().map(plain).collect()
}

struct McpTool {
    server: Arc<Server>,
    /// As the server calls it.
    name: String,
    definition: ToolDefinition,
}

#[async_trait]
impl Tool for McpTool {
    fn definition(&self) -> ToolDefinition {
        self.definition.clone()
    }

    fn kind(&self) -> ToolKind {
        ToolKind::Server
    }

    async fn execute(&self, arguments: Value) -> Result<Value> {
        let mut params = CallToolRequestParams::new(self.name.clone());
        params.arguments = match arguments {
            Value::Object(arguments) => Some(arguments),
            _ => None,
        };
        let failed = |why: String| Error::tool(&self.definition.name, why);
        let result = self.server.peer.call_tool(params).await.map_err(|error| failed(error.to_string()))?;
        let text = |block: &ContentBlock| match block {
            ContentBlock::Text(text) => text.text.clone(),
            other => serde_json::to_string(other).unwrap_or_default(),
        };
        let said: Vec<String> = result.content.iter().map(text).collect();
        let said = match (said.is_empty(), result.structured_content) {
            (true, Some(value)) => value.to_string(),
            _ => said.join("\n"),
        };
        if result.is_error == Some(true) { Err(failed(said)) } else { Ok(Value::String(said)) }
    }
}

/// A server's input, to which writing never blocks.
struct Input(StdinWriter);

impl AsyncWrite for Input {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes.to_vec()).map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_takes_the_names() {
        assert_eq!(name_of("teams", "send_message"), "mcp__teams__send_message");
        assert_eq!(name_of("My Server", "files.read"), "mcp__My_Server__files_read");
        assert!(name_of("My Server", "files.read").starts_with(&beginning_of("My Server")));
        let long = [name_of("s", &"x".repeat(80)), name_of("s", &format!("{}y", "x".repeat(79)))];
        assert!(long.iter().all(|name| name.len() == LONGEST_NAME), "{long:?}");
        assert_ne!(long[0], long[1]);
    }
}
