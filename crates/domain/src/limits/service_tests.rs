//! Whose limit holds.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::{MockClock, Timestamp};
use crate::keys::{Caller, KeyRecord, KeyRing, MockKeyStore, test_keys};

/// What a caller of these limits, of which the key's own is `own`, is limited to.
async fn limit_of(own: Option<u32>, default: u32) -> Option<u32> {
    let mut limiter = MockLimiter::new();
    limiter.expect_spend().returning(|budget, _| Spending {
        admitted: true,
        limit: budget.limit.get(),
        remaining: 0,
        resets_after: Duration::ZERO,
        retry_after: Duration::ZERO,
    });
    let mut clock = MockClock::new();
    clock.expect_now().returning(|| Timestamp::EPOCH);
    let clock = Arc::new(clock);
    let defaults = DefaultLimits { server_api: RateLimit::try_new(default).unwrap() };
    let limits = RateLimits::new(Arc::new(limiter), clock, defaults);
    let standing = limits.spend(&caller(own).await, Bucket::ServerApi, 1).await;
    standing.map(|standing| standing.spending.limit)
}

async fn caller(own: Option<u32>) -> Caller {
    let clock = Arc::new(test_keys::TestClock::new());
    let (minted, record) = test_keys::key(1, Timestamp::EPOCH);
    let limits = KeyLimits { server_api: own.map(|own| RateLimit::try_new(own).unwrap()) };
    let mut store = MockKeyStore::new();
    store.expect_find().returning(move |_| Ok(Some(KeyRecord { limits, ..record.clone() })));
    KeyRing::new(Arc::new(store), clock).check(Some(minted.reveal())).await.unwrap()
}

#[tokio::test]
async fn a_key_without_a_limit_of_its_own_has_the_default() {
    assert_eq!(limit_of(None, 6_000).await, Some(6_000));
    assert_eq!(limit_of(Some(7), 6_000).await, Some(7));
    assert_eq!(limit_of(Some(7), 0).await, Some(7));
}

#[tokio::test]
async fn a_limit_of_0_is_none() {
    assert_eq!(limit_of(None, 0).await, None);
    assert_eq!(limit_of(Some(0), 6_000).await, None);
}

#[test]
fn an_import_costs_a_call_for_every_hundred_rows_begun() {
    let costs = [0, 1, 99, 100, 101, 200, 201, 1_000].map(cost_of_rows);
    assert_eq!(costs, [1, 1, 1, 1, 2, 2, 3, 10]);
}

#[test]
fn what_was_stored_is_a_limit_again() {
    for (stored, limit) in [(0, 0), (6_000, 6_000), (-1, 0), (i64::MAX, RateLimit::MAX)] {
        assert_eq!(RateLimit::restore(stored).per_minute(), limit);
    }
    assert_eq!(RateLimit::try_new(RateLimit::MAX + 1), None);
}
