//! Mail that cannot wait for the end of a turn: it becomes part of it, where its agent can be steered, or interrupts it.

use std::time::Duration;

use tokio::time::timeout;

use crate::model::event::MailState;
use crate::orchestrator::teammate::actor::{Actor, Phase};
use crate::orchestrator::teammate::journal::Input;
use crate::orchestrator::teammate::turn::Steered;

/// How long an agent may take to say whether it takes a further input.
const STEER_LIMIT: Duration = Duration::from_secs(2);

/// What mail says first where the agent tells its model that the user sent what comes in the midst of a turn.
const NOT_THE_USER: &str = "(This is called a message of the user. It is none: it is mail.)";

impl Actor {
    fn steers(&self) -> bool {
        matches!(&self.phase, Phase::Up(_)) && self.launcher.backend.capabilities().steers
    }

    /// Makes room for mail that cannot wait.
    pub(super) async fn make_room(&mut self) {
        let first = self.queue.front().is_some_and(|input| !input.mail.is_empty() && self.mail.is_confirmed(input));
        if !self.mail.urgent || !first {
            return;
        }
        if self.turn.number().is_none() {
            // It is next by itself, or after what is about to begin.
            self.mail.urgent = self.turn.has_given();
            return;
        }
        if self.steers() {
            // What comes first is first in the conversation, too, which some agents see to by themselves.
            if self.turn.has_its_own() || self.launcher.backend.capabilities().keeps_order {
                self.mail.urgent = false;
                self.steer().await;
            }
            return;
        }
        self.mail.urgent = false;
        if let Phase::Up(live) = &mut self.phase
            && let Err(error) = live.session.interrupt().await
        {
            tracing::warn!(member = %self.profile.name, %error, "a turn could not be interrupted for urgent mail");
        }
    }

    /// Gives the first of the queue to the turn that runs. An agent that does not take it has just ended that turn, and has it
    /// next.
    async fn steer(&mut self) {
        let Some(input) = self.queue.pop_front() else { return };
        let turn = self.turn.number().unwrap_or(input.turn);
        // Told and written down first, as at the beginning of a turn.
        self.record_mail_in(turn, &input, MailState::Injected, None);
        let not_taken = match (self.journal.begun(input.turn), &mut self.phase) {
            (Err(error), _) => Some(format!("that it is begun could not be written down ({error})")),
            (Ok(()), Phase::Up(live)) => {
                let text = match self.launcher.backend.capabilities().steered_as_user {
                    true => format!("{NOT_THE_USER}\n\n{}", input.prompt()),
                    false => input.prompt().into_owned(),
                };
                match timeout(STEER_LIMIT, live.session.steer(&input.id, &text)).await {
                    Ok(Ok(false)) => Some("the turn that runs takes no more".to_owned()),
                    _ => None,
                }
            }
            (Ok(()), _) => Some("its agent has just ended".to_owned()),
        };
        if let Some(reason) = not_taken {
            self.record_mail_in(turn, &input, MailState::Returned, Some(&reason));
            return self.queue.push_front(input);
        }
        // Without an answer it may have it: it is asked when the turn has ended.
        if let Some(input) = self.turn.steer(input) {
            self.mail.unsure_of(input);
        }
        self.note_state("urgent mail came into its turn");
    }

    /// The agent has a message that its turn was given besides its input.
    pub(super) fn steered_accepted(&mut self, input: &Input) {
        let turn = self.turn.number().unwrap_or(input.turn);
        self.record_mail_in(turn, input, MailState::Acknowledged, None);
        if let Err(error) = self.journal.accepted(input.turn) {
            tracing::error!(member = %self.profile.name, %error, "that mail arrived was not written down");
        }
    }

    /// The turn ends, and with it what was given to it.
    pub(super) fn settle_steered(&mut self, Steered { offered, accepted }: Steered) {
        offered.into_iter().for_each(|input| self.mail.unsure_of(input));
        for turn in accepted {
            self.ended(turn);
        }
    }

    /// What an agent has to be told of a turn that mail interrupts: it forgets what it was asked.
    pub(super) fn to_go_on_with(&self) -> Option<String> {
        if self.steers() {
            return None;
        }
        Some(self.turn.input()?.prompt().into_owned())
    }
}
