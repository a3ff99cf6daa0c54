//! What a soak must reach, and whether it did.

use std::fmt;

use super::minute::Minute;

/// How much more or less memory the last minute may need than the second, in percent.
const DRIFT_MAX: f64 = 5.0;

/// How often the first minute's p99 a later one may reach.
const P99_TIMES_MAX: f64 = 2.0;

/// How many minutes it takes to tell a drift from a warm-up: the first, one to compare with, and a last.
const MINUTES_MIN: usize = 3;

/// What was aimed at, and what came of it.
#[derive(Debug)]
pub(super) struct Verdict {
    drift_percent: Option<f64>,
    p99_first_ms: f64,
    p99_last_times: f64,
    p99_worst_times: f64,
    unintended: u64,
    missing_news: u64,
    books: Result<String, String>,
}

impl Verdict {
    /// Of these minutes, so many events that the subscriber never heard of, and what the audit of the books said.
    pub(super) fn new(minutes: &[Minute], missing_news: u64, books: Result<String, String>) -> Self {
        let p99 = |minute: &Minute| minute.figures.p99_ms;
        let first = minutes.first().map(p99).unwrap_or_default();
        let times = |p99: f64| if 0.0 < first { p99 / first } else { 0.0 };
        let drift = match (minutes.get(1), minutes.last()) {
            (Some(second), Some(last)) if MINUTES_MIN <= minutes.len() && 0.0 < second.resident_mb => {
                Some(100.0 * (last.resident_mb / second.resident_mb - 1.0))
            }
            (_, _) => None,
        };
        Self {
            drift_percent: drift,
            p99_first_ms: first,
            p99_last_times: times(minutes.last().map(p99).unwrap_or_default()),
            p99_worst_times: times(minutes.iter().map(p99).fold(0.0, f64::max)),
            unintended: minutes.iter().map(Minute::unintended_count).sum(),
            missing_news,
            books,
        }
    }

    /// Whether everything that could be judged is as it must be.
    pub(super) fn is_reached(&self) -> bool {
        self.lines().iter().all(|(reached, _)| reached.unwrap_or(true))
    }

    /// What was aimed at: whether it was reached, if that can be told, and how it stands.
    fn lines(&self) -> Vec<(Option<bool>, String)> {
        let drift = match self.drift_percent {
            Some(drift) => (
                Some(drift.abs() <= DRIFT_MAX),
                format!(
                    "memory: {drift:+.1}% from the second minute to the last (medians of one look a second; aim: within \
                     {DRIFT_MAX}%)"
                ),
            ),
            None => (None, format!("memory: not judged, that takes {MINUTES_MIN} minutes")),
        };
        let Self { p99_first_ms, p99_last_times, p99_worst_times, unintended, missing_news, .. } = self;
        let p99 = format!(
            "p99: {p99_first_ms:.1} ms in the first minute, {p99_last_times:.2} times that in the last and \
             {p99_worst_times:.2} times in the worst (aim: {P99_TIMES_MAX})"
        );
        let news = format!("webhooks: {missing_news} events were never heard of (aim: none)");
        let books = match &self.books {
            Ok(said) => (Some(true), format!("books: {said}")),
            Err(said) => (Some(false), format!("books: {said}")),
        };
        vec![
            drift,
            (Some(*p99_worst_times <= P99_TIMES_MAX), p99),
            (Some(*unintended == 0), format!("answers that should not have been: {unintended} (aim: none)")),
            (Some(*missing_news == 0), news),
            books,
        ]
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reached, line) in self.lines() {
            let mark = match reached {
                Some(true) => "reached",
                Some(false) => "MISSED",
                None => "-",
            };
            writeln!(out, "{mark:<8} {line}")?;
        }
        write!(out, "{}", if self.is_reached() { "every aim is reached" } else { "an aim is missed" })
    }
}

/// How many of `wanted` are not among `found`.
pub(super) fn missing(wanted: u64, found: u64) -> u64 {
    wanted.saturating_sub(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::minute::Tally;
    use super::super::request;
    use super::*;

    fn minute(number: u64, p99_ms: u64, resident_mb: f64) -> Minute {
        let mut tally = Tally::new().unwrap();
        tally.record(Duration::from_millis(p99_ms), request::Verdict::Fine, b"");
        tally.look(resident_mb);
        tally.close(number, 60.0, 1.0, &[]).unwrap()
    }

    fn verdict(minutes: &[(u64, f64)], missing: u64, books: Result<String, String>) -> Verdict {
        let minutes: Vec<Minute> = (1..).zip(minutes).map(|(n, (p99, resident))| minute(n, *p99, *resident)).collect();
        Verdict::new(&minutes, missing, books)
    }

    #[test]
    fn a_soak_reaches_its_aims_only_if_it_reaches_each() {
        let clean = || Ok("clean".to_owned());
        assert!(verdict(&[(10, 90.0), (15, 100.0), (19, 104.0)], 0, clean()).is_reached());
        assert!(!verdict(&[(10, 90.0), (15, 100.0), (10, 106.0)], 0, clean()).is_reached(), "memory grows");
        assert!(!verdict(&[(10, 90.0), (25, 100.0), (10, 100.0)], 0, clean()).is_reached(), "one minute is slow");
        assert!(!verdict(&[(10, 90.0)], 1, clean()).is_reached(), "an event is missing");
        assert!(!verdict(&[(10, 90.0)], 0, Err("differ".to_owned())).is_reached(), "the books differ");
    }

    #[test]
    fn a_short_soak_says_nothing_about_memory() {
        let short = verdict(&[(10, 90.0), (10, 200.0)], 0, Ok("clean".to_owned()));
        assert!(short.is_reached() && short.to_string().contains("not judged"), "{short}");
    }
}
