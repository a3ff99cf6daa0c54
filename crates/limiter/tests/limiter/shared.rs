//! Several processes on one Redis.

use std::sync::Arc;

use domain::limits::Limiter;
use limiter::{MemoryLimiter, RedisAddress, RedisLimiter, RedisOptions};
use testkit::ManualClock;
use tokio::task::JoinSet;

use crate::stage::{Seen, budget, start, tell};

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_budget_exactly() {
    let (redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let limiters = [Arc::new(start(&redis, &clock).await.0), Arc::new(start(&redis, &clock).await.0)];
    let mut attempts = JoinSet::new();
    for limiter in limiters.iter().cycle().take(400) {
        let limiter = Arc::clone(limiter);
        attempts.spawn(async move { limiter.spend(budget(1, 100), 1).await.admitted });
    }
    let admitted = attempts.join_all().await;
    assert_eq!(admitted.into_iter().filter(|admitted| *admitted).count(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_clock_of_redis_those_of_the_processes_need_not_agree() {
    let redis = testcluster::redis();
    let limiter = async || {
        let (address, clock) = (RedisAddress::parse(&redis.url()).unwrap(), Arc::new(ManualClock::new()));
        let memory = MemoryLimiter::new(clock);
        RedisLimiter::start(address, RedisOptions::default(), memory, Arc::new(Seen::default())).await
    };
    let (one, other) = (limiter().await, limiter().await);
    assert!(one.spend(budget(1, 3), 2).await.admitted);
    let refused = other.spend(budget(1, 3), 2).await;
    assert!(
        !refused.admitted && 50 < refused.retry_after.as_secs() && refused.retry_after.as_secs() <= 61,
        "{refused:?}"
    );
    assert!(other.spend(budget(1, 3), 1).await.admitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgets_the_script_is_told_it_again() {
    let (redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let (limiter, seen) = start(&redis, &clock).await;
    assert_eq!(limiter.spend(budget(1, 5), 1).await.remaining, 4);
    tell(&redis, "SCRIPT FLUSH");
    assert_eq!(limiter.spend(budget(1, 5), 1).await.remaining, 3);
    assert_eq!(seen.told(), ["found"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_named_by_the_id_of_the_key_and_goes_by_itself() {
    let (redis, clock) = (testcluster::redis(), Arc::new(ManualClock::new()));
    let (limiter, _) = start(&redis, &clock).await;
    limiter.spend(budget(1, 5), 1).await;
    let name = "purser:limits:{00000000-0000-0000-0000-000000000001}:server_api";
    assert!(tell(&redis, "KEYS *").contains(name));
    let left: i64 = tell(&redis, &format!("PTTL {name}")).lines().next().unwrap()[1..].parse().unwrap();
    assert!(0 < left && left <= 62_000, "{left}");
}
