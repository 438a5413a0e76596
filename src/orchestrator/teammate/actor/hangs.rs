//! What is done about a turn that hangs.

use crate::model::event::EventKind;
use crate::orchestrator::teammate::actor::{Actor, Ending};
use crate::orchestrator::teammate::watchdog::Step;

impl Actor {
    pub(super) async fn escalate(&mut self) {
        let (step, why) = self.watchdog.step();
        self.note_state(why.clone());
        let notice = |message: String| EventKind::Notice { message };
        match step {
            Step::Ask => {
                self.emit(notice(format!("{why}; the agent is asked whether its turn still runs")));
                if let Some(session) = self.session() {
                    session.probe().await;
                }
            }
            Step::Interrupt => {
                self.emit(notice(format!("{why}; the turn is interrupted")));
                if let Some(session) = self.session()
                    && let Err(error) = session.interrupt().await
                {
                    tracing::warn!(%error, "a turn that hangs could not be interrupted");
                }
            }
            Step::Replace => {
                self.emit(notice(format!("{why}; the agent does not react, and is killed")));
                match self.end_session(Ending::Replace, true).await {
                    Ok(_) => self.begin_start(&why),
                    Err(error) => {
                        tracing::error!(%error, "an agent that hangs could not be killed");
                        self.watchdog.try_again(why);
                    }
                }
            }
        }
    }
}
