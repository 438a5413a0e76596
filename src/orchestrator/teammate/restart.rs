//! When a member whose session has ended is started again. Values only: the time is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::team::RestartPolicy;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A session that has lived so long had nothing to do with the failures before it.
const HEALTHY_AFTER: Duration = Duration::from_secs(60);
/// So many starts within this time are a loop.
const START_LIMIT: usize = 5;
const START_LIMIT_WITHIN: Duration = Duration::from_secs(10);

/// What to do about a session that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Leave it.
    Rest,
    /// Start it after this time.
    After(Duration),
    /// It was started too often.
    StartLimit,
}

/// A member's starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restarts {
    pub(crate) policy: RestartPolicy,
    starts: VecDeque<Instant>,
    failures: u32,
}

impl Restarts {
    pub(crate) fn new(policy: RestartPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// It is being started.
    pub(crate) fn starts(&mut self, now: Instant) {
        self.starts.push_back(now);
        if self.starts.len() > START_LIMIT {
            self.starts.pop_front();
        }
    }

    /// A person has looked at it: what was is forgotten.
    pub(crate) fn forgive(&mut self) {
        self.starts.clear();
        self.failures = 0;
    }

    /// Its session, or the attempt to start one, has ended; `jitter` is a number from 0 to 1.
    pub(crate) fn next(&mut self, now: Instant, failed: bool, jitter: f64) -> Next {
        let wanted = match self.policy {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => failed,
            RestartPolicy::Always => true,
        };
        if !wanted {
            return Next::Rest;
        }
        let since = |start: &Instant| now.duration_since(*start);
        if self.starts.back().is_some_and(|start| since(start) >= HEALTHY_AFTER) {
            self.forgive();
        }
        if self.starts.len() == START_LIMIT
            && self.starts.front().is_some_and(|first| since(first) < START_LIMIT_WITHIN)
        {
            return Next::StartLimit;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures += 1;
        // Members that died of the same cause shall not all come back in the same moment.
        Next::After(wait.mul_f64(0.75 + 0.25 * jitter.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(policy: RestartPolicy, lives: Duration, count: usize) -> Vec<Next> {
        let mut restarts = Restarts::new(policy);
        let mut now = Instant::now();
        let mut all = Vec::new();
        for _ in 0..count {
            restarts.starts(now);
            now += lives;
            let next = restarts.next(now, true, 1.0);
            all.push(next);
            let Next::After(wait) = next else { break };
            now += wait;
        }
        all
    }

    #[test]
    fn a_member_that_dies_at_once_is_started_five_times() {
        let ms = |ms| Next::After(Duration::from_millis(ms));
        let got = waits(RestartPolicy::OnFailure, Duration::from_millis(10), 10);
        assert_eq!(got, [ms(100), ms(200), ms(400), ms(800), Next::StartLimit]);
    }

    #[test]
    fn waits_double_up_to_half_a_minute_and_are_forgotten_after_a_minute_of_health() {
        let got = waits(RestartPolicy::Always, Duration::from_secs(3), 12);
        assert_eq!(got.last(), Some(&Next::After(LONGEST_WAIT)));
        let got = waits(RestartPolicy::Always, Duration::from_secs(60), 12);
        assert!(got.iter().all(|next| *next == Next::After(FIRST_WAIT)), "{got:?}");
    }

    #[test]
    fn who_ends_well_is_started_again_only_when_always() {
        for (policy, failed, restarts) in [
            (RestartPolicy::Never, true, false),
            (RestartPolicy::OnFailure, false, false),
            (RestartPolicy::OnFailure, true, true),
            (RestartPolicy::Always, false, true),
        ] {
            let next = Restarts::new(policy).next(Instant::now(), failed, 0.0);
            assert_eq!(next != Next::Rest, restarts, "{policy:?}");
        }
    }
}
