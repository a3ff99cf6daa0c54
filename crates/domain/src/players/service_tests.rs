//! The use cases, over a mock of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::test_lives::{key, nothing_played, reason};
use super::*;
use crate::audit_log::MockAuditLog;
use crate::clock::MockClock;
use crate::economy::test_books::{REALM, external_id, minute};
use crate::economy::{Actor, Failure};
use crate::ids::MockIds;
use crate::keys::{Caller, KeyId, PermissionSet};
use crate::limits::KeyLimits;
use crate::tenancy::{Environment, GameId, Realm, StudioId};

fn caller() -> Caller {
    let (studio, game, environment) = (StudioId(Uuid::nil()), GameId(Uuid::nil()), Environment::Sandbox);
    Caller {
        key: KeyId(Uuid::nil()),
        display_prefix: "ks_sandbox_0000000000".into(),
        actor: Actor::new("ks_sandbox_0000000000"),
        realm: Realm { id: REALM, studio, game, environment },
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
    }
}

fn secret() -> InstallationSecret {
    InstallationSecret::new([3; 32])
}

/// The use cases in minute 5, with ids that count up from 1.
fn players(store: MockPlayerStore) -> Players {
    let mut clock = MockClock::new();
    clock.expect_now().return_const(minute(5));
    let mut ids = MockIds::new();
    let count = AtomicU64::new(1);
    ids.expect_next().returning(move |_| Uuid::from_u128(count.fetch_add(1, Ordering::Relaxed).into()));
    let (reads, audit_log) = (Arc::new(MockPlayerReads::new()), Arc::new(MockAuditLog::new()));
    Players::new(Arc::new(store), (reads, nothing_played()), audit_log, secret(), Arc::new(clock), Arc::new(ids))
}

#[tokio::test]
async fn a_ban_is_asked_of_the_store_as_the_caller_asked() {
    for change in [BanChange::Impose { reason: reason("cheating") }, BanChange::Lift] {
        let mut store = MockPlayerStore::new();
        let expected = change.clone();
        let asked = move |command: &BanCommand| {
            (command.realm, command.at, command.actor.as_str()) == (REALM, minute(5), "ks_sandbox_0000000000")
                && (&command.player, &command.change) == (&external_id("p1"), &expected)
        };
        let outcome = BanOutcome { player: PlayerId(Uuid::nil()), at: minute(5), applied: true };
        store.expect_change_ban().withf(asked).once().returning(move |_| Ok(Ok(outcome)));
        let answered = players(store).change_ban(&caller(), external_id("p1"), change).await;
        assert!(matches!(answered, Ok(answered) if answered == outcome), "{answered:?}");
    }
}

#[tokio::test]
async fn a_ban_of_nobody_is_told_as_an_unknown_player() {
    let mut store = MockPlayerStore::new();
    store.expect_change_ban().returning(|_| Ok(Err(UnknownPlayer)));
    let answered = players(store).change_ban(&caller(), external_id("p1"), BanChange::Lift).await;
    assert!(matches!(answered, Err(Failure::PlayerNotFound)), "{answered:?}");
}

#[tokio::test]
async fn a_merge_carries_the_digests_of_both_ids_and_ids_of_its_own() {
    let mut store = MockPlayerStore::new();
    store.expect_merge().once().returning(|command| {
        assert_eq!((command.realm, command.at), (REALM, minute(5)));
        assert_eq!((&command.source, &command.target), (&external_id("a"), &external_id("b")));
        assert_eq!(command.source_digest, secret().digest(REALM, &external_id("a")));
        assert_eq!(command.target_digest, secret().digest(REALM, &external_id("b")));
        assert_eq!(command.key, Some(key("k")));
        assert_ne!(EntryIds::starting_with(command.audit.0), command.entries);
        Ok(Err(MergeRefusal::TargetBanned))
    });
    let answered = players(store).merge(&caller(), external_id("a"), external_id("b"), Some(key("k"))).await;
    assert!(matches!(answered, Err(Failure::Unmergeable(MergeRefusal::TargetBanned))), "{answered:?}");
}

#[tokio::test]
async fn an_erasure_carries_the_digest_of_the_id_and_its_basis() {
    let mut store = MockPlayerStore::new();
    store.expect_erase().once().returning(|command| {
        assert_eq!((command.realm, command.at), (REALM, minute(5)));
        assert_eq!(command.digest, secret().digest(REALM, &external_id("p1")));
        assert_eq!((command.basis, command.key), (LegalBasis::Test, None));
        Ok(EraseOutcome::NeverExisted { at: command.at })
    });
    let answered = players(store).erase(&caller(), external_id("p1"), LegalBasis::Test, None).await;
    assert!(matches!(answered, Ok(EraseOutcome::NeverExisted { .. })), "{answered:?}");
}

#[tokio::test]
async fn a_store_that_fails_is_not_a_refusal() {
    let mut store = MockPlayerStore::new();
    store.expect_change_ban().returning(|_| Err(StoreError::unavailable("gone")));
    store.expect_merge().returning(|_| Err(StoreError::Overloaded));
    store.expect_erase().returning(|_| Err(StoreError::unavailable("gone")));
    let players = players(store);
    let banned = players.change_ban(&caller(), external_id("p1"), BanChange::Lift).await;
    assert!(matches!(banned, Err(Failure::Store(_))), "{banned:?}");
    let merged = players.merge(&caller(), external_id("a"), external_id("b"), None).await;
    assert!(matches!(merged, Err(Failure::Overloaded)), "{merged:?}");
    let erased = players.erase(&caller(), external_id("p1"), LegalBasis::Test, None).await;
    assert!(matches!(erased, Err(Failure::Store(_))), "{erased:?}");
}
