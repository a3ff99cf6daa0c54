//! Keys: issued, replaced, ended, used.

use std::time::Duration;

use domain::audit_log::{AuditAction, AuditEntry, AuditId};
use domain::clock::Timestamp;
use domain::economy::Actor;
use domain::ids::Ids;
use domain::keys::{KeyChange, KeyId, KeyRecord, KeyStore, MintedKey, PermissionSet, PublicId, Revocation};
use domain::limits::{KeyLimits, RateLimit};
use domain::tenancy::Realm;

use super::World;
use crate::clock::START;
use crate::ids::SequentialIds;
use crate::tenants::text;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(START).plus(Duration::from_secs(seconds))
}

fn key(realm: Realm, seconds: u64) -> KeyRecord {
    let presented = MintedKey::mint(realm.environment, || SequentialIds.random()).presented();
    KeyRecord {
        id: KeyId(SequentialIds.next(at(seconds))),
        realm,
        public_id: presented.public_id,
        hash: presented.hash,
        name: text("back end"),
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
        created_at: at(seconds),
        expires_at: None,
        expiry_set_at: at(seconds),
        last_used_at: None,
        revocation: None,
        rotated_from: None,
    }
}

/// An entry of the audit log that says what was done to `key`, newer than any before.
fn audited(action: AuditAction, key: &KeyRecord) -> AuditEntry {
    let (id, actor) = (AuditId(SequentialIds.next(at(0))), Actor::new("command_line"));
    AuditEntry::new(key.realm.id, id, key.created_at, actor, action)
}

/// So many calls a minute.
fn limited(per_minute: u32) -> KeyLimits {
    KeyLimits { server_api: RateLimit::try_new(per_minute) }
}

async fn issue(keys: &dyn KeyStore, key: &KeyRecord) {
    keys.apply(&KeyChange::Issue(Box::new(key.clone())), &audited(AuditAction::KeyIssue, key))
        .await
        .expect("the store works");
}

async fn found(keys: &dyn KeyStore, key: &KeyRecord) -> KeyRecord {
    keys.find(&key.public_id).await.expect("the store works").expect("the key is known")
}

/// Every field, for every permission set and both environments, across a restart.
pub async fn an_issued_key_is_found_as_it_was(world: World) {
    let [sandbox, live] = world.realms;
    let awkward = "naïve \"name\" 🦀 '; --";
    let issued = [
        key(sandbox, 1),
        KeyRecord { permissions: PermissionSet::ClientSdk, expires_at: Some(at(9)), ..key(live, 2) },
        KeyRecord { permissions: PermissionSet::Admin, name: text(awkward), limits: limited(0), ..key(live, 3) },
        KeyRecord { limits: limited(RateLimit::MAX), ..key(live, 4) },
    ];
    for key in &issued {
        issue(&*world.stores.keys, key).await;
    }
    let world = world.reopened().await;
    for key in &issued {
        assert_eq!(&found(&*world.stores.keys, key).await, key);
    }
    assert_eq!(world.stores.keys.all().await.expect("the store works"), issued);
    let unknown = PublicId::restore("0000000000".to_owned());
    assert_eq!(world.stores.keys.find(&unknown).await.expect("the store works"), None);
}

/// A public id is compared character by character.
pub async fn a_public_id_in_another_case_is_another_key(world: World) {
    let [sandbox, _] = world.realms;
    let key = KeyRecord { public_id: PublicId::restore("abcDEF1234".to_owned()), ..key(sandbox, 1) };
    issue(&*world.stores.keys, &key).await;
    let other = PublicId::restore("ABCdef1234".to_owned());
    assert_eq!(world.stores.keys.find(&other).await.expect("the store works"), None);
}

/// A rotation adds the new key and moves the end of the old one, and touches no other.
pub async fn a_rotation_moves_the_end_of_the_old_key(world: World) {
    let [sandbox, live] = world.realms;
    let keys = &*world.stores.keys;
    let (old, bystander) = (key(sandbox, 1), key(live, 2));
    issue(keys, &old).await;
    issue(keys, &bystander).await;
    let new = KeyRecord { rotated_from: Some(old.id), ..key(sandbox, 3) };
    let rotation = KeyChange::Rotate { new: Box::new(new.clone()), old: old.id, old_expires_at: at(60) };
    keys.apply(&rotation, &audited(AuditAction::KeyRotate, &new)).await.expect("the store works");
    let ended = KeyRecord { expires_at: Some(at(60)), expiry_set_at: new.created_at, ..old };
    assert_eq!(keys.all().await.expect("the store works"), [ended, bystander, new.clone()]);
    assert_eq!(found(keys, &new).await, new);
}

