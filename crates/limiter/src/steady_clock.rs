//! A clock for budgets.

use std::time::Instant;

use domain::clock::{Clock, Timestamp};

/// Tells the time since it was made, as if that had been 1970. Nobody can set it: a minute is a minute when the system's clock
/// is put right.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock(Instant);

impl SteadyClock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.plus(self.0.elapsed())
    }
}
