//! A member asks another one something, and waits for the answer: the question becomes a turn of whoever is asked.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::error::{Error, Result};
use crate::model::envelope;
use crate::model::name::TEAM_LEAD;
use crate::model::status::MemberState;
use crate::orchestrator::entry::TeamOrchestrator;
use crate::orchestrator::feed::Feed;
use crate::orchestrator::runtime::TeamRuntime;
use crate::orchestrator::runtime::open_asks::{DEEPEST, OpenAsk, Refused};
use crate::orchestrator::teammate::Teammate;
use crate::orchestrator::teammate::parts::MemberCommand;
use crate::orchestrator::tokens::Identity;
use crate::store::StoreError;
use crate::turn::TurnHandle;

/// How long whoever asks is kept, after its time, for word of whether the question was withdrawn: a member that is being stopped gives none for a while.
const GRACE: Duration = Duration::from_secs(1);

impl TeamOrchestrator {
    /// Asks a member in another one's name, waits for the end of the turn that the question becomes, and answers its text. A busy member is asked after
    /// its turn. When the time is up, whoever asks has ended its turn, or this is dropped, a question that the member has not begun with is withdrawn.
    ///
    /// # Errors
    /// There is no such member, it does not run, it waits for whoever asks; it did not answer in time, or its turn failed.
    pub(crate) async fn ask_as(&self, who: &Identity, whom: &str, question: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        let runtime = self.runtime(&who.team)?;
        // Before anything is waited for: meanwhile this turn may end, and another one begin.
        let asker = asking_turn(&runtime, who)?;
        let late = |_| Error::AskTimedOut { member: whom.to_owned(), seconds: limit.as_secs(), withdrawn: true };
        let asked = timeout_at(deadline, self.asked(who, whom)).await.map_err(late)??;
        check_question(&runtime, question)?;
        let open = runtime.asks.begin(&who.name, whom).map_err(|refused| match refused {
            Refused::Loop(chain) => Error::AskLoop { chain },
            Refused::TooDeep(chain) => Error::AskTooDeep { chain, deepest: DEEPEST },
        })?;
        count_question(&runtime, who, &asked)?;
        let question = Question {
            asker: who.name.to_string(),
            turn: asker,
            asked,
            text: envelope::question(&who.name, question),
            limit,
            deadline,
            feed: Arc::clone(&runtime.feed),
        };
        let (reply, answer) = oneshot::channel();
        // Who calls may go at any time; what was asked for it is withdrawn all the same.
        runtime.asking.spawn(question.follow(open, reply));
        answer.await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Whoever is asked, if it can answer.
    async fn asked(&self, who: &Identity, whom: &str) -> Result<Arc<Teammate>> {
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

/// A question that is on its way.
struct Question {
    asker: String,
    /// The turn in which it is asked. A lead that we do not run is not known to end.
    turn: Option<TurnHandle>,
    asked: Arc<Teammate>,
    text: String,
    limit: Duration,
    deadline: Instant,
    feed: Arc<Feed>,
}

/// Why nobody waits for an answer any more.
enum Over {
    AskerEnded,
    TimeIsUp,
    CallerIsGone,
}

impl Question {
    /// Gives the member the question, and follows it to its end.
    async fn follow(self, open: OpenAsk, mut reply: oneshot::Sender<Result<String>>) {
        let Self { asker, turn, asked, text, limit, deadline, feed } = self;
        let member = asked.name().to_string();
        let mut over = pin!(over(turn, deadline));
        // The turn may be over before its number is known.
        let from = feed.last_seq() + 1;
        let sender = Some(asker.clone());
        let mut taking = pin!(asked.ask(|reply| MemberCommand::Input { text, from: sender, asked: true, reply }));
        let taken = tokio::select! {
            biased;
            taken = &mut taking => Ok(taken.unwrap_or(Err(Error::ShuttingDown))),
            why = &mut over => Err(why),
            () = reply.closed() => Err(Over::CallerIsGone),
        };
        let (why, turn) = match taken {
            Ok(Ok(turn)) => {
                let mut answer = TurnHandle::new(&member, turn, feed.subscribe(from));
                let why = tokio::select! {
                    answer = answer.text() => {
                        drop(open);
                        let _ = reply.send(answer);
                        return;
                    }
                    why = &mut over => why,
                    () = reply.closed() => Over::CallerIsGone,
                };
                (why, Some(turn))
            }
            Ok(Err(error)) => {
                drop(open);
                let _ = reply.send(Err(error));
                return;
            }
            Err(why) => (why, None),
        };
        let mut withdrawing = pin!(async {
            let turn = match turn {
                Some(turn) => turn,
                None => match taking.await {
                    Some(Ok(turn)) => turn,
                    _ => return true,
                },
            };
            matches!(asked.ask(|reply| MemberCommand::Withdraw { turn, reply }).await, Some(Ok(true)))
        });
        let withdrawn = timeout(GRACE, &mut withdrawing).await;
        let error = |withdrawn| match why {
            Over::TimeIsUp => Error::AskTimedOut { member, seconds: limit.as_secs(), withdrawn },
            Over::AskerEnded | Over::CallerIsGone => Error::AskerEnded { member: asker },
        };
        match withdrawn {
            Ok(withdrawn) => {
                drop(open);
                let _ = reply.send(Err(error(withdrawn)));
            }
            Err(_) => {
                let _ = reply.send(Err(error(true)));
                withdrawing.await;
                drop(open);
            }
        }
    }
}

/// Waits until the turn in which somebody asks is over, or its session, or the time.
async fn over(turn: Option<TurnHandle>, deadline: Instant) -> Over {
    let ends = async {
        match turn {
            // That nothing can be heard any more is an end, too.
            Some(mut turn) => drop(turn.outcome().await),
            None => pending().await,
        }
    };
    tokio::select! {
        () = ends => Over::AskerEnded,
        () = sleep_until(deadline) => Over::TimeIsUp,
    }
}

/// The turn in which somebody asks; none of a lead that we do not run.
///
/// # Errors
/// It is a member that we run, and in no turn.
fn asking_turn(runtime: &TeamRuntime, who: &Identity) -> Result<Option<TurnHandle>> {
    let Some(teammate) = runtime.teammate(&who.name) else { return Ok(None) };
    // A turn is taken back from the member's status before its end is told, so the end of one that is found there comes after this number.
    let from = runtime.feed.last_seq() + 1;
    let turn = teammate.turn().ok_or_else(|| Error::AskerEnded { member: who.name.to_string() })?;
    Ok(Some(TurnHandle::new(&who.name, turn, runtime.feed.subscribe(from))))
}

fn check_question(runtime: &TeamRuntime, question: &str) -> Result<()> {
    let limit = runtime.ledger.policy().mail.bytes;
    if question.trim().is_empty() {
        return Err(StoreError::EmptyMessage.into());
    }
    if question.len() > limit {
        return Err(Error::LongMessage { bytes: question.len(), limit });
    }
    Ok(())
}

/// What members may write to each other they may ask each other, too, and no more often.
fn count_question(runtime: &TeamRuntime, who: &Identity, asked: &Teammate) -> Result<()> {
    if who.is_lead() {
        return Ok(());
    }
    let (to, limits) = ([asked.name().clone()], runtime.ledger.policy().mail);
    runtime.damper.count(&who.name, &to, limits, Instant::now()).map_err(|(to, wait, most)| Error::TooManyMessages {
        to: to.to_string(),
        most,
        seconds: wait.as_secs() + 1,
    })
}
