//! Grants: created, acknowledged once, delivered at once, expired by the clock.

use std::time::Duration;

use domain::clock::Timestamp;
use domain::economy::{
    AckedBy, Action, AssetKind, Claim, GRANT_DEPOSIT_REASON, GrantId, GrantQuery, GrantStatus, INTEGER_MAX, Operation,
    Rejection, Repeat,
};

use super::{World, acked, granted, rejection};
use crate::clock::START;
use crate::commands::{ack, coins, crates, create_grant, credit, immediate_grant, items};
use crate::tenants::external_id;

const NOBODYS: GrantId = GrantId(uuid::Uuid::nil());

fn start() -> Timestamp {
    Timestamp::from_unix_micros(START)
}

async fn created(world: &World, player: &str, key: &str) -> GrantId {
    granted(&world.settle_one(&create_grant(player, key, vec![coins("gold", 5)])).await).grant.id
}

/// A grant waits, and deposits nothing by being acknowledged.
pub async fn a_grant_is_pending_until_it_is_acknowledged(world: World) {
    let grant = created(&world, "p1", "g").await;
    let pending = world.stores.grants(world.realm, "p1", Some(GrantStatus::Pending), start()).await;
    assert_eq!(pending.iter().map(|grant| (grant.id, grant.claim)).collect::<Vec<_>>(), [(grant, None)]);
    let later = Duration::from_micros(1_000_001);
    let outcome = world.settle_one(&ack("p1", grant).after(later)).await;
    let claim = Some(Claim { at: start().plus(later), by: AckedBy::ServerApi });
    assert_eq!((acked(&outcome).id, acked(&outcome).claim), (grant, claim));
    let world = world.reopened().await;
    let stored = world.stores.grants(world.realm, "p1", None, start()).await;
    assert_eq!(stored.iter().collect::<Vec<_>>(), [acked(&outcome)]);
    assert_eq!(world.gold("p1").await, None);
    assert_eq!(world.history("p1").await, []);
}

/// A second acknowledgement, in the same batch or later, answers the first one's row.
pub async fn acknowledging_again_answers_the_same_row(world: World) {
    let grant = created(&world, "p1", "g").await;
    let asks = [1, 2].map(|seconds| ack("p1", grant).after(Duration::from_secs(seconds)));
    let outcomes = world.settle(&asks).await;
    let [first, second] = outcomes.as_slice() else { panic!("two outcomes") };
    assert_eq!(acked(first), acked(second));
    let world = world.reopened().await;
    let third = world.settle_one(&ack("p1", grant).after(Duration::from_secs(60))).await;
    assert_eq!(acked(first), acked(&third));
    assert_eq!(acked(first).claim.map(|claim| claim.at), Some(start().plus(Duration::from_secs(1))));
}

/// A repeated create answers the grant as it was created, whatever became of it.
pub async fn a_create_repeated_after_the_acknowledgement_answers_as_created(world: World) {
    let request = create_grant("p1", "g", vec![coins("gold", 5), crates("box", 2)]).sourced("quest");
    let first = world.settle_one(&request).await;
    world.settle_one(&ack("p1", granted(&first).grant.id)).await.expect("a pending grant is acknowledged");
    let again = world.settle_one(&request).await;
    assert_eq!(granted(&again).grant, granted(&first).grant);
    assert_eq!(granted(&again).repeat, Repeat::Replay);
    assert_eq!(granted(&again).grant.claim, None);
    let stored = world.stores.grants(world.realm, "p1", Some(GrantStatus::Claimed), start()).await;
    assert_eq!(stored.len(), 1, "the repeat did not undo the acknowledgement");
}

