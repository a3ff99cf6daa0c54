//! What happened in one minute: figures of a fixed size, so that a run of hours needs no more memory than one of a minute.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::super::figures::{Figures, latencies};
use super::request::Verdict;

/// A minute that is being filled.
pub(super) struct Tally {
    latency_us: Histogram<u64>,
    intended: BTreeMap<&'static str, u64>,
    unintended: BTreeMap<String, Complaint>,
    resident_mb: Vec<f64>,
}

/// An answer that should not have been, with an example.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Complaint {
    count: u64,
    example: String,
}

/// A minute that is over.
#[derive(Debug, Serialize)]
pub(super) struct Minute {
    number: u64,
    pub(super) figures: Figures,
    intended: u64,
    pub(super) unintended: BTreeMap<String, Complaint>,
    /// The median of what the server held in memory, looked at every second.
    pub(super) resident_mb: f64,
    /// What the database takes on the disk.
    pub(super) database_mb: f64,
    /// How many events the subscriber heard of, each counted once.
    heard: u64,
    heard_p99_ms: f64,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self> {
        let (intended, unintended) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { latency_us: latencies()?, intended, unintended, resident_mb: Vec::new() })
    }

    /// Counts an answer that took so long, counted from when its request was due.
    pub(super) fn record(&mut self, taken: Duration, verdict: Verdict, example: &[u8]) {
        self.latency_us.saturating_record(u64::try_from(taken.as_micros()).unwrap_or(u64::MAX));
        match verdict {
            Verdict::Fine => {}
            Verdict::Intended(word) => *self.intended.entry(word).or_default() += 1,
            Verdict::Unintended(what) => self.complain(what, example),
        }
    }

    /// How many answers were counted.
    pub(super) fn count(&self) -> u64 {
        self.latency_us.len()
    }

    /// Counts something else that went wrong.
    pub(super) fn complain(&mut self, what: String, example: &[u8]) {
        let complaint = self.unintended.entry(what).or_default();
        complaint.count += 1;
        if complaint.example.is_empty() {
            complaint.example = String::from_utf8_lossy(example).chars().take(300).collect();
        }
    }

    /// Notes what the server holds in memory now.
    pub(super) fn look(&mut self, resident_mb: f64) {
        self.resident_mb.push(resident_mb);
    }

    /// Closes the minute, which was so long.
    pub(super) fn close(self, number: u64, seconds: f64, database_mb: f64, delays_us: &[u64]) -> Result<Minute> {
        let mut heard = latencies()?;
        for delay in delays_us {
            heard.saturating_record(*delay);
        }
        Ok(Minute {
            number,
            figures: Figures::new(&self.latency_us, seconds),
            intended: self.intended.values().sum(),
            unintended: self.unintended,
            resident_mb: middle(self.resident_mb),
            database_mb,
            heard: heard.len(),
            heard_p99_ms: super::super::real(heard.value_at_quantile(0.99)) / 1_000.0,
        })
    }
}

impl Minute {
    /// The names of the columns.
    pub(super) fn heading() -> String {
        let (rss, database, heard) = ("RSS MB", "data MB", "told /min");
        format!(
            "{:>6} {} {:>9} {:>10} {rss:>8} {database:>8} {heard:>10} {:>10}",
            "minute",
            Figures::heading(),
            "refused",
            "unintended",
            "told p99"
        )
    }

    /// How many answers should not have been.
    pub(super) fn unintended_count(&self) -> u64 {
        self.unintended.values().map(|complaint| complaint.count).sum()
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, figures, intended, resident_mb, database_mb, heard, heard_p99_ms, .. } = self;
        write!(out, "{number:>6} {figures} {intended:>9} {:>10}", self.unintended_count())?;
        write!(out, " {resident_mb:>8.1} {database_mb:>8.0} {heard:>10} {heard_p99_ms:>8.0}ms")?;
        for (what, Complaint { count, example }) in &self.unintended {
            write!(out, "\n       {count} x {what}: {example}")?;
        }
        Ok(())
    }
}

/// The sample in the middle; 0 of none.
fn middle(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_were_asked_for_are_counted_apart() {
        let mut tally = Tally::new().unwrap();
        tally.record(Duration::from_millis(1), Verdict::Fine, b"");
        tally.record(Duration::from_millis(2), Verdict::Intended("insufficient_funds"), b"");
        tally.record(Duration::from_millis(3), Verdict::Unintended("Credit: 503".to_owned()), b"first");
        tally.record(Duration::from_millis(3), Verdict::Unintended("Credit: 503".to_owned()), b"second");
        for sample in [3.0, 1.0, 2.0] {
            tally.look(sample);
        }
        let minute = tally.close(1, 60.0, 5.0, &[1_000]).unwrap();
        assert_eq!((minute.figures.requests, minute.intended, minute.unintended_count()), (4, 1, 2));
        assert!((minute.resident_mb - 2.0).abs() < f64::EPSILON);
        assert!(minute.to_string().contains("2 x Credit: 503: first"), "{minute}");
    }
}
