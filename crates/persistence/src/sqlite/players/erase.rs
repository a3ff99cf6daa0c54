//! Erasures in SQLite: the transaction that takes a player's name away, and with it what was said of them.
//!
//! That leaves the text in old pages of the write-ahead log and in unused parts of the file's pages; see `cleaner`.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::PlayCounts;
use domain::players::{EraseCommand, EraseEffect, EraseOutcome, EraseView};
use domain::tenancy::RealmId;

use super::blank::{self, Blanked};
use super::find;
use crate::rows::players::{ErasureRow, erasure_of};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;
use crate::sqlite::{audit_log, cleaner, lobbies, webhooks};

statement! {
    /// The erasure of an id under an idempotency key, or else the latest. A comparison with no key is NULL, which is last
    /// in descending order like a key that differs.
    FindErasure<'a> { realm: i64 => BigInt, digest: &'a [u8] => Binary, key: Option<&'a [u8]> => Nullable<Binary> }
    -> (Binary, Nullable<Binary>, BigInt)
    = "SELECT player, idempotency_key, erased_at FROM player_erasures INDEXED BY player_erasures_by_digest
        WHERE realm = ? AND digest = ?
        ORDER BY coalesce(idempotency_key = ?, 0) DESC, erased_at DESC, player DESC LIMIT 1"
}

statement! {
    /// Blanks the reasons of what was done to a player, or to players who were merged into them.
    BlankAuditLog<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, merged_realm: i64 => BigInt, merged_into: &'a [u8] => Binary,
    }
    -> () = "UPDATE audit_log INDEXED BY audit_log_by_player SET reason = NULL
        WHERE realm = ? AND player IN (SELECT ? UNION ALL SELECT id FROM players WHERE realm = ? AND merged_into = ?)
        AND reason IS NOT NULL"
}

statement! {
    /// Leaves of a player the placeholder.
    MarkErased<'a> { placeholder: &'a str => Text, deleted_at: i64 => BigInt, realm: i64 => BigInt, id: &'a [u8] => Binary }
    -> () = "UPDATE players
        SET external_id = ?, deleted_at = ?, context_snapshot = NULL, banned_at = NULL, ban_reason = NULL
        WHERE realm = ? AND id = ?"
}

statement! {
    /// Stores the record of an erasure.
    InsertErasure<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, digest: &'a [u8] => Binary,
        idempotency_key: Option<&'a [u8]> => Nullable<Binary>, erased_at: i64 => BigInt,
    }
    -> () = "INSERT INTO player_erasures (realm, player, digest, idempotency_key, erased_at) VALUES (?, ?, ?, ?, ?)"
}

/// Lets `command` decide on what is stored, and stores what it comes to; entries up to where they are `blanked` are. With the
/// answer, whether that is an event.
pub(super) fn erase(
    connection: &mut SqliteConnection,
    command: &EraseCommand,
    blanked: &Blanked,
) -> QueryResult<(EraseOutcome, bool)> {
    let decision = command.decide(&view(connection, command)?);
    if let Some(effect) = &decision.effect {
        store(connection, command.realm, effect, blanked)?;
    }
    Ok((decision.outcome, decision.effect.is_some_and(|effect| effect.event.is_some())))
}

/// What `command` must see.
pub(super) fn view(connection: &mut SqliteConnection, command: &EraseCommand) -> QueryResult<EraseView> {
    let statement = FindErasure {
        realm: command.realm.0,
        digest: &command.digest.0,
        key: command.key.as_ref().map(|key| key.0.as_slice()),
    };
    let earlier = statement.get_result::<ErasureRow>(connection).optional()?;
    let player = find(connection, command.realm, &command.player)?;
    let play = match &player {
        Some(player) => lobbies::counts(connection, command.realm, player.id)?,
        None => PlayCounts::default(),
    };
    Ok(EraseView {
        player,
        earlier: earlier.map(|row| erasure_of(row, command.digest)),
        play,
        wanted: webhooks::wanted(connection, command.realm)?,
    })
}

fn store(
    connection: &mut SqliteConnection,
    realm: RealmId,
    EraseEffect { erasure, placeholder, audit, event }: &EraseEffect,
    blanked: &Blanked,
) -> QueryResult<()> {
    blank::rest(connection, realm, erasure.player, blanked)?;
    // After what was said of other events is blanked: this one says what the player was called.
    webhooks::store(connection, event.as_slice())?;
    let (realm, player, at) = (realm.0, erasure.player.0.as_bytes().as_slice(), erasure.at.unix_micros());
    BlankAuditLog { realm, player, merged_realm: realm, merged_into: player }.execute(connection)?;
    let placeholder = placeholder.as_str();
    exactly_one(MarkErased { placeholder, deleted_at: at, realm, id: player }.execute(connection)?)?;
    let record = InsertErasure {
        realm,
        player,
        digest: &erasure.digest.0,
        idempotency_key: erasure.key.as_ref().map(|key| key.0.as_slice()),
        erased_at: at,
    };
    exactly_one(record.execute(connection)?)?;
    audit_log::insert(connection, audit)?;
    cleaner::mark_due(connection)
}
