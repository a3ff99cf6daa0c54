//! The rule: in any 60 seconds, no more is spent than the limit.
//!
//! A window of one-second slots that slides. What was spent in a slot counts until every moment of it is 60 seconds ago, so
//! for 60 to 61 seconds: at times too long, never too short. That is why this is a rule of our own. The token bucket of
//! the usual libraries lets a whole budget through at once and a second one while it refills, twice the limit in the first
//! minute, and a window that begins anew every minute does the same around its edge.
//!
//! Redis keeps the same rule for several processes (`crates/limiter`), and a test holds the two against each other.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::clock::Timestamp;

/// How many slots count: those of 60 seconds and the one that has begun.
const SLOTS: usize = 61;
/// The same, for reckoning with slots.
const SLOTS_I64: i64 = 61;

const SLOT_MICROS: i64 = 1_000_000;

/// What was spent of one budget in the last minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// By the remainder of the slot's number.
    counts: [u32; SLOTS],
    /// Their sum.
    total: u64,
    /// The slot up to which time has come.
    newest: i64,
    /// The last slot in which something was spent.
    last_spent: i64,
}

/// What became of an attempt to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending {
    /// Whether it was spent. If not, nothing of it was.
    pub admitted: bool,
    /// The most in any minute.
    pub limit: u32,
    /// How much is left now; nothing where this attempt was refused.
    pub remaining: u32,
    /// After what time all of it is there again, if nobody spends.
    pub resets_after: Duration,
    /// After what time the same attempt is admitted, if nobody else spends.
    pub retry_after: Duration,
}

impl Default for Meter {
    fn default() -> Self {
        Self { counts: [0; SLOTS], total: 0, newest: 0, last_spent: 0 }
    }
}

impl Meter {
    /// Spends `cost` at `now` if that keeps within `limit`, whole or not at all. A cost of 0 looks: it is admitted when a cost
    /// of 1 would be.
    ///
    /// More than the whole limit at once is admitted when nothing was spent, and then is all of it: a limit can make large
    /// calls rare, but not impossible.
    pub fn spend(&mut self, now: Timestamp, limit: NonZeroU32, cost: u32) -> Spending {
        self.advance(slot_of(now));
        let limit = limit.get();
        let (wanted, spent) = (u64::from(cost.clamp(1, limit)), cost.min(limit));
        let missing = self.total.saturating_add(wanted).saturating_sub(u64::from(limit));
        let admitted = missing == 0;
        if admitted {
            self.add(spent);
        }
        let left = u64::from(limit).saturating_sub(self.total);
        Spending {
            admitted,
            limit,
            remaining: if admitted { u32::try_from(left).unwrap_or(u32::MAX) } else { 0 },
            resets_after: if self.total == 0 { Duration::ZERO } else { until_gone(self.last_spent, now) },
            retry_after: if admitted { Duration::ZERO } else { self.frees(missing, now) },
        }
    }

    /// Counts what was spent elsewhere at `now`, however much that makes.
    pub fn note(&mut self, now: Timestamp, cost: u32) {
        self.advance(slot_of(now));
        self.add(cost);
    }

    /// Whether nothing counts any more at `now`, so that this may be forgotten.
    pub fn is_empty(&mut self, now: Timestamp) -> bool {
        self.advance(slot_of(now));
        self.total == 0
    }

    /// Lets time come to `slot`, and what has passed go. While a clock is a little behind, as two threads may see it, time
    /// stands still. If it was set back by more than a window, what counts is as old as it was: it counts for longer than a
    /// minute, and not until the clock comes by again.
    fn advance(&mut self, slot: i64) {
        let behind = self.newest.saturating_sub(slot);
        if SLOTS_I64 <= behind {
            self.counts.rotate_left(index_of(behind));
            (self.newest, self.last_spent) = (slot, self.last_spent.saturating_sub(behind));
        }
        if SLOTS_I64 <= slot.saturating_sub(self.newest) {
            (self.counts, self.total, self.newest) = ([0; SLOTS], 0, slot);
        }
        while self.newest < slot {
            self.newest += 1;
            // The place of a slot that begins is that of the one that has passed.
            let passed = self.counts.get_mut(index_of(self.newest)).map(std::mem::take);
            self.total = self.total.saturating_sub(passed.unwrap_or(0).into());
        }
    }

    fn add(&mut self, cost: u32) {
        let Some(count) = self.counts.get_mut(index_of(self.newest)).filter(|_| 0 < cost) else { return };
        let before = *count;
        *count = count.saturating_add(cost);
        self.total += u64::from(*count - before);
        self.last_spent = self.newest;
    }

    /// After what time so much less counts than now.
    fn frees(&self, missing: u64, now: Timestamp) -> Duration {
        let mut freed = 0;
        for slot in self.newest - SLOTS_I64 + 1..=self.newest {
            freed += u64::from(self.counts.get(index_of(slot)).copied().unwrap_or(0));
            if missing <= freed {
                return until_gone(slot, now);
            }
        }
        until_gone(self.newest, now)
    }
}

fn slot_of(now: Timestamp) -> i64 {
    now.unix_micros().div_euclid(SLOT_MICROS)
}

fn index_of(slot: i64) -> usize {
    usize::try_from(slot.rem_euclid(SLOTS_I64)).expect("a remainder is not negative")
}

/// From `now` until what was spent in `slot` does not count any more.
fn until_gone(slot: i64, now: Timestamp) -> Duration {
    Timestamp::from_unix_micros((slot + SLOTS_I64) * SLOT_MICROS).since(now)
}