/// A change of a limit is seen through other handles, and touches no other key.
pub async fn a_limit_of_a_key_is_changed_and_taken_away(world: World) {
    let [sandbox, live] = world.realms;
    let second = world.second().await;
    let (mut changed, bystander) = (key(sandbox, 1), KeyRecord { limits: limited(5), ..key(live, 2) });
    for key in [&changed, &bystander] {
        issue(&*world.stores.keys, key).await;
    }
    for limits in [limited(600), limited(0), KeyLimits::default()] {
        changed.limits = limits;
        let KeyRecord { id, name, expires_at, expiry_set_at, .. } = changed.clone();
        let change = KeyChange::Revise { realm: sandbox.id, id, name, limits, expires_at, expiry_set_at };
        let audit = audited(AuditAction::KeyChange, &changed);
        world.stores.keys.apply(&change, &audit).await.expect("the store works");
        assert_eq!(found(&*second.keys, &changed).await, changed);
        assert_eq!(found(&*second.keys, &bystander).await, bystander);
    }
}

/// A revocation keeps when and why, with and without a reason, and is seen through other handles.
pub async fn a_revocation_is_kept_with_its_reason(world: World) {
    let [sandbox, _] = world.realms;
    let second = world.second().await;
    for (reason, seconds) in [(Some(text("leaked: \"pastebin\" 🦀")), 1), (Some(text("")), 2), (None, 3)] {
        let key = key(sandbox, seconds);
        issue(&*world.stores.keys, &key).await;
        assert_eq!(found(&*second.keys, &key).await, key);
        let revocation = Revocation { at: at(60), reason };
        let change = KeyChange::Revoke { realm: sandbox.id, id: key.id, revocation: revocation.clone() };
        world.stores.keys.apply(&change, &audited(AuditAction::KeyRevoke, &key)).await.expect("the store works");
        let revoked = KeyRecord { revocation: Some(revocation), ..key };
        assert_eq!(found(&*second.keys, &revoked).await, revoked);
        assert_eq!(found(&*world.stores.keys, &revoked).await, revoked);
    }
}

/// Of several times at which a key was used the latest is kept, in whatever order they arrive.
pub async fn the_latest_use_of_a_key_is_kept(world: World) {
    let [sandbox, live] = world.realms;
    let keys = &*world.stores.keys;
    let (first, second, unused) = (key(sandbox, 1), key(live, 2), key(live, 3));
    for key in [&first, &second, &unused] {
        issue(keys, key).await;
    }
    let use_of = |key: &KeyRecord, seconds| (key.realm.id, key.id, at(seconds));
    let used = async || {
        let all = keys.all().await.expect("the store works");
        all.iter().map(|key| key.last_used_at).collect::<Vec<_>>()
    };
    keys.mark_used(&[]).await.expect("the store works");
    assert_eq!(used().await, [None, None, None]);
    keys.mark_used(&[use_of(&first, 10), use_of(&second, 20)]).await.expect("the store works");
    assert_eq!(used().await, [Some(at(10)), Some(at(20)), None]);
    keys.mark_used(&[use_of(&second, 15), use_of(&first, 30)]).await.expect("the store works");
    assert_eq!(used().await, [Some(at(30)), Some(at(20)), None]);
    assert_eq!(found(keys, &first).await, KeyRecord { last_used_at: Some(at(30)), ..first });
}

/// Every change is in the audit log of the key's realm, stored with it.
pub async fn a_change_of_a_key_is_audited(world: World) {
    let [sandbox, live] = world.realms;
    let keys = &*world.stores.keys;
    let old = key(sandbox, 1);
    issue(keys, &old).await;
    let new = KeyRecord { rotated_from: Some(old.id), ..key(sandbox, 3) };
    let rotation = KeyChange::Rotate { new: Box::new(new.clone()), old: old.id, old_expires_at: at(60) };
    keys.apply(&rotation, &audited(AuditAction::KeyRotate, &new)).await.expect("the store works");
    let revocation = Revocation { at: at(60), reason: None };
    let change = KeyChange::Revoke { realm: sandbox.id, id: old.id, revocation };
    keys.apply(&change, &audited(AuditAction::KeyRevoke, &old)).await.expect("the store works");
    let world = world.reopened().await;
    let page = world.stores.audit_log.page(sandbox.id, None, 10).await.expect("the store works");
    let actions: Vec<_> = page.rows.iter().map(|row| row.entry.action).collect();
    assert_eq!(actions, [AuditAction::KeyRevoke, AuditAction::KeyRotate, AuditAction::KeyIssue]);
    let page = world.stores.audit_log.page(live.id, None, 10).await.expect("the store works");
    assert!(page.rows.is_empty());
}
