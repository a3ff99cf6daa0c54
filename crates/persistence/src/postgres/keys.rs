//! API keys in PostgreSQL.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::audit_log::AuditEntry;
use domain::clock::Timestamp;
use domain::keys::{KeyChange, KeyId, KeyRecord, KeyStore, PublicId};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::FreeText;
use scoped_futures::ScopedFutureExt;
use uuid::Uuid;

use super::statement::statement;
use super::trouble::Trouble;
use super::{PostgresStore, audit_log};
use crate::rows::keys::{KeyRow, key_of, stored};

type KeyColumns = (
    (BigInt, SqlUuid, SqlUuid, Text),
    (SqlUuid, Text, Binary, Text, Text),
    (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>, Nullable<SqlUuid>),
    (Nullable<BigInt>,),
);

/// A key with its realm, in the order of [`KeyRow`].
macro_rules! select_keys {
    () => {
        "SELECT k.realm, g.studio, g.id, r.environment, k.id, k.public_id, k.hash, k.name, k.permission_set, k.created_at,
            k.expires_at, k.expiry_set_at, k.last_used_at, k.revoked_at, k.revoked_reason, k.rotated_from,
            k.rate_limit_server_api
        FROM api_keys k JOIN realms r ON r.id = k.realm JOIN games g ON g.id = r.game "
    };
}

statement! {
    /// Keys by their public id: one, short of a miracle.
    FindKeys<'a> { public_id: &'a str => Text } -> KeyColumns = concat!(select_keys!(), "WHERE k.public_id = $1")
}

statement! {
    /// All keys, oldest first.
    AllKeys {} -> KeyColumns = concat!(select_keys!(), "ORDER BY k.created_at, k.id")
}

statement! {
    /// Stores a new key.
    InsertKey<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, public_id: &'a str => Text, hash: &'a [u8] => Binary,
        name: &'a str => Text, permission_set: &'a str => Text, created_at: i64 => BigInt,
        expires_at: Option<i64> => Nullable<BigInt>, rotated_from: Option<Uuid> => Nullable<SqlUuid>,
        rate_limit_server_api: Option<i64> => Nullable<BigInt>,
    }
    -> () = "INSERT INTO api_keys (realm, id, public_id, hash, name, permission_set, created_at, expires_at, rotated_from,
            rate_limit_server_api)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
}

statement! {
    /// Moves the end of a key's life.
    ExpireKey { realm: i64 => BigInt, id: Uuid => SqlUuid, expires_at: i64 => BigInt, expiry_set_at: i64 => BigInt }
    -> () = "UPDATE api_keys SET expires_at = $3, expiry_set_at = $4 WHERE realm = $1 AND id = $2"
}

statement! {
    /// Changes what a key is called, its limits, and the end of its life.
    ReviseKey<'a> {
        realm: i64 => BigInt, id: Uuid => SqlUuid, name: &'a str => Text, expires_at: Option<i64> => Nullable<BigInt>,
        expiry_set_at: i64 => BigInt, rate_limit_server_api: Option<i64> => Nullable<BigInt>,
    }
    -> () = "UPDATE api_keys SET name = $3, expires_at = $4, expiry_set_at = $5, rate_limit_server_api = $6
        WHERE realm = $1 AND id = $2"
}

statement! {
    /// Ends a key. The first revocation stands.
    RevokeKey<'a> { realm: i64 => BigInt, id: Uuid => SqlUuid, at: i64 => BigInt, reason: Option<&'a str> => Nullable<Text> }
    -> () = "UPDATE api_keys SET revoked_at = $3, revoked_reason = $4
        WHERE realm = $1 AND id = $2 AND revoked_at IS NULL"
}

statement! {
    /// Moves the time at which a key was last used, forward only.
    MarkKeyUsed { realm: i64 => BigInt, id: Uuid => SqlUuid, at: i64 => BigInt }
    -> () = "UPDATE api_keys SET last_used_at = $3
        WHERE realm = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)"
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        self.readers.read(|connection| find(connection, public_id).scope_boxed()).await
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        self.readers.read(|connection| all(connection).scope_boxed()).await
    }

    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError> {
        let save = self.lanes.save(|connection, ()| {
            async move {
                apply(connection, change).await?;
                audit_log::insert(connection, audit).await
            }
            .scope_boxed()
        });
        save.await
    }

    async fn mark_used(&self, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        // In the order of the keys, so that two servers never wait for each other.
        let mut uses = uses.to_vec();
        uses.sort_unstable_by_key(|(realm, key, _)| (*realm, key.0));
        let uses = &uses;
        self.lanes.save(|connection, ()| mark_used(connection, uses).scope_boxed()).await
    }
}

async fn find(mut connection: &AsyncPgConnection, public_id: &PublicId) -> QueryResult<Option<KeyRecord>> {
    let found: Vec<KeyRow> = FindKeys { public_id: public_id.as_str() }.load(&mut connection).await?;
    found.into_iter().next().map(key_of).transpose()
}

pub(super) async fn all(mut connection: &AsyncPgConnection) -> QueryResult<Vec<KeyRecord>> {
    let rows: Vec<KeyRow> = AllKeys {}.load(&mut connection).await?;
    rows.into_iter().map(key_of).collect()
}

async fn mark_used(mut connection: &AsyncPgConnection, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), Trouble> {
    for (realm, key, at) in uses {
        let used = MarkKeyUsed { realm: realm.0, id: key.0, at: at.unix_micros() };
        used.execute(&mut connection).await?;
    }
    Ok(())
}

async fn apply(mut connection: &AsyncPgConnection, change: &KeyChange) -> Result<(), Trouble> {
    match change {
        KeyChange::Issue(key) => Ok(insert(connection, key).await?),
        KeyChange::Rotate { new, old, old_expires_at } => {
            insert(connection, new).await?;
            let (realm, expires_at) = (new.realm.id.0, old_expires_at.unix_micros());
            let expiry_set_at = new.created_at.unix_micros();
            let statement = ExpireKey { realm, id: old.0, expires_at, expiry_set_at };
            Ok(statement.execute(&mut connection).await.map(drop)?)
        }
        KeyChange::Revise { realm, id, name, limits, expires_at, expiry_set_at } => {
            let (name, expires_at) = (name.as_str(), expires_at.map(Timestamp::unix_micros));
            let (realm, id, expiry_set_at) = (realm.0, id.0, expiry_set_at.unix_micros());
            let rate_limit_server_api = stored(limits.server_api);
            let statement = ReviseKey { realm, id, name, expires_at, expiry_set_at, rate_limit_server_api };
            Ok(statement.execute(&mut connection).await.map(drop)?)
        }
        KeyChange::Revoke { realm, id, revocation } => {
            let (at, reason) = (revocation.at.unix_micros(), revocation.reason.as_ref().map(FreeText::as_str));
            Ok(RevokeKey { realm: realm.0, id: id.0, at, reason }.execute(&mut connection).await.map(drop)?)
        }
    }
}

async fn insert(mut connection: &AsyncPgConnection, key: &KeyRecord) -> QueryResult<()> {
    let statement = InsertKey {
        realm: key.realm.id.0,
        id: key.id.0,
        public_id: key.public_id.as_str(),
        hash: &key.hash.0,
        name: key.name.as_str(),
        permission_set: key.permissions.as_str(),
        created_at: key.created_at.unix_micros(),
        expires_at: key.expires_at.map(Timestamp::unix_micros),
        rotated_from: key.rotated_from.map(|old| old.0),
        rate_limit_server_api: stored(key.limits.server_api),
    };
    statement.execute(&mut connection).await.map(drop)
}
