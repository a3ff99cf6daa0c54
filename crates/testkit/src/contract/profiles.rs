//! What support tools see of a player: holdings and counts.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{AssetKind, Holding};

use super::{World, granted};
use crate::clock::START;
use crate::commands::{ack, coins, create_grant, credit, debit, grant_item, immediate_grant, revoke_item};
use crate::tenants::external_id;

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

fn amounts(holdings: &[Holding]) -> Vec<(&str, i64)> {
    holdings.iter().map(|holding| (holding.key.as_str(), holding.balance.get())).collect()
}

/// An account that was emptied is still listed; a profile leaves out items of which none are left.
pub async fn holdings_include_what_was_emptied(world: World) {
    world
        .settle(&[
            credit("p1", "gold", 5),
            debit("p1", "gold", 5),
            credit("p1", "gems", 2),
            grant_item("p1", "sword", 1),
            revoke_item("p1", "sword", 1),
            grant_item("p1", "shield", 3),
        ])
        .await;
    let holdings = async |kind| {
        let holdings = world.stores.reads.holdings(world.realm, &external_id("p1"), kind).await;
        holdings.expect("the store works").expect("the player is known")
    };
    let (wallet, items) = (holdings(AssetKind::Currency).await, holdings(AssetKind::Item).await);
    assert_eq!(amounts(&wallet), [("gems", 2), ("gold", 0)]);
    assert_eq!(amounts(&items), [("shield", 3), ("sword", 0)]);
    let profile = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    assert_eq!(profile.wallet, wallet);
    assert_eq!(amounts(&profile.inventory), [("shield", 3)]);
}

/// Keys sort by their characters' codes on every store, whatever its language settings.
pub async fn holdings_are_listed_by_key(world: World) {
    let sorted = ["10", "9", "A", "B", "a", "a-b", "a.b", "a1", "a:b", "aB", "a_b", "ab", "b"];
    let drafts: Vec<_> = sorted.iter().rev().map(|key| credit("p1", key, 1)).collect();
    world.settle(&drafts).await;
    let profile = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    let keys: Vec<&str> = profile.wallet.iter().map(|holding| holding.key.as_str()).collect();
    assert_eq!(keys, sorted);
}

/// An account knows when it was opened and when it changed last.
pub async fn holdings_tell_when_they_were_opened_and_changed(world: World) {
    let (later, last) = (Duration::from_micros(1_500_001), Duration::from_secs(90));
    for draft in [credit("p1", "gold", 5), debit("p1", "gold", 1).after(later), credit("p1", "gems", 1).after(last)] {
        world.settle_one(&draft).await.expect("it is accepted");
    }
    let profile = world.stores.profile(world.realm, "p1").await.expect("the player is known");
    let times: Vec<_> = profile.wallet.iter().map(|holding| (holding.created_at, holding.updated_at)).collect();
    assert_eq!(times, [(start().plus(last), start().plus(last)), (start(), start().plus(later))]);
}

/// All grants are counted, those that wait for their player apart, and the newest are shown.
pub async fn a_profile_counts_grants(world: World) {
    let grant = |number: u64| {
        create_grant("p1", &format!("g{number}"), vec![coins("gold", 1)]).after(Duration::from_secs(number))
    };
    let expires_at = start().plus(Duration::from_secs(100));
    let drafts = [grant(0), grant(1), grant(2), grant(3).expiring(expires_at), grant(4), grant(5), grant(6)];
    let outcomes = world.settle(&drafts).await;
    let ids: Vec<_> = outcomes.iter().map(|outcome| granted(outcome).grant.id).collect();
    let delivered = immediate_grant("p1", "now", vec![coins("gold", 1)]).after(Duration::from_secs(7));
    let claimed = ids.first().copied().expect("seven grants");
    world.settle(&[delivered, ack("p1", claimed), create_grant("p2", "other", vec![coins("gold", 1)])]).await;
    let profile = async |limit, now| {
        let profile = world.stores.players.profile(world.realm, &external_id("p1"), limit, now).await;
        profile.expect("the store works").expect("the player is known")
    };
    let before = profile(5, start()).await;
    assert_eq!((before.grants, before.pending_grants), (8, 6));
    let shown: Vec<_> = before.recent_grants.iter().skip(1).map(|grant| grant.id).collect();
    let newest: Vec<_> = ids.iter().rev().take(4).copied().collect();
    assert_eq!(shown, newest);
    let after = profile(100, expires_at).await;
    assert_eq!((after.grants, after.pending_grants, after.recent_grants.len()), (8, 5, 8));
    assert_eq!(amounts(&after.wallet), [("gold", 1)]);
    assert_eq!(profile(0, start()).await.recent_grants, []);
}
