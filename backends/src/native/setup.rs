//! What an agent of our own is made of, from the settings of whoever starts it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::agent_loop::{AgentLoop, LoopSettings};
use super::error::Result;
use super::llm::{LlmClient, LlmConfig, create_client};
use super::roots::Roots;
use super::subagent::ClientFactory;
use super::tools::{CommandLimits, WebFetchTool, WebHosts, builtin};

/// What an agent is made of.
#[derive(Clone, Debug, Default)]
pub struct AgentSetup {
    /// The model.
    pub llm: LlmConfig,
    /// How it works.
    pub settings: LoopSettings,
    /// What its commands may do.
    pub commands: CommandLimits,
    /// What it reads from, where that is not the folder that it works in.
    pub source_root: Option<PathBuf>,
    /// The hosts that it may fetch pages from; `None` for none.
    pub web: Option<WebHosts>,
    /// Standing instructions, in addition to its own.
    pub instructions: String,
}

impl AgentSetup {
    /// A client for its model.
    ///
    /// # Errors
    /// No model is named, or its provider's key is missing.
    pub fn client(&self) -> Result<Arc<dyn LlmClient>> {
        Ok(create_client(&self.llm)?)
    }

    /// Makes clients for other models, with the same settings otherwise.
    pub fn clients(&self) -> ClientFactory {
        let llm = self.llm.clone();
        Arc::new(move |model| create_client(&LlmConfig { model: Some(model.to_owned()), ..llm.clone() }))
    }

    /// An agent that works in this folder, with the tools that every agent has.
    ///
    /// # Errors
    /// As [`client`](Self::client); and the folder is not there.
    pub fn agent(&self, work_dir: &Path) -> Result<AgentLoop> {
        self.agent_of(self.client()?, work_dir)
    }

    /// As [`agent`](Self::agent), with this client instead of one of its own, so that several agents share one and its limits.
    ///
    /// # Errors
    /// The folder is not there.
    pub fn agent_of(&self, client: Arc<dyn LlmClient>, work_dir: &Path) -> Result<AgentLoop> {
        let source_root = self.source_root.as_deref().unwrap_or(work_dir);
        let roots = Roots::new(source_root, work_dir)?;
        let mut tools = builtin(&roots, self.commands.clone());
        if let Some(hosts) = &self.web {
            tools.register(Arc::new(WebFetchTool::new(hosts.clone())));
        }
        let prompt = system_prompt(source_root, work_dir, &self.instructions);
        let mut settings = self.settings.clone();
        settings.answer_tokens = self.llm.max_tokens.map_or(settings.answer_tokens, u64::from);
        Ok(AgentLoop::new(client, tools, prompt).with_settings(settings))
    }
}

fn system_prompt(source_root: &Path, work_dir: &Path, instructions: &str) -> String {
    let mut prompt = format!(
        "You are an agent that works on the files of a project with its tools. You work in {}.",
        work_dir.display()
    );
    if source_root != work_dir {
        let more =
            format!(" You read the project's sources from {}, and write only where you work.", source_root.display());
        prompt.push_str(&more);
    }
    prompt.push_str(
        " Look before you change something, change no more than you are asked to, and check what you have done. When something fails, say so. When you are done, \
         say in a few words what you did and what you found.",
    );
    if !instructions.trim().is_empty() {
        prompt.push_str("\n\n");
        prompt.push_str(instructions.trim());
    }
    prompt
}
