//! A clock that stands still until it is moved by hand.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use domain::clock::{Clock, Timestamp};

/// Where a [`ManualClock`] starts, in microseconds since the Unix epoch: 2026-03-01T12:00:00.123456Z, which shows any store
/// that rounds to milliseconds.
pub const START: i64 = 1_772_366_400_123_456;

/// A clock that stands still until it is moved by hand.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows [`START`].
    pub fn new() -> Self {
        Self(Mutex::new(Timestamp::from_unix_micros(START)))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(by);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, to: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
