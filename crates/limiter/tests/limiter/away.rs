//! A Redis that goes, hangs, comes back, or was never there.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::Limiter;
use testkit::ManualClock;

use crate::stage::{Seen, budget, start, start_at};

/// How many of so many attempts are admitted.
async fn admitted(limiter: &dyn Limiter, attempts: u32, limit: u32) -> u32 {
    let mut admitted = 0;
    for _ in 0..attempts {
        admitted += u32::from(limiter.spend(budget(1, limit), 1).await.admitted);
    }
    admitted
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_dies_this_process_counts_on_and_when_it_is_back_they_count_together() {
    let (mut redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let (limiter, seen) = start(&redis, &clock).await;
    assert_eq!(admitted(&limiter, 6, 10).await, 6);
    redis.kill();
    assert_eq!(admitted(&limiter, 20, 10).await, 4, "what was admitted before counts");
    assert_eq!(seen.told(), ["found", "lost"], "told once");
    clock.advance(Duration::from_secs(61));
    assert_eq!(admitted(&limiter, 20, 10).await, 10);

    redis.start_again().unwrap();
    seen.until(&["found", "lost", "found"]).await;
    let (other, _) = start(&redis, &clock).await;
    assert_eq!(admitted(&other, 3, 10).await + admitted(&limiter, 20, 10).await, 10, "one budget for both");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_keeps_nobody_waiting() {
    let (redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let (limiter, seen) = start_at(&redis.url(), &clock, Duration::from_millis(100)).await;
    redis.pause().unwrap();
    assert_eq!(admitted(&limiter, 1_000, 10).await, 10);
    seen.until(&["found", "lost"]).await;
    redis.resume().unwrap();
    seen.until(&["found", "lost", "found"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_at_the_start_is_used_when_it_comes() {
    let (mut redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    redis.kill();
    let (limiter, seen) = start(&redis, &clock).await;
    assert_eq!(seen.told(), ["lost"]);
    assert_eq!(admitted(&limiter, 20, 10).await, 10);
    redis.start_again().unwrap();
    seen.until(&["lost", "found"]).await;
    assert_eq!(admitted(&limiter, 20, 10).await, 10, "and it has counted nothing yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_wrong_is_not_repeated_and_neither_is_one_that_is_right() {
    let (redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let wrong = redis.url().replace(redis.password(), "hunter2");
    let told = async |seen: Arc<Seen>| {
        assert_eq!(seen.told(), ["lost"]);
        let causes = seen.causes();
        assert!(!causes.is_empty() && !causes.contains("hunter2") && !causes.contains(redis.password()), "{causes}");
    };
    let (limiter, seen) = start_at(&wrong, &clock, Duration::from_secs(1)).await;
    told(seen).await;
    assert!(limiter.spend(budget(1, 1), 1).await.admitted);
    // It does not speak TLS.
    let (_, seen) = start_at(&redis.url().replace("redis://", "rediss://"), &clock, Duration::from_secs(1)).await;
    told(seen).await;
}
