//! What facts change.

use super::parts::{Mode, State, Tab};
use super::transcript::Tone;
use crate::model::event::EventKind;
use crate::tui::facts::{Fact, Request};

impl State {
    /// Takes a fact in, and answers what is asked for because of it.
    pub(in crate::tui) fn apply(&mut self, fact: Fact) -> Vec<Request> {
        let mut requests = Vec::new();
        match fact {
            Fact::Connected => self.lost = None,
            Fact::Lost { why } => self.lost = Some(why),
            Fact::Teams(names) => {
                let wanted = |name: &String| self.only.as_ref().is_none_or(|only| only == name);
                let names: Vec<String> = names.into_iter().filter(wanted).collect();
                self.teams.retain(|name, _| names.contains(name));
                for name in names {
                    self.teams.entry(name).or_default();
                }
            }
            Fact::Team(facts) => {
                if let Some(team) = self.teams.get_mut(&facts.status.team) {
                    team.facts = Some(*facts);
                }
            }
            Fact::Events(events) => {
                for event in &events {
                    let Some(team) = self.teams.get_mut(&event.team) else { continue };
                    team.hear(event);
                    let is_mail = matches!(event.kind, EventKind::Mail { .. });
                    if is_mail && self.tab == Tab::Mail && self.is_selected(&event.team, &event.agent) {
                        requests.extend(self.reads_mail());
                    }
                }
                requests.dedup();
            }
            Fact::Mail { team, member, messages } => {
                if let Some(team) = self.teams.get_mut(&team) {
                    team.mail.insert(member, messages);
                }
            }
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
