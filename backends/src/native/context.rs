//! Keeps an agent's conversation within what its model reads at once.

use super::agent_loop::{AgentLoop, AgentLoopResult};
use super::compaction::{cut, is_summary, shorten_outputs, summary_message, summary_request};
use super::error::{Error, Result};
use super::events::LoopEvent;
use super::llm::{ChatMessage, LlmError, LlmErrorKind, LlmRequest};
use super::tool::ToolDefinition;

impl AgentLoop {
    /// About how many tokens the conversation has now, and how many fit.
    pub fn context(&self) -> (u64, u64) {
        (self.meter.tokens(self.messages(), self.beside_with(&self.tools.definitions())), self.fit())
    }

    /// The bytes that are sent beside the conversation.
    pub(super) fn beside_with(&self, tools: &[ToolDefinition]) -> usize {
        let of_tool =
            |tool: &ToolDefinition| tool.name.len() + tool.description.len() + tool.parameters.to_string().len();
        self.system_prompt.len() + tools.iter().map(of_tool).sum::<usize>()
    }

    /// How many tokens a request may have.
    fn fit(&self) -> u64 {
        let window = self.client.facts().context_window;
        window.saturating_sub(self.settings.answer_tokens.min(window / 4))
    }

    /// Replaces the older part of the conversation by a summary now, however long it is; answers how many tokens it had and has, about.
    ///
    /// # Errors
    /// The model does not answer.
    pub async fn compact(&mut self) -> Result<(u64, u64)> {
        let before = self.context().0;
        self.summarize(&mut AgentLoopResult::default()).await?;
        Ok((before, self.context().0))
    }

    /// Sees to it that the next request fits: shortens old answers of tools, then replaces the older part by a summary. `refused`: the provider
    /// has said that it does not fit, whatever we think.
    pub(super) async fn make_fit(
        &mut self,
        tools: &[ToolDefinition],
        done: &mut AgentLoopResult,
        refused: bool,
    ) -> Result<()> {
        let fit = self.fit();
        let beside = self.beside_with(tools);
        let (start, keep) = self.settings.compaction.limits(fit);
        let tokens = |this: &Self| this.meter.tokens(this.messages(), beside);
        let before = tokens(self);
        if before <= start && !refused {
            return Ok(());
        }
        let keep_bytes = bytes(keep);
        let mut messages = self.messages().to_vec();
        let at = cut(&messages, keep_bytes);
        let (old, recent) = messages.split_at_mut(at);
        // One answer of a tool is not worth all the rest.
        if shorten_outputs(old, 500) | shorten_outputs(recent, (keep_bytes / 2).max(2000)) {
            self.keep(|conversation| conversation.replace(messages))?;
            self.meter.forget();
        }
        if tokens(self) > start || refused {
            self.summarize(done).await?;
        }
        if tokens(self) > fit {
            // What is left is long by itself: the last answers of tools, most likely.
            let room = usize::try_from(fit.saturating_sub(self.meter.tokens(&[], beside))).unwrap_or(usize::MAX);
            let count = self.messages().len().max(1);
            let mut messages = self.messages().to_vec();
            if shorten_outputs(&mut messages, (room / count).max(200)) {
                self.keep(|conversation| conversation.replace(messages))?;
                self.meter.forget();
            }
        }
        let after = tokens(self);
        if after > fit {
            return Err(Error::ContextTooLong { tokens: after, limit: fit });
        }
        if after < before {
            (self.observer)(LoopEvent::Compacted { before, after });
        }
        Ok(())
    }

    async fn summarize(&mut self, done: &mut AgentLoopResult) -> Result<()> {
        let fit = self.fit();
        let (_, keep) = self.settings.compaction.limits(fit);
        let at = cut(self.messages(), bytes(keep));
        // A summary alone is not summed up again.
        if at == 0 || (at == 1 && is_summary(&self.messages()[0])) {
            return Ok(());
        }
        let request = [ChatMessage::user(summary_request(&self.messages()[..at], bytes(fit / 2)))];
        let mut attempt = 0;
        let summary = loop {
            let asked = LlmRequest { system: "", messages: &request, tools: &[] };
            match self.client.complete(asked, &mut |_| {}).await {
                Ok(reply) if !reply.text.trim().is_empty() && !reply.truncated => break reply,
                other => {
                    let nothing = |_| LlmError::new(LlmErrorKind::Malformed, "the conversation could not be summed up");
                    let error = other.map_or_else(|error| error, nothing);
                    self.before_next(&mut attempt, error).await?;
                }
            }
        };
        if let Some(usage) = summary.usage {
            self.count(usage, done);
        }
        let mut messages = vec![summary_message(&summary.text)];
        messages.extend_from_slice(&self.messages()[at..]);
        self.keep(|conversation| conversation.replace(messages))?;
        self.meter.forget();
        Ok(())
    }
}

/// So many bytes that they are hardly more than so many tokens.
fn bytes(tokens: u64) -> usize {
    usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(2)
}
