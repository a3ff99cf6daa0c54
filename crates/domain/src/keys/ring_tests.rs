//! The check that every request passes: what is asked of the store, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::test_keys::*;
use super::*;
use crate::audit_log::AuditEntry;
use crate::clock::{Clock, Timestamp};
use crate::economy::Actor;
use crate::store::StoreError;
use crate::tenancy::RealmId;

const MOMENT: Duration = Duration::from_micros(1);

/// A ring whose store is asked for `key` exactly `times`, and answers with `record`.
fn ring_asking(times: usize, key: &MintedKey, record: Option<KeyRecord>) -> (KeyRing, Arc<TestClock>) {
    let mut store = MockKeyStore::new();
    let public_id = key.presented().public_id;
    store.expect_find().withf(move |asked| *asked == public_id).times(times).returning(move |_| Ok(record.clone()));
    let clock = Arc::new(TestClock::new());
    (KeyRing::new(Arc::new(store), clock.clone()), clock)
}

fn moment_before(duration: Duration) -> Duration {
    duration.checked_sub(MOMENT).unwrap()
}

#[tokio::test]
async fn a_good_key_tells_who_is_calling() {
    let (minted, record) = key(1, TestClock::new().now());
    let (ring, _) = ring_asking(1, &minted, Some(record.clone()));
    let caller = ring.check(Some(minted.reveal())).await.unwrap();
    assert_eq!((caller.key, caller.realm, caller.permissions), (record.id, record.realm, record.permissions));
    assert_eq!(&*caller.display_prefix, record.display_prefix());
    assert_eq!(caller.actor.as_str(), record.display_prefix());
    assert!(minted.reveal().starts_with(&*caller.display_prefix));
}

#[tokio::test]
async fn the_store_is_asked_once_a_second_and_not_once_a_request() {
    let (minted, record) = key(1, TestClock::new().now());
    let (ring, clock) = ring_asking(3, &minted, Some(record));
    for _ in 0..3 {
        for wait in
            [Duration::ZERO, MOMENT, Duration::from_millis(500), moment_before(Duration::from_millis(500)) - MOMENT]
        {
            clock.advance(wait);
            for _ in 0..10 {
                ring.check(Some(minted.reveal())).await.unwrap();
            }
        }
        clock.advance(MOMENT);
    }
}

