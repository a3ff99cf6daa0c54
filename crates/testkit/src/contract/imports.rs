//! What is brought in from another platform.

use std::time::Duration;

use domain::economy::{Answer, AssetKind, BATCH_MAX, Outcome, Rejection, Repeat};
use domain::players::Profile;
use serde_json::{Value, json};

use super::{World, adjusted, rejection};
use crate::commands::{credit, grant_item, import_currency, import_items, import_player};

fn imported(outcome: &Outcome) -> Repeat {
    let Ok(Answer::PlayerImported(repeat)) = outcome else { panic!("not an accepted import: {outcome:?}") };
    *repeat
}

async fn profile(world: &World, player: &str) -> Profile {
    world.stores.profile(world.realm, player).await.expect("the player is known")
}

async fn context(world: &World, player: &str) -> Option<Value> {
    let context = profile(world, player).await.last_context_snapshot?;
    Some(serde_json::from_str(context.as_json()).expect("what is stored is JSON"))
}

/// An import makes a player; the last context that was given is the one that is known.
pub async fn an_imported_player_is_known_with_the_last_context(world: World) {
    let (later, last) = (Duration::from_secs(600), Duration::from_secs(1200));
    let old = json!({"country": "SE", "level": 7, "z": [0.1, "\u{0}", "🦀"], "a": {"b": null}});
    assert_eq!(imported(&world.settle_one(&import_player("p1", "a").with_context(&old)).await), Repeat::First);
    assert_eq!(context(&world, "p1").await, Some(old.clone()));
    let id = profile(&world, "p1").await.player.id;
    assert_eq!(imported(&world.settle_one(&import_player("p1", "b").after(later)).await), Repeat::First);
    let world = world.reopened().await;
    assert_eq!(context(&world, "p1").await, Some(old), "an import that says nothing changes nothing");
    let two = [
        import_player("p1", "c").with_context(&json!({"level": 8})).after(last),
        import_player("p1", "d").with_context(&json!({"level": 9})).after(last),
        import_player("p1", "e").after(last),
        import_player("new", "f"),
        import_player("new", "g").with_context(&json!({})),
    ];
    assert!(world.settle(&two).await.iter().all(|outcome| imported(outcome) == Repeat::First));
    assert_eq!(context(&world, "p1").await, Some(json!({"level": 9})));
    assert_eq!(context(&world, "new").await, Some(json!({})));
    let known = profile(&world, "p1").await;
    assert_eq!((known.player.id, known.wallet.len(), known.inventory.len()), (id, 0, 0));
    assert_eq!(known.player.last_seen_at.since(known.player.created_at), last);
    assert_eq!(world.history("p1").await, []);
}

/// A player who is known already stays who they are, with what they hold.
pub async fn an_import_of_a_known_player_keeps_what_they_hold(world: World) {
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    assert_eq!(context(&world, "p1").await, None);
    let id = profile(&world, "p1").await.player.id;
    world.settle_one(&import_player("p1", "k").with_context(&json!({"level": 1}))).await.expect("it is accepted");
    assert_eq!(profile(&world, "p1").await.player.id, id);
    assert_eq!((world.gold("p1").await, context(&world, "p1").await), (Some(5), Some(json!({"level": 1}))));
    world.settle_one(&credit("p1", "gold", 1).after(Duration::from_secs(600))).await.expect("a credit is accepted");
    assert_eq!(context(&world, "p1").await, Some(json!({"level": 1})), "being seen again changes no context");
}

/// The same import happens once, in one batch and after a reopen; another one under its key is a conflict.
pub async fn a_repeated_import_of_a_player_happens_once(world: World) {
    let import = import_player("p1", "k").with_context(&json!({"level": 1}));
    let others = [import_player("p1", "k").with_context(&json!({"level": 2})), import_player("p2", "k")];
    let [first, again] = [Repeat::First, Repeat::Replay];
    let outcomes = world.settle(&[import.clone(), import.clone()]).await;
    assert_eq!(outcomes.iter().map(imported).collect::<Vec<_>>(), [first, again]);
    let world = world.reopened().await;
    assert_eq!(imported(&world.settle_one(&import).await), again);
    for other in others {
        assert_eq!(rejection(&world.settle_one(&other).await), &Rejection::IdempotencyConflict);
    }
    assert_eq!(context(&world, "p1").await, Some(json!({"level": 1})));
    assert_eq!(world.stores.profile(world.realm, "p2").await, None);
}

/// What is brought in is added to what is held, and its keys are no other operation's, and no other realm's.
pub async fn imports_add_up_and_have_keys_of_their_own(world: World) {
    let drafts = [
        credit("p1", "gold", 5).keyed("k"),
        import_currency("p1", "gold", 7).keyed("k"),
        grant_item("p1", "potion", 1).keyed("k"),
        import_items("p1", "potion", 2).keyed("k").with_parameters(&json!({"roll": 3})),
    ];
    let [live, _] = world.other_realms;
    for repeat in [Repeat::First, Repeat::Replay] {
        for realm in [world.realm, live] {
            let outcomes = world.stores.settle(realm, &drafts).await;
            let answers: Vec<_> = outcomes.iter().map(adjusted).map(|it| (it.balance.get(), it.repeat)).collect();
            assert_eq!(answers, [(5, repeat), (12, repeat), (1, repeat), (3, repeat)]);
            let outcome = world.stores.settle_one(realm, &import_player("p1", "k")).await;
            assert_eq!(imported(&outcome), repeat);
        }
    }
    let other = import_items("p1", "potion", 2).keyed("k").with_parameters(&json!({"roll": 4}));
    assert_eq!(rejection(&world.settle_one(&other).await), &Rejection::IdempotencyConflict);
    assert_eq!(world.balance("p1", AssetKind::Item, "potion").await, Some(3));
}

/// The same import at two handles at once happens once.
pub async fn the_same_import_at_two_handles_at_once_happens_once(world: World) {
    let second = world.second().await;
    for round in 0..20 {
        let (player, key) = (format!("p{round}"), format!("k{round}"));
        let drafts = [import_player(&player, &key).with_context(&json!({"level": round}))];
        let (here, there) = tokio::join!(world.settle(&drafts), second.settle(world.realm, &drafts));
        let mut repeats =
            vec![imported(here.first().expect("one outcome")), imported(there.first().expect("one outcome"))];
        repeats.sort_by_key(|repeat| *repeat == Repeat::Replay);
        assert_eq!(repeats, [Repeat::First, Repeat::Replay]);
        assert_eq!(context(&world, &player).await, Some(json!({"level": round})));
    }
}

/// The largest batch of players, each with a context.
pub async fn a_batch_of_imports_of_the_largest_size_settles(world: World) {
    let text = "x".repeat(4_000);
    let draft = |number| import_player(&format!("p{number}"), &format!("k{number}"));
    let drafts: Vec<_> = (0..BATCH_MAX).map(|number| draft(number).with_context(&json!({ "text": text }))).collect();
    for repeat in [Repeat::First, Repeat::Replay] {
        assert!(world.settle(&drafts).await.iter().all(|outcome| imported(outcome) == repeat));
    }
    for number in [0, BATCH_MAX - 1] {
        assert_eq!(context(&world, &format!("p{number}")).await, Some(json!({ "text": text })));
    }
}
