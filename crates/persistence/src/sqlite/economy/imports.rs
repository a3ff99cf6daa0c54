//! Imports of players in SQLite.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{Fingerprint, ImportedPlayer, KeyDigest};
use domain::tenancy::RealmId;
use domain::text::JsonObject;

use super::save::exactly_one;
use crate::rows::StoredDigest;
use crate::sqlite::statement::statement;

statement! {
    /// The import that was made under an idempotency key.
    FindImportOnce<'a> { realm: i64 => BigInt, key: &'a [u8] => Binary } -> (Binary,)
    = "SELECT fingerprint FROM player_imports WHERE realm = ? AND idempotency_key = ?"
}

statement! {
    /// Stores an import.
    InsertImport<'a> {
        realm: i64 => BigInt, idempotency_key: &'a [u8] => Binary, fingerprint: &'a [u8] => Binary,
        player: &'a [u8] => Binary, created_at: i64 => BigInt,
    }
    -> () = "INSERT INTO player_imports (realm, idempotency_key, fingerprint, player, created_at) VALUES (?, ?, ?, ?, ?)"
}

statement! {
    /// Replaces what is known of a player.
    UpdateContext<'a> { context_snapshot: &'a str => Text, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE players SET context_snapshot = ? WHERE realm = ? AND id = ?"
}

/// The fingerprint of the import that was made under an idempotency key.
pub(super) fn find_once(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: KeyDigest,
) -> QueryResult<Option<Fingerprint>> {
    let statement = FindImportOnce { realm: realm.0, key: &key.0 };
    let found = statement.get_result::<(StoredDigest,)>(connection).optional()?;
    Ok(found.map(|(fingerprint,)| Fingerprint(fingerprint.0)))
}

/// Stores an import of a player who is stored already.
pub(super) fn insert(connection: &mut SqliteConnection, import: &ImportedPlayer) -> QueryResult<()> {
    let ImportedPlayer { realm, player, context_snapshot, once, at } = import;
    let (realm, player) = (realm.0, player.0.as_bytes().as_slice());
    let (idempotency_key, fingerprint, created_at) = (&once.key.0, &once.fingerprint.0, at.unix_micros());
    let statement = InsertImport { realm, idempotency_key, fingerprint, player, created_at };
    exactly_one(statement.execute(connection)?)?;
    match context_snapshot.as_ref().map(JsonObject::as_json) {
        Some(context_snapshot) => {
            exactly_one(UpdateContext { context_snapshot, realm, id: player }.execute(connection)?)
        }
        None => Ok(()),
    }
}
