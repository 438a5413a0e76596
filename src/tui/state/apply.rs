//! What facts change.

use super::parts::{Mode, State, Tab};
use crate::live::facts::{Fact, Request};
use crate::live::team::learn;
use crate::live::transcript::Tone;
use crate::model::event::EventKind;

impl State {
    /// Takes a fact in, and answers what is asked for because of it.
    pub(in crate::tui) fn apply(&mut self, fact: Fact) -> Vec<Request> {
        let mut requests = Vec::new();
        if let Fact::Events(events) = &fact {
            let is_new_mail = events.iter().any(|event| {
                matches!(event.kind, EventKind::Mail { .. }) && self.is_selected(&event.team, &event.agent)
            });
            if is_new_mail && self.tab == Tab::Mail {
                requests.extend(self.reads_mail());
            }
        }
        match fact {
            about_teams
            @ (Fact::Teams(_) | Fact::Team(_) | Fact::Events(_) | Fact::Anew { .. } | Fact::Mail { .. }) => {
                learn(&mut self.teams, self.only.as_deref(), about_teams);
            }
            Fact::Connected => self.lost = None,
            Fact::Lost { why } => self.lost = Some(why),
            Fact::Done { say } => match say {
                // Whoever writes goes on writing.
                Some(text) if text.contains('\n') && self.mode == Mode::Browse => {
                    (self.mode, self.window_first) = (Mode::Output(text), 0);
                }
                Some(text) => self.notice = Some((Tone::Good, text)),
                None => {}
            },
            Fact::Refused(failure) => {
                let hint = failure.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                self.notice = Some((Tone::Bad, format!("{}{hint}", failure.message)));
            }
            Fact::Time(now) => self.now_ms = now,
        }
        self.settle();
        requests
    }
}
