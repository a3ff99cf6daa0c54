//! Windows: when an event can be played. Pure functions of time, so nothing has to run for a window to open.

use std::time::Duration;

use uuid::Uuid;

use super::configuration::Findings;
use super::ranking::named_uuid;
use super::{EventId, InvalidPart};
use crate::clock::Timestamp;

/// Names one window of one event: computed from the event and the window's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub Uuid);

/// A time in which an event can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// Its id.
    pub id: WindowId,
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
}

/// A stretch of time: from the first instant to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first instant.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
}

/// When an event can be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Windows {
    /// In these, in ascending order and apart from each other.
    Explicit(Vec<Span>),
    /// From `starts_at` on for `length_seconds`, and again every `every_seconds`, without end.
    Schedule {
        /// When the first one begins.
        starts_at: Timestamp,
        /// From the beginning of one to the beginning of the next.
        every_seconds: u32,
        /// How long each is: at most `every_seconds`.
        length_seconds: u32,
    },
}

impl Windows {
    /// The most explicit windows of an event.
    pub const COUNT_MAX: usize = 200;

    /// These windows, sorted.
    ///
    /// # Errors
    /// None, too many, an empty one, or two that overlap.
    pub fn explicit(mut spans: Vec<Span>) -> Result<Self, Vec<InvalidPart>> {
        let mut findings = Findings::default();
        let count = spans.len();
        let bounds = format!("must be 1 to {} windows", Self::COUNT_MAX);
        findings.require(0 < count && count <= Self::COUNT_MAX, "windows", bounds);
        for (index, span) in spans.iter().enumerate() {
            findings.require(
                span.starts_at < span.ends_at,
                format!("windows[{index}].endsAt"),
                "must be later than startsAt",
            );
        }
        spans.sort_by_key(|span| span.starts_at);
        let apart = spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.ends_at <= next.starts_at);
        findings.require(apart, "windows", "must not overlap");
        findings.none_in(Self::Explicit(spans))
    }

    /// A window of `length_seconds` every `every_seconds`.
    ///
    /// # Errors
    /// A length of nothing, or of more than the distance.
    pub fn schedule(starts_at: Timestamp, every_seconds: u32, length_seconds: u32) -> Result<Self, Vec<InvalidPart>> {
        let mut findings = Findings::default();
        findings.require(0 < every_seconds, "schedule.everySeconds", "must be at least 1");
        let fits = 0 < length_seconds && length_seconds <= every_seconds;
        findings.require(fits, "schedule.lengthSeconds", "must be at least 1 and at most everySeconds");
        findings.none_in(Self::Schedule { starts_at, every_seconds, length_seconds })
    }

    /// The window of `event` that holds `now`, if there is one.
    pub fn active_at(&self, event: EventId, now: Timestamp) -> Option<Window> {
        let span = match self {
            Self::Explicit(spans) => {
                let next = spans.partition_point(|span| span.starts_at <= now);
                *spans.get(next.checked_sub(1)?)?
            }
            Self::Schedule { starts_at, every_seconds, length_seconds } => {
                if now < *starts_at {
                    return None;
                }
                let every = Duration::from_secs(u64::from(*every_seconds));
                let number = now.since(*starts_at).as_micros().checked_div(every.as_micros())?;
                let offset = number.checked_mul(every.as_micros()).and_then(|micros| u64::try_from(micros).ok())?;
                let starts_at = starts_at.plus(Duration::from_micros(offset));
                Span { starts_at, ends_at: starts_at.plus(Duration::from_secs(u64::from(*length_seconds))) }
            }
        };
        (now < span.ends_at).then(|| Window::of(event, span))
    }
}

impl Window {
    fn of(event: EventId, span: Span) -> Self {
        let starts_at = span.starts_at.unix_micros().to_be_bytes();
        let id = WindowId(named_uuid("window", &[event.0.as_bytes(), &starts_at]));
        Self { id, starts_at: span.starts_at, ends_at: span.ends_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    fn span(from: i64, to: i64) -> Span {
        Span { starts_at: at(from), ends_at: at(to) }
    }

    const EVENT: EventId = EventId(Uuid::from_u128(7));

    fn active(windows: &Windows, now: Timestamp) -> Option<(i64, i64)> {
        let window = windows.active_at(EVENT, now)?;
        Some((window.starts_at.unix_micros() / 1_000_000, window.ends_at.unix_micros() / 1_000_000))
    }

    #[test]
    fn an_explicit_window_holds_its_first_instant_and_not_its_last() {
        let windows = Windows::explicit(vec![span(30, 40), span(10, 20), span(20, 25)]).expect("they are apart");
        let cases = [
            (9, None),
            (10, Some((10, 20))),
            (19, Some((10, 20))),
            (20, Some((20, 25))),
            (25, None),
            (39, Some((30, 40))),
        ];
        for (now, expected) in cases {
            assert_eq!(active(&windows, at(now)), expected, "{now}");
        }
        assert_eq!(active(&windows, at(40)), None);
    }

    #[test]
    fn a_schedule_opens_windows_for_ever_from_its_beginning_on() {
        let windows = Windows::schedule(at(100), 60, 20).expect("it fits");
        let cases =
            [(99, None), (100, Some((100, 120))), (119, Some((100, 120))), (120, None), (160, Some((160, 180)))];
        for (now, expected) in cases {
            assert_eq!(active(&windows, at(now)), expected, "{now}");
        }
        assert_eq!(active(&windows, at(100 + 60 * 1_000_000)), Some((60_000_100, 60_000_120)));
        let back_to_back = Windows::schedule(at(0), 10, 10).expect("it fits");
        assert_eq!(active(&back_to_back, at(10)), Some((10, 20)));
    }

    #[test]
    fn a_window_has_one_id_as_long_as_it_is_open_and_another_than_the_next() {
        let windows = Windows::schedule(at(0), 60, 60).expect("it fits");
        let id = |now| windows.active_at(EVENT, at(now)).expect("it is open").id;
        assert_eq!(id(0), id(59));
        assert_ne!(id(59), id(60));
        assert_ne!(id(0), windows.active_at(EventId(Uuid::from_u128(8)), at(0)).expect("it is open").id);
    }

    #[test]
    fn windows_that_make_no_sense_are_refused_all_at_once() {
        let wrong = Windows::explicit(vec![span(5, 5), span(0, 10)]).expect_err("empty and overlapping");
        let paths: Vec<_> = wrong.iter().map(|part| part.path.as_str()).collect();
        assert_eq!(paths, ["windows[0].endsAt", "windows"]);
        assert!(Windows::explicit(Vec::new()).is_err());
        assert_eq!(Windows::schedule(at(0), 0, 0).expect_err("nothing").len(), 2);
        assert!(Windows::schedule(at(0), 10, 11).is_err());
    }
}
