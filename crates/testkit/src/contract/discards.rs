//! What is old is discarded in pieces, and what is not stays; so is what is left of endpoints that were removed.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::webhooks::{DeliveryStatus, EndpointEdit, EventName, EventNames, Verdict};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lives::start;
use super::{Stores, World};
use crate::commands::credit;
use crate::endpoints::{replay_between, report};

const STUCK: Duration = Duration::from_secs(60);

/// So many hours after a test starts.
fn hour(number: u64) -> Timestamp {
    start().plus(Duration::from_secs(number * 3_600))
}

/// Discards until there is nothing left to be.
async fn discard(stores: &Stores, before: Timestamp, limit: u32) -> u32 {
    let mut all = 0;
    loop {
        let removed = stores.outbox.discard(before, limit).await.expect("the store works");
        if removed == 0 {
            return all;
        }
        all += removed;
    }
}

/// Credits an hour apart in two realms, from the first hour on, all told of and attempted once.
async fn hours(world: &World, count: u64) {
    let live = world.other_realms[0];
    for realm in [world.realm, live] {
        world.stores.subscribe(realm, crate::endpoints::names(&[EventName::WalletChanged])).await;
        for number in 0..count {
            let draft = credit("p1", "gold", 1).after(Duration::from_secs(number * 3_600));
            world.stores.settle_one(realm, &draft).await.expect("a credit is accepted");
        }
    }
    let taken = world.take(hour(count)).await;
    let verdicts = [Verdict::Delivered, Verdict::Exhausted, Verdict::Retry { at: hour(count + 1) }];
    let reports: Vec<_> =
        taken.iter().zip(verdicts.into_iter().cycle()).map(|(it, verdict)| report(it, hour(count), verdict)).collect();
    world.record(&reports).await;
}

/// Events, deliveries and attempts of before are gone in all realms; those of since are as they were.
pub async fn what_is_old_is_discarded_and_what_is_not_stays(world: World) {
    hours(&world, 6).await;
    let realms = [world.realm, world.other_realms[0]];
    for (before, limit, left) in [(0, 100, 6), (2, 100, 4), (5, 1, 1), (5, 1, 1)] {
        let mut expected = Vec::new();
        for realm in realms {
            let told = world.stores.told(realm).await;
            expected.push(told.into_iter().filter(|event| hour(before) <= event.at).collect::<Vec<_>>());
        }
        discard(&world.stores, hour(before), limit).await;
        for (realm, expected) in realms.into_iter().zip(expected) {
            let told = world.stores.told(realm).await;
            assert_eq!(told, expected);
            assert_eq!(told.len(), left);
            let endpoints = world.stores.endpoints.endpoints(realm).await.expect("the store works");
            for endpoint in endpoints {
                let deliveries = world.stores.deliveries_to(realm, endpoint.id, None).await;
                assert_eq!(deliveries.len(), left);
                for delivery in deliveries {
                    assert!(hour(before) <= delivery.occurred_at);
                    let found = world.stores.deliveries.delivery(realm, delivery.id).await.expect("the store works");
                    assert_eq!(found.map(|(found, attempts)| (found, attempts.len())), Some((delivery, 1)));
                }
            }
        }
    }
    assert_eq!(discard(&world.stores, hour(5), 100).await, 0);
}

/// The rows that are discarded are counted, each once, by whoever discards.
pub async fn discarded_rows_are_counted(world: World) {
    hours(&world, 10).await;
    let handles = [world.stores.clone(), world.second().await];
    let mut discarding = JoinSet::new();
    for number in 0..4_usize {
        let stores = handles.get(number % 2).expect("two handles").clone();
        discarding.spawn(async move { discard(&stores, hour(8), 5).await });
    }
    let removed: u32 = timeout(STUCK, discarding.join_all()).await.expect("nobody waits for ever").into_iter().sum();
    let rest = discard(&world.stores, hour(8), 100).await;
    // Of each of eight hours of two realms: an event, a delivery, an attempt.
    assert_eq!(removed + rest, 2 * 8 * 3);
    assert_eq!(world.told().await.len(), 2);
}

/// What was discarded is not delivered, nor queued again, and the feed goes on where it was.
pub async fn what_was_discarded_is_not_told_any_more(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    for number in 0..4 {
        let draft = credit("p1", "gold", 1).after(Duration::from_secs(number * 3_600));
        world.settle_one(&draft).await.expect("a credit is accepted");
    }
    let before = world.told().await;
    discard(&world.stores, hour(10), 100).await;
    assert_eq!(world.told().await, []);
    assert_eq!(world.take(hour(10)).await, []);
    let whole = replay_between(world.realm, endpoint.id, start(), hour(10));
    assert_eq!(world.replay(&whole).await, Some(0));
    world.settle_one(&credit("p1", "gold", 1).after(Duration::from_secs(36_000))).await.expect("a credit is accepted");
    let world = world.reopened().await;
    let last = before.last().expect("there were events").position;
    let since = world.stores.feed_after(world.realm, last, EventNames::ALL).await.len() + world.told().await.len();
    assert!(1 <= since);
    let told = world.told().await;
    assert!(told.iter().all(|event| last < event.position), "who reads on from the last one misses none");
    assert_eq!(told.len(), 1);
}

/// What is left of a removed endpoint is discarded, whatever its age, and nobody else's; then it is gone.
pub async fn what_is_left_of_a_removed_endpoint_is_discarded(world: World) {
    let removed = world.subscribe(&[EventName::WalletChanged]).await;
    let kept = world.subscribe(&[EventName::WalletChanged]).await;
    for _ in 0..7 {
        world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    }
    let taken = world.take(hour(1)).await;
    let reports: Vec<_> = taken.iter().step_by(2).map(|taken| report(taken, hour(1), Verdict::Delivered)).collect();
    world.record(&reports).await;
    let of_removed = reports.iter().filter(|report| report.endpoint == removed.id).count();
    let before = world.deliveries(kept.id, None).await;
    world.edit(removed.id, EndpointEdit::Delete).await;
    let rows = discard(&world.stores, start(), 3).await;
    let at_least = 7 + of_removed + 1;
    assert!(at_least <= usize::try_from(rows).expect("few"), "its deliveries, their attempts, itself: {rows}");
    assert_eq!(discard(&world.stores, start(), 100).await, 0);
    assert_eq!(world.deliveries(kept.id, None).await, before);
    assert_eq!(world.told().await.len(), 7, "events are kept for the others");
    let waiting = world.deliveries(kept.id, Some(DeliveryStatus::Pending)).await.len();
    assert_eq!(world.take(hour(2)).await.len(), waiting);
}
