//! What `pgbench` prints when it ends.

/// The figures of a whole run.
#[derive(Debug, PartialEq)]
pub(super) struct Output {
    /// The transactions that were committed.
    pub(super) processed: u64,
    /// How many a second.
    pub(super) tps: f64,
    /// How long each took on average.
    pub(super) latency_ms: f64,
}

impl Output {
    /// Reads it; nothing when a figure is missing.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let after = |start: &str| {
            let rest = text.lines().find_map(|line| line.strip_prefix(start))?;
            rest.split_whitespace().next()
        };
        Some(Self {
            processed: after("number of transactions actually processed: ")?.split('/').next()?.parse().ok()?,
            tps: after("tps = ")?.parse().ok()?,
            latency_ms: after("latency average = ")?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_among_the_others() {
        let text = "pgbench (15.18)\nnumber of threads: 2\nnumber of transactions actually processed: 7466\n\
            number of failed transactions: 0 (0.000%)\nlatency average = 10.547 ms\n\
            initial connection time = 57.1 ms\ntps = 1517.049536 (without initial connection time)\n";
        assert_eq!(Output::parse(text), Some(Output { processed: 7466, tps: 1_517.049_536, latency_ms: 10.547 }));
        assert_eq!(Output::parse("pgbench (15.18)\n"), None);
    }
}
