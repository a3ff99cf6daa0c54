//! The same request settles once, wherever and however often it arrives; another one under its key is refused.

use domain::economy::{AssetKind, GrantStatus, Outcome, Rejection, Repeat};

use super::{World, adjusted, granted, rejection};
use crate::commands::{coins, create_grant, credit, debit, grant_item, immediate_grant, revoke_item};

fn answer(outcome: &Outcome) -> (i64, Repeat) {
    let answer = adjusted(outcome);
    (answer.balance.get(), answer.repeat)
}

/// Sixteen at once have one effect.
pub async fn a_repeat_in_the_same_batch_settles_once(world: World) {
    let request = credit("p1", "gold", 5).keyed("receipt");
    let outcomes = world.settle(&vec![request; 16]).await;
    let (first, repeats) = outcomes.split_first().expect("sixteen outcomes");
    assert_eq!(answer(first), (5, Repeat::First));
    assert!(repeats.iter().all(|outcome| answer(outcome) == (5, Repeat::Replay)), "{repeats:?}");
    assert_eq!(world.gold("p1").await, Some(5));
    assert_eq!(world.history("p1").await.len(), 1);
}

/// The answer is the original one, not what the balance has become.
pub async fn a_repeat_in_a_later_batch_answers_the_original_balance(world: World) {
    let request = credit("p1", "gold", 5).keyed("receipt");
    assert_eq!(answer(&world.settle_one(&request).await), (5, Repeat::First));
    world.settle(&[credit("p1", "gold", 100), debit("p1", "gold", 1)]).await;
    assert_eq!(answer(&world.settle_one(&request).await), (5, Repeat::Replay));
    assert_eq!(world.gold("p1").await, Some(104));
    assert_eq!(world.history("p1").await.len(), 3);
}

/// A restart forgets no request.
pub async fn a_repeat_across_a_reopen_settles_once(world: World) {
    let (credited, debited) = (credit("p1", "gold", 5).keyed("c"), debit("p1", "gold", 2).keyed("d"));
    world.settle(&[credited.clone(), debited.clone()]).await;
    let world = world.reopened().await;
    let outcomes = world.settle(&[debited, credited]).await;
    assert_eq!(outcomes.iter().map(answer).collect::<Vec<_>>(), [(3, Repeat::Replay), (5, Repeat::Replay)]);
    assert_eq!(world.gold("p1").await, Some(3));
}

/// Two processes on the same data know each other's requests.
pub async fn a_repeat_at_another_handle_settles_once(world: World) {
    let second = world.second().await;
    let request = credit("p1", "gold", 5).keyed("receipt");
    assert_eq!(answer(&world.settle_one(&request).await), (5, Repeat::First));
    assert_eq!(answer(&second.settle_one(world.realm, &request).await), (5, Repeat::Replay));
    let conflict = second.settle_one(world.realm, &credit("p1", "gold", 6).keyed("receipt")).await;
    assert_eq!(rejection(&conflict), &Rejection::IdempotencyConflict);
    assert_eq!(second.balance(world.realm, "p1", AssetKind::Currency, "gold").await, Some(5));
}

/// A grant is repeated like everything else, and its answer is the original body.
pub async fn a_repeated_grant_is_answered_as_created(world: World) {
    let request = create_grant("p1", "g", vec![coins("gold", 5)]).sourced("quest");
    let delivered = immediate_grant("p1", "h", vec![coins("gold", 7)]);
    let outcomes = world.settle(&[request.clone(), request.clone(), delivered.clone(), delivered.clone()]).await;
    let [first, again, paid, paid_again] = outcomes.as_slice() else { panic!("four outcomes") };
    assert_eq!((granted(first).repeat, granted(again).repeat), (Repeat::First, Repeat::Replay));
    assert_eq!(granted(first).grant, granted(again).grant);
    assert_eq!((granted(paid).repeat, granted(paid_again).repeat), (Repeat::First, Repeat::Replay));
    assert_eq!(granted(paid).grant, granted(paid_again).grant);
    let world = world.reopened().await;
    let later = world.settle(&[request, delivered]).await;
    let [again, paid_again] = later.as_slice() else { panic!("two outcomes") };
    assert_eq!(granted(first).grant, granted(again).grant);
    assert_eq!(granted(paid).grant, granted(paid_again).grant);
    assert_eq!(granted(again).repeat, Repeat::Replay);
    assert_eq!(granted(paid_again).repeat, Repeat::Replay);
    assert_eq!(world.gold("p1").await, Some(7));
    let now = granted(first).grant.created_at;
    assert_eq!(world.stores.grants(world.realm, "p1", None, now).await.len(), 2);
    assert_eq!(world.stores.grants(world.realm, "p1", Some(GrantStatus::Pending), now).await.len(), 1);
}

