//! The figures that every row has, whoever was measured: how many a second, and how long each took.

use std::fmt;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use super::real;

/// How many a second, and how long each took.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    /// How many there were.
    pub(crate) requests: u64,
    seconds: f64,
    /// How many there were in a second.
    pub(crate) requests_per_second: f64,
    mean_ms: f64,
    p50_ms: f64,
    /// Of a hundred, one took longer.
    pub(crate) p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

/// An empty collection of latencies in microseconds: three digits from a microsecond to a minute and a half.
pub(crate) fn latencies() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 90_000_000, 3).context("no histogram for the latencies")
}

impl Figures {
    /// The figures of so many seconds with these latencies.
    pub(crate) fn new(latency_us: &Histogram<u64>, seconds: f64) -> Self {
        let ms = |microseconds: u64| real(microseconds) / 1_000.0;
        let at = |quantile: f64| ms(latency_us.value_at_quantile(quantile));
        Self {
            requests: latency_us.len(),
            seconds,
            requests_per_second: real(latency_us.len()) / seconds,
            mean_ms: latency_us.mean() / 1_000.0,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(latency_us.max()),
        }
    }

    /// The names of the columns that it prints.
    pub(crate) fn heading() -> String {
        format!("{:>10} {:>8} {:>8} {:>8}", "requests/s", "p50 ms", "p99 ms", "p99.9")
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests_per_second, p50_ms, p99_ms, p999_ms, .. } = self;
        write!(out, "{requests_per_second:>10.0} {p50_ms:>8.2} {p99_ms:>8.2} {p999_ms:>8.2}")
    }
}

/// The run in the middle, by `rate`; of two in the middle the slower one.
pub(crate) fn median<Run>(mut runs: Vec<Run>, rate: impl Fn(&Run) -> f64) -> Option<Run> {
    runs.sort_by(|left, right| rate(left).total_cmp(&rate(right)));
    let middle = runs.len().checked_sub(1)? / 2;
    runs.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_run_that_happened() {
        assert_eq!(median(vec![3.0, 1.0, 2.0], |run| *run), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0, 4.0], |run| *run), Some(2.0));
        assert_eq!(median(Vec::<f64>::new(), |run| *run), None);
    }

    #[test]
    fn a_rate_is_over_the_time_that_was_measured() {
        let mut latency_us = latencies().unwrap();
        for _ in 0..30 {
            latency_us.record(2_000).unwrap();
        }
        let figures = Figures::new(&latency_us, 2.0);
        assert_eq!(figures.to_string(), "        15     2.00     2.00     2.00");
    }
}
