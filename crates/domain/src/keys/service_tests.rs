//! The life of a key, over a store in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::test_keys::*;
use super::*;
use crate::audit_log::{AuditAction, AuditEntry};
use crate::clock::{Clock, Timestamp};
use crate::economy::Actor;
use crate::limits::{KeyLimits, RateLimit};
use crate::store::StoreError;
use crate::tenancy::RealmId;
use crate::text::FreeText;

const HOUR: Duration = Duration::from_secs(3_600);
const MOMENT: Duration = Duration::from_micros(1);

/// Keeps keys, and counts what it was asked.
#[derive(Default)]
struct CountingStore {
    keys: Mutex<Vec<KeyRecord>>,
    applied: Mutex<Vec<KeyChange>>,
    audited: Mutex<Vec<AuditEntry>>,
}

#[async_trait]
impl KeyStore for CountingStore {
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.keys.lock().unwrap().iter().find(|key| key.public_id == *public_id).cloned())
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        Ok(self.keys.lock().unwrap().clone())
    }

    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError> {
        let mut keys = self.keys.lock().unwrap();
        match change {
            KeyChange::Issue(new) => keys.push(KeyRecord::clone(new)),
            KeyChange::Rotate { new, old, old_expires_at } => {
                let old = keys.iter_mut().find(|key| key.id == *old).unwrap();
                (old.expires_at, old.expiry_set_at) = (Some(*old_expires_at), new.created_at);
                keys.push(KeyRecord::clone(new));
            }
            KeyChange::Revise { id, name, limits, expires_at, expiry_set_at, .. } => {
                let key = keys.iter_mut().find(|key| key.id == *id).unwrap();
                (key.name, key.expires_at, key.expiry_set_at) = (name.clone(), *expires_at, *expiry_set_at);
                key.limits = *limits;
            }
            KeyChange::Revoke { id, revocation, .. } => {
                keys.iter_mut().find(|key| key.id == *id).unwrap().revocation = Some(revocation.clone());
            }
        }
        self.applied.lock().unwrap().push(change.clone());
        self.audited.lock().unwrap().push(audit.clone());
        Ok(())
    }

    async fn mark_used(&self, _uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        Ok(())
    }
}

fn operator() -> Actor {
    Actor::new("command_line")
}

struct Office {
    keys: Keys,
    ring: Arc<KeyRing>,
    store: Arc<CountingStore>,
    clock: Arc<TestClock>,
}

impl Office {
    fn open() -> Self {
        let (store, clock) = (Arc::new(CountingStore::default()), Arc::new(TestClock::new()));
        let ring = Arc::new(KeyRing::new(store.clone(), clock.clone()));
        let keys = Keys::new(store.clone(), ring.clone(), clock.clone(), Arc::new(TestIds::new()));
        Self { keys, ring, store, clock }
    }

    async fn issue(&self, lifetime: Option<Duration>) -> (MintedKey, KeyRecord) {
        let name = FreeText::try_new("back end").unwrap();
        let limits = KeyLimits::default();
        let new = NewKey { realm: realm(), name, permissions: PermissionSet::Admin, lifetime, limits };
        self.keys.issue(&operator(), new).await.unwrap()
    }

    async fn admits(&self, key: &MintedKey) -> bool {
        self.ring.check(Some(key.reveal())).await.is_ok()
    }

    fn stored(&self, id: KeyId) -> KeyRecord {
        self.store.keys.lock().unwrap().iter().find(|key| key.id == id).cloned().unwrap()
    }
}

#[tokio::test]
async fn an_issued_key_works_and_only_its_hash_is_kept() {
    let office = Office::open();
    let (minted, record) = office.issue(Some(HOUR)).await;
    assert_eq!(office.stored(record.id), record);
    assert_eq!(record.expires_at, Some(office.clock.now().plus(HOUR)));
    assert_eq!(record.hash, minted.presented().hash);
    assert!(!format!("{record:?}").contains(minted.reveal()));
    assert!(office.admits(&minted).await);
    assert_eq!(office.keys.all().await.unwrap(), [record]);
}

