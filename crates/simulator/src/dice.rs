//! Chance that can be had again: every draw follows from a seed and the number of a step.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws. A clone draws from the same stream.
#[derive(Clone)]
pub(crate) struct Dice(Arc<Mutex<ChaCha8Rng>>);

impl Dice {
    /// Dice for what is decided once for a whole run.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// Goes on with the draws of one step, which do not depend on those of any other: so a schedule still means the same
    /// when steps are left out.
    pub(crate) fn turn_to(&self, seed: u64, step: u64) {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(step + 1);
        *self.lock() = stream;
    }

    /// A number below `limit`; 0 of nothing.
    pub(crate) fn below(&self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.lock().random_range(0..limit) }
    }

    /// Whether something happens that does in `percent` of cases.
    pub(crate) fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `things`, if there are any.
    pub(crate) fn pick<'a, T>(&self, things: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(things.len()).unwrap_or(0);
        things.get(usize::try_from(self.below(length)).unwrap_or(0))
    }

    fn lock(&self) -> MutexGuard<'_, ChaCha8Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
