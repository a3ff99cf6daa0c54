//! The line in front of one endpoint: what was taken for it and waits, and how many attempts it may have at once.
//!
//! An endpoint that fails is attempted less and less at a time, down to one, and one that answers more and more, up to the most.
//! So a dead receiver costs one connection, and one that comes back is soon served in full.

use std::collections::VecDeque;
use std::time::Duration;

use domain::clock::Timestamp;
use domain::webhooks::{Assignment, Verdict};

/// How many taken deliveries there may be for each attempt at once, so that none has to wait for the next taking.
const HELD_PER_ATTEMPT: usize = 4;

/// The same for an endpoint that answers at once: it would be through with the others before the store is asked again.
const HELD_PER_QUICK_ATTEMPT: usize = 16;

/// For each time that deliveries are so late, as many more are taken for an endpoint of which nothing is known.
const LATE_STEP_S: u64 = 2;

/// How quickly an answer comes at once.
const QUICK: Duration = Duration::from_millis(50);

/// A delivery that was taken and must be attempted before `until`.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) assignment: Assignment,
    pub(crate) until: Timestamp,
}

/// What was taken for one endpoint.
#[derive(Debug)]
pub(crate) struct Line {
    waiting: VecDeque<Taken>,
    in_flight: usize,
    /// How many attempts at once there may be now.
    width: usize,
    /// How many there may ever be.
    width_max: usize,
    /// How many deliveries may be held for each of those.
    held_per_attempt: usize,
    /// Whether as many were taken as may be held: then there may be more.
    is_filled: bool,
}

impl Line {
    /// An empty line of at most `width_max` attempts at once; of a single one at first if the endpoint `is_failing`. `late`
    /// is for how long what is told of has waited.
    pub(crate) fn new(width_max: usize, is_failing: bool, late: Duration) -> Self {
        let width = if is_failing { 1 } else { width_max };
        let held_per_attempt = held_per_attempt(late);
        Self { waiting: VecDeque::new(), in_flight: 0, width, width_max, held_per_attempt, is_filled: false }
    }

    /// How many deliveries of an endpoint of which nothing is known are held at most, if there may be `width` attempts at once.
    pub(crate) fn held_at_first(width: usize, late: Duration) -> usize {
        width * held_per_attempt(late)
    }

    /// How many may be held now.
    pub(crate) fn held_max(&self) -> usize {
        self.width * self.held_per_attempt
    }

    /// How many are taken and not attempted to the end.
    pub(crate) fn held(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    /// How many more may be taken.
    pub(crate) fn room(&self) -> usize {
        self.held_max().saturating_sub(self.held())
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held() == 0
    }

    /// Puts a delivery at the end.
    pub(crate) fn push(&mut self, taken: Taken) {
        self.waiting.push_back(taken);
    }

    /// Notes that a taking is over.
    pub(crate) fn taking_ended(&mut self) {
        self.is_filled = self.room() == 0;
    }

    /// Whether as many were taken as may be held.
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled
    }

    /// Whether more should be taken, because there may be more and there is room for a good part of it.
    pub(crate) fn wants_more(&self) -> bool {
        self.is_filled && self.held() * 2 <= self.held_max()
    }

    /// The next to attempt, if there may be one more attempt now. What could not be ended in time any more, if it took `patience`
    /// from `now` on, is left to whoever takes it again.
    pub(crate) fn start(&mut self, now: Timestamp, patience: Duration) -> Option<Taken> {
        if self.width <= self.in_flight {
            return None;
        }
        while let Some(taken) = self.waiting.pop_front() {
            if now.plus(patience) <= taken.until {
                self.in_flight += 1;
                return Some(taken);
            }
        }
        None
    }

    /// Notes how an attempt ended, and how long it took; `None` if it has no end.
    pub(crate) fn attempt_ended(&mut self, ended: Option<(Verdict, Duration)>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let is_quick = ended.is_some_and(|(verdict, took)| verdict == Verdict::Delivered && took <= QUICK);
        self.held_per_attempt = if is_quick { HELD_PER_QUICK_ATTEMPT } else { HELD_PER_ATTEMPT };
        self.width = match ended.map(|(verdict, _)| verdict) {
            Some(Verdict::Delivered) => (self.width * 2).min(self.width_max),
            Some(Verdict::Retry { .. } | Verdict::Exhausted | Verdict::Gone) | None => (self.width / 2).max(1),
        };
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }
}

/// How many may be held for each attempt of which nothing is known. A line that is through with what it held is forgotten before
/// more is taken, and while the dispatcher is behind it rests long before that: what it then takes must be more than what came
/// meanwhile, or it would stay behind for ever, although the receiver and the store have time. It grows with how late the
/// dispatcher is and not at once, so that those who write are slowed no more than it takes to catch up.
fn held_per_attempt(late: Duration) -> usize {
    let times = usize::try_from(late.as_secs() / LATE_STEP_S).unwrap_or(usize::MAX).saturating_add(1);
    HELD_PER_ATTEMPT.saturating_mul(times).min(HELD_PER_QUICK_ATTEMPT)
}
