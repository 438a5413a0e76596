//! No turn hangs for ever. One that takes too long, or whose agent gives no sign of life, is asked for, then interrupted, and
//! then its session is replaced; the turn ends in an error that says what was tried.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::team::TurnLimits;

/// How long each attempt may take to show an effect.
const PATIENCE: Duration = Duration::from_secs(10);

/// Times of the running turn.
#[derive(Debug)]
pub(crate) struct Watchdog {
    turn: Duration,
    silence: Duration,
    began: Instant,
    last_sign: Instant,
    stage: Stage,
    /// Since when somebody's decision is waited for.
    waits_since: Option<Instant>,
    /// The provider takes no requests: silence is no wonder.
    provider_waits: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Watching,
    /// The agent was asked whether its turn still runs.
    Asked {
        until: Instant,
        why: String,
        silent: bool,
    },
    Interrupted {
        until: Instant,
        why: String,
    },
    Replacing {
        why: String,
    },
}

/// What to do next.
pub(crate) enum Step {
    Ask,
    Interrupt,
    Replace,
}

impl Watchdog {
    pub(crate) fn new(limits: TurnLimits) -> Self {
        let now = Instant::now();
        Self {
            turn: Duration::from_millis(limits.turn_ms),
            silence: Duration::from_millis(limits.silence_ms),
            began: now,
            last_sign: now,
            stage: Stage::Watching,
            waits_since: None,
            provider_waits: false,
        }
    }

    /// When the running turn reaches its limit.
    pub(crate) fn turn_ends(&self) -> Instant {
        self.began + self.turn
    }

    /// The turn is held because of a rate limit, or goes on.
    pub(crate) fn waits_for_provider(&mut self, waits: bool) {
        self.provider_waits = waits;
        self.stage = Stage::Watching;
        self.last_sign = Instant::now();
    }

    /// For how long the turn has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn begin(&mut self) {
        let now = Instant::now();
        (self.began, self.last_sign, self.stage, self.waits_since) = (now, now, Stage::Watching, None);
    }

    pub(crate) fn rest(&mut self) {
        self.stage = Stage::Watching;
        (self.waits_since, self.provider_waits) = (None, false);
    }

    pub(crate) fn is_suspicious(&self) -> bool {
        self.stage != Stage::Watching
    }

    /// Answers whether that ends a suspicion.
    pub(crate) fn sign_of_life(&mut self) -> bool {
        self.last_sign = Instant::now();
        let suspected = matches!(self.stage, Stage::Asked { silent: true, .. });
        if suspected {
            self.stage = Stage::Watching;
        }
        suspected
    }

    /// Somebody's decision is waited for, or no longer: that time does not count.
    pub(crate) fn waits_for_decision(&mut self, waits: bool) {
        match (waits, self.waits_since) {
            (true, None) => self.waits_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.began += since.elapsed();
                self.last_sign = Instant::now();
                self.waits_since = None;
            }
            _ => {}
        }
    }

    /// When there is something to do.
    pub(crate) fn next(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Watching if self.waits_since.is_some() || self.provider_waits => None,
            Stage::Watching => Some((self.began + self.turn).min(self.last_sign + self.silence)),
            Stage::Asked { until, .. } | Stage::Interrupted { until, .. } => Some(*until),
            Stage::Replacing { .. } => None,
        }
    }

    /// Why the turn was ended, when it was by us.
    pub(crate) fn verdict(&self) -> Option<String> {
        match &self.stage {
            Stage::Watching | Stage::Asked { .. } => None,
            Stage::Interrupted { why, .. } => Some(format!("{why}; it was interrupted")),
            Stage::Replacing { why } => Some(format!(
                "{why}; it did not react to an interrupt either, so its processes were killed, and it is started again"
            )),
        }
    }

    /// The last step had no effect.
    pub(crate) fn try_again(&mut self, why: String) {
        self.stage = Stage::Interrupted { until: Instant::now() + PATIENCE, why };
    }

    pub(crate) fn step(&mut self) -> (Step, String) {
        let patience = PATIENCE.min(self.silence);
        let until = Instant::now() + patience;
        match std::mem::replace(&mut self.stage, Stage::Watching) {
            Stage::Watching => {
                let silent = self.last_sign.elapsed() >= self.silence;
                let why = if silent {
                    format!("no sign of life for {:.1} s", self.last_sign.elapsed().as_secs_f32())
                } else {
                    format!("the turn has taken {:.1} s, which is its limit", self.began.elapsed().as_secs_f32())
                };
                self.stage = Stage::Asked { until, why: why.clone(), silent };
                (Step::Ask, why)
            }
            Stage::Asked { why, .. } => {
                self.stage = Stage::Interrupted { until, why: why.clone() };
                (Step::Interrupt, why)
            }
            Stage::Interrupted { why, .. } | Stage::Replacing { why } => {
                self.stage = Stage::Replacing { why: why.clone() };
                (Step::Replace, why)
            }
        }
    }
}
