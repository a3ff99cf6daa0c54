//! How many commands the server settled together, from the histogram it publishes.

use std::collections::BTreeMap;

use serde::Serialize;

const NAME: &str = "purser_batch_commands";

/// The histogram at one moment, all lanes together; or, after `since`, between two moments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BatchSizes {
    batches: f64,
    commands: f64,
    /// Upper bound and the batches up to it, smallest bound first, each bound including those below.
    cumulative: Vec<(String, f64)>,
}

impl BatchSizes {
    /// Reads the histogram from a Prometheus text, if it is there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mut batches, mut commands) = (None, 0.0);
        let mut by_bound: BTreeMap<String, f64> = BTreeMap::new();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Some(rest) = series.strip_prefix(NAME) else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (suffix, labels) = rest.split_once('{').unwrap_or((rest, ""));
            match suffix {
                "_count" => batches = Some(batches.unwrap_or(0.0) + value),
                "_sum" => commands += value,
                "_bucket" => *by_bound.entry(bound(labels)?).or_default() += value,
                _ => {}
            }
        }
        let mut cumulative: Vec<(String, f64)> = by_bound.into_iter().collect();
        cumulative.sort_by(|(left, _), (right, _)| size(left).total_cmp(&size(right)));
        Some(Self { batches: batches?, commands, cumulative })
    }

    /// What was added after `earlier` was read.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before: BTreeMap<&str, f64> =
            earlier.cumulative.iter().map(|(bound, count)| (bound.as_str(), *count)).collect();
        let added = |(bound, count): &(String, f64)| {
            (bound.clone(), count - before.get(bound.as_str()).copied().unwrap_or_default())
        };
        Self {
            batches: self.batches - earlier.batches,
            commands: self.commands - earlier.commands,
            cumulative: self.cumulative.iter().map(added).collect(),
        }
    }

    /// Commands to a batch, when there was a batch.
    pub(crate) fn mean(&self) -> Option<f64> {
        (0.0 < self.batches).then(|| self.commands / self.batches)
    }

    /// The bounds in which batches fell, as `<=bound:count`.
    pub(crate) fn histogram(&self) -> String {
        let mut below = 0.0;
        let mut shown = Vec::new();
        for (bound, cumulative) in &self.cumulative {
            let count = cumulative - below;
            below = *cumulative;
            if 0.0 < count {
                shown.push(format!("<={bound}:{count:.0}"));
            }
        }
        shown.join(" ")
    }
}

fn bound(labels: &str) -> Option<String> {
    let (_, rest) = labels.split_once("le=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn size(bound: &str) -> f64 {
    bound.trim_start_matches('+').parse().unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "# TYPE purser_batch_commands histogram\n\
        purser_batch_commands_bucket{lane=\"0\",le=\"1\"} 5\n\
        purser_batch_commands_bucket{lane=\"0\",le=\"16\"} 5\n\
        purser_batch_commands_bucket{lane=\"0\",le=\"+Inf\"} 5\n\
        purser_batch_commands_sum{lane=\"0\"} 5\n\
        purser_batch_commands_count{lane=\"0\"} 5\n";

    const LATER: &str = "purser_batch_commands_bucket{le=\"+Inf\",lane=\"0\"} 10\n\
        purser_batch_commands_bucket{le=\"16\",lane=\"0\"} 8\n\
        purser_batch_commands_bucket{le=\"1\",lane=\"0\"} 6\n\
        purser_batch_commands_sum{lane=\"0\"} 70\n\
        purser_batch_commands_count{lane=\"0\"} 10\n\
        purser_batch_commands_bucket{le=\"1\",lane=\"1\"} 1\n\
        purser_batch_commands_bucket{le=\"16\",lane=\"1\"} 1\n\
        purser_batch_commands_bucket{le=\"+Inf\",lane=\"1\"} 1\n\
        purser_batch_commands_sum{lane=\"1\"} 1\n\
        purser_batch_commands_count{lane=\"1\"} 1\n";

    #[test]
    fn the_batches_between_two_readings_are_those_of_all_lanes() {
        let added = BatchSizes::parse(LATER).unwrap().since(&BatchSizes::parse(EARLIER).unwrap());
        assert_eq!(added.histogram(), "<=1:2 <=16:2 <=+Inf:2");
        assert_eq!(added.mean(), Some(11.0));
    }

    #[test]
    fn a_server_without_the_histogram_has_no_batches() {
        assert_eq!(BatchSizes::parse("purser_requests_total 3\n"), None);
        assert_eq!(BatchSizes::parse(""), None);
    }
}
