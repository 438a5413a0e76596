//! Points in time as Claude Code writes them.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

/// `2026-11-21T01:41:38.979Z`: UTC, milliseconds.
pub fn iso(time: Timestamp) -> String {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    PRINTER.timestamp_to_string(&time)
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
}
