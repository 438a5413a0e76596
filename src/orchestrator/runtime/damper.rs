//! How often members may write to each other.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Result;
use crate::model::name::AgentName;
use crate::model::policy::MailLimits;
use crate::sync::lock;

/// From so many pairs on, those of whom nothing counts any more are forgotten.
const MANY_PAIRS: usize = 1024;
/// What was sent longer ago counts no more.
const HOUR: Duration = Duration::from_secs(3600);

/// Who wrote to whom, within the last hour.
#[derive(Debug, Default)]
pub(crate) struct Damper(Mutex<HashMap<(AgentName, AgentName), VecDeque<Instant>>>);

impl Damper {
    /// Counts a message to each of these, or to none: then it answers to whom it would be one too many, after how long there
    /// may be another one, and how many were too many.
    pub(crate) fn count(
        &self,
        from: &AgentName,
        to: &[AgentName],
        limits: MailLimits,
        now: Instant,
    ) -> Result<(), (AgentName, Duration, usize)> {
        let mut pairs = lock(&self.0);
        if pairs.len() >= MANY_PAIRS {
            pairs.retain(|_, sent| sent.back().is_some_and(|at| now.duration_since(*at) < HOUR));
        }
        for to in to {
            let sent = pairs.entry((from.clone(), to.clone())).or_default();
            check_rate(sent, limits, now).map_err(|(wait, most)| (to.clone(), wait, most))?;
        }
        for to in to {
            pairs.entry((from.clone(), to.clone())).or_default().push_back(now);
        }
        Ok(())
    }
}

pub(crate) fn check_rate(
    sent: &mut VecDeque<Instant>,
    limits: MailLimits,
    now: Instant,
) -> Result<(), (Duration, usize)> {
    const WINDOWS: [Duration; 2] = [Duration::from_secs(60), HOUR];
    while sent.front().is_some_and(|at| now.duration_since(*at) >= WINDOWS[1]) {
        sent.pop_front();
    }
    for (window, most) in WINDOWS.into_iter().zip([limits.per_minute, limits.per_hour]) {
        if sent.len() >= most {
            // The oldest of the last so many.
            let Some(oldest) = sent.len().checked_sub(most).and_then(|at| sent.get(at)) else {
                return Err((window, most));
            };
            let free = *oldest + window;
            if free > now {
                return Err((free - now, most));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_long_silent_is_forgotten() {
        let damper = Damper::default();
        let limits = MailLimits { per_minute: 3, per_hour: 5, bytes: 10 };
        let begin = Instant::now();
        for number in 0..5_000u32 {
            let name: AgentName = format!("m{number}").parse().unwrap();
            damper.count(&name, &[AgentName::lead()], limits, begin + HOUR * number).unwrap();
        }
        assert!(lock(&damper.0).len() <= MANY_PAIRS);
    }

    #[test]
    fn who_writes_too_often_waits() {
        let [a, b, c]: [AgentName; 3] = ["a", "b", "c"].map(|name| name.parse().unwrap());
        let limits = MailLimits { per_minute: 3, per_hour: 5, bytes: 10 };
        let damper = Damper::default();
        let (to_a, to_b) = (std::slice::from_ref(&a), std::slice::from_ref(&b));
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        for second in 0..3 {
            assert_eq!(damper.count(&a, to_b, limits, at(second)), Ok(()));
        }
        assert_eq!(damper.count(&a, to_b, limits, at(10)), Err((b.clone(), Duration::from_secs(50), 3)));
        for _ in 0..9 {
            damper.count(&a, &[c.clone(), b.clone()], limits, at(10)).unwrap_err();
        }
        assert_eq!(damper.count(&a, &[c], limits, at(10)), Ok(()), "what was not sent does not count");
        assert_eq!(damper.count(&b, to_a, limits, at(10)), Ok(()), "the other way round is another pair");
        assert_eq!(damper.count(&a, to_b, limits, at(60)), Ok(()));
        assert_eq!(damper.count(&a, to_b, limits, at(62)), Ok(()));
        assert_eq!(damper.count(&a, to_b, limits, at(200)), Err((b.clone(), Duration::from_secs(3400), 5)));
        assert_eq!(damper.count(&a, to_b, limits, at(3601)), Ok(()));
        let none = MailLimits { per_minute: 0, ..limits };
        assert_eq!(damper.count(&b, to_a, none, at(9000)), Err((a.clone(), Duration::from_secs(60), 0)));
    }
}
