//! The transactions that `pgbench` has logged, one a line: the percentiles that it does not print come from here, and the
//! warm-up goes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::bench::figures;

/// The transactions of a run: when each ended, and how long it took, in microseconds.
#[derive(Debug)]
pub(super) struct Log(Vec<(u64, u64)>);

impl Log {
    /// Reads the files whose names begin with `prefix`, one for each thread, and removes them.
    pub(super) fn take(prefix: &Path) -> Result<Self> {
        let mut transactions = Vec::new();
        let (folder, name) = prefix.parent().zip(prefix.file_name()).context("a prefix is in a folder")?;
        // What follows is a dot and numbers.
        let start = format!("{}.", name.to_string_lossy());
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry.context("cannot read a folder")?.path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&start)) {
                continue;
            }
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            for line in text.lines() {
                transactions
                    .push(transaction(line).with_context(|| format!("not a transaction of pgbench's: {line}"))?);
            }
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(Self(transactions))
    }

    /// The latencies of what ended in the `measured` time after the `warmup`.
    pub(super) fn within(&self, warmup: Duration, measured: Duration) -> Result<Histogram<u64>> {
        let microseconds = |time: Duration| u64::try_from(time.as_micros()).context("nobody measures that long");
        let begun = self.0.iter().map(|(ended, taken)| ended - taken).min().context("pgbench logged no transaction")?;
        let from = begun + microseconds(warmup)?;
        let to = from + microseconds(measured)?;
        let mut latency_us = figures::latencies()?;
        for (_, taken) in self.0.iter().filter(|(ended, _)| (from..to).contains(ended)) {
            latency_us.saturating_record(*taken);
        }
        Ok(latency_us)
    }
}

/// `client transaction latency script seconds microseconds`: the last two are the time of its end.
fn transaction(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(' ');
    let taken: u64 = fields.nth(2)?.parse().ok()?;
    let seconds: u64 = fields.nth(1)?.parse().ok()?;
    let microseconds: u64 = fields.next()?.parse().ok()?;
    let ended = seconds.checked_mul(1_000_000)?.checked_add(microseconds)?;
    // So that a difference exists.
    (taken <= ended).then_some((ended, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logs_of_all_threads_count_and_the_warm_up_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("random-16-0");
        fs::write(folder.path().join("random-16-0.77"), "0 1 1000 0 100 1000\n0 2 2000 0 101 500000\n").unwrap();
        fs::write(folder.path().join("random-16-0.77.1"), "1 1 3000 0 101 999999\n1 2 4000 0 102 1\n").unwrap();
        fs::write(folder.path().join("random-16-01.78"), "of another run").unwrap();
        let log = Log::take(&prefix).unwrap();
        let second = Duration::from_secs(1);
        let measured = log.within(second, second).unwrap();
        assert_eq!((measured.len(), measured.min()), (2, 2_000));
        assert_eq!(log.within(Duration::ZERO, 3 * second).unwrap().len(), 4);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_transaction_that_was_not_timed_is_no_transaction() {
        assert_eq!(transaction("0 1 failed 0 100 0"), None);
        assert_eq!(transaction("0 1 2 0 100 7"), Some((100_000_007, 2)));
    }
}