/// Created and acknowledged in one batch, and then created again in it.
pub async fn a_batch_sees_its_own_grants(world: World) {
    let command = create_grant("p1", "g", vec![coins("gold", 5)]).in_realm(world.realm);
    let Action::CreateGrant(new) = &command.action else { panic!("it creates a grant") };
    let ack = ack("p1", new.id).in_realm(world.realm);
    let outcomes = world.stores.settle_all(vec![command.clone(), ack, command]).await.outcomes;
    let [first, claimed, again] = outcomes.as_slice() else { panic!("three outcomes") };
    assert_eq!(granted(first).grant, granted(again).grant);
    assert_eq!(granted(again).repeat, Repeat::Replay);
    let stored = world.stores.grants(world.realm, "p1", None, start()).await;
    assert_eq!(stored.iter().collect::<Vec<_>>(), [acked(claimed)]);
}

/// Whoever is not its player learns nothing of a grant.
pub async fn a_grant_of_another_player_or_realm_is_not_found(world: World) {
    let grant = created(&world, "p1", "g").await;
    let [live, other_game] = world.other_realms;
    for realm in [world.realm, live, other_game] {
        world.stores.settle_one(realm, &credit("p2", "gold", 1)).await.expect("a credit is accepted");
        world.stores.settle_one(realm, &credit("p1", "gold", 1)).await.expect("a credit is accepted");
    }
    let here = [ack("p2", grant), ack("nobody", grant), ack("p1", NOBODYS)];
    let mut outcomes = world.settle(&here).await;
    outcomes.extend(world.stores.settle(live, &[ack("p1", grant)]).await);
    outcomes.extend(world.stores.settle(other_game, &[ack("p1", grant)]).await);
    assert!(outcomes.iter().all(|outcome| rejection(outcome) == &Rejection::GrantNotFound), "{outcomes:?}");
    assert_eq!(world.stores.profile(world.realm, "nobody").await, None);
    acked(&world.settle_one(&ack("p1", grant)).await);
}

/// An immediate grant is born claimed, with a ledger entry for each deposit.
pub async fn an_immediate_grant_deposits_its_entries(world: World) {
    let entries = vec![coins("gold", 5), items("sword", 2), coins("gold", 3), coins("gems", 1)];
    let outcome = world.settle_one(&immediate_grant("p1", "g", entries).sourced("bundle-7")).await;
    let grant = &granted(&outcome).grant;
    assert_eq!(grant.claim, Some(Claim { at: start(), by: AckedBy::Delivery }));
    assert_eq!(world.gold("p1").await, Some(8));
    assert_eq!(world.balance("p1", AssetKind::Item, "sword").await, Some(2));
    let rows = world.history("p1").await;
    let seen: Vec<_> = rows.iter().map(|row| (row.asset.key.as_str(), row.delta, row.balance_after.get())).collect();
    assert_eq!(seen, [("gold", 5, 5), ("sword", 2, 2), ("gold", 3, 8), ("gems", 1, 1)]);
    for row in &rows {
        assert_eq!(row.operation, Operation::GrantCreate);
        assert_eq!(row.reason.as_deref(), Some(GRANT_DEPOSIT_REASON));
        assert_eq!(row.source_ref.as_deref(), Some("bundle-7"));
    }
    let stored = world.stores.grants(world.realm, "p1", Some(GrantStatus::Claimed), start()).await;
    assert_eq!(stored.iter().collect::<Vec<_>>(), [&**grant]);
    let ack = world.settle_one(&ack("p1", grant.id)).await;
    assert_eq!(acked(&ack), &**grant);
}

/// When one of its deposits does not fit, an immediate grant deposits none.
pub async fn an_immediate_grant_deposits_all_or_nothing(world: World) {
    world.settle_one(&credit("p1", "gold", INTEGER_MAX)).await.expect("a credit is accepted");
    let request = immediate_grant("p1", "g", vec![items("sword", 1), coins("gold", 1)]);
    let outcome = world.settle_one(&request).await;
    assert!(matches!(rejection(&outcome), Rejection::BalanceLimit { .. }), "{outcome:?}");
    assert_eq!(world.balance("p1", AssetKind::Item, "sword").await, None);
    assert_eq!(world.stores.grants(world.realm, "p1", None, start()).await, []);
    assert_eq!(world.history("p1").await.len(), 1);
}

