//! Realms do not see each other, and names that look alike are not the same.

use domain::clock::Timestamp;
use domain::economy::{AssetKind, GrantQuery, LedgerQuery, Order};

use super::{World, adjusted, granted};
use crate::clock::START;
use crate::commands::{coins, create_grant, credit, debit, grant_item};
use crate::tenants::external_id;

/// The same player, asset and amounts in three realms are three of each.
pub async fn realms_do_not_see_each_other(world: World) {
    let [live, other_game] = world.other_realms;
    let realms = [(world.realm, 1), (live, 10), (other_game, 100)];
    for (realm, amount) in realms {
        let drafts = [
            credit("p1", "gold", amount),
            grant_item("p1", "sword", amount),
            create_grant("p1", "g", vec![coins("gold", amount)]),
        ];
        assert!(world.stores.settle(realm, &drafts).await.iter().all(Result::is_ok));
    }
    let mut ids = Vec::new();
    for (realm, amount) in realms {
        assert_eq!(world.stores.balance(realm, "p1", AssetKind::Currency, "gold").await, Some(amount));
        assert_eq!(world.stores.balance(realm, "p1", AssetKind::Item, "sword").await, Some(amount));
        let deltas: Vec<i64> = world.stores.history(realm, "p1").await.iter().map(|row| row.delta).collect();
        assert_eq!(deltas, [amount, amount]);
        assert_eq!(world.stores.grants(realm, "p1", None, Timestamp::from_unix_micros(START)).await.len(), 1);
        let profile = world.stores.profile(realm, "p1").await.expect("the player is known");
        assert_eq!((profile.grants, profile.wallet.len(), profile.inventory.len()), (1, 1, 1));
        ids.push(profile.player.id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each realm has its own player");
}

/// One batch may hold commands of several realms.
pub async fn a_batch_keeps_realms_apart(world: World) {
    let [live, _] = world.other_realms;
    let commands = vec![
        credit("p1", "gold", 5).keyed("k").in_realm(world.realm),
        credit("p1", "gold", 7).keyed("k").in_realm(live),
        debit("p1", "gold", 6).in_realm(world.realm),
        debit("p1", "gold", 6).in_realm(live),
        create_grant("p1", "k", vec![coins("gold", 1)]).in_realm(world.realm),
        create_grant("p1", "k", vec![coins("gold", 2)]).in_realm(live),
    ];
    let outcomes = world.stores.settle_all(commands).await.outcomes;
    let [here, there, overdraft, debited, grant_here, grant_there] = outcomes.as_slice() else {
        panic!("six outcomes")
    };
    assert_eq!((adjusted(here).balance.get(), adjusted(there).balance.get()), (5, 7));
    assert!(overdraft.is_err());
    assert_eq!(adjusted(debited).balance.get(), 1);
    assert_ne!(granted(grant_here).grant.player, granted(grant_there).grant.player);
    assert_eq!(world.stores.history(live, "p1").await.len(), 2);
}

/// What is known of a player in one realm is not known in another.
pub async fn an_unknown_player_has_nothing(world: World) {
    let [live, other_game] = world.other_realms;
    world.settle_one(&credit("p1", "gold", 5)).await.expect("a credit is accepted");
    for (realm, name) in [(live, "p1"), (other_game, "p1"), (world.realm, "p2"), (world.realm, "P1")] {
        let player = external_id(name);
        for kind in AssetKind::ALL {
            assert_eq!(world.stores.reads.holdings(realm, &player, kind).await.expect("the store works"), None);
        }
        let (order, now) = (Order::Ascending, Timestamp::from_unix_micros(START));
        let query = LedgerQuery { realm, player: player.clone(), kind: None, key: None, order, after: None, limit: 5 };
        assert_eq!(world.stores.reads.ledger(&query).await.expect("the store works"), None);
        let query = GrantQuery { realm, player, status: None, after: None, limit: 5, now };
        assert_eq!(world.stores.reads.grants(&query).await.expect("the store works"), None);
        assert_eq!(world.stores.profile(realm, name).await, None);
    }
}

/// Player ids are compared character by character: no case folding, no trimming, no normal form, no pattern.
pub async fn player_ids_that_look_alike_are_different_players(world: World) {
    let names = [
        "player",
        "Player",
        "PLAYER",
        "player ",
        " player",
        "pl_yer",
        "pl%yer",
        "pl*yer",
        "\u{e9}",
        "e\u{301}",
        "🦀",
        "'; DROP TABLE players; --",
        "\"quoted\"",
        "back\\slash",
        "%41",
        "A",
        "a/b",
        "..",
        "ß",
        "ss",
        "İ",
        "i̇",
    ];
    let longest = "é".repeat(128);
    let names: Vec<&str> = names.into_iter().chain([longest.as_str()]).collect();
    for (name, amount) in names.iter().zip(1..) {
        world.settle_one(&credit(name, "gold", amount)).await.expect("a credit is accepted");
    }
    for (name, amount) in names.iter().zip(1..) {
        assert_eq!(world.gold(name).await, Some(amount), "{name:?}");
        let profile = world.stores.profile(world.realm, name).await.expect("the player is known");
        assert_eq!(profile.player.external_id.as_str(), *name);
    }
}

/// A currency and an item of one key are two assets, as are keys in another case.
pub async fn assets_that_look_alike_are_different_accounts(world: World) {
    world
        .settle(&[
            credit("p1", "gold", 1),
            grant_item("p1", "gold", 2),
            credit("p1", "Gold", 3),
            credit("p1", "g.ld", 4),
        ])
        .await;
    assert_eq!(world.balance("p1", AssetKind::Currency, "gold").await, Some(1));
    assert_eq!(world.balance("p1", AssetKind::Item, "gold").await, Some(2));
    assert_eq!(world.balance("p1", AssetKind::Currency, "Gold").await, Some(3));
    assert_eq!(world.balance("p1", AssetKind::Currency, "g.ld").await, Some(4));
}
