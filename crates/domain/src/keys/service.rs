//! The life of a key: issued, rotated with an overlap, revoked.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use super::{KeyChange, KeyId, KeyRecord, KeyRing, KeyStore, MintedKey, PermissionSet, Revocation};
use crate::audit_log::{AuditAction, AuditEntry, AuditId};
use crate::clock::{Clock, Timestamp};
use crate::economy::Actor;
use crate::ids::Ids;
use crate::limits::{KeyLimits, RateLimit};
use crate::store::StoreError;
use crate::tenancy::{Environment, Realm, RealmId};
use crate::text::{FreeText, JsonObject};

/// For how long a rotated key goes on working beside its successor unless told otherwise.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a change of a key was refused.
#[derive(Debug, Error)]
pub enum KeyError {
    /// No key has that id.
    #[error("there is no such key")]
    NotFound,
    /// A revoked key cannot be rotated.
    #[error("the key was revoked")]
    Revoked,
    /// An expired key cannot be rotated.
    #[error("the key has expired")]
    Expired,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A key to be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The realm that it opens.
    pub realm: Realm,
    /// What its owner calls it.
    pub name: FreeText,
    /// What it may open.
    pub permissions: PermissionSet,
    /// For how long it works; for ever when absent.
    pub lifetime: Option<Duration>,
    /// The limits that are its own.
    pub limits: KeyLimits,
}

/// What a change of a key says; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRevision {
    /// What its owner calls it.
    pub name: Option<FreeText>,
    /// When it expires, `Some(None)` for never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Its own limit of server calls, `Some(None)` for none.
    pub server_api: Option<Option<RateLimit>>,
}

/// Issues, lists, changes, rotates and revokes keys.
pub struct Keys {
    store: Arc<dyn KeyStore>,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Keys {
    /// Puts the use cases on their ports. `ring` is told of every change, so that it holds from the next request on.
    pub fn new(store: Arc<dyn KeyStore>, ring: Arc<KeyRing>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, ring, clock, ids }
    }

    /// Issues a key. Its text is in the answer, this once.
    /// `actor` is who issues it.
    pub async fn issue(&self, actor: &Actor, new: NewKey) -> Result<(MintedKey, KeyRecord), KeyError> {
        let now = self.clock.now();
        let expires_at = new.lifetime.map(|lifetime| now.plus(lifetime));
        self.issue_at(actor, new, now, expires_at).await
    }

    /// The same, of a key that works until `expires_at`, whatever `new` says of its lifetime.
    pub async fn issue_until(
        &self,
        actor: &Actor,
        new: NewKey,
        expires_at: Timestamp,
    ) -> Result<(MintedKey, KeyRecord), KeyError> {
        self.issue_at(actor, new, self.clock.now(), Some(expires_at)).await
    }

    async fn issue_at(
        &self,
        actor: &Actor,
        new: NewKey,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<(MintedKey, KeyRecord), KeyError> {
        let (minted, record) = self.mint(new, now, expires_at);
        let audit = self.audited(actor, AuditAction::KeyIssue, &record, now, None);
        self.store.apply(&KeyChange::Issue(Box::new(record.clone())), &audit).await?;
        Ok((minted, record))
    }

    /// All keys of a realm, oldest first.
    pub async fn of_realm(&self, realm: RealmId) -> Result<Vec<KeyRecord>, KeyError> {
        let mut keys = self.store.all().await?;
        keys.retain(|key| key.realm.id == realm);
        Ok(keys)
    }

    /// All keys of all realms, oldest first.
    pub async fn all(&self) -> Result<Vec<KeyRecord>, KeyError> {
        Ok(self.store.all().await?)
    }

    /// Replaces the key `id` by a new one with the same settings, which lives as long as the old one was made to live; the
    /// old one goes on working for `overlap`, and no longer than it would have. Of a realm, only its own keys are found.
    ///
    /// # Errors
    /// [`KeyError::NotFound`], or [`KeyError::Revoked`] or [`KeyError::Expired`] when there is nothing left to replace.
    pub async fn rotate(
        &self,
        actor: &Actor,
        within: Option<RealmId>,
        id: Uuid,
        overlap: Duration,
    ) -> Result<(MintedKey, KeyRecord), KeyError> {
        let old = self.find(within, id).await?;
        let now = self.clock.now();
        if old.revocation.is_some() {
            return Err(KeyError::Revoked);
        }
        if old.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(KeyError::Expired);
        }
        let overlap_ends = now.plus(overlap);
        let old_expires_at = old.expires_at.map_or(overlap_ends, |expires_at| expires_at.min(overlap_ends));
        let expires_at = old.expires_at.map(|expires_at| now.plus(expires_at.since(old.created_at)));
        let KeyRecord { realm, name, permissions, limits, .. } = old;
        let (minted, mut record) =
            self.mint(NewKey { realm, name, permissions, lifetime: None, limits }, now, expires_at);
        record.rotated_from = Some(old.id);
        let audit = self.audited(actor, AuditAction::KeyRotate, &record, now, None);
        let change = KeyChange::Rotate { new: Box::new(record.clone()), old: old.id, old_expires_at };
        self.store.apply(&change, &audit).await?;
        self.ring.forget(&old.public_id);
        Ok((minted, record))
    }

