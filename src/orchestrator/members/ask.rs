//! A member asks another one something, and waits for the answer: the question becomes a turn of whoever is asked.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result};
use crate::model::envelope;
use crate::model::name::TEAM_LEAD;
use crate::model::status::MemberState;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::runtime::open_asks::{DEEPEST, Refused};
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::orchestrator::tokens::Identity;
use crate::store::StoreError;
use crate::turn::TurnHandle;

impl TeamOrchestrator {
    /// Asks a member in another one's name, waits for the end of the turn that the question becomes, and answers its text. A busy member is asked after
    /// its turn. When the time is up, or whoever asks has ended its turn, a question that the member has not begun with is withdrawn.
    ///
    /// # Errors
    /// There is no such member, it does not run, it waits for whoever asks; it did not answer in time, or its turn failed.
    pub(crate) async fn ask_as(&self, who: &Identity, whom: &str, question: &str, limit: Duration) -> Result<String> {
        let runtime = self.runtime(&who.team)?;
        let asked = self.asked(who, whom).await?;
        check_question(&runtime, who, &asked, question)?;
        let _open = runtime.asks.begin(&who.name, whom).map_err(|refused| match refused {
            Refused::Loop(chain) => Error::AskLoop { chain },
            Refused::TooDeep(chain) => Error::AskTooDeep { chain, deepest: DEEPEST },
        })?;
        // The turn may be over before its number is known.
        let from = runtime.feed.last_seq() + 1;
        let text = envelope::question(&who.name, question);
        let sender = Some(who.name.to_string());
        let taken = asked.ask(|reply| MemberCommand::Input { text, from: sender, asked: true, reply }).await;
        let turn = taken.unwrap_or(Err(Error::ShuttingDown))?;
        let mut answer = TurnHandle::new(whom, turn, runtime.feed.subscribe(from));
        let ended = tokio::select! {
            answer = answer.text() => return answer,
            () = asker_ends(&runtime, who, from) => Error::AskerEnded { member: who.name.to_string() },
            () = tokio::time::sleep(limit) => Error::AskTimedOut {
                member: whom.to_owned(),
                seconds: limit.as_secs(),
                withdrawn: false,
            },
        };
        let withdrawn = asked.ask(|reply| MemberCommand::Withdraw { turn, reply }).await;
        let was_waiting = matches!(withdrawn, Some(Ok(true)));
        Err(match ended {
            Error::AskTimedOut { member, seconds, .. } => {
                Error::AskTimedOut { member, seconds, withdrawn: was_waiting }
            }
            ended => ended,
        })
    }

    /// Whoever is asked, if it can answer.
    async fn asked(&self, who: &Identity, whom: &str) -> Result<std::sync::Arc<Teammate>> {
        if whom == TEAM_LEAD || whom == "lead" {
            return Err(Error::LeadIsNotAsked);
        }
        let roster = self.roster(&who.team).await?;
        if roster.member(whom).is_none() {
            let existing = roster.teammates().map(|member| member.name.clone()).collect();
            let (team, member) = (who.team.to_string(), whom.to_owned());
            return Err(StoreError::NoMember { team, member, existing }.into());
        }
        let teammate = self.running_member(&who.team, whom).await?;
        let status = teammate.status();
        match (status.state, status.rate_limited_until) {
            (MemberState::RateLimited, until) => {
                let until = until.unwrap_or_else(|| "later".to_owned());
                Err(Error::AskedIsLimited { member: whom.to_owned(), until })
            }
            _ => Ok(teammate),
        }
    }
}

/// What members may write to each other they may ask each other, too, and no more often.
fn check_question(runtime: &TeamRuntime, who: &Identity, asked: &Teammate, question: &str) -> Result<()> {
    let limits = runtime.ledger.policy().mail;
    if question.trim().is_empty() {
        return Err(StoreError::EmptyMessage.into());
    }
    if question.len() > limits.bytes {
        return Err(Error::LongMessage { bytes: question.len(), limit: limits.bytes });
    }
    if who.is_lead() {
        return Ok(());
    }
    let to = [asked.name().clone()];
    runtime.damper.count(&who.name, &to, limits, Instant::now()).map_err(|(to, wait, most)| Error::TooManyMessages {
        to: to.to_string(),
        most,
        seconds: wait.as_secs() + 1,
    })
}

/// Waits until the turn in which somebody asks is over, or its session. A lead that we do not run is not known to end.
async fn asker_ends(runtime: &TeamRuntime, who: &Identity, from: u64) {
    let turn = runtime.teammate(&who.name).map(|teammate| teammate.turn().unwrap_or_default());
    match turn {
        Some(turn) => {
            let mut own = TurnHandle::new(&who.name, turn, runtime.feed.subscribe(from));
            // That nothing can be heard any more is an end, too.
            let _ = own.outcome().await;
        }
        None => std::future::pending().await,
    }
}