#[tokio::test]
async fn no_key_and_malformed_keys_are_refused_without_asking() {
    let ring = KeyRing::new(Arc::new(MockKeyStore::new()), Arc::new(TestClock::new()));
    assert!(matches!(ring.check(None).await, Err(Denied::Missing)));
    let (minted, _) = key(1, TestClock::new().now());
    let mistyped = minted.reveal().replace('a', "b") + "c";
    for text in ["", "nonsense", &mistyped] {
        assert!(matches!(ring.check(Some(text)).await, Err(Denied::Invalid)), "{text}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_remembered_for_a_second() {
    let (minted, _) = key(1, TestClock::new().now());
    let (ring, clock) = ring_asking(2, &minted, None);
    for wait in [Duration::ZERO, moment_before(RECORD_FRESH), MOMENT] {
        clock.advance(wait);
        assert!(matches!(ring.check(Some(minted.reveal())).await, Err(Denied::Invalid)));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_keep_a_record_alive() {
    let (minted, record) = key(1, TestClock::new().now());
    let (ring, clock) = ring_asking(2, &minted, Some(record));
    let before = clock.now();
    clock.advance(Duration::from_secs(3_600));
    ring.check(Some(minted.reveal())).await.unwrap();
    clock.set(before);
    ring.check(Some(minted.reveal())).await.unwrap();
}

#[tokio::test]
async fn a_key_expires_at_the_instant_it_says() {
    let clock = TestClock::new();
    let (minted, record) = key(1, clock.now());
    let end = Duration::from_millis(300);
    let (ring, clock) = ring_asking(1, &minted, Some(KeyRecord { expires_at: Some(clock.now().plus(end)), ..record }));
    clock.advance(moment_before(end));
    ring.check(Some(minted.reveal())).await.unwrap();
    clock.advance(MOMENT);
    assert!(matches!(ring.check(Some(minted.reveal())).await, Err(Denied::Expired)));
}

#[tokio::test]
async fn only_the_right_secret_learns_that_a_key_was_revoked_or_expired() {
    let now = TestClock::new().now();
    let (minted, record) = key(1, now);
    let revocation = Some(Revocation { at: now, reason: None });
    for (revocation, expires_at) in [(revocation.clone(), None), (None, Some(now)), (revocation, Some(now))] {
        let ended = KeyRecord { revocation: revocation.clone(), expires_at, ..record.clone() };
        let (ring, _) = ring_asking(1, &minted, Some(ended.clone()));
        let denied = ring.check(Some(minted.reveal())).await.unwrap_err();
        match revocation {
            Some(_) => assert!(matches!(denied, Denied::Revoked), "{denied:?}"),
            None => assert!(matches!(denied, Denied::Expired), "{denied:?}"),
        }
        // As if the presented key were another one with the same public id.
        let other = KeyRecord { hash: KeyHash([0; 32]), ..ended };
        let (ring, _) = ring_asking(1, &minted, Some(other.clone()));
        assert!(matches!(ring.check(Some(minted.reveal())).await, Err(Denied::Invalid)));
    }
}

#[tokio::test]
async fn a_revocation_elsewhere_is_seen_when_the_record_is_stale() {
    let (minted, record) = key(1, TestClock::new().now());
    let stored = Arc::new(Mutex::new(record));
    let mut store = MockKeyStore::new();
    let seen = stored.clone();
    store.expect_find().times(2).returning(move |_| Ok(Some(seen.lock().unwrap().clone())));
    let clock = Arc::new(TestClock::new());
    let ring = KeyRing::new(Arc::new(store), clock.clone());
    ring.check(Some(minted.reveal())).await.unwrap();
    stored.lock().unwrap().revocation = Some(Revocation { at: clock.now(), reason: None });
    clock.advance(moment_before(RECORD_FRESH));
    ring.check(Some(minted.reveal())).await.unwrap();
    clock.advance(MOMENT);
    assert!(matches!(ring.check(Some(minted.reveal())).await, Err(Denied::Revoked)));
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_not_remembered() {
    let (minted, record) = key(1, TestClock::new().now());
    let mut store = MockKeyStore::new();
    store.expect_find().times(1).returning(|_| Err(StoreError::unavailable("gone")));
    store.expect_find().times(1).returning(move |_| Ok(Some(record.clone())));
    let ring = KeyRing::new(Arc::new(store), Arc::new(TestClock::new()));
    assert!(matches!(ring.check(Some(minted.reveal())).await, Err(Denied::Store(StoreError::Unavailable(_)))));
    ring.check(Some(minted.reveal())).await.unwrap();
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute() {
    let (minted, record) = key(1, TestClock::new().now());
    let stored = Arc::new(Mutex::new(record.clone()));
    let mut store = MockKeyStore::new();
    let seen = stored.clone();
    store.expect_find().returning(move |_| Ok(Some(seen.lock().unwrap().clone())));
    let clock = Arc::new(TestClock::new());
    let ring = KeyRing::new(Arc::new(store), clock.clone());
    let mut written: Vec<Timestamp> = Vec::new();
    let start = clock.now();
    // A request and a look at the uses every 100 ms, for two minutes and a bit.
    for _ in 0..1_250 {
        ring.check(Some(minted.reveal())).await.unwrap();
        for (realm, id, at) in ring.take_uses() {
            assert_eq!((realm, id), (RealmId(7), record.id));
            stored.lock().unwrap().last_used_at = Some(at);
            written.push(at);
        }
        clock.advance(Duration::from_millis(100));
    }
    assert_eq!(written, [0, 60, 120].map(|seconds| start.plus(Duration::from_secs(seconds))));
}

#[tokio::test]
async fn a_key_that_was_used_a_moment_ago_elsewhere_is_not_noted_again() {
    let clock = TestClock::new();
    let (minted, record) = key(1, clock.now());
    let used = KeyRecord { last_used_at: Some(clock.now()), ..record };
    let (ring, clock) = ring_asking(2, &minted, Some(used.clone()));
    clock.advance(moment_before(LAST_USED_EVERY));
    ring.check(Some(minted.reveal())).await.unwrap();
    assert_eq!(ring.take_uses(), []);
    clock.advance(RECORD_FRESH);
    ring.check(Some(minted.reveal())).await.unwrap();
    assert_eq!(ring.take_uses().len(), 1);
}

#[tokio::test]
async fn a_refused_key_is_not_noted_as_used() {
    let now = TestClock::new().now();
    let (minted, record) = key(1, now);
    let (ring, _) = ring_asking(1, &minted, Some(KeyRecord { expires_at: Some(now), ..record.clone() }));
    ring.check(Some(minted.reveal())).await.unwrap_err();
    assert_eq!(ring.take_uses(), []);
}

/// Reads the record at once, and answers with it when the test says so.
struct SlowStore {
    record: Mutex<KeyRecord>,
    asked: Notify,
    answer: Notify,
}

#[async_trait]
impl KeyStore for SlowStore {
    async fn find(&self, _public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        let read = self.record.lock().unwrap().clone();
        self.asked.notify_one();
        self.answer.notified().await;
        Ok(Some(read))
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        Ok(vec![self.record.lock().unwrap().clone()])
    }

    async fn apply(&self, change: &KeyChange, _: &AuditEntry) -> Result<(), StoreError> {
        let KeyChange::Revoke { revocation, .. } = change else { panic!("the test only revokes: {change:?}") };
        self.record.lock().unwrap().revocation = Some(revocation.clone());
        Ok(())
    }

    async fn mark_used(&self, _uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A read that began before the revocation must not be remembered after it.
#[tokio::test]
async fn a_record_read_before_a_revocation_is_not_trusted_after_it() {
    let clock = Arc::new(TestClock::new());
    let (minted, record) = key(1, clock.now());
    let id = record.id.0;
    let store = Arc::new(SlowStore { record: Mutex::new(record), asked: Notify::new(), answer: Notify::new() });
    let ring = Arc::new(KeyRing::new(store.clone(), clock.clone()));
    let keys = Keys::new(store.clone(), ring.clone(), clock, Arc::new(TestIds::new()));
    let text = minted.reveal().to_owned();
    let early = tokio::spawn({
        let (ring, text) = (ring.clone(), text.clone());
        async move { ring.check(Some(&text)).await }
    });
    store.asked.notified().await;
    keys.revoke(&Actor::new("command_line"), None, id, None).await.unwrap();
    store.answer.notify_one();
    // The request that came before the revocation may pass; the next one may not.
    drop(early.await.unwrap());
    store.answer.notify_one();
    assert!(matches!(ring.check(Some(&text)).await, Err(Denied::Revoked)));
}
