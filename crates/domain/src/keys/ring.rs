//! The key ring: checks the key of every request against records that are at most a second old.
//!
//! The store is asked once a second for a key in use, not once a request. A key that this process revokes is refused from
//! the very next request, because revoking drops its record here; one revoked by another process is refused when the
//! record here has gone stale. A plain age limit does that on every store alike, with nothing to subscribe to and nothing
//! to miss.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use thiserror::Error;

use super::{KeyHash, KeyId, KeyRecord, KeyStore, PermissionSet, PresentedKey, PublicId};
use crate::clock::{Clock, Timestamp};
use crate::economy::Actor;
use crate::limits::KeyLimits;
use crate::store::StoreError;
use crate::tenancy::{Realm, RealmId};

/// For how long a record is trusted before the store is asked again. Well below the 5 seconds within which a revocation
/// must be seen by every process.
pub const RECORD_FRESH: Duration = Duration::from_secs(1);

/// How often at most the use of a key is written down.
pub const LAST_USED_EVERY: Duration = Duration::from_secs(60);

/// The most records that are remembered. Unknown keys are remembered too, so this bounds what a guesser can fill.
const RECORDS_MAX: usize = 10_000;

/// Who is calling, as proven by a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key.
    pub key: KeyId,
    /// The part of it that may be shown.
    pub display_prefix: Arc<str>,
    /// The same, as it goes on ledger entries.
    pub actor: Actor,
    /// The realm that it opens.
    pub realm: Realm,
    /// What it may open there.
    pub permissions: PermissionSet,
    /// The limits that are the key's own.
    pub limits: KeyLimits,
}

/// Why a key was refused.
#[derive(Debug, Error)]
pub enum Denied {
    /// No key was presented.
    #[error("no API key was presented")]
    Missing,
    /// It is malformed or unknown, or its secret is wrong.
    #[error("the API key is invalid")]
    Invalid,
    /// It was revoked. Said only to one who presented the right secret.
    #[error("the API key was revoked")]
    Revoked,
    /// It has expired. Said only to one who presented the right secret.
    #[error("the API key has expired")]
    Expired,
    /// Whether it is valid could not be found out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks keys.
pub struct KeyRing {
    store: Arc<dyn KeyStore>,
    clock: Arc<dyn Clock>,
    records: RwLock<Records>,
    used: Mutex<HashMap<KeyId, Use>>,
}

#[derive(Default)]
struct Records {
    by_id: HashMap<PublicId, Remembered>,
    /// How often a record was dropped because its key changed. What was read before that is not remembered after it.
    forgotten: u64,
}

/// The last noted use of a key, kept after it was taken: it tells when the next one is due.
struct Use {
    realm: RealmId,
    at: Timestamp,
    taken: bool,
}

#[derive(Clone)]
struct Remembered {
    at: Timestamp,
    record: Option<Arc<Known>>,
}

struct Known {
    caller: Caller,
    hash: KeyHash,
    revoked: bool,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl KeyRing {
    /// A ring that has seen no key yet.
    pub fn new(store: Arc<dyn KeyStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, records: RwLock::default(), used: Mutex::default() }
    }

    /// Checks the key that a request presents; `None` when it presents none.
    pub async fn check(&self, presented: Option<&str>) -> Result<Caller, Denied> {
        let presented = PresentedKey::parse(presented.ok_or(Denied::Missing)?).map_err(|_| Denied::Invalid)?;
        let now = self.clock.now();
        let record = match self.remembered(&presented.public_id, now) {
            Some(record) => record,
            None => self.refresh(&presented.public_id, now).await?,
        };
        let known = record.ok_or(Denied::Invalid)?;
        let caller = known.admit(&presented, now)?;
        self.note_use(&known, now);
        Ok(caller)
    }

    /// Drops what is remembered of a key, so that the next request that presents it asks the store.
    pub fn forget(&self, public_id: &PublicId) {
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        records.by_id.remove(public_id);
        records.forgotten = records.forgotten.wrapping_add(1);
    }

    /// Takes the uses that are to be written down: of each key at most one a minute, and each once.
    pub fn take_uses(&self) -> Vec<(RealmId, KeyId, Timestamp)> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut due = Vec::new();
        for (key, noted) in used.iter_mut().filter(|(_, noted)| !noted.taken) {
            noted.taken = true;
            due.push((noted.realm, *key, noted.at));
        }
        due
    }

    fn remembered(&self, public_id: &PublicId, now: Timestamp) -> Option<Option<Arc<Known>>> {
        let records = self.records.read().unwrap_or_else(PoisonError::into_inner);
        let remembered = records.by_id.get(public_id)?;
        // A clock that was set back must not keep a record for longer.
        let fresh = remembered.at <= now && now.since(remembered.at) < RECORD_FRESH;
        fresh.then(|| remembered.record.clone())
    }

    async fn refresh(&self, public_id: &PublicId, now: Timestamp) -> Result<Option<Arc<Known>>, StoreError> {
        let forgotten = self.records.read().unwrap_or_else(PoisonError::into_inner).forgotten;
        let record = self.store.find(public_id).await?.map(|record| Arc::new(Known::from(record)));
        let mut records = self.records.write().unwrap_or_else(PoisonError::into_inner);
        if records.forgotten != forgotten {
            // A key changed while this was read: it holds for this request, which began before, and for no later one.
            return Ok(record);
        }
        if RECORDS_MAX <= records.by_id.len() {
            // Forgetting is always safe. Picking out what is stale would cost a scan for every key that a guesser makes up.
            records.by_id.clear();
        }
        records.by_id.insert(public_id.clone(), Remembered { at: now, record: record.clone() });
        Ok(record)
    }

    fn note_use(&self, known: &Known, now: Timestamp) {
        if known.last_used_at.is_some_and(|last| now.since(last) < LAST_USED_EVERY) {
            return;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // A use that was taken may not be in the store, or in the record here, yet.
        if used.get(&known.caller.key).is_some_and(|noted| now.since(noted.at) < LAST_USED_EVERY) {
            return;
        }
        used.insert(known.caller.key, Use { realm: known.caller.realm.id, at: now, taken: false });
    }
}

impl Known {
    /// The rules for one key at one instant, the most telling refusal only after the secret was proven.
    fn admit(&self, presented: &PresentedKey, now: Timestamp) -> Result<Caller, Denied> {
        if self.hash != presented.hash {
            return Err(Denied::Invalid);
        }
        if self.revoked {
            return Err(Denied::Revoked);
        }
        if self.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(Denied::Expired);
        }
        Ok(self.caller.clone())
    }
}

impl From<KeyRecord> for Known {
    fn from(record: KeyRecord) -> Self {
        let display_prefix = record.display_prefix();
        Self {
            caller: Caller {
                key: record.id,
                actor: Actor::new(&display_prefix),
                display_prefix: display_prefix.into(),
                realm: record.realm,
                permissions: record.permissions,
                limits: record.limits,
            },
            hash: record.hash,
            revoked: record.revocation.is_some(),
            expires_at: record.expires_at,
            last_used_at: record.last_used_at,
        }
    }
}
