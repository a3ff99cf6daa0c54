//! API keys in SQLite.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::audit_log::AuditEntry;
use domain::clock::Timestamp;
use domain::keys::{KeyChange, KeyId, KeyRecord, KeyStore, PublicId};
use domain::store::StoreError;
use domain::tenancy::RealmId;
use domain::text::FreeText;

use super::statement::statement;
use super::{SqliteStore, audit_log, connection};
use crate::rows::keys::{KeyRow, key_of, stored};

type KeyColumns = (
    (BigInt, Binary, Binary, Text),
    (Binary, Text, Binary, Text, Text),
    (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<BigInt>, Nullable<Text>, Nullable<Binary>),
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
    FindKeys<'a> { public_id: &'a str => Text } -> KeyColumns = concat!(select_keys!(), "WHERE k.public_id = ?")
}

statement! {
    /// All keys, oldest first.
    AllKeys {} -> KeyColumns = concat!(select_keys!(), "ORDER BY k.created_at, k.id")
}

statement! {
    /// The keys of a realm that expire and were not revoked.
    ExpiringKeys { realm: i64 => BigInt } -> KeyColumns
    = concat!(select_keys!(), "WHERE k.realm = ? AND k.expires_at IS NOT NULL AND k.revoked_at IS NULL")
}

statement! {
    /// Stores a new key.
    InsertKey<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, public_id: &'a str => Text, hash: &'a [u8] => Binary,
        name: &'a str => Text, permission_set: &'a str => Text, created_at: i64 => BigInt,
        expires_at: Option<i64> => Nullable<BigInt>, rotated_from: Option<&'a [u8]> => Nullable<Binary>,
        rate_limit_server_api: Option<i64> => Nullable<BigInt>,
    }
    -> () = "INSERT INTO api_keys (realm, id, public_id, hash, name, permission_set, created_at, expires_at, rotated_from,
            rate_limit_server_api)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Moves the end of a key's life.
    ExpireKey<'a> {
        expires_at: i64 => BigInt, expiry_set_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary,
    }
    -> () = "UPDATE api_keys SET expires_at = ?, expiry_set_at = ? WHERE realm = ? AND id = ?"
}

statement! {
    /// Changes what a key is called, its limits, and the end of its life.
    ReviseKey<'a> {
        name: &'a str => Text, rate_limit_server_api: Option<i64> => Nullable<BigInt>,
        expires_at: Option<i64> => Nullable<BigInt>, expiry_set_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary,
    }
    -> () = "UPDATE api_keys SET name = ?, rate_limit_server_api = ?, expires_at = ?, expiry_set_at = ?
        WHERE realm = ? AND id = ?"
}

statement! {
    /// Ends a key. The first revocation stands.
    RevokeKey<'a> { at: i64 => BigInt, reason: Option<&'a str> => Nullable<Text>, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE api_keys SET revoked_at = ?, revoked_reason = ? WHERE realm = ? AND id = ? AND revoked_at IS NULL"
}

statement! {
    /// Moves the time at which a key was last used, forward only.
    MarkKeyUsed<'a> { at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary, later_than: i64 => BigInt }
    -> () = "UPDATE api_keys SET last_used_at = ?
        WHERE realm = ? AND id = ? AND (last_used_at IS NULL OR last_used_at < ?)"
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn find(&self, public_id: &PublicId) -> Result<Option<KeyRecord>, StoreError> {
        let public_id = public_id.clone();
        let read = move |connection: &mut SqliteConnection| {
            let found = FindKeys { public_id: public_id.as_str() }.load::<KeyRow>(connection)?;
            found.into_iter().next().map(key_of).transpose()
        };
        self.readers.run(read).await
    }

    async fn all(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let read = |connection: &mut SqliteConnection| {
            let rows = (AllKeys {}).load::<KeyRow>(connection)?;
            rows.into_iter().map(key_of).collect()
        };
        self.readers.run(read).await
    }

    async fn apply(&self, change: &KeyChange, audit: &AuditEntry) -> Result<(), StoreError> {
        let (change, audit) = (change.clone(), audit.clone());
        let write = move |connection: &mut SqliteConnection| {
            apply(connection, &change)?;
            audit_log::insert(connection, &audit)
        };
        self.writer.run(|connection| connection::write(connection, write)).await
    }

    async fn mark_used(&self, uses: &[(RealmId, KeyId, Timestamp)]) -> Result<(), StoreError> {
        let uses = uses.to_vec();
        let write = move |connection: &mut SqliteConnection| {
            uses.iter().try_for_each(|(realm, key, at)| {
                let (at, later_than) = (at.unix_micros(), at.unix_micros());
                let used = MarkKeyUsed { at, realm: realm.0, id: key.0.as_bytes(), later_than };
                used.execute(connection).map(drop)
            })
        };
        self.writer.run(|connection| connection::write(connection, write)).await
    }
}

/// The keys of `realm` that expire and were not revoked.
pub(super) fn of_realm_that_expire(connection: &mut SqliteConnection, realm: RealmId) -> QueryResult<Vec<KeyRecord>> {
    let rows = ExpiringKeys { realm: realm.0 }.load::<KeyRow>(connection)?;
    rows.into_iter().map(key_of).collect()
}

fn apply(connection: &mut SqliteConnection, change: &KeyChange) -> QueryResult<()> {
    match change {
        KeyChange::Issue(key) => insert(connection, key),
        KeyChange::Rotate { new, old, old_expires_at } => {
            insert(connection, new)?;
            let (expires_at, realm) = (old_expires_at.unix_micros(), new.realm.id.0);
            let expiry_set_at = new.created_at.unix_micros();
            ExpireKey { expires_at, expiry_set_at, realm, id: old.0.as_bytes() }.execute(connection).map(drop)
        }
        KeyChange::Revise { realm, id, name, limits, expires_at, expiry_set_at } => {
            let (name, expires_at) = (name.as_str(), expires_at.map(Timestamp::unix_micros));
            let (expiry_set_at, id) = (expiry_set_at.unix_micros(), id.0.as_bytes().as_slice());
            let (rate_limit_server_api, realm) = (stored(limits.server_api), realm.0);
            let statement = ReviseKey { name, rate_limit_server_api, expires_at, expiry_set_at, realm, id };
            statement.execute(connection).map(drop)
        }
        KeyChange::Revoke { realm, id, revocation } => {
            let (at, reason) = (revocation.at.unix_micros(), revocation.reason.as_ref().map(FreeText::as_str));
            RevokeKey { at, reason, realm: realm.0, id: id.0.as_bytes() }.execute(connection).map(drop)
        }
    }
}

fn insert(connection: &mut SqliteConnection, key: &KeyRecord) -> QueryResult<()> {
    let statement = InsertKey {
        realm: key.realm.id.0,
        id: key.id.0.as_bytes(),
        public_id: key.public_id.as_str(),
        hash: &key.hash.0,
        name: key.name.as_str(),
        permission_set: key.permissions.as_str(),
        created_at: key.created_at.unix_micros(),
        expires_at: key.expires_at.map(Timestamp::unix_micros),
        rotated_from: key.rotated_from.as_ref().map(|old| old.0.as_bytes().as_slice()),
        rate_limit_server_api: stored(key.limits.server_api),
    };
    statement.execute(connection).map(drop)
}
