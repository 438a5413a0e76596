//! The time axis of the pictures in a report.

use super::words::{between, duration, end_ms};
use crate::model::run_report::RunReport;

/// What is left for names at the beginning of the axis, in pixels.
pub(super) const NAMES: f64 = 150.0;
/// The time that is drawn at least, in milliseconds.
const LEAST_SPAN: u64 = 500;

/// What the time axis counts in, in milliseconds. Each is at most twice the one before, so that 5 to 8 ticks always fit.
const STEPS: [u64; 27] = [
    100,
    200,
    250,
    500,
    1_000,
    2_000,
    2_500,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    180_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    302_400_000,
    604_800_000,
];

/// The time that is drawn, and where.
pub(super) struct Axis {
    pub(crate) start: i64,
    pub(crate) end: i64,
    span: u64,
    pub(crate) width: f64,
}

impl Axis {
    pub(crate) fn of(report: &RunReport, width: f64) -> Self {
        let began = report.turns.iter().map(|turn| turn.began_ms);
        let ended = report.turns.iter().filter_map(|turn| turn.ended_ms);
        let start = began.clone().fold(report.began_ms, i64::min);
        let end = began.chain(ended).fold(end_ms(report), i64::max);
        Self { start, end, span: between(start, end).max(LEAST_SPAN), width }
    }

    pub(crate) fn x(&self, ms: i64) -> f64 {
        NAMES + self.width * (between(self.start, ms) as f64 / self.span as f64).min(1.0)
    }

    fn step(&self) -> u64 {
        let longest = STEPS[STEPS.len() - 1];
        let fits = |step: &u64| self.span / step < 8;
        let weeks = (0..35).map(|power| longest << power);
        STEPS.into_iter().chain(weeks).find(fits).unwrap_or(self.span)
    }

    /// The ticks' places and texts.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let step = self.step();
        let text = |at: u64| if at == 0 { "0".to_owned() } else { duration(at) };
        let place = |at: u64| NAMES + self.width * (at as f64 / self.span as f64);
        (0..=self.span / step).map(|tick| (place(tick * step), text(tick * step))).collect()
    }
}
