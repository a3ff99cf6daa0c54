//! One line of the table: what one program did at one number of connections, and what it cost.

use std::fmt;

use serde::Serialize;

use super::figures::{self, Figures};
use super::metrics::BatchSizes;
use super::real;

/// The server, measured over HTTP.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was sent.
    pub(crate) workload: &'static str,
    /// By how many at once.
    pub(crate) connections: usize,
    /// How fast.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// What was answered with anything but 200.
    pub(crate) errors: Vec<Failure>,
    /// The processor time of the server.
    pub(crate) server_cpu_seconds: f64,
    /// The processor time of all of PostgreSQL.
    pub(crate) database_cpu_seconds: Option<f64>,
    /// What the server held in memory at the end.
    pub(crate) resident_mb: f64,
    /// How many commands it settled together.
    pub(crate) batches: Option<BatchSizes>,
    /// How many times as many a second as the statement of `pgbench` did at as many connections.
    pub(crate) times_pgbench: Option<f64>,
    /// The rates of all runs, of which this is the median.
    pub(crate) runs: Vec<f64>,
}

/// The requests that were answered with anything but 200, by what they were answered with.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// The status, or that there was no answer.
    pub(crate) status: String,
    /// How many.
    pub(crate) count: u64,
    /// What one of them said.
    pub(crate) sample: String,
}

/// The hand-written statement, measured by `pgbench`.
#[derive(Debug, Serialize)]
pub(crate) struct StatementRow {
    /// What was sent.
    pub(crate) workload: &'static str,
    /// By how many at once.
    pub(crate) connections: usize,
    /// How fast.
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// How many transactions there were in all, before and after the measured time too.
    pub(crate) processed: u64,
    /// What `pgbench` says of the whole run, the warm-up included.
    pub(crate) reported_tps: f64,
    /// What `pgbench` says of the whole run, the warm-up included.
    pub(crate) reported_latency_ms: f64,
    /// The processor time of all of PostgreSQL.
    pub(crate) database_cpu_seconds: f64,
    /// The rates of all runs, of which this is the median.
    pub(crate) runs: Vec<f64>,
}

impl Row {
    /// The run in the middle, knowing the rates of all.
    pub(crate) fn median(runs: Vec<Self>) -> Option<Self> {
        let rates: Vec<f64> = runs.iter().map(|run| run.figures.requests_per_second).collect();
        let middle = figures::median(runs, |run| run.figures.requests_per_second)?;
        Some(Self { runs: rates, ..middle })
    }

    /// The names of the columns.
    pub(crate) fn heading() -> String {
        let figures = Figures::heading();
        format!(
            "{:<8} {:<7} {:>5} {figures} {:>6} {:>7} {:>7} {:>8} {:>7} {:>6} {:>9}",
            "workload", "by", "conns", "errors", "cpu s", "us/req", "db us", "rss MB", "batch", "x pgbench"
        )
    }
}

impl StatementRow {
    /// The run in the middle, knowing the rates of all.
    pub(crate) fn median(runs: Vec<Self>) -> Option<Self> {
        let rates: Vec<f64> = runs.iter().map(|run| run.figures.requests_per_second).collect();
        let middle = figures::median(runs, |run| run.figures.requests_per_second)?;
        Some(Self { runs: rates, ..middle })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, connections, figures, server_cpu_seconds, .. } = self;
        let errors: u64 = self.errors.iter().map(|failure| failure.count).sum();
        let each = |seconds: f64| seconds * 1_000_000.0 / real(figures.requests.max(1));
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
        let database = shown(self.database_cpu_seconds.map(each));
        let batch = shown(self.batches.as_ref().and_then(BatchSizes::mean));
        let times = self.times_pgbench.map_or("-".to_owned(), |times| format!("{times:.2}"));
        write!(out, "{workload:<8} {:<7} {connections:>5} {figures} {errors:>6}", "purser")?;
        write!(out, " {server_cpu_seconds:>7.2} {:>7.1} {database:>8}", each(*server_cpu_seconds))?;
        write!(out, " {:>7.1} {batch:>6} {times:>9}", self.resident_mb)?;
        if let Some(batches) = self.batches.as_ref().filter(|batches| batches.mean().is_some()) {
            write!(out, "\n         batches {}", batches.histogram())?;
        }
        for Failure { status, count, sample } in &self.errors {
            let sample: String = sample.chars().take(300).collect();
            write!(out, "\n         {count} x {status}: {sample}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StatementRow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, connections, figures, database_cpu_seconds, .. } = self;
        let database = database_cpu_seconds * 1_000_000.0 / real(figures.requests.max(1));
        write!(out, "{workload:<8} {:<7} {connections:>5} {figures} {:>6}", "pgbench", 0)?;
        write!(out, " {:>7} {:>7} {database:>8.1} {:>7} {:>6} {:>9}", "-", "-", "-", "-", "-")
    }
}
