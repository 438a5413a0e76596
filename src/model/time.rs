//! Points in time as Claude Code writes them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// `2026-11-21T01:41:38.979Z`: UTC, milliseconds.
pub fn iso(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&time)
}

/// A duration as people write it: `30s`, `5m`, `1h 30m`, or a number of seconds.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration; write 30s, 5m or 1h30m");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(parsed).map_err(|_| bad())
}

/// A duration in whole milliseconds, as files and calls have it; the longest where it is longer.
pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_always() {
        for (ms, expected) in [(1_795_225_298_979, "2026-11-21T01:41:38.979Z"), (0, "1970-01-01T00:00:00.000Z")] {
            assert_eq!(iso(Timestamp::from_millisecond(ms).unwrap()), expected);
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, ms) in [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("2", 2_000), ("0.5", 500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "soon", "-5", "-5s", "NaN"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
