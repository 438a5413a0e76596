//! What a thread may do and what it is given, in the words of `thread/start` and `turn/start`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::config::{McpServer, SpawnConfig};
use crate::permission::PermissionMode;

/// `thread/start`, and with an id `thread/resume`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThreadParams<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude_turns: Option<bool>,
    cwd: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    pub(super) approval_policy: &'static str,
    sandbox: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    developer_instructions: Option<&'a str>,
    config: ConfigParams<'a>,
}

#[derive(Debug, Serialize)]
struct ConfigParams<'a> {
    /// Without this a turn retries for ever while the network is down.
    #[serde(rename = "features.unbounded_connection_retries")]
    unbounded_connection_retries: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_reasoning_effort: Option<&'a str>,
    #[serde(rename = "sandbox_workspace_write.writable_roots", skip_serializing_if = "<[_]>::is_empty")]
    writable_roots: &'a [std::path::PathBuf],
    /// Kept by no thread: they are given again with each resume.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mcp_servers: BTreeMap<&'a str, McpServerParams<'a>>,
    /// Without this newer models see the tools only after a search.
    #[serde(rename = "features.code_mode.direct_only_tool_namespaces", skip_serializing_if = "Vec::is_empty")]
    direct_tools: Vec<String>,
    /// Its own agents, with tools of their own to talk to them.
    #[serde(rename = "agents.enabled", skip_serializing_if = "Option::is_none")]
    own_agents: Option<bool>,
}

#[derive(Debug, Serialize)]
struct McpServerParams<'a> {
    /// A server of this name in the user's own configuration is merged with ours.
    enabled: bool,
    command: &'a str,
    args: &'a [String],
    env: &'a BTreeMap<String, String>,
    /// Without this the first turn may run without the tools.
    required: bool,
    /// Without this a thread that never asks refuses every tool that changes something.
    default_tools_approval_mode: &'static str,
    startup_timeout_sec: u32,
    tool_timeout_sec: u32,
}

impl<'a> McpServerParams<'a> {
    fn of(server: &'a McpServer) -> Self {
        Self {
            enabled: true,
            command: server.command.program(),
            args: server.command.args(),
            env: &server.env,
            required: true,
            default_tools_approval_mode: "approve",
            startup_timeout_sec: 20,
            // Longer than any of our tools takes: who asks a teammate waits for its answer.
            tool_timeout_sec: 1860,
        }
    }
}

/// The approval policy and the sandbox, as `thread/start` spells them and as its reply does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) approval_policy: &'static str,
    pub(super) sandbox: &'static str,
    pub(super) sandbox_reported: &'static str,
}

impl Permissions {
    pub(super) fn of(mode: &PermissionMode) -> Self {
        let (approval_policy, sandbox, sandbox_reported) = match mode {
            PermissionMode::AcceptEdits => ("on-request", "workspace-write", "workspaceWrite"),
            PermissionMode::Plan => ("never", "read-only", "readOnly"),
            PermissionMode::BypassPermissions => ("never", "danger-full-access", "dangerFullAccess"),
            PermissionMode::Default | PermissionMode::Other(_) => ("on-request", "read-only", "readOnly"),
        };
        Self { approval_policy, sandbox, sandbox_reported }
    }
}

impl<'a> ThreadParams<'a> {
    pub(super) fn of(config: &'a SpawnConfig, permissions: Permissions, cwd: &'a Path) -> Self {
        let resume = config.resume.as_deref();
        Self {
            thread_id: resume,
            exclude_turns: resume.map(|_| true),
            cwd,
            model: config.model.as_deref(),
            approval_policy: permissions.approval_policy,
            sandbox: permissions.sandbox,
            developer_instructions: Some(config.prompt.as_str()).filter(|prompt| !prompt.is_empty()),
            config: ConfigParams {
                unbounded_connection_retries: false,
                model_reasoning_effort: config.effort.as_deref(),
                writable_roots: &config.writable_roots,
                mcp_servers: config
                    .mcp_servers
                    .iter()
                    .map(|server| (server.name.as_str(), McpServerParams::of(server)))
                    .collect(),
                direct_tools: config.mcp_servers.iter().map(|server| format!("mcp__{}", server.name)).collect(),
                own_agents: Some(false).filter(|_| !config.mcp_servers.is_empty()),
            },
        }
    }
}

impl ThreadParams<'_> {
    /// The same without the settings that a thread can do without.
    pub(super) fn plain(mut self) -> Self {
        self.config.direct_tools.clear();
        self.config.own_agents = None;
        self
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum SandboxPolicyParams<'a> {
    ReadOnly {
        network_access: bool,
    },
    WorkspaceWrite {
        writable_roots: &'a [std::path::PathBuf],
        network_access: bool,
        exclude_tmpdir_env_var: bool,
        exclude_slash_tmp: bool,
    },
    DangerFullAccess,
}

impl<'a> SandboxPolicyParams<'a> {
    pub(super) fn of(permissions: Permissions, writable_roots: &'a [std::path::PathBuf]) -> Self {
        match permissions.sandbox {
            "workspace-write" => Self::WorkspaceWrite {
                writable_roots,
                network_access: false,
                exclude_tmpdir_env_var: false,
                exclude_slash_tmp: false,
            },
            "danger-full-access" => Self::DangerFullAccess,
            _ => Self::ReadOnly { network_access: false },
        }
    }
}
