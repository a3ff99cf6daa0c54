//! Replays: one delivery or all of a time queued again, and nothing else.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::ids::Ids;
use domain::webhooks::{
    Assignment, DeliveryId, DeliveryStatus, Endpoint, EventName, EventNames, Replay, ReplayRange, Verdict,
};

use super::World;
use super::lives::start;
use crate::commands::{credit, grant_item, immediate_grant, items};
use crate::endpoints::{enabled, names, replay_between, replay_one, report, subscribed, take};
use crate::ids::SequentialIds;

/// So many seconds after a test starts.
fn second(number: u64) -> Timestamp {
    start().plus(Duration::from_secs(number))
}

/// An endpoint that was told of so many credits, a second apart; the first half arrived, the other half was given up.
async fn ended(world: &World, count: u64) -> (Endpoint, Vec<Assignment>) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    for number in 0..count {
        let draft = credit("p1", "gold", 1).after(Duration::from_secs(number));
        world.settle_one(&draft).await.expect("a credit is accepted");
    }
    let mut taken = world.take(second(count)).await;
    taken.sort_by_key(|taken| taken.event.at);
    let half = taken.len() / 2;
    let verdict = |index| if index < half { Verdict::Delivered } else { Verdict::Exhausted };
    let reports: Vec<_> =
        taken.iter().enumerate().map(|(index, taken)| report(taken, second(count), verdict(index))).collect();
    world.record(&reports).await;
    assert_eq!(world.take(second(10_000)).await, []);
    (world.endpoint(endpoint.id).await, taken)
}

fn at_of(taken: &[Assignment]) -> Vec<Timestamp> {
    let mut all: Vec<_> = taken.iter().map(|taken| taken.event.at).collect();
    all.sort();
    all
}

/// The same replay for fewer events.
fn only(replay: Replay, only: EventNames, is_failed_only: bool) -> Replay {
    let ReplayRange::Between { since, until, .. } = replay.range else { panic!("only a range can be narrowed") };
    let range = ReplayRange::Between { since, until, names: only, only_failed: is_failed_only };
    Replay { range, ..replay }
}

/// One delivery that ended, well or not, is due again, as if it were new but for its attempts.
pub async fn one_delivery_is_queued_again(world: World) {
    let (endpoint, ended) = ended(&world, 4).await;
    for first in [ended.first(), ended.last()].into_iter().flatten() {
        let replay = replay_one(world.realm, endpoint.id, second(100), first.delivery);
        assert_eq!(world.replay(&replay).await, Some(1));
        let (delivery, attempts) = world.delivery(first.delivery).await;
        assert_eq!((delivery.status, delivery.attempts, attempts.len()), (DeliveryStatus::Pending, 1, 1));
        assert_eq!((delivery.due_at, delivery.ended_at), (Some(second(100)), None));
        let [again] = world.take(second(100)).await.try_into().expect("one is due");
        assert_eq!((again.delivery, again.attempts, again.tries), (first.delivery, 1, 0));
        assert_eq!(again.event, first.event);
        world.record(&[report(&again, second(101), Verdict::Delivered)]).await;
        let (delivery, attempts) = world.delivery(first.delivery).await;
        assert_eq!((delivery.status, delivery.attempts, attempts.len()), (DeliveryStatus::Delivered, 2, 2));
    }
}

/// A delivery that waits for its next attempt is due at once.
pub async fn a_delivery_that_waits_is_queued_at_once(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let [taken] = world.take(second(1)).await.try_into().expect("one is due");
    world.record(&[report(&taken, second(1), Verdict::Retry { at: second(10_000) })]).await;
    let replay = replay_one(world.realm, endpoint.id, second(50), taken.delivery);
    assert_eq!(world.replay(&replay).await, Some(1));
    let [again] = world.take(second(50)).await.try_into().expect("it is due");
    assert_eq!((again.delivery, again.attempts), (taken.delivery, 1));
}

/// A delivery that is being attempted is left to whoever does: it is not queued, and what comes of the attempt counts.
pub async fn a_delivery_that_is_being_attempted_is_left_alone(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let [taken] = world.take(second(1)).await.try_into().expect("one is due");
    let before = world.delivery(taken.delivery).await;
    let audited = world.audit_rows().await.len();
    let replay = replay_one(world.realm, endpoint.id, second(2), taken.delivery);
    assert_eq!(world.replay(&replay).await, Some(0));
    assert_eq!(world.delivery(taken.delivery).await, before);
    assert_eq!(world.audit_rows().await.len(), audited + 1, "it was asked for");
    assert_eq!(world.take(second(3)).await, []);
    world.record(&[report(&taken, second(3), Verdict::Delivered)]).await;
    assert_eq!(world.delivery(taken.delivery).await.0.status, DeliveryStatus::Delivered);
    assert_eq!(world.replay(&replay_one(world.realm, endpoint.id, second(4), taken.delivery)).await, Some(1));
}

/// What does not exist, or is another endpoint's, is not queued, and nothing is logged of it.
pub async fn a_delivery_of_nobody_is_not_queued(world: World) {
    let (endpoint, ended) = ended(&world, 1).await;
    let other = world.subscribe(&[EventName::PlayerBanned]).await;
    let first = ended.first().expect("one delivery").delivery;
    let before = world.audit_rows().await.len();
    let nobody = DeliveryId(SequentialIds.next(start()));
    for (endpoint, delivery) in [(endpoint.id, nobody), (other.id, first)] {
        let replay = replay_one(world.realm, endpoint, second(100), delivery);
        assert_eq!(world.replay(&replay).await, None);
    }
    assert_eq!(world.audit_rows().await.len(), before);
    assert_eq!(world.take(second(10_000)).await, []);
}

