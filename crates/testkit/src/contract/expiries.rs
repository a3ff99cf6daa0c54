//! What time alone does is told once: grants that expire unclaimed, and keys that will expire.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::{Actor, GrantId};
use domain::ids::Ids;
use domain::keys::{KeyChange, KeyId, KeyRecord, MintedKey, PermissionSet, Revocation};
use domain::limits::KeyLimits;
use domain::tenancy::{Realm, RealmId};
use domain::webhooks::{EndpointEdit, EventName, EventNames};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::lives::start;
use super::webhook_ways::{assert_first_says, data, said, told_to};

use super::{Stores, World, granted};
use crate::commands::{ack, coins, create_grant};
use crate::ids::SequentialIds;
use crate::lives::merge;
use crate::tenants::text;

const STUCK: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// So many minutes after a test starts.
fn minute(number: u64) -> Timestamp {
    start().plus(Duration::from_secs(60 * number))
}

/// So many days after a test starts.
fn day(number: u32) -> Timestamp {
    start().plus(DAY * number)
}

async fn tell(stores: &Stores, now: Timestamp) -> u32 {
    stores.outbox.tell_expiries(now, 10_000).await.expect("the store works")
}

/// A grant of `player` that expires so many minutes after the test starts.
async fn expiring(world: &World, realm: RealmId, player: &str, minutes: u64) -> GrantId {
    expiring_at(world, realm, player, minute(minutes)).await
}

async fn expiring_at(world: &World, realm: RealmId, player: &str, at: Timestamp) -> GrantId {
    let key = format!("{player}-{}", at.unix_micros());
    let draft = create_grant(player, &key, vec![coins("gold", 1)]).expiring(at).sourced("quest");
    granted(&world.stores.settle_one(realm, &draft).await).grant.id
}

fn grants_of(told: &[Value]) -> Vec<Value> {
    told.iter().map(|data| said(data, "grantId")).collect()
}

/// A grant that expires unclaimed is told of once, with the time at which it expired; one that was claimed, or does not
/// expire, or has not yet, is not.
pub async fn a_grant_that_expires_is_told_of_once(world: World) {
    world.subscribe(&[EventName::GrantExpired]).await;
    let realm = world.realm;
    assert_eq!(tell(&world.stores, minute(0)).await, 0);
    let [first, claimed, second_one, later] = [
        expiring(&world, realm, "p1", 10).await,
        expiring(&world, realm, "p2", 10).await,
        expiring(&world, realm, "p1", 20).await,
        expiring(&world, realm, "p1", 500).await,
    ];
    world.settle_one(&create_grant("p1", "for-ever", vec![coins("gold", 1)])).await.expect("a grant is accepted");
    world.settle_one(&ack("p2", claimed).after(Duration::from_secs(60))).await.expect("it is pending");
    assert_eq!(tell(&world.stores, minute(9)).await, 0);
    assert_eq!(tell(&world.stores, minute(11)).await, 1);
    assert_eq!(tell(&world.stores, minute(11)).await, 0);
    let world = world.reopened().await;
    assert_eq!(tell(&world.stores, minute(12)).await, 0);
    assert_eq!(tell(&world.stores, minute(60)).await, 1);
    let told = world.data_of(EventName::GrantExpired).await;
    assert_eq!(grants_of(&told), [json!(first.0), json!(second_one.0)]);
    let expected = json!({
        "externalPlayerId": "p1",
        "status": "expired",
        "expiresAt": minute(10).to_string(),
        "sourceRefId": "quest",
        "entries": [{ "kind": "currency", "economyKey": "gold", "amount": 1 }],
    });
    assert_first_says(&told, &expected);
    let events = world.told().await;
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [minute(10), minute(20)]);
    assert_eq!(tell(&world.stores, minute(501)).await, 1);
    assert_eq!(grants_of(&world.data_of(EventName::GrantExpired).await).last(), Some(&json!(later.0)));
}

/// Nothing is told of what expired before anybody looked, however shortly, nor in a realm where nobody is told of it.
pub async fn what_expired_before_the_first_look_is_not_told(world: World) {
    let [live, other] = world.other_realms;
    let mut before = vec![expiring(&world, world.realm, "p1", 10).await];
    for seconds in [90, 60, 59, 30, 3, 1] {
        let at = minute(28).plus(Duration::from_secs(120 - seconds));
        before.push(expiring_at(&world, world.realm, "p1", at).await);
    }
    expiring(&world, live, "p1", 40).await;
    world.subscribe(&[EventName::GrantExpired]).await;
    world.stores.subscribe(live, crate::endpoints::names(&[EventName::GrantCreated])).await;
    assert_eq!(tell(&world.stores, minute(30)).await, 0);
    assert_eq!(tell(&world.stores, minute(31)).await, 0, "none of {before:?}");
    let after = expiring(&world, world.realm, "p1", 40).await;
    expiring(&world, other, "p1", 40).await;
    assert_eq!(tell(&world.stores, minute(60)).await, 1);
    let told = grants_of(&world.data_of(EventName::GrantExpired).await);
    assert_eq!(told, [json!(after.0)], "not {before:?}");
    assert_eq!(world.stores.told(other).await, []);
    assert_eq!(world.stores.told_names(live).await, []);
}

