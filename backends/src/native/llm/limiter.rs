//! How fast an account may be used.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Spreads requests and tokens evenly over each minute, for all agents that share it: there are no bursts, so that a provider that counts by
/// the second refuses none.
#[derive(Debug)]
pub struct RateLimiter {
    /// The time that each request takes up.
    for_request: Duration,
    /// The time that each token takes up.
    for_token: Duration,
    /// When the next request may be sent.
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// A limiter for so many requests and tokens in a minute; `None` and 0 mean any number.
    pub fn new(requests_per_minute: Option<u32>, tokens_per_minute: Option<u32>) -> Self {
        let share = |per_minute: Option<u32>| match per_minute {
            Some(count @ 1..) => Duration::from_secs(60) / count,
            _ => Duration::ZERO,
        };
        Self { for_request: share(requests_per_minute), for_token: share(tokens_per_minute), next: Mutex::new(None) }
    }

    /// Waits until the next request may be sent, and takes its place.
    pub async fn acquire(&self) {
        let at = {
            let mut next = lock(&self.next);
            let now = Instant::now();
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + self.for_request);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Notes the tokens that a request has used: those who come next wait for them.
    pub fn spent(&self, tokens: u64) {
        let taken = self.for_token.saturating_mul(u32::try_from(tokens).unwrap_or(u32::MAX));
        let mut next = lock(&self.next);
        let now = Instant::now();
        *next = Some(next.map_or(now, |next| next.max(now)) + taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seconds(since: Instant, limiter: &RateLimiter) -> u64 {
        limiter.acquire().await;
        since.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_spread_over_the_minute() {
        let (limiter, start) = (RateLimiter::new(Some(6), None), Instant::now());
        for expected in [0, 10, 20] {
            assert_eq!(seconds(start, &limiter).await, expected);
        }
        // What was not used is not saved up.
        tokio::time::sleep(Duration::from_secs(600)).await;
        let start = Instant::now();
        assert_eq!([seconds(start, &limiter).await, seconds(start, &limiter).await], [0, 10]);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_are_paid_for_by_those_who_come_next() {
        let (limiter, start) = (RateLimiter::new(None, Some(1000)), Instant::now());
        assert_eq!(seconds(start, &limiter).await, 0);
        limiter.spent(500);
        assert_eq!(seconds(start, &limiter).await, 30);
        assert_eq!(seconds(start, &limiter).await, 30, "nothing was spent");
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_nobody_waits() {
        let (limiter, start) = (RateLimiter::new(None, Some(0)), Instant::now());
        for _ in 0..1000 {
            assert_eq!(seconds(start, &limiter).await, 0);
            limiter.spent(u64::MAX);
        }
    }
}
