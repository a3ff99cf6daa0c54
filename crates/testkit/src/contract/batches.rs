//! Batches as large as they get.

use domain::clock::Timestamp;
use domain::economy::{BATCH_MAX, GrantEntries, GrantEntry, GrantStatus, Repeat};

use super::{World, adjusted, granted};
use crate::clock::START;
use crate::commands::{ack, coins, create_grant, credit, immediate_grant, items};

/// The largest batch, each command for another new player.
pub async fn a_batch_of_the_largest_size_settles_for_distinct_players(world: World) {
    let drafts: Vec<_> = (0..BATCH_MAX)
        .map(|number| credit(&format!("player-{number}"), "gold", 5).keyed(&format!("key-{number}")))
        .collect();
    for repeat in [Repeat::First, Repeat::Replay] {
        let outcomes = world.settle(&drafts).await;
        assert!(outcomes.iter().map(adjusted).all(|answer| (answer.balance.get(), answer.repeat) == (5, repeat)));
    }
    for number in [0, 1, BATCH_MAX - 1] {
        assert_eq!(world.gold(&format!("player-{number}")).await, Some(5));
    }
}

/// The largest batch, all for one player: the tournament's hot account.
pub async fn a_batch_of_the_largest_size_settles_for_one_player(world: World) {
    let drafts: Vec<_> = (0..BATCH_MAX).map(|_| credit("hot", "gold", 1)).collect();
    let outcomes = world.settle(&drafts).await;
    let balances: Vec<i64> = outcomes.iter().map(|outcome| adjusted(outcome).balance.get()).collect();
    let top = i64::try_from(BATCH_MAX).expect("a batch is small");
    assert_eq!(balances, (1..=top).collect::<Vec<_>>());
    assert_eq!(world.gold("hot").await, Some(top));
    let rows = world.history("hot").await;
    assert!(rows.iter().map(|row| row.sequence).eq(1..=top), "sequences have no gaps");
    assert!(rows.iter().map(|row| row.balance_after.get()).eq(1..=top), "each row has the balance after it");
}

/// Many large grants delivered in one batch: more rows than a database takes in one statement.
pub async fn a_batch_of_large_grants_settles(world: World) {
    let entries: Vec<GrantEntry> = (0..GrantEntries::COUNT_MAX).map(|number| items(&format!("i{number}"), 2)).collect();
    let mut drafts: Vec<_> = (0..40)
        .map(|number| immediate_grant(&format!("p{number}"), &format!("immediate-{number}"), entries.clone()))
        .collect();
    let waiting = drafts.len()..BATCH_MAX;
    drafts.extend(waiting.map(|number| create_grant("hoarder", &format!("g{number}"), vec![coins("gold", 1)])));
    let start = Timestamp::from_unix_micros(START);
    for repeat in [Repeat::First, Repeat::Replay] {
        let outcomes = world.settle(&drafts).await;
        assert!(outcomes.iter().all(|outcome| granted(outcome).repeat == repeat));
    }
    for player in ["p0", "p39"] {
        let rows = world.history(player).await;
        assert_eq!(rows.len(), GrantEntries::COUNT_MAX);
        assert!(rows.iter().all(|row| row.balance_after.get() == 2 && row.sequence == 1));
    }
    let waiting = world.stores.grants(world.realm, "hoarder", Some(GrantStatus::Pending), start).await;
    let acks: Vec<_> = waiting.iter().map(|grant| ack("hoarder", grant.id)).collect();
    assert_eq!(acks.len(), BATCH_MAX - 40);
    assert!(world.settle(&acks).await.iter().all(Result::is_ok));
    let claimed = world.stores.grants(world.realm, "hoarder", Some(GrantStatus::Claimed), start).await;
    assert_eq!(claimed.len(), acks.len());
}