/// From its expiry on, a grant cannot be acknowledged, and lists as expired, though nothing has swept it.
pub async fn an_expired_grant_cannot_be_acknowledged(world: World) {
    let expiry = Duration::from_secs(60);
    let expires_at = start().plus(expiry);
    let expiring = |key| create_grant("p1", key, vec![coins("gold", 5)]).expiring(expires_at);
    let outcomes = world.settle(&[expiring("a"), expiring("b")]).await;
    let [kept, lost] = outcomes.as_slice() else { panic!("two outcomes") };
    let (kept, lost) = (granted(kept).grant.id, granted(lost).grant.id);
    let last_moment = expiry.saturating_sub(Duration::from_micros(1));
    let outcomes = world.settle(&[ack("p1", kept).after(last_moment), ack("p1", lost).after(expiry)]).await;
    let [claimed, expired] = outcomes.as_slice() else { panic!("two outcomes") };
    acked(claimed);
    assert_eq!(rejection(expired), &Rejection::GrantExpired { expires_at: Some(expires_at) });
    acked(&world.settle_one(&ack("p1", kept).after(expiry * 2)).await);
    let ids = async |status, now| -> Vec<GrantId> {
        world.stores.grants(world.realm, "p1", Some(status), now).await.iter().map(|grant| grant.id).collect()
    };
    let before = start().plus(last_moment);
    assert_eq!(ids(GrantStatus::Pending, before).await, [lost]);
    assert_eq!(ids(GrantStatus::Expired, before).await, []);
    assert_eq!(ids(GrantStatus::Pending, expires_at).await, []);
    assert_eq!(ids(GrantStatus::Expired, expires_at).await, [lost]);
    assert_eq!(ids(GrantStatus::Claimed, expires_at).await, [kept]);
}

/// Pages follow each other without a gap, newest first, whatever is filtered and whatever is created meanwhile.
pub async fn grant_pages_follow_each_other(world: World) {
    let mut ids = Vec::new();
    for number in 0..12 {
        // Three at each instant: their ids tell them apart.
        let draft = create_grant("p1", &format!("g{number}"), vec![coins("gold", 1)]);
        let outcome = world.settle_one(&draft.after(Duration::from_secs(number / 3))).await;
        ids.push(granted(&outcome).grant.id);
    }
    for claimed in ids.iter().step_by(2) {
        acked(&world.settle_one(&ack("p1", *claimed)).await);
    }
    world.settle_one(&create_grant("p2", "other", vec![coins("gold", 1)])).await.expect("a grant is accepted");
    let newest_first: Vec<GrantId> = ids.iter().rev().copied().collect();
    let of_parity = |parity| newest_first.iter().skip(parity).step_by(2).copied().collect::<Vec<_>>();
    for (status, expected) in [
        (None, newest_first.clone()),
        (Some(GrantStatus::Pending), of_parity(0)),
        (Some(GrantStatus::Claimed), of_parity(1)),
        (Some(GrantStatus::Expired), Vec::new()),
    ] {
        for limit in [1, 2, 5, 6, 12, 100] {
            assert_eq!(walk(&world, status, limit).await, expected, "{status:?} by {limit}");
        }
    }
}

async fn walk(world: &World, status: Option<GrantStatus>, limit: u32) -> Vec<GrantId> {
    let (realm, player) = (world.realm, external_id("p1"));
    let mut query = GrantQuery { realm, player, status, after: None, limit, now: start() };
    let mut seen = Vec::new();
    loop {
        let page = world.stores.reads.grants(&query).await.expect("the store works").expect("the player is known");
        let count = u32::try_from(page.rows.len()).expect("a page is small");
        assert!(count <= limit && (!page.more || count == limit), "{count} rows, more: {}", page.more);
        seen.extend(page.rows.iter().map(|grant| grant.id));
        query.after = seen.last().copied();
        if !page.more {
            return seen;
        }
    }
}
