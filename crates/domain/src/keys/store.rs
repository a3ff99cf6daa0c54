//! What is kept of a key, and the port that keeps it.

use async_trait::async_trait;
use uuid::Uuid;

use super::{KeyHash, PublicId, display_prefix};
use crate::audit_log::AuditEntry;
use crate::clock::Timestamp;
use crate::limits::KeyLimits;
use crate::store::StoreError;
use crate::tenancy::{Realm, RealmId};
use crate::text::FreeText;

/// Names one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub Uuid);

/// What a key may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PermissionSet {
    /// `/server/v1`, for studio backends.
    ServerIntegration,
    /// `/sdk/v1`, for game clients.
    ClientSdk,
    /// `/admin/v1`, for operators.
    Admin,
}

impl PermissionSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ServerIntegration, Self::ClientSdk, Self::Admin];

    /// The name used in storage, on the wire and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerIntegration => "server_integration",
            Self::ClientSdk => "client_sdk",
            Self::Admin => "admin",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permissions| permissions.as_str() == name)
    }
}

/// Everything that is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The one realm that it opens.
    pub realm: Realm,
    /// The part of the key by which the record is found.
    pub public_id: PublicId,
    /// The SHA-256 of the whole key.
    pub hash: KeyHash,
    /// What its owner calls it.
    pub name: FreeText,
    /// What it may open.
    pub permissions: PermissionSet,
    /// The limits that are its own.
    pub limits: KeyLimits,
    /// When it was issued.
    pub created_at: Timestamp,
    /// From this instant on it is refused.
    pub expires_at: Option<Timestamp>,
    /// When its expiry was decided: at its issue, or since.
    pub expiry_set_at: Timestamp,
    /// About when it was used last, at most a minute behind.
    pub last_used_at: Option<Timestamp>,
    /// Present once it was revoked.
    pub revocation: Option<Revocation>,
    /// The key that it replaces.
    pub rotated_from: Option<KeyId>,
}

impl KeyRecord {
    /// The part of the key that may be shown.
    pub fn display_prefix(&self) -> String {
        display_prefix(self.realm.environment, &self.public_id)
    }
}

/// When and why a key was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Option<FreeText>,
}

/// A change of the stored keys. Each is stored whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// Adds a key.
    Issue(Box<KeyRecord>),
    /// Adds a key that replaces `old`, whose expiry moves to `old_expires_at`, decided when the new one was issued.
    Rotate {
        /// The new key.
        new: Box<KeyRecord>,
        /// The key that it replaces.
        old: KeyId,
        /// The end of the overlap.
        old_expires_at: Timestamp,
    },
    /// Changes what a key is called, its limits and when it expires.
    Revise {
        /// The realm of the key.
        realm: RealmId,
        /// The key.
        id: KeyId,
        /// What it is called from now on.
        name: FreeText,
        /// The limits that are its own from now on.
        limits: KeyLimits,
        /// When it expires from now on.
        expires_at: Option<Timestamp>,
        /// When that was decided.
        expiry_set_at: Timestamp,
    },
    /// Ends a key for good.
    Revoke {
        /// The realm of the key.
        realm: RealmId,
        /// The key.
        id: KeyId,
        /// When and why.
        revocation: Revocation,
    },
}

/// Where keys are kept.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// The key with that public id.
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError>;

    /// All keys of all realms, oldest first.
    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError>;

    /// Stores `change`, and `audit`, which says who made it.
    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError>;

    /// Stores when keys were used last. A time that is not later than the stored one changes nothing.
    async fn mark_used(&self, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError>;
}
