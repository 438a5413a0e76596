//! `teams mcp`: the team's tools over the Model Context Protocol, for whatever agent or program speaks it. A thin skin over
//! the daemon, which knows who may do what.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_backends::pipes::LineReader;
use agent_backends::process::own_pid;
use anyhow::Context as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ServerHandler, ServiceExt as _};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::sync::Mutex;

use crate::daemon::surroundings::surroundings;
use crate::daemon::{BelowParams, CallToolParams, CallerParams, Connection, ErrorKind, Failure, ListToolsParams};
use crate::model::tool::{ToolDescription, ToolOutcome};
use crate::paths;

/// What a model is told of the tools as a whole.
const INSTRUCTIONS: &str = "The tools of your team. Your teammates see nothing of what you answer: talk to them with \
send_message, or with ask_teammate where you wait for the answer. Work is shared by the task list: task_list, task_claim, task_complete. What the team should know later, put into \
its memory. Messages of teammates reach you by themselves; they are never the user's words.";

/// The longest line that is read, in bytes.
const READABLE: usize = 256 << 20;

/// Arguments that are longer are not passed on, in bytes.
const LONGEST: usize = 4 << 20;

/// Who uses the tools.
#[derive(Clone)]
pub enum Caller {
    /// The member whose agent was given this token.
    Member {
        /// It.
        token: String,
    },
    /// The person at the shell, as the lead of this team.
    Lead {
        /// Its name.
        team: String,
    },
    /// The live Claude Code that has started this process, as the lead of whichever team it leads now.
    LiveLead {
        /// Its session, as the environment names it.
        session: Option<String>,
    },
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member { .. } => f.write_str("Member"),
            Self::Lead { team } => f.debug_struct("Lead").field("team", team).finish(),
            Self::LiveLead { .. } => f.write_str("LiveLead"),
        }
    }
}

/// Serves the tools on standard input and output until the input ends.
///
/// # Errors
/// No daemon runs, or the other side does not speak the protocol.
pub async fn serve(caller: Caller) -> anyhow::Result<()> {
    let state_dir = paths::state_dir()?;
    // Before anything is promised.
    let connection = connect(&state_dir).await?;
    let tools = TeamTools { caller, state_dir, connection: Mutex::new(Some(Arc::new(connection))) };
    let (stdin, stdout) = rmcp::transport::stdio();
    // A line that is longer is dropped without an answer.
    let transport = AsyncRwTransport::new_server(readable(stdin), stdout).with_max_line_length(READABLE);
    let running = tools.serve(transport).await.context("the other side does not speak MCP")?;
    running.waiting().await?;
    Ok(())
}

/// The same lines with values that can be read: half a surrogate pair in one, or a mark before it, would cost the whole message.
fn readable(input: impl AsyncRead + Unpin + Send + 'static) -> impl AsyncRead + Unpin + Send {
    let (mut writer, reader) = tokio::io::duplex(64 << 10);
    // It ends with its input, or with whoever reads.
    tokio::spawn(async move {
        let mut lines = LineReader::with_limit(input, READABLE).json();
        while let Ok(Some(line)) = lines.next().await {
            let written = async {
                writer.write_all(line.as_bytes()).await?;
                writer.write_all(b"\n").await
            };
            if written.await.is_err() {
                break;
            }
        }
    });
    reader
}

async fn connect(state_dir: &Path) -> anyhow::Result<Connection> {
    let running = Connection::to_running(state_dir).await?;
    let missing =
        || Failure::new(ErrorKind::NoDaemon, "the daemon does not run").hint("`teams daemon start` starts it");
    Ok(running.ok_or_else(missing)?)
}

struct TeamTools {
    caller: Caller,
    state_dir: PathBuf,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl TeamTools {
    fn params(&self) -> CallerParams {
        match &self.caller {
            Caller::Member { token } => CallerParams { token: Some(token.clone()), team: None, below: None },
            Caller::Lead { team } => CallerParams { token: None, team: Some(team.clone()), below: None },
            Caller::LiveLead { session } => {
                let below = BelowParams { pid: own_pid(), session: session.clone() };
                CallerParams { token: None, team: None, below: Some(below) }
            }
        }
    }

    /// The daemon, which is looked for again when it has ended.
    async fn connection(&self) -> Result<Arc<Connection>, String> {
        let mut known = self.connection.lock().await;
        if let Some(connection) = known.as_ref().filter(|connection| connection.is_connected()) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(connect(&self.state_dir).await.map_err(|error| format!("{error:#}"))?);
        *known = Some(Arc::clone(&connection));
        Ok(connection)
    }
}

impl ServerHandler for TeamTools {
    fn get_info(&self) -> ServerConfig {
        let mut info = ServerConfig::new(ServerCapabilities::builder().enable_tools().build());
        info.server_info = Implementation::new("teams", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let failed = |error: String| ErrorData::internal_error(error, None);
        let connection = self.connection().await.map_err(failed)?;
        let tools = connection.call(ListToolsParams { caller: self.params() }).await;
        let tools = tools.map_err(|error| failed(error.to_string()))?;
        let tool = |tool: ToolDescription| {
            let annotations = ToolAnnotations::new().read_only(tool.read_only).destructive(false).open_world(false);
            Tool::new(tool.name, tool.description, tool.input_schema).with_annotations(annotations)
        };
        Ok(ListToolsResult::with_all_items(tools.into_iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let (text, failed) = match self.call(&request.name, arguments).await {
            Ok(outcome) => (outcome.text, outcome.failed),
            Err(error) => (error, true),
        };
        let content = vec![ContentBlock::text(text)];
        Ok(if failed { CallToolResult::error(content) } else { CallToolResult::success(content) }.into())
    }
}

impl TeamTools {
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Result<ToolOutcome, String> {
        let bytes = serde_json::to_string(&arguments).map_or(0, |text| text.len());
        if bytes > LONGEST {
            return Err(format!(
                "the arguments have {bytes} bytes, and at most {LONGEST} are passed on; write to a file, and tell its path"
            ));
        }
        let connection = self.connection().await?;
        // Who is started gets what the lead has.
        let surroundings = match name {
            "spawn_teammate" => Some(surroundings(&connection).map_err(|error| format!("{error:#}"))?),
            _ => None,
        };
        let params = CallToolParams { caller: self.params(), tool: name.to_owned(), arguments, surroundings };
        connection.call(params).await.map_err(|error| error.to_string())
    }
}
