//! For the tests of this module: a clock moved by hand, random bytes that are not, and keys made of them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::ids::Ids;
use crate::limits::KeyLimits;
use crate::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use crate::text::FreeText;

pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(1_772_366_400_000_000))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    pub(super) fn set(&self, to: Timestamp) {
        self.0.store(to.unix_micros(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

pub(super) struct TestIds(AtomicU64);

impl TestIds {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(1))
    }
}

impl Ids for TestIds {
    fn next(&self, _at: Timestamp) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }

    fn random(&self) -> [u8; 64] {
        let seed = self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes()[7];
        std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(29).wrapping_add(seed))
    }
}

pub(super) fn realm() -> Realm {
    Realm {
        id: RealmId(7),
        studio: StudioId(Uuid::from_u128(1)),
        game: GameId(Uuid::from_u128(2)),
        environment: Environment::Sandbox,
    }
}

/// A key made at `at`, which never ends.
pub(crate) fn key(seed: u8, at: Timestamp) -> (MintedKey, KeyRecord) {
    let minted = MintedKey::mint(Environment::Sandbox, || {
        std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(37).wrapping_add(seed))
    });
    let presented = minted.presented();
    let record = KeyRecord {
        id: KeyId(Uuid::from_u128(u128::from(seed) << 64)),
        realm: realm(),
        public_id: presented.public_id,
        hash: presented.hash,
        name: FreeText::try_new("back end").unwrap(),
        permissions: PermissionSet::ServerIntegration,
        limits: KeyLimits::default(),
        created_at: at,
        expires_at: None,
        expiry_set_at: at,
        last_used_at: None,
        revocation: None,
        rotated_from: None,
    };
    (minted, record)
}