    /// Changes what a key is called, its limits and when it expires; what is `None` stays. A new expiry is told of again before it comes
    /// ([`KeyRecord::notice_due`]).
    ///
    /// # Errors
    /// [`KeyError::NotFound`], or [`KeyError::Revoked`] or [`KeyError::Expired`]: what has ended stays ended.
    pub async fn revise(
        &self,
        actor: &Actor,
        within: Option<RealmId>,
        id: Uuid,
        revision: KeyRevision,
    ) -> Result<KeyRecord, KeyError> {
        let mut key = self.find(within, id).await?;
        let now = self.clock.now();
        if key.revocation.is_some() {
            return Err(KeyError::Revoked);
        }
        if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
            return Err(KeyError::Expired);
        }
        if let Some(expires_at) = revision.expires_at {
            (key.expires_at, key.expiry_set_at) = (expires_at, now);
        }
        if let Some(name) = revision.name {
            key.name = name;
        }
        if let Some(server_api) = revision.server_api {
            key.limits.server_api = server_api;
        }
        let audit = self.audited(actor, AuditAction::KeyChange, &key, now, None);
        let (realm, name, limits) = (key.realm.id, key.name.clone(), key.limits);
        let (expires_at, expiry_set_at) = (key.expires_at, key.expiry_set_at);
        let change = KeyChange::Revise { realm, id: key.id, name, limits, expires_at, expiry_set_at };
        self.store.apply(&change, &audit).await?;
        self.ring.forget(&key.public_id);
        Ok(key)
    }

    /// Ends a key: it is refused from the very next request in this process. Revoking it again changes nothing.
    ///
    /// # Errors
    /// [`KeyError::NotFound`].
    pub async fn revoke(
        &self,
        actor: &Actor,
        within: Option<RealmId>,
        id: Uuid,
        reason: Option<FreeText>,
    ) -> Result<KeyRecord, KeyError> {
        let mut key = self.find(within, id).await?;
        if key.revocation.is_none() {
            let revocation = Revocation { at: self.clock.now(), reason };
            let (realm, id) = (key.realm.id, key.id);
            let why = revocation.reason.clone();
            let audit = self.audited(actor, AuditAction::KeyRevoke, &key, revocation.at, why);
            self.store.apply(&KeyChange::Revoke { realm, id, revocation: revocation.clone() }, &audit).await?;
            key.revocation = Some(revocation);
        }
        self.ring.forget(&key.public_id);
        Ok(key)
    }

    /// The audit entry of what `actor` did to `key`, which it names by what may be shown of it.
    fn audited(
        &self,
        actor: &Actor,
        action: AuditAction,
        key: &KeyRecord,
        at: Timestamp,
        reason: Option<FreeText>,
    ) -> AuditEntry {
        let details = serde_json::json!({
            "keyId": key.id.0,
            "keyPrefix": key.display_prefix(),
            "name": key.name.as_str(),
            "permissionSet": key.permissions.as_str(),
            "rotatedFrom": key.rotated_from.map(|old| old.0),
            "expiresAt": key.expires_at.map(|at| at.to_string()),
            "serverApiPerMinute": key.limits.server_api.map(RateLimit::per_minute),
        });
        let entry = AuditEntry::new(key.realm.id, AuditId(self.ids.next(at)), at, actor.clone(), action);
        AuditEntry { reason, details: Some(JsonObject::restore(details.to_string())), ..entry }
    }

    async fn find(&self, within: Option<RealmId>, id: Uuid) -> Result<KeyRecord, KeyError> {
        let all = self.store.all().await?;
        let key = all.into_iter().find(|key| key.id == KeyId(id));
        key.filter(|key| within.is_none_or(|realm| realm == key.realm.id)).ok_or(KeyError::NotFound)
    }

    /// A key as `new` says, but for its lifetime.
    fn mint(&self, new: NewKey, now: Timestamp, expires_at: Option<Timestamp>) -> (MintedKey, KeyRecord) {
        let NewKey { realm, name, permissions, limits, lifetime: _ } = new;
        let environment: Environment = realm.environment;
        let minted = MintedKey::mint(environment, || self.ids.random());
        let presented = minted.presented();
        let record = KeyRecord {
            id: KeyId(self.ids.next(now)),
            realm,
            public_id: presented.public_id,
            hash: presented.hash,
            name,
            permissions,
            limits,
            created_at: now,
            expires_at,
            expiry_set_at: now,
            last_used_at: None,
            revocation: None,
            rotated_from: None,
        };
        (minted, record)
    }
}