/// However small the pieces, and however many tell at once, each is told and none is told twice.
pub async fn many_expiries_are_told_once_by_whoever_tells(world: World) {
    let realms = [world.realm, world.other_realms[0]];
    let mut expected = BTreeSet::new();
    for realm in realms {
        world.stores.subscribe(realm, EventNames::ALL).await;
    }
    assert_eq!(tell(&world.stores, minute(0)).await, 0);
    for realm in realms {
        for number in 0..20 {
            let id = expiring(&world, realm, &format!("p{number}"), 10 + number / 2).await;
            expected.insert(json!(id.0).to_string());
        }
    }
    let handles = [world.stores.clone(), world.second().await];
    let mut telling = JoinSet::new();
    for number in 0..4_usize {
        let stores = handles.get(number % 2).expect("two handles").clone();
        telling.spawn(async move {
            let mut told = 0;
            for _ in 0..20 {
                told += stores.outbox.tell_expiries(minute(60), 7).await.expect("the store works");
            }
            told
        });
    }
    let told: u32 = timeout(STUCK, telling.join_all()).await.expect("nobody waits for ever").into_iter().sum();
    // Who looked while another told may have found nothing; somebody comes again.
    assert_eq!(told + tell(&world.stores, minute(60)).await, 40);
    assert_eq!(tell(&world.stores, minute(60)).await, 0);
    let mut found = Vec::new();
    for realm in realms {
        let told = world.stores.told(realm).await.into_iter().filter(|event| event.name == EventName::GrantExpired);
        found.extend(told.map(|event| said(&data(&event), "grantId").to_string()));
    }
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (40, expected));
}

/// A grant that came to its player by a merge is told of as theirs.
pub async fn a_grant_that_was_merged_expires_as_the_targets(world: World) {
    world.subscribe(&[EventName::GrantExpired]).await;
    assert_eq!(tell(&world.stores, minute(0)).await, 0);
    expiring(&world, world.realm, "old", 10).await;
    expiring(&world, world.realm, "new", 500).await;
    world.merge_now(&merge("old", "new").after(Duration::from_secs(60))).await;
    assert_eq!(tell(&world.stores, minute(11)).await, 1);
    assert_first_says(&world.data_of(EventName::GrantExpired).await, &json!({ "externalPlayerId": "new" }));
}

/// A key that is issued on the first day and expires on day `expires`.
async fn issue(world: &World, realm: Realm, expires: u32) -> KeyRecord {
    let presented = MintedKey::mint(realm.environment, || SequentialIds.random()).presented();
    let key = KeyRecord {
        id: KeyId(SequentialIds.next(start())),
        realm,
        public_id: presented.public_id,
        hash: presented.hash,
        name: text("back end"),
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
        created_at: start(),
        expires_at: Some(day(expires)),
        expiry_set_at: start(),
        last_used_at: None,
        revocation: None,
        rotated_from: None,
    };
    change(world, &KeyChange::Issue(Box::new(key.clone())), AuditAction::KeyIssue).await;
    key
}

async fn change(world: &World, change: &KeyChange, action: AuditAction) {
    let (id, actor) = (AuditId(SequentialIds.next(start())), Actor::new("command_line"));
    let audit = AuditEntry::new(world.realm, id, start(), actor, action);
    world.stores.keys.apply(change, &audit).await.expect("the store works");
}

/// The keys that are told of, and how many days they have, oldest first.
async fn notices(world: &World) -> Vec<(String, u64)> {
    let told = world.data_of(EventName::ApiKeyExpiring).await;
    let text = |data: &Value| said(data, "keyId").as_str().map(str::to_owned);
    let notice = |data: &Value| Some((text(data)?, said(data, "daysRemaining").as_u64()?));
    told.iter().map(|data| notice(data).expect("a notice says which key, and how long it has")).collect()
}

