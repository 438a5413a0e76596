//! How long to wait before something is tried again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// Waiting times that double from retry to retry, up to a bound. With jitter each is a random part of that, so that agents
/// that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    jitter: bool,
}

impl Backoff {
    /// At most `first` before the first retry, twice that before the second, and so on, and never more than `longest`; with jitter.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, jitter: true }
    }

    /// No waiting at all.
    pub const fn none() -> Self {
        Self::new(Duration::ZERO, Duration::ZERO)
    }

    /// The same with the whole times instead of random parts of them.
    #[must_use]
    pub const fn without_jitter(self) -> Self {
        Self { jitter: false, ..self }
    }

    /// The longest time to wait before this retry; the first is 1.
    pub fn bound(&self, retry: usize) -> Duration {
        let doublings = u32::try_from(retry.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The time to wait before this retry; the first is 1.
    pub fn delay(&self, retry: usize) -> Duration {
        let bound = self.bound(retry);
        if self.jitter { bound.mul_f64(random_part()) } else { bound }
    }
}

impl Default for Backoff {
    /// A tenth of a second before the first retry, ten seconds at most.
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

/// A random number from 0 on, below 1.
fn random_part() -> f64 {
    // Each hasher of the standard library has keys of its own, the first of which are the system's random bytes.
    let bits = RandomState::new().build_hasher().finish() >> 12;
    bits as f64 / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_double_up_to_the_bound() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1)).without_jitter();
        let delays: Vec<u128> = (1..=6).map(|retry| backoff.delay(retry).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(Backoff::none().delay(3), Duration::ZERO);
    }

    #[test]
    fn jitter_spreads_the_times_over_all_that_is_allowed() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
        let delays: Vec<Duration> = (0..1000).map(|_| backoff.delay(1)).collect();
        let below = |limit| delays.iter().filter(|delay| **delay < Duration::from_millis(limit)).count();
        assert_eq!(below(1000), 1000);
        assert!((150..350).contains(&below(250)) && (400..600).contains(&below(500)), "{} {}", below(250), below(500));
    }

    proptest! {
        #[test]
        fn no_time_is_longer_than_its_bound(first: u64, longest: u64, retry: usize) {
            let backoff = Backoff::new(Duration::from_nanos(first), Duration::from_nanos(longest));
            prop_assert!(backoff.delay(retry) <= backoff.bound(retry));
            prop_assert!(backoff.bound(retry) <= Duration::from_nanos(longest));
            prop_assert!(backoff.bound(retry) <= backoff.bound(retry.saturating_add(1)));
        }
    }
}
