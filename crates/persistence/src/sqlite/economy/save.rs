//! Stores a settlement, in the order in which rows refer to each other.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::economy::{AccountChange, Entry, Position, Settlement};
use domain::tenancy::RealmId;
use domain::text::{FreeText, JsonObject};

use super::{grants, imports};
use crate::sqlite::players;
use crate::sqlite::statement::statement;

statement! {
    /// Opens an account.
    InsertAccount<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, kind: &'a str => Text, key: &'a str => Text, id: &'a [u8] => Binary,
        balance: i64 => BigInt, version: i64 => BigInt, created_at: i64 => BigInt, updated_at: i64 => BigInt,
    }
    -> () = "INSERT INTO accounts (realm, player, kind, key, id, balance, version, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Moves an account from one version to another.
    UpdateAccount<'a> {
        balance: i64 => BigInt, version: i64 => BigInt, updated_at: i64 => BigInt,
        realm: i64 => BigInt, player: &'a [u8] => Binary, kind: &'a str => Text, key: &'a str => Text,
        version_before: i64 => BigInt,
    }
    -> () = "UPDATE accounts SET balance = ?, version = ?, updated_at = ?
        WHERE realm = ? AND player = ? AND kind = ? AND key = ? AND version = ?"
}

statement! {
    /// Appends to the ledger.
    InsertEntry<'a> {
        realm: i64 => BigInt, account: &'a [u8] => Binary, position: i64 => BigInt, sequence: i64 => BigInt,
        id: &'a [u8] => Binary, delta: i64 => BigInt, balance_after: i64 => BigInt, operation: &'a str => Text,
        origin: &'a str => Text, actor: &'a str => Text, reason: Option<&'a str> => Nullable<Text>,
        source_ref: Option<&'a str> => Nullable<Text>, grant_id: Option<&'a [u8]> => Nullable<Binary>,
        idempotency_key: Option<&'a [u8]> => Nullable<Binary>, fingerprint: Option<&'a [u8]> => Nullable<Binary>,
        created_at: i64 => BigInt, parameters: Option<&'a str> => Nullable<Text>,
    }
    -> () = "INSERT INTO entries (realm, account, position, sequence, id, delta, balance_after, operation, origin, actor,
        reason, source_ref, grant_id, idempotency_key, fingerprint, created_at, parameters)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Remembers the last position of a realm.
    UpsertPosition { realm: i64 => BigInt, last: i64 => BigInt }
    -> () = "INSERT INTO ledger_positions (realm, last) VALUES (?, ?)
        ON CONFLICT (realm) DO UPDATE SET last = excluded.last"
}

/// Stores all of `settlement`. Fails on the first row that cannot be stored, and leaves undoing to the transaction.
pub(super) fn settlement(connection: &mut SqliteConnection, settlement: &Settlement) -> QueryResult<()> {
    for (realm, player) in &settlement.new_players {
        players::insert(connection, *realm, player)?;
    }
    for (realm, player) in &settlement.seen_players {
        players::mark_seen(connection, *realm, player.id, player.last_seen_at)?;
    }
    for change in &settlement.accounts {
        store_account(connection, change)?;
    }
    let mut last_positions: BTreeMap<RealmId, Position> = BTreeMap::new();
    for stored in &settlement.entries {
        store_entry(connection, stored)?;
        last_positions.insert(stored.realm, stored.position);
    }
    for (realm, last) in last_positions {
        store_position(connection, realm, last)?;
    }
    for grant in &settlement.new_grants {
        grants::insert(connection, grant)?;
    }
    for claimed in &settlement.claimed_grants {
        grants::claim(connection, claimed)?;
    }
    for import in &settlement.imported_players {
        imports::insert(connection, import)?;
    }
    Ok(())
}

/// Opens an account, or moves it from one version to another.
pub(in crate::sqlite) fn store_account(connection: &mut SqliteConnection, change: &AccountChange) -> QueryResult<()> {
    let AccountChange { realm, id, player, asset, balance, version, version_before, first_at, at } = change;
    let (player, kind, key) = (player.0.as_bytes().as_slice(), asset.kind.as_str(), asset.key.as_str());
    let (realm, balance, version, at) = (realm.0, balance.get(), *version, at.unix_micros());
    let stored = if *version_before == 0 {
        let id = id.0.as_bytes().as_slice();
        let (created_at, updated_at) = (first_at.unix_micros(), at);
        InsertAccount { realm, player, kind, key, id, balance, version, created_at, updated_at }.execute(connection)?
    } else {
        let (updated_at, version_before) = (at, *version_before);
        let update = UpdateAccount { balance, version, updated_at, realm, player, kind, key, version_before };
        update.execute(connection)?
    };
    exactly_one(stored)
}

/// Appends to the ledger.
pub(in crate::sqlite) fn store_entry(connection: &mut SqliteConnection, entry: &Entry) -> QueryResult<()> {
    let statement = InsertEntry {
        realm: entry.realm.0,
        account: entry.account.0.as_bytes(),
        position: entry.position,
        sequence: entry.sequence,
        id: entry.id.0.as_bytes(),
        delta: entry.delta,
        balance_after: entry.balance_after.get(),
        operation: entry.operation.as_str(),
        origin: entry.origin.as_str(),
        actor: entry.actor.as_str(),
        reason: entry.reason.as_ref().map(FreeText::as_str),
        source_ref: entry.source_ref.as_ref().map(FreeText::as_str),
        grant_id: entry.grant.as_ref().map(|grant| grant.0.as_bytes().as_slice()),
        idempotency_key: entry.once.as_ref().map(|once| once.key.0.as_slice()),
        fingerprint: entry.once.as_ref().map(|once| once.fingerprint.0.as_slice()),
        created_at: entry.at.unix_micros(),
        parameters: entry.parameters.as_ref().map(JsonObject::as_json),
    };
    exactly_one(statement.execute(connection)?)
}

/// Remembers the last position of a realm.
pub(in crate::sqlite) fn store_position(
    connection: &mut SqliteConnection,
    realm: RealmId,
    last: Position,
) -> QueryResult<()> {
    UpsertPosition { realm: realm.0, last }.execute(connection).map(drop)
}

/// Something else changed the store between the reading and the writing of one transaction, which SQLite rules out.
#[derive(Debug, thiserror::Error)]
#[error("a statement that was to change one row changed {changed}")]
struct StaleState {
    changed: usize,
}

/// A statement that was to change one row and changed another number met a state that was not the one decided on.
pub(in crate::sqlite) fn exactly_one(changed: usize) -> QueryResult<()> {
    if changed == 1 { Ok(()) } else { Err(Error::SerializationError(Box::new(StaleState { changed }))) }
}