/// A key is told of once at each threshold that it passes, across restarts; one made with seven days at the seven at once,
/// one made with five at the one only.
pub async fn a_key_that_will_expire_is_told_of_at_each_threshold(world: World) {
    let mut world = world;
    world.subscribe(&[EventName::ApiKeyExpiring]).await;
    let [sandbox, _] = world.realms;
    let (long, week, short) =
        (issue(&world, sandbox, 40).await, issue(&world, sandbox, 7).await, issue(&world, sandbox, 5).await);
    let mut counts = Vec::new();
    for number in 0..=41 {
        counts.push(tell(&world.stores, day(number)).await);
        assert_eq!(tell(&world.stores, day(number)).await, 0);
        if number % 10 == 0 {
            world = world.reopened().await;
        }
    }
    assert_eq!(counts.iter().sum::<u32>(), 6, "{counts:?}");
    let id = |key: &KeyRecord| key.id.0.to_string();
    let expected = [(&week, 7), (&short, 1), (&week, 1), (&long, 30), (&long, 7), (&long, 1)];
    assert_eq!(notices(&world).await, expected.map(|(key, days)| (id(key), days)));
    let told = world.data_of(EventName::ApiKeyExpiring).await;
    let expected = json!({
        "keyId": id(&week),
        "keyPrefix": week.display_prefix(),
        "name": "back end",
        "permissionSet": "server_integration",
        "environment": "sandbox",
        "expiresAt": day(7).to_string(),
        "lastUsedAt": null,
    });
    assert_first_says(&told, &expected);
}

/// Several that tell at once, at two handles, tell of a key once.
pub async fn a_key_is_told_of_once_by_whoever_tells(world: World) {
    world.subscribe(&[EventName::ApiKeyExpiring]).await;
    for _ in 0..5 {
        issue(&world, world.realms[0], 30).await;
    }
    let handles = [world.stores.clone(), world.second().await];
    for (number, expected) in [(0, 5), (23, 5), (29, 5), (29, 0)] {
        let mut telling = JoinSet::new();
        for stores in handles.clone().into_iter().chain(handles.clone()) {
            telling.spawn(async move { tell(&stores, day(number)).await });
        }
        let told: u32 = timeout(STUCK, telling.join_all()).await.expect("nobody waits for ever").into_iter().sum();
        assert_eq!(told, expected, "on day {number}");
    }
    assert_eq!(notices(&world).await.len(), 15);
}

/// A key whose end moves is told of anew; one that is revoked is not; each in its own realm only.
pub async fn a_key_whose_end_moves_is_told_of_anew(world: World) {
    world.subscribe(&[EventName::ApiKeyExpiring]).await;
    let [sandbox, live] = world.realms;
    let (moved, revoked) = (issue(&world, sandbox, 30).await, issue(&world, sandbox, 40).await);
    issue(&world, live, 30).await;
    assert_eq!(tell(&world.stores, day(0)).await, 1);
    let revise = KeyChange::Revise {
        realm: sandbox.id,
        id: moved.id,
        name: moved.name.clone(),
        limits: moved.limits,
        expires_at: Some(day(60)),
        expiry_set_at: day(5),
    };
    change(&world, &revise, AuditAction::KeyChange).await;
    let revocation = Revocation { at: day(5), reason: None };
    let revoke = KeyChange::Revoke { realm: sandbox.id, id: revoked.id, revocation };
    change(&world, &revoke, AuditAction::KeyRevoke).await;
    assert_eq!(tell(&world.stores, day(10)).await, 0);
    assert_eq!(tell(&world.stores, day(30)).await, 1);
    assert_eq!(tell(&world.stores, day(53)).await, 1);
    let id = moved.id.0.to_string();
    assert_eq!(notices(&world).await, [30, 30, 7].map(|days| (id.clone(), days)));
    assert_eq!(world.stores.told(live.id).await, []);
}

/// What nobody is told of any more is not stored.
pub async fn expiries_that_nobody_is_told_of_are_not_stored(world: World) {
    let endpoint = world.subscribe_to_all().await;
    assert_eq!(tell(&world.stores, minute(0)).await, 0);
    world.edit(endpoint.id, EndpointEdit::Delete).await;
    expiring(&world, world.realm, "p1", 10).await;
    issue(&world, world.realms[0], 30).await;
    assert_eq!(tell(&world.stores, minute(60)).await, 0);
    assert_eq!(world.told().await, []);
}

/// What is stored of an expiry is delivered as everything else is, and whoever waits is woken.
pub async fn expiries_are_delivered(world: World) {
    let endpoint = world.subscribe(&[EventName::GrantExpired, EventName::ApiKeyExpiring]).await;
    assert_eq!(tell(&world.stores, minute(0)).await, 0);
    expiring(&world, world.realm, "p1", 10).await;
    issue(&world, world.realms[0], 30).await;
    let _ = timeout(Duration::ZERO, world.stores.outbox.rung()).await;
    assert_eq!(tell(&world.stores, minute(60)).await, 2);
    timeout(STUCK, world.stores.outbox.rung()).await.expect("the bell rings");
    let taken = told_to(&world.take(minute(60)).await);
    assert_eq!(taken, [(endpoint.id, EventName::GrantExpired), (endpoint.id, EventName::ApiKeyExpiring)]);
}
