//! Rows of API keys.

use diesel::result::Error;
use domain::keys::{KeyHash, KeyId, KeyRecord, PermissionSet, PublicId, Revocation};
use domain::limits::{KeyLimits, RateLimit};
use domain::tenancy::{Environment, GameId, Realm, RealmId, StudioId};
use domain::text::FreeText;

use super::{StoredDigest, StoredUuid, named, time, time_if_any};

/// A key with its realm, in four groups: the realm, the key's identity, its life, its limits.
pub(crate) type KeyRow = (
    (i64, StoredUuid, StoredUuid, String),
    (StoredUuid, String, StoredDigest, String, String),
    (i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>, Option<String>, Option<StoredUuid>),
    (Option<i64>,),
);

/// Reads a key back.
pub(crate) fn key_of(row: KeyRow) -> Result<KeyRecord, Error> {
    let (realm, identity, life, (server_api,)) = row;
    let (realm, studio, game, environment) = realm;
    let (id, public_id, hash, name, permissions) = identity;
    let (created_at, expires_at, expiry_set_at, last_used_at, revoked_at, revoked_reason, rotated_from) = life;
    let environment = named("environment", &environment, Environment::parse)?;
    Ok(KeyRecord {
        id: KeyId(id.0),
        realm: Realm { id: RealmId(realm), studio: StudioId(studio.0), game: GameId(game.0), environment },
        public_id: PublicId::restore(public_id),
        hash: KeyHash(hash.0),
        name: FreeText::restore(name),
        permissions: named("permission set", &permissions, PermissionSet::parse)?,
        limits: KeyLimits { server_api: server_api.map(RateLimit::restore) },
        created_at: time(created_at),
        expires_at: time_if_any(expires_at),
        expiry_set_at: time(expiry_set_at.unwrap_or(created_at)),
        last_used_at: time_if_any(last_used_at),
        revocation: revoked_at.map(|at| Revocation { at: time(at), reason: revoked_reason.map(FreeText::restore) }),
        rotated_from: rotated_from.map(|old| KeyId(old.0)),
    })
}

/// A limit as it is stored.
pub(crate) fn stored(limit: Option<RateLimit>) -> Option<i64> {
    limit.map(|limit| limit.per_minute().into())
}
