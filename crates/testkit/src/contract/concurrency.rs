//! Many callers at once, through one handle and through two.

use std::time::Duration;

use domain::economy::{AssetKind, BATCH_MAX, Rejection, Repeat};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{World, adjusted};
use crate::commands::{Draft, credit, debit, grant_item, revoke_item};
use crate::lanes::start_lanes;

/// Longer than any store needs, shorter than anyone waits: what takes this long is a deadlock.
const STUCK: Duration = Duration::from_secs(60);

/// Forty callers want 7 of 100: fourteen get it, and 2 are left.
pub async fn forty_concurrent_callers_never_overdraw(world: World) {
    world.settle_one(&credit("p1", "gold", 100)).await.expect("a credit is accepted");
    let queue = start_lanes(&world.stores.economy, 4);
    let mut callers = JoinSet::new();
    for _ in 0..40 {
        let (queue, command) = (queue.clone(), debit("p1", "gold", 7).in_realm(world.realm));
        callers.spawn(async move { queue.submit(command).await.expect("the store works") });
    }
    let outcomes = callers.join_all().await;
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Rejection::InsufficientFunds { .. }))).count();
    assert_eq!((accepted, refused), (14, 26));
    assert_eq!(world.gold("p1").await, Some(2));
}

/// The same, with the callers spread over two processes.
pub async fn callers_at_two_handles_never_overdraw(world: World) {
    world.settle_one(&credit("p1", "gold", 100)).await.expect("a credit is accepted");
    let second = world.second().await;
    let queues = [start_lanes(&world.stores.economy, 2), start_lanes(&second.economy, 2)];
    let mut callers = JoinSet::new();
    for queue in queues.iter().cycle().take(40) {
        let (queue, command) = (queue.clone(), debit("p1", "gold", 7).in_realm(world.realm));
        callers.spawn(async move { queue.submit(command).await.expect("the store works") });
    }
    let accepted = callers.join_all().await.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(accepted, 14);
    assert_eq!(world.gold("p1").await, Some(2));
    let sequences: Vec<i64> = world.history("p1").await.iter().map(|row| row.sequence).collect();
    assert_eq!(sequences, (1..=15).collect::<Vec<_>>());
}

/// One request that arrives at two processes at the same time has one effect.
pub async fn the_same_request_at_two_handles_at_once_settles_once(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let request = credit("p1", "gold", 5).keyed(&format!("receipt-{round}"));
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), second.clone()] {
            let (realm, request) = (world.realm, request.clone());
            asking.spawn(async move { stores.settle_one(realm, &request).await });
        }
        let outcomes = asking.join_all().await;
        let mut repeats: Vec<bool> =
            outcomes.iter().map(|outcome| adjusted(outcome).repeat == Repeat::Replay).collect();
        repeats.sort_unstable();
        assert_eq!(repeats, [false, true]);
        assert!(outcomes.iter().all(|outcome| adjusted(outcome).balance.get() == 5 * (round + 1)));
    }
    assert_eq!(world.gold("p1").await, Some(50));
}

/// First contact at two processes at the same time makes one player, with one account.
pub async fn first_contact_at_two_handles_at_once_makes_one_player(world: World) {
    let second = world.second().await;
    for round in 0..10 {
        let player = format!("p{round}");
        let mut asking = JoinSet::new();
        for stores in [world.stores.clone(), second.clone()] {
            let (realm, draft) = (world.realm, credit(&player, "gold", 1));
            asking.spawn(async move { stores.settle_one(realm, &draft).await });
        }
        assert!(asking.join_all().await.iter().all(Result::is_ok));
        assert_eq!(world.gold(&player).await, Some(2));
        assert_eq!(world.history(&player).await.len(), 2);
    }
}

/// Batches over the same players, in opposite order, from two processes: none waits for ever, none is lost.
pub async fn overlapping_batches_in_opposite_order_do_not_deadlock(world: World) {
    const PLAYERS: usize = 40;
    const ROUNDS: i64 = 10;
    let second = world.second().await;
    let there: Vec<Draft> = (0..PLAYERS).map(|number| credit(&format!("p{number}"), "gold", 1)).collect();
    let back: Vec<Draft> = there.iter().rev().cloned().collect();
    let mut writers = JoinSet::new();
    for (stores, drafts) in [(world.stores.clone(), there), (second, back)] {
        let realm = world.realm;
        writers.spawn(async move {
            for _ in 0..ROUNDS {
                assert!(stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
            }
        });
    }
    timeout(STUCK, writers.join_all()).await.expect("the batches do not wait for each other for ever");
    for number in 0..PLAYERS {
        assert_eq!(world.gold(&format!("p{number}")).await, Some(2 * ROUNDS));
    }
}

/// A mixed crowd through several lanes: what was accepted is what is there.
pub async fn a_crowd_is_served_exactly(world: World) {
    let queue = start_lanes(&world.stores.economy, 4);
    let mut callers = JoinSet::new();
    for number in 0..2 * BATCH_MAX {
        let player = format!("p{}", number % 7);
        let draft = match number % 4 {
            0 | 1 => credit(&player, "gold", 3),
            2 => debit(&player, "gold", 5),
            _ if number % 8 == 3 => grant_item(&player, "gold", 2),
            _ => revoke_item(&player, "gold", 1),
        };
        let (queue, command) = (queue.clone(), draft.in_realm(world.realm));
        callers.spawn(async move { queue.submit(command).await.expect("the store works") });
    }
    let accepted = callers.join_all().await.iter().filter(|outcome| outcome.is_ok()).count();
    let mut rows = 0;
    for number in 0..7 {
        let player = format!("p{number}");
        let history = world.history(&player).await;
        for kind in AssetKind::ALL {
            let sum: i64 = history.iter().filter(|row| row.asset.kind == kind).map(|row| row.delta).sum();
            assert_eq!(world.balance(&player, kind, "gold").await.unwrap_or(0), sum);
        }
        rows += history.len();
    }
    assert_eq!(rows, accepted);
}
