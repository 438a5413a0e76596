//! What a session says, as events of the team.

use agent_backends::AgentOutput;

use crate::model::event::EventKind;
use crate::orchestrator::teammate::actor::Actor;
use crate::orchestrator::teammate::journal::Input;
use crate::sync::lock;

impl Actor {
    pub(super) fn event(&mut self, event: AgentOutput) {
        if event != AgentOutput::FactsChanged {
            self.mail_decided(matches!(event, AgentOutput::Exited(_)));
        }
        if event != AgentOutput::FactsChanged && self.watchdog.sign_of_life() {
            self.note_state("it gives signs of life again");
        }
        if !matches!(event, AgentOutput::Delta(_) | AgentOutput::FactsChanged) && !self.held_back.is_empty() {
            let text = std::mem::take(&mut self.held_back);
            self.emit(EventKind::Delta { text });
        }
        match event {
            AgentOutput::TurnStarted { input } => self.turn_started(input.is_some()),
            AgentOutput::InputAccepted => self.mail_accepted(),
            AgentOutput::Delta(text) => {
                self.unfinished.push_str(&text);
                self.delta(&text);
            }
            AgentOutput::Message(text) => {
                self.unfinished.clear();
                self.messages.push(text.clone());
                self.emit(EventKind::Message { text });
            }
            AgentOutput::Tool(tool) => {
                self.used_tools = true;
                self.emit(EventKind::Tool { id: tool.id, name: tool.name, status: tool.status, summary: tool.summary });
            }
            AgentOutput::Usage(usage) => {
                self.record.usage += usage;
                self.emit(EventKind::Usage { usage });
            }
            AgentOutput::Approval(approval) => self.ask_for_approval(approval),
            AgentOutput::ApprovalClosed(id) => self.approval_closed(&id),
            AgentOutput::TurnComplete => {
                // An agent that has done what it was given has it.
                if !self.accepted {
                    self.mail_accepted();
                }
                let text = self.answer();
                self.end_turn(EventKind::TurnCompleted { text });
            }
            AgentOutput::TurnInterrupted => {
                let text = self.answer();
                self.end_turn(match self.watchdog.verdict() {
                    Some(message) => EventKind::Error { message },
                    None => EventKind::TurnInterrupted { text, input: None },
                });
            }
            AgentOutput::RateLimited { resets_at } => self.rate_limited(resets_at),
            // What was held has not failed: it waits for the next session.
            AgentOutput::Error(message) if self.held.is_some() => self.emit(EventKind::Notice { message }),
            AgentOutput::Error(message) => {
                if let Some(message) = self.hold(message) {
                    self.end_turn(EventKind::Error { message });
                }
            }
            AgentOutput::Idle => {
                self.note_state("its turn has ended");
                if self.queue.is_empty() && self.given.is_none() && self.turn.is_none() {
                    self.emit(EventKind::Idle);
                }
            }
            AgentOutput::FactsChanged => self.facts_changed(),
            AgentOutput::Notice(message) => self.emit(EventKind::Notice { message }),
            AgentOutput::Lagged { bytes } => self.emit(EventKind::Lagged { bytes }),
            AgentOutput::Exited(exit) => self.session_exited(&exit),
            other => tracing::warn!(?other, "an event of a session that nobody knows"),
        }
    }

    /// Passes text on, but for an end that may be the beginning of a secret: that waits for what follows.
    fn delta(&mut self, text: &str) {
        self.held_back.push_str(text);
        let sure = self.held_back.len() - self.services.redactor.unsure(&self.held_back);
        let rest = self.held_back.split_off(sure);
        let text = std::mem::replace(&mut self.held_back, rest);
        if !text.is_empty() {
            self.emit(EventKind::Delta { text });
        }
    }

    fn turn_started(&mut self, asked: bool) {
        let given = if asked { self.given.take() } else { None };
        if given.is_some() && self.held.is_some() {
            return self.goes_on();
        }
        if let Some(held) = self.held.take() {
            // The agent has begun one by itself: the provider answers, and what was held is next.
            self.watchdog.waits_for_provider(false);
            if self.given.is_none() {
                self.queue.push_front(held);
            }
        }
        self.running.clone_from(&given);
        self.used_tools = false;
        let (turn, input, from) = match given {
            Some(input) => (input.turn, Some(input.prompt().into_owned()), input.from),
            None => {
                self.next_turn += 1;
                let turn = self.next_turn - 1;
                // So that its end is told, whatever becomes of us.
                let none = Input::new(turn, String::new(), None);
                if let Err(error) = self.journal.queued(&none).and_then(|()| self.journal.begun(turn)) {
                    tracing::warn!(%error, turn, "a turn of an agent's own was not written down");
                }
                (turn, None, None)
            }
        };
        self.turn = Some(turn);
        self.accepted = false;
        self.messages.clear();
        self.unfinished.clear();
        self.watchdog.begin();
        self.note_state(format!("turn {turn} has begun"));
        self.emit(EventKind::TurnStarted { input, from });
    }

    pub(super) fn answer(&mut self) -> String {
        let unfinished = std::mem::take(&mut self.unfinished);
        self.messages.extend(Some(unfinished).filter(|text| !text.is_empty()));
        std::mem::take(&mut self.messages).join("\n\n")
    }

    pub(super) fn end_turn(&mut self, end: EventKind) {
        // Before the end is told, so that whoever hears of it finds the conversation.
        if let Some(turn) = self.turn {
            self.record.turns = self.record.turns.max(turn);
            self.record.wall_ms += u64::try_from(self.watchdog.elapsed().as_millis()).unwrap_or(0);
        }
        if matches!(end, EventKind::TurnCompleted { .. }) {
            self.services.accounts.answered(self.account);
        }
        self.facts_changed();
        self.watchdog.rest();
        let settled = self.mail_turn_ends(&end);
        // Told first: killed in between, it would rather be told twice than never.
        self.emit(end.clone());
        self.tell_lead(&end);
        if let Some(turn) = self.turn.take()
            && settled
        {
            self.ended(turn);
        }
    }

    /// Asks the session what it says of itself now.
    pub(super) fn facts_changed(&mut self) {
        if let Some(session) = self.session() {
            let (id, model, pid) = (session.session_id(), session.model(), session.pid());
            self.record.session_id = id.or(self.record.session_id.take());
            self.record.model = model.or(self.record.model.take());
            lock(&self.shared).pid = pid;
        }
        self.save();
    }
}
