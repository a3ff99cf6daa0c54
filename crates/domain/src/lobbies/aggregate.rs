//! Which score counts of several.

use super::{Aggregation, Score, Scored, SortOrder};
use crate::clock::Timestamp;

/// The score would be outside the range of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SumOutOfRange;

/// A score that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The score.
    pub(super) score: Score,
    /// What the same attempt brought before, if it is one that goes on.
    pub(super) replaces: Option<Score>,
    /// When it was reached.
    pub(super) at: Timestamp,
}

/// What counts after `incoming`, where `current` counted before. A score that does not change keeps the time at which it was
/// reached, and with it its rank among equals.
pub(super) fn aggregate(
    aggregation: Aggregation,
    order: SortOrder,
    current: Option<Scored>,
    incoming: Incoming,
) -> Result<Scored, SumOutOfRange> {
    let Incoming { score, replaces, at } = incoming;
    let Some(current) = current else { return Ok(Scored { score, achieved_at: at }) };
    let score = match aggregation {
        Aggregation::Best if order.is_better(score, current.score) => score,
        Aggregation::Best => current.score,
        Aggregation::Latest => score,
        Aggregation::Sum => {
            let rest = replaces.map_or(Some(current.score), |before| current.score.minus(before));
            rest.and_then(|rest| rest.plus(score)).ok_or(SumOutOfRange)?
        }
    };
    Ok(if score == current.score { current } else { Scored { score, achieved_at: at } })
}

/// What counts of two players who become one.
pub(super) fn combine(aggregation: Aggregation, order: SortOrder, one: Scored, other: Scored) -> Scored {
    let (first, last) = if one.achieved_at <= other.achieved_at { (one, other) } else { (other, one) };
    match aggregation {
        Aggregation::Best if order.is_better(last.score, first.score) => last,
        Aggregation::Best => first,
        Aggregation::Latest => last,
        // Sums that are too large stop at the end of the range: a merge is not refused for a score.
        Aggregation::Sum => {
            let sum = first.score.thousandths().saturating_add(last.score.thousandths());
            Scored { score: Score::from_thousandths_clamped(sum), achieved_at: last.achieved_at }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(score: i64, at: i64) -> Scored {
        Scored { score: Score::restore(score), achieved_at: Timestamp::from_unix_micros(at) }
    }

    fn after(aggregation: Aggregation, order: SortOrder, scores: &[i64]) -> Scored {
        let mut current = None;
        for (at, score) in (1..).zip(scores) {
            let incoming =
                Incoming { score: Score::restore(*score), replaces: None, at: Timestamp::from_unix_micros(at) };
            current = Some(aggregate(aggregation, order, current, incoming).expect("in range"));
        }
        current.expect("there was a score")
    }

    #[test]
    fn the_best_score_keeps_the_time_at_which_it_was_reached_first() {
        assert_eq!(after(Aggregation::Best, SortOrder::Descending, &[5, 9, 9, 3]), scored(9, 2));
        assert_eq!(after(Aggregation::Best, SortOrder::Ascending, &[5, 3, 9, 3]), scored(3, 2));
    }

    #[test]
    fn the_latest_score_replaces_and_sums_add_up() {
        assert_eq!(after(Aggregation::Latest, SortOrder::Descending, &[5, 9, 3]), scored(3, 3));
        assert_eq!(after(Aggregation::Sum, SortOrder::Descending, &[5, 9, -3]), scored(11, 3));
    }

    #[test]
    fn an_attempt_that_goes_on_counts_once_in_a_sum() {
        let (aggregation, order, at) = (Aggregation::Sum, SortOrder::Descending, Timestamp::from_unix_micros(2));
        let incoming = Incoming { score: Score::restore(7), replaces: Some(Score::restore(4)), at };
        assert_eq!(aggregate(aggregation, order, Some(scored(10, 1)), incoming), Ok(scored(13, 2)));
    }

    #[test]
    fn a_sum_outside_the_range_is_refused_but_never_stops_a_merge() {
        let top = Score::WHOLE_MAX * 1_000;
        let incoming = Incoming { score: Score::restore(top), replaces: None, at: Timestamp::from_unix_micros(2) };
        let (aggregation, order) = (Aggregation::Sum, SortOrder::Descending);
        assert_eq!(aggregate(aggregation, order, Some(scored(1, 1)), incoming), Err(SumOutOfRange));
        assert_eq!(combine(aggregation, order, scored(top, 1), scored(1, 2)), scored(top, 2));
        assert_eq!(combine(Aggregation::Best, order, scored(5, 2), scored(5, 1)), scored(5, 1));
        assert_eq!(combine(Aggregation::Latest, order, scored(5, 2), scored(7, 1)), scored(5, 2));
    }
}
