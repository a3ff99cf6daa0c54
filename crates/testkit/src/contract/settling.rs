//! Batches are decided in order, refusals leave no trace, and what is settled can be read.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{AssetKind, INTEGER_MAX, Rejection, Repeat, SEEN_EVERY};

use super::{World, adjusted, rejection};
use crate::clock::START;
use crate::commands::{credit, debit, grant_item, revoke_item};

/// A new store is usable.
pub async fn an_open_store_is_healthy(world: World) {
    world.stores.health.check().await.expect("the store is healthy");
}

/// Each command is decided on what the ones before it left behind.
pub async fn outcomes_come_in_the_order_of_the_commands(world: World) {
    let outcomes = world
        .settle(&[
            credit("p1", "gold", 5),
            debit("p1", "gold", 2),
            credit("p2", "gold", 7),
            grant_item("p1", "sword", 3),
            revoke_item("p1", "sword", 1),
            credit("p1", "gems", 1),
            debit("p1", "gold", 3),
        ])
        .await;
    let answers: Vec<_> = outcomes.iter().map(|outcome| (adjusted(outcome).key.as_str(), adjusted(outcome))).collect();
    let balances: Vec<_> = answers.iter().map(|(key, answer)| (*key, answer.balance.get())).collect();
    assert_eq!(balances, [("gold", 5), ("gold", 3), ("gold", 7), ("sword", 3), ("sword", 2), ("gems", 1), ("gold", 0)]);
    assert!(answers.iter().all(|(_, answer)| answer.repeat == Repeat::First));
    assert_eq!(world.gold("p1").await, Some(0));
    assert_eq!(world.balance("p1", AssetKind::Item, "sword").await, Some(2));
    assert_eq!(world.gold("p2").await, Some(7));
    assert_eq!(world.history("p1").await.len(), 6);
}

/// A refusal says what there is and what was asked for, and is no failure of the batch.
pub async fn an_overdraft_is_refused_and_the_rest_of_the_batch_settles(world: World) {
    world.settle_one(&credit("p1", "gold", 10)).await.expect("a credit is accepted");
    let outcomes = world.settle(&[debit("p1", "gold", 11), debit("p1", "gold", 4), credit("p2", "gold", 1)]).await;
    let [overdraft, debited, credited] = outcomes.as_slice() else { panic!("three outcomes") };
    let Rejection::InsufficientFunds { current, required } = rejection(overdraft) else { panic!("{overdraft:?}") };
    assert_eq!((current.get(), required.get()), (10, 11));
    assert_eq!(adjusted(debited).balance.get(), 6);
    assert_eq!(adjusted(credited).balance.get(), 1);
    assert_eq!(world.gold("p1").await, Some(6));
    assert_eq!(world.history("p1").await.len(), 2);
}

/// Balances end at 2^53 - 1, and reach it exactly.
pub async fn a_balance_stops_at_the_largest_integer(world: World) {
    let outcomes = world.settle(&[credit("p1", "gold", INTEGER_MAX), credit("p1", "gold", 1)]).await;
    let [filled, refused] = outcomes.as_slice() else { panic!("two outcomes") };
    assert_eq!(adjusted(filled).balance.get(), INTEGER_MAX);
    let Rejection::BalanceLimit { current, amount } = rejection(refused) else { panic!("{refused:?}") };
    assert_eq!((current.get(), amount.get()), (INTEGER_MAX, 1));
    assert_eq!(world.gold("p1").await, Some(INTEGER_MAX));
    let emptied = world.settle_one(&debit("p1", "gold", INTEGER_MAX)).await;
    assert_eq!(adjusted(&emptied).balance.get(), 0);
}

/// Several commands of one batch, and of the next, meet the same new player.
pub async fn first_contact_makes_one_player(world: World) {
    world.settle(&[credit("p1", "gold", 1), grant_item("p1", "sword", 1), credit("p1", "gold", 1)]).await;
    let first = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    let later = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    assert_eq!(first.player, later.player);
    assert_eq!(world.gold("p1").await, Some(3));
}

/// A player is made by what is accepted, never by what is refused.
pub async fn a_refused_first_contact_creates_no_player(world: World) {
    let outcomes = world.settle(&[debit("p1", "gold", 1), revoke_item("p1", "sword", 1)]).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(world.stores.profile(world.realm, "p1").await, None);
    assert_eq!(world.history("p1").await, []);
}

/// When a player was last seen is written once in [`SEEN_EVERY`]; when they were made, once.
pub async fn last_seen_moves_coarsely(world: World) {
    let start = Timestamp::from_unix_micros(START);
    let seen = async || {
        let player = world.stores.profile(world.realm, "p1").await.expect("the player is known").player;
        assert_eq!(player.created_at, start);
        player.last_seen_at
    };
    world.settle_one(&credit("p1", "gold", 1)).await.expect("a credit is accepted");
    assert_eq!(seen().await, start);
    let soon = SEEN_EVERY.saturating_sub(Duration::from_micros(1));
    world.settle_one(&credit("p1", "gold", 1).after(soon)).await.expect("a credit is accepted");
    assert_eq!(seen().await, start);
    world.settle_one(&credit("p1", "gold", 1).after(SEEN_EVERY)).await.expect("a credit is accepted");
    assert_eq!(seen().await, start.plus(SEEN_EVERY));
}

/// What was answered is there after a restart.
pub async fn what_was_settled_is_there_after_a_reopen(world: World) {
    world.settle(&[credit("p1", "gold", 5), debit("p1", "gold", 2), grant_item("p1", "sword", 1)]).await;
    let before = (world.history("p1").await, world.stores.profile(world.realm, "p1").await);
    let world = world.reopened().await;
    assert_eq!((world.history("p1").await, world.stores.profile(world.realm, "p1").await), before);
    let debited = world.settle_one(&debit("p1", "gold", 3)).await;
    assert_eq!(adjusted(&debited).balance.get(), 0);
    let sequences: Vec<i64> = world
        .history("p1")
        .await
        .iter()
        .filter(|row| row.asset.key.as_str() == "gold")
        .map(|row| row.sequence)
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
}