/// A range is from one instant on and before another, and only failed ones if asked.
pub async fn a_range_is_queued_again(world: World) {
    let (endpoint, _) = ended(&world, 8).await;
    let between = |since, until| replay_between(world.realm, endpoint.id, second(since), second(until));
    assert_eq!(world.replay(&between(2, 6)).await, Some(4));
    let taken = world.take(second(6)).await;
    assert_eq!(at_of(&taken), [2, 3, 4, 5].map(second));
    assert!(taken.iter().all(|taken| (taken.attempts, taken.tries) == (1, 0)));
    let reports: Vec<_> = taken.iter().map(|taken| report(taken, second(7), Verdict::Delivered)).collect();
    world.record(&reports).await;
    let failed = only(between(0, 100), EventNames::ALL, true);
    assert_eq!(world.replay(&failed).await, Some(2));
    assert_eq!(at_of(&world.take(second(100)).await), [6, 7].map(second));
    assert_eq!(world.replay(&between(0, 2)).await, Some(2));
    assert_eq!(world.replay(&between(50, 60)).await, Some(0));
    assert_eq!(world.replay(&between(7, 7)).await, Some(0));
}

/// Of a range, deliveries that wait or are being attempted are left alone.
pub async fn a_range_leaves_alone_what_waits(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    for number in 0..2 {
        let draft = credit("p1", "gold", 1).after(Duration::from_secs(number));
        world.settle_one(&draft).await.expect("a credit is accepted");
    }
    let [one, other] = world.take(second(2)).await.try_into().expect("two are due");
    world.record(&[report(&one, second(2), Verdict::Retry { at: second(500) })]).await;
    let whole = replay_between(world.realm, endpoint.id, start(), second(10));
    assert_eq!(world.replay(&whole).await, Some(0));
    assert_eq!(world.take(second(20)).await, []);
    assert_eq!(world.record(&[report(&other, second(21), Verdict::Delivered)]).await, []);
    assert_eq!(world.delivery(other.delivery).await.0.status, DeliveryStatus::Delivered);
    assert_eq!(world.delivery(one.delivery).await.0.due_at, Some(second(500)));
}

/// What was never queued is, if it is kept and the endpoint is told of it by now: also what happened while it was disabled,
/// or before it was made.
pub async fn a_range_makes_deliveries_that_there_were_none_of(world: World) {
    world.subscribe_to_all().await;
    world.settle(&[credit("p1", "gold", 1), grant_item("p1", "sword", 1)]).await;
    world.take(second(1)).await;
    let late = world.subscribe(&[EventName::WalletChanged, EventName::InventoryChanged]).await;
    world.edit(late.id, enabled(false)).await;
    world.settle_one(&credit("p1", "gold", 1).after(Duration::from_secs(5))).await.expect("a credit is accepted");
    world.take(second(6)).await;
    world.edit(late.id, enabled(true)).await;
    let whole = || replay_between(world.realm, late.id, start(), second(10));
    let never_queued = only(whole(), names(&[EventName::InventoryChanged, EventName::PlayerRegistered]), true);
    assert_eq!(world.replay(&never_queued).await, Some(1), "it is told of one of these names only");
    assert_eq!(world.replay(&whole()).await, Some(2), "one of them waits already");
    let mut told: Vec<_> =
        world.take(second(10)).await.into_iter().map(|taken| (taken.endpoint.id, taken.event.name)).collect();
    told.sort();
    let (inventory, wallet) = (EventName::InventoryChanged, EventName::WalletChanged);
    assert_eq!(told, [(late.id, inventory), (late.id, wallet), (late.id, wallet)]);
    world.edit(late.id, subscribed(names(&[EventName::PlayerBanned]))).await;
    assert_eq!(world.replay(&whole()).await, Some(0), "it is told of nothing that happened");
}

/// What was queued by a replay before it was published is not queued twice.
pub async fn a_replay_of_what_is_not_published_yet_tells_it_once(world: World) {
    let endpoint = world.subscribe(&[EventName::WalletChanged]).await;
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let whole = replay_between(world.realm, endpoint.id, start(), second(10));
    world.replay(&whole).await.expect("there is such an endpoint");
    assert_eq!(world.take(second(10)).await.len(), 1);
    assert_eq!(world.deliveries(endpoint.id, None).await.len(), 1);
}

/// One request queues so many and no more, the oldest first; the next one goes on.
pub async fn a_replay_queues_only_so_many(world: World) {
    let endpoint = world.subscribe(&[EventName::InventoryChanged]).await;
    world.edit(endpoint.id, enabled(false)).await;
    let entries: Vec<_> = (0..100).map(|number| items(&format!("i{number}"), 1)).collect();
    for number in 0..101 {
        let (player, key) = (format!("p{}", number % 20), format!("k{number}"));
        let draft = immediate_grant(&player, &key, entries.clone()).after(Duration::from_secs(number));
        world.settle_one(&draft).await.expect("a grant is accepted");
    }
    world.told().await;
    world.edit(endpoint.id, enabled(true)).await;
    let whole = || replay_between(world.realm, endpoint.id, start(), second(1_000));
    assert_eq!(world.replay(&whole()).await, Some(Replay::COUNT_MAX));
    let waiting = world.deliveries(endpoint.id, Some(DeliveryStatus::Pending)).await;
    assert_eq!(waiting.iter().map(|delivery| delivery.occurred_at).max(), Some(second(99)));
    assert_eq!(world.replay(&whole()).await, Some(100));
    assert_eq!(world.replay(&whole()).await, Some(0));
    let taken = world.stores.take_due(&take(second(1_000))).await;
    assert!(100 < taken.len(), "they are due");
}
