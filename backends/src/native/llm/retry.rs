//! When a request that failed is sent again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use super::error::{LlmError, LlmErrorKind};

/// How often and when a request that failed is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is sent, the first time too.
    pub attempts: u32,
    /// The longest wait before the second attempt; it doubles with each further one. The real wait is a random part of it.
    pub first_wait: Duration,
    /// The longest wait, also when the provider asks for a longer one: then the request is given up at once.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 4, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// Sends every request once.
    pub const NONE: Self = Self { attempts: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };

    /// How long to wait before the next attempt, when `attempt` of them have failed, the last one with `error`; `None` when it is given up.
    pub fn wait(&self, attempt: u32, error: &LlmError) -> Option<Duration> {
        if attempt >= self.attempts || !error.is_retryable() {
            return None;
        }
        if let Some(asked) = error.retry_after {
            return (asked <= self.longest_wait).then_some(asked);
        }
        // A limit that has no end is somebody else's to wait for, after a short try.
        if error.kind == LlmErrorKind::RateLimited && attempt >= 2 {
            return None;
        }
        let longest = self.first_wait.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest_wait);
        Some(longest.mul_f64(0.5 + 0.5 * random_part()))
    }
}

/// A random number between 0 and 1.
fn random_part() -> f64 {
    // Each state of the standard library's hasher has random keys.
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    #[allow(clippy::cast_precision_loss)] // 53 bits are what fits.
    let part = bits as f64 / (1_u64 << 53) as f64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: LlmErrorKind, retry_after: Option<u64>) -> LlmError {
        LlmError { retry_after: retry_after.map(Duration::from_secs), ..LlmError::new(kind, "") }
    }

    #[test]
    fn waits_grow_and_end() {
        let policy = RetryPolicy::default();
        let down = error(LlmErrorKind::Unavailable, None);
        for (attempt, longest) in [(1, 1000), (2, 2000), (3, 4000)] {
            let wait = policy.wait(attempt, &down).expect("another attempt").as_millis();
            assert!((longest / 2..=longest).contains(&wait), "{attempt}: {wait}");
        }
        assert_eq!(policy.wait(4, &down), None);
        assert_eq!(RetryPolicy::NONE.wait(1, &down), None);
        assert_eq!(policy.wait(1, &error(LlmErrorKind::Refused, None)), None);
    }

    #[test]
    fn the_provider_says_when() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.wait(1, &error(LlmErrorKind::RateLimited, Some(7))), Some(Duration::from_secs(7)));
        assert_eq!(policy.wait(1, &error(LlmErrorKind::Unavailable, Some(0))), Some(Duration::ZERO));
        assert_eq!(policy.wait(1, &error(LlmErrorKind::RateLimited, Some(3600))), None, "that is not for us to wait");
        assert_eq!(policy.wait(1, &error(LlmErrorKind::Auth, Some(1))), None);
    }

    #[test]
    fn not_everybody_comes_back_at_once() {
        let waits: std::collections::HashSet<_> =
            (0..50).filter_map(|_| RetryPolicy::default().wait(3, &error(LlmErrorKind::Cut, None))).collect();
        assert!(waits.len() > 40, "{waits:?}");
    }
}
