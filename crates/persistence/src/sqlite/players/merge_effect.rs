//! Merges in SQLite: what is stored of one, in the order that the domain prescribes.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::players::{ClosedAccount, Merge, MergeEffect};
use domain::tenancy::RealmId;

use crate::sqlite::economy::{exactly_one, store_account, store_entry, store_position};
use crate::sqlite::statement::statement;
use crate::sqlite::{audit_log, lobbies, webhooks};

statement! {
    /// Keeps an account that is being closed, unless it is at another version than was decided on.
    KeepClosedAccount<'a> {
        target: &'a [u8] => Binary, version: i64 => BigInt, closed_at: i64 => BigInt, realm: i64 => BigInt,
        player: &'a [u8] => Binary, kind: &'a str => Text, key: &'a str => Text, id: &'a [u8] => Binary,
        version_before: i64 => BigInt,
    }
    -> () = "INSERT INTO closed_accounts (realm, id, player, kind, key, version, created_at, closed_at)
        SELECT realm, id, ?, kind, key, ?, created_at, ? FROM accounts
        WHERE realm = ? AND player = ? AND kind = ? AND key = ? AND id = ? AND version = ?"
}

statement! {
    /// Takes an account that is kept as a closed one from the open ones.
    DeleteAccount<'a> { realm: i64 => BigInt, player: &'a [u8] => Binary, kind: &'a str => Text, key: &'a str => Text }
    -> () = "DELETE FROM accounts WHERE realm = ? AND player = ? AND kind = ? AND key = ?"
}

statement! {
    /// Gives all open accounts of one player to another.
    MoveAccounts<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE accounts SET player = ? WHERE realm = ? AND player = ?"
}

statement! {
    /// Gives all closed accounts of one player to another.
    MoveClosedAccounts<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE closed_accounts INDEXED BY closed_accounts_by_player SET player = ? WHERE realm = ? AND player = ?"
}

statement! {
    /// Gives all grants of one player to another.
    MoveGrants<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE grants INDEXED BY grants_by_player SET player = ? WHERE realm = ? AND player = ?"
}

statement! {
    /// Makes who was merged into one player count as merged into another.
    MoveMerged<'a> { target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary }
    -> () = "UPDATE players INDEXED BY players_by_merged_into SET merged_into = ?
        WHERE realm = ? AND merged_into = ?"
}

statement! {
    /// Hands what another platform knew of one player to another, of whom nothing is known.
    InheritContext<'a> {
        source_realm: i64 => BigInt, source: &'a [u8] => Binary, realm: i64 => BigInt, target: &'a [u8] => Binary,
    }
    -> () = "UPDATE players SET context_snapshot = (SELECT context_snapshot FROM players WHERE realm = ? AND id = ?)
        WHERE realm = ? AND id = ? AND context_snapshot IS NULL"
}

statement! {
    /// Leaves of a player the placeholder and whom they were merged into.
    MarkMerged<'a> {
        placeholder: &'a str => Text, target: &'a [u8] => Binary, realm: i64 => BigInt, source: &'a [u8] => Binary,
    }
    -> () = "UPDATE players SET external_id = ?, merged_into = ?, context_snapshot = NULL, banned_at = NULL, ban_reason = NULL
        WHERE realm = ? AND id = ?"
}

statement! {
    /// Stores the record of a merge.
    InsertMerge<'a> {
        realm: i64 => BigInt, source: &'a [u8] => Binary, source_digest: &'a [u8] => Binary, target: &'a [u8] => Binary,
        target_digest: &'a [u8] => Binary, idempotency_key: Option<&'a [u8]> => Nullable<Binary>, merged_at: i64 => BigInt,
    }
    -> () = "INSERT INTO player_merges (realm, source, source_digest, target, target_digest, idempotency_key, merged_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)"
}

/// Stores all of `effect`. Fails on the first row that cannot be stored, and leaves undoing to the transaction.
pub(super) fn store(connection: &mut SqliteConnection, realm: RealmId, effect: &MergeEffect) -> QueryResult<()> {
    let MergeEffect { merge, placeholder, closed, accounts, entries, play, audit, events } = effect;
    for account in closed {
        close(connection, realm, merge, account)?;
    }
    let (source, target) = (merge.source.0.as_bytes().as_slice(), merge.target.0.as_bytes().as_slice());
    let realm_number = realm.0;
    MoveAccounts { target, realm: realm_number, source }.execute(connection)?;
    MoveClosedAccounts { target, realm: realm_number, source }.execute(connection)?;
    for change in accounts {
        store_account(connection, change)?;
    }
    for entry in entries {
        store_entry(connection, entry)?;
    }
    if let Some(last) = entries.last() {
        store_position(connection, realm, last.position)?;
    }
    MoveGrants { target, realm: realm_number, source }.execute(connection)?;
    webhooks::move_events(connection, realm, merge.source, merge.target)?;
    webhooks::store(connection, events)?;
    lobbies::store_merge(connection, realm, (merge.source, merge.target), play)?;
    MoveMerged { target, realm: realm_number, source }.execute(connection)?;
    InheritContext { source_realm: realm_number, source, realm: realm_number, target }.execute(connection)?;
    let placeholder = placeholder.as_str();
    exactly_one(MarkMerged { placeholder, target, realm: realm_number, source }.execute(connection)?)?;
    let record = InsertMerge {
        realm: realm_number,
        source,
        source_digest: &merge.source_digest.0,
        target,
        target_digest: &merge.target_digest.0,
        idempotency_key: merge.key.as_ref().map(|key| key.0.as_slice()),
        merged_at: merge.at.unix_micros(),
    };
    exactly_one(record.execute(connection)?)?;
    audit_log::insert(connection, audit)
}

fn close(connection: &mut SqliteConnection, realm: RealmId, merge: &Merge, account: &ClosedAccount) -> QueryResult<()> {
    let (realm, player) = (realm.0, merge.source.0.as_bytes().as_slice());
    let (kind, key) = (account.asset.kind.as_str(), account.asset.key.as_str());
    let keep = KeepClosedAccount {
        target: merge.target.0.as_bytes(),
        version: account.version,
        closed_at: merge.at.unix_micros(),
        realm,
        player,
        kind,
        key,
        id: account.id.0.as_bytes(),
        version_before: account.version_before,
    };
    exactly_one(keep.execute(connection)?)?;
    exactly_one(DeleteAccount { realm, player, kind, key }.execute(connection)?)
}