/// Another amount, another asset, another player: each is another request, in the same batch and later.
pub async fn another_request_under_the_same_key_is_a_conflict(world: World) {
    let requests = [
        credit("p1", "gold", 5).keyed("k"),
        credit("p1", "gold", 6).keyed("k"),
        credit("p1", "gems", 5).keyed("k"),
        credit("p2", "gold", 5).keyed("k"),
        credit("p1", "gold", 5).because("other").keyed("k"),
    ];
    let outcomes = world.settle(&requests).await;
    let (first, others) = outcomes.split_first().expect("five outcomes");
    assert_eq!(answer(first), (5, Repeat::First));
    assert!(others.iter().all(|outcome| rejection(outcome) == &Rejection::IdempotencyConflict), "{others:?}");
    let later = world.settle(&requests).await;
    let (first, others) = later.split_first().expect("five outcomes");
    assert_eq!(answer(first), (5, Repeat::Replay));
    assert!(others.iter().all(|outcome| rejection(outcome) == &Rejection::IdempotencyConflict), "{others:?}");
    assert_eq!(world.stores.profile(world.realm, "p2").await, None);
    assert_eq!(world.gold("p1").await, Some(5));
}

/// One receipt id serves a credit, a debit, an item grant, an item revoke and a grant: the SDK's quick-start does so.
pub async fn the_same_key_in_two_operations_is_two_requests(world: World) {
    let requests = [
        credit("p1", "gold", 5).keyed("receipt"),
        debit("p1", "gold", 1).keyed("receipt"),
        grant_item("p1", "sword", 2).keyed("receipt"),
        revoke_item("p1", "sword", 1).keyed("receipt"),
        create_grant("p1", "receipt", vec![coins("gold", 9)]),
    ];
    for repeat in [Repeat::First, Repeat::Replay] {
        let outcomes = world.settle(&requests).await;
        let [credited, debited, given, taken, grant] = outcomes.as_slice() else { panic!("five outcomes") };
        assert_eq!([answer(credited), answer(debited)], [(5, repeat), (4, repeat)]);
        assert_eq!([answer(given), answer(taken)], [(2, repeat), (1, repeat)]);
        assert_eq!(granted(grant).repeat, repeat);
    }
    assert_eq!(world.gold("p1").await, Some(4));
}

/// A key names a request in its realm only.
pub async fn the_same_key_in_two_realms_is_two_requests(world: World) {
    let request = credit("p1", "gold", 5).keyed("receipt");
    let grant = create_grant("p1", "receipt", vec![coins("gold", 5)]);
    let [live, other_game] = world.other_realms;
    for realm in [world.realm, live, other_game] {
        let outcomes = world.stores.settle(realm, &[request.clone(), grant.clone()]).await;
        let [credited, created] = outcomes.as_slice() else { panic!("two outcomes") };
        assert_eq!(answer(credited), (5, Repeat::First));
        assert_eq!(granted(created).repeat, Repeat::First);
    }
}

/// A refused request can be sent again under its key, when there is enough.
pub async fn a_refused_command_consumes_no_key(world: World) {
    let request = debit("p1", "gold", 5).keyed("receipt");
    assert!(world.settle_one(&request).await.is_err());
    world.settle_one(&credit("p1", "gold", 8)).await.expect("a credit is accepted");
    assert_eq!(answer(&world.settle_one(&request).await), (3, Repeat::First));
    assert_eq!(answer(&world.settle_one(&request).await), (3, Repeat::Replay));
}