#[tokio::test]
async fn every_issued_key_is_another() {
    let office = Office::open();
    let (one, other) = (office.issue(None).await, office.issue(None).await);
    assert_ne!(one.0.reveal(), other.0.reveal());
    assert_ne!(one.1.id, other.1.id);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_the_very_next_check() {
    let office = Office::open();
    let (minted, record) = office.issue(None).await;
    assert!(office.admits(&minted).await);
    let reason = Some(FreeText::try_new("leaked").unwrap());
    let revoked = office.keys.revoke(&operator(), None, record.id.0, reason.clone()).await.unwrap();
    assert_eq!(revoked.revocation, Some(Revocation { at: office.clock.now(), reason }));
    assert_eq!(office.stored(record.id), revoked);
    assert!(matches!(office.ring.check(Some(minted.reveal())).await, Err(Denied::Revoked)));
}

#[tokio::test]
async fn revoking_again_changes_nothing() {
    let office = Office::open();
    let (_, record) = office.issue(None).await;
    let first = office.keys.revoke(&operator(), None, record.id.0, None).await.unwrap();
    office.clock.advance(HOUR);
    let reason = Some(FreeText::try_new("second thoughts").unwrap());
    assert_eq!(office.keys.revoke(&operator(), None, record.id.0, reason).await.unwrap(), first);
    assert_eq!(office.store.applied.lock().unwrap().len(), 2, "one issue and one revocation");
}

#[tokio::test]
async fn a_rotated_key_works_beside_its_successor_until_the_overlap_ends() {
    let office = Office::open();
    let (old, record) = office.issue(None).await;
    assert!(office.admits(&old).await);
    let (new, successor) = office.keys.rotate(&operator(), None, record.id.0, HOUR).await.unwrap();
    assert_eq!(successor.rotated_from, Some(record.id));
    assert_eq!(
        (successor.realm, &successor.name, successor.permissions),
        (record.realm, &record.name, record.permissions)
    );
    assert_eq!(successor.expires_at, None, "its predecessor was made to live for ever");
    assert_ne!(new.reveal(), old.reveal());
    office.clock.advance(HOUR.checked_sub(MOMENT).unwrap());
    assert!(office.admits(&old).await && office.admits(&new).await);
    office.clock.advance(MOMENT);
    assert!(matches!(office.ring.check(Some(old.reveal())).await, Err(Denied::Expired)));
    assert!(office.admits(&new).await);
}

#[tokio::test]
async fn a_rotation_without_overlap_ends_the_old_key_at_once() {
    let office = Office::open();
    let (old, record) = office.issue(None).await;
    assert!(office.admits(&old).await);
    let (new, _) = office.keys.rotate(&operator(), None, record.id.0, Duration::ZERO).await.unwrap();
    assert!(matches!(office.ring.check(Some(old.reveal())).await, Err(Denied::Expired)));
    assert!(office.admits(&new).await);
}

#[tokio::test]
async fn a_rotation_never_prolongs_the_old_key_and_gives_the_new_one_its_lifetime() {
    let office = Office::open();
    let (_, record) = office.issue(Some(HOUR)).await;
    office.clock.advance(HOUR / 2);
    let (_, successor) = office.keys.rotate(&operator(), None, record.id.0, ROTATION_OVERLAP).await.unwrap();
    assert_eq!(office.stored(record.id).expires_at, record.expires_at);
    assert_eq!(successor.expires_at, Some(office.clock.now().plus(HOUR)));
}

#[tokio::test]
async fn a_limit_of_a_key_is_changed_and_taken_away_and_its_successor_has_the_same() {
    let office = Office::open();
    let (minted, record) = office.issue(None).await;
    let revise = async |server_api: Option<RateLimit>| {
        let revision = KeyRevision { server_api: Some(server_api), ..KeyRevision::default() };
        office.keys.revise(&operator(), None, record.id.0, revision).await.unwrap();
        office.ring.check(Some(minted.reveal())).await.unwrap().limits
    };
    let ten = RateLimit::try_new(10);
    assert_eq!(revise(ten).await, KeyLimits { server_api: ten });
    let renamed = KeyRevision { name: Some(FreeText::try_new("other").unwrap()), ..KeyRevision::default() };
    assert_eq!(office.keys.revise(&operator(), None, record.id.0, renamed).await.unwrap().limits.server_api, ten);
    let (successor, _) = office.keys.rotate(&operator(), None, record.id.0, HOUR).await.unwrap();
    assert_eq!(office.ring.check(Some(successor.reveal())).await.unwrap().limits.server_api, ten);
    assert_eq!(revise(None).await, KeyLimits::default());
    let audited = office.store.audited.lock().unwrap()[1].clone();
    assert!(audited.details.unwrap().as_json().contains(r#""serverApiPerMinute":10"#));
}

#[tokio::test]
async fn what_has_ended_is_not_rotated_and_what_is_unknown_is_not_found() {
    let office = Office::open();
    let (_, revoked) = office.issue(None).await;
    office.keys.revoke(&operator(), None, revoked.id.0, None).await.unwrap();
    let (_, expired) = office.issue(Some(HOUR)).await;
    office.clock.advance(HOUR);
    assert!(matches!(office.keys.rotate(&operator(), None, revoked.id.0, HOUR).await, Err(KeyError::Revoked)));
    assert!(matches!(office.keys.rotate(&operator(), None, expired.id.0, HOUR).await, Err(KeyError::Expired)));
    assert!(matches!(office.keys.rotate(&operator(), None, Uuid::nil(), HOUR).await, Err(KeyError::NotFound)));
    assert!(matches!(office.keys.revoke(&operator(), None, Uuid::nil(), None).await, Err(KeyError::NotFound)));
}

#[tokio::test]
async fn a_key_is_not_handed_out_when_it_was_not_stored() {
    let mut store = MockKeyStore::new();
    store.expect_apply().times(1).returning(|_, _| Err(StoreError::unavailable("gone")));
    let (store, clock) = (Arc::new(store), Arc::new(TestClock::new()));
    let ring = Arc::new(KeyRing::new(store.clone(), clock.clone()));
    let keys = Keys::new(store, ring, clock, Arc::new(TestIds::new()));
    let name = FreeText::try_new("back end").unwrap();
    let limits = KeyLimits::default();
    let new = NewKey { realm: realm(), name, permissions: PermissionSet::Admin, lifetime: None, limits };
    assert!(matches!(keys.issue(&operator(), new).await, Err(KeyError::Store(StoreError::Unavailable(_)))));
}

#[tokio::test]
async fn every_change_of_a_key_is_audited_without_its_secret() {
    let office = Office::open();
    let (minted, record) = office.issue(None).await;
    let (successor, _) = office.keys.rotate(&operator(), None, record.id.0, HOUR).await.unwrap();
    let reason = FreeText::try_new("leaked").unwrap();
    for _ in 0..2 {
        office.keys.revoke(&operator(), None, record.id.0, Some(reason.clone())).await.unwrap();
    }
    let audited = office.store.audited.lock().unwrap().clone();
    let told: Vec<_> = audited.iter().map(|entry| (entry.action, entry.reason.clone())).collect();
    let revoked = (AuditAction::KeyRevoke, Some(reason));
    assert_eq!(told, [(AuditAction::KeyIssue, None), (AuditAction::KeyRotate, None), revoked]);
    for entry in &audited {
        assert_eq!((&entry.actor, entry.realm), (&operator(), record.realm.id));
        let said = format!("{entry:?}");
        assert!(!said.contains(minted.reveal()) && !said.contains(successor.reveal()), "{said}");
    }
}
