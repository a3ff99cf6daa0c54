//! Counting in memory, for one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use domain::clock::{Clock, Timestamp};
use domain::keys::KeyId;
use domain::limits::{Bucket, Budget, Limiter, Meter, Spending};

/// Into how many parts the meters are divided, so that keys seldom wait for each other.
const SHARDS: u128 = 64;

/// How many meters a part may have before those that are empty are looked for.
const SWEEP_MIN: usize = 32;

/// Counts in memory. It keeps a meter for every key that has spent something in the last minute, and forgets the others.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    shards: Vec<Mutex<Shard>>,
}

struct Shard {
    meters: HashMap<(KeyId, Bucket), Meter>,
    /// At how many meters those that are empty are looked for next: twice as many as were left last time, so that looking
    /// costs a new key little.
    sweep_at: usize,
}

impl MemoryLimiter {
    /// One that has seen nothing yet. `clock` must not be set while it runs ([`super::SteadyClock`]).
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let shard = || Mutex::new(Shard { meters: HashMap::new(), sweep_at: SWEEP_MIN });
        Self { clock, shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Counts what was admitted elsewhere.
    pub(crate) fn note(&self, budget: Budget, cost: u32) {
        self.meter(budget, |meter, now| meter.note(now, cost));
    }

    fn meter<T>(&self, budget: Budget, act: impl FnOnce(&mut Meter, Timestamp) -> T) -> T {
        let index = usize::try_from(budget.key.0.as_u128() % SHARDS).expect("there are few shards");
        let shard = self.shards.get(index).expect("a remainder is smaller");
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked under the lock: for one meter time only goes forward.
        let now = self.clock.now();
        let name = (budget.key, budget.bucket);
        if let Some(meter) = shard.meters.get_mut(&name) {
            return act(meter, now);
        }
        if shard.sweep_at <= shard.meters.len() {
            shard.meters.retain(|_, meter| !meter.is_empty(now));
            shard.sweep_at = SWEEP_MIN.max(shard.meters.len() * 2);
        }
        act(shard.meters.entry(name).or_default(), now)
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn spend(&self, budget: Budget, cost: u32) -> Spending {
        self.meter(budget, |meter, now| meter.spend(now, budget.limit, cost))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use testkit::ManualClock;
    use uuid::Uuid;

    use super::*;

    fn budget(number: u128) -> Budget {
        Budget { key: KeyId(Uuid::from_u128(number)), bucket: Bucket::ServerApi, limit: NonZeroU32::new(5).unwrap() }
    }

    fn remembered(limiter: &MemoryLimiter) -> usize {
        limiter.shards.iter().map(|shard| shard.lock().unwrap().meters.len()).sum()
    }

    #[tokio::test]
    async fn keys_that_have_spent_nothing_for_a_minute_are_forgotten() {
        let clock = Arc::new(ManualClock::new());
        let limiter = MemoryLimiter::new(clock.clone());
        for minute in 0..20 {
            for number in 0..5_000 {
                limiter.spend(budget(minute * 5_000 + number), 1).await;
            }
            clock.advance(Duration::from_secs(61));
            assert!(remembered(&limiter) <= 4 * 5_000, "{minute}: {}", remembered(&limiter));
        }
    }

    #[tokio::test]
    async fn what_a_key_has_spent_is_not_forgotten_within_its_minute() {
        let clock = Arc::new(ManualClock::new());
        let limiter = MemoryLimiter::new(clock.clone());
        assert!(limiter.spend(budget(0), 5).await.admitted);
        for number in 1..10_000 {
            limiter.spend(budget(number), 1).await;
        }
        clock.advance(Duration::from_secs(60));
        assert!(!limiter.spend(budget(0), 1).await.admitted);
    }
}
