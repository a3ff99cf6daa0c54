//! Attempts, each a row.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::economy::KeyDigest;
use domain::lobbies::{Attempt, AttemptChange, AttemptId, EarlyEnd};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::rows::lobbies::{AttemptRow, metrics_to_json};
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

type AttemptColumns = (
    Binary,
    Binary,
    Binary,
    Binary,
    Nullable<Binary>,
    Binary,
    Text,
    BigInt,
    Bool,
    BigInt,
    BigInt,
    Nullable<BigInt>,
    Text,
    Nullable<Binary>,
    Nullable<Binary>,
);

/// The columns of [`AttemptRow`], in its order.
macro_rules! attempt_columns {
    () => {
        "id, player, event, window_id, lobby, board, metrics, score, has_target, started_at, ends_at, completed_at, status,
        idempotency_key, fingerprint"
    };
}

statement! {
    /// An attempt by its id.
    FindAttempt<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> AttemptColumns
    = concat!("SELECT ", attempt_columns!(), " FROM attempts WHERE realm = ? AND id = ?")
}

statement! {
    /// The attempt that was started under an idempotency key.
    FindAttemptOnce<'a> { realm: i64 => BigInt, key: &'a [u8] => Binary } -> AttemptColumns
    = concat!("SELECT ", attempt_columns!(), " FROM attempts INDEXED BY attempts_once
        WHERE realm = ? AND idempotency_key = ?")
}

statement! {
    /// A player's attempts before an id, newest first.
    PageOfAttempts<'a> {
        realm: i64 => BigInt, player: &'a [u8] => Binary, before: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> AttemptColumns
    = concat!("SELECT ", attempt_columns!(), " FROM attempts INDEXED BY attempts_by_player
        WHERE realm = ? AND player = ? AND id < ? ORDER BY id DESC LIMIT ?")
}

statement! {
    /// Stores a new attempt.
    InsertAttempt<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, player: &'a [u8] => Binary, event: &'a [u8] => Binary,
        window: &'a [u8] => Binary, lobby: Option<&'a [u8]> => Nullable<Binary>, board: &'a [u8] => Binary,
        metrics: &'a str => Text, score: i64 => BigInt, has_target: bool => Bool, started_at: i64 => BigInt,
        ends_at: i64 => BigInt, completed_at: Option<i64> => Nullable<BigInt>, status: &'a str => Text,
        idempotency_key: Option<&'a [u8]> => Nullable<Binary>, fingerprint: Option<&'a [u8]> => Nullable<Binary>,
    }
    -> () = "INSERT INTO attempts (realm, id, player, event, window_id, lobby, board, metrics, score, has_target, started_at,
        ends_at, completed_at, status, idempotency_key, fingerprint)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Changes what was counted in an attempt, and how it stands.
    UpdateAttempt<'a> {
        metrics: &'a str => Text, score: i64 => BigInt, completed_at: Option<i64> => Nullable<BigInt>,
        status: &'a str => Text, realm: i64 => BigInt, id: &'a [u8] => Binary,
    }
    -> () = "UPDATE attempts SET metrics = ?, score = ?, completed_at = ?, status = ? WHERE realm = ? AND id = ?"
}

statement! {
    /// Ends the attempts in a lobby early, those of one player or all.
    EndAttempts<'a> {
        ends_at: i64 => BigInt, realm: i64 => BigInt, lobby: &'a [u8] => Binary, later_than: i64 => BigInt,
        player: Option<&'a [u8]> => Nullable<Binary>,
    }
    -> () = "UPDATE attempts INDEXED BY attempts_by_lobby SET ends_at = ?
        WHERE realm = ? AND lobby = ? AND ? < ends_at AND player = coalesce(?, player)"
}

/// An attempt by its id.
pub(super) fn find(connection: &mut SqliteConnection, realm: RealmId, id: AttemptId) -> QueryResult<Option<Attempt>> {
    let statement = FindAttempt { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<AttemptRow>(connection).optional()?.map(Attempt::try_from).transpose()
}

/// The attempt that was started under an idempotency key.
pub(super) fn find_once(
    connection: &mut SqliteConnection,
    realm: RealmId,
    key: KeyDigest,
) -> QueryResult<Option<Attempt>> {
    let statement = FindAttemptOnce { realm: realm.0, key: &key.0 };
    statement.get_result::<AttemptRow>(connection).optional()?.map(Attempt::try_from).transpose()
}

/// A player's attempts before `after`, newest first, at most `limit`.
pub(in crate::sqlite) fn of_player(
    connection: &mut SqliteConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<AttemptId>,
    limit: u32,
) -> QueryResult<Vec<Attempt>> {
    let before = after.map_or(Uuid::max(), |attempt| attempt.0);
    let (player, before) = (player.0.as_bytes(), before.as_bytes());
    let statement = PageOfAttempts { realm: realm.0, player, before, limit: i64::from(limit) };
    statement.load::<AttemptRow>(connection)?.into_iter().map(Attempt::try_from).collect()
}

/// Stores a new attempt, or what became of one.
pub(super) fn store(connection: &mut SqliteConnection, change: &AttemptChange) -> QueryResult<()> {
    let AttemptChange { realm, attempt, is_new } = change;
    exactly_one(if *is_new { insert(connection, *realm, attempt)? } else { update(connection, *realm, attempt)? })
}

fn insert(connection: &mut SqliteConnection, realm: RealmId, attempt: &Attempt) -> QueryResult<usize> {
    let statement = InsertAttempt {
        realm: realm.0,
        id: attempt.id.0.as_bytes(),
        player: attempt.player.0.as_bytes(),
        event: attempt.event.0.as_bytes(),
        window: attempt.window.0.as_bytes(),
        lobby: attempt.lobby.as_ref().map(|lobby| lobby.0.as_bytes().as_slice()),
        board: attempt.board.as_bytes(),
        metrics: &metrics_to_json(&attempt.metrics),
        score: attempt.score.thousandths(),
        has_target: attempt.has_target,
        started_at: attempt.started_at.unix_micros(),
        ends_at: attempt.ends_at.unix_micros(),
        completed_at: attempt.completed_at.map(Timestamp::unix_micros),
        status: attempt.status.as_str(),
        idempotency_key: attempt.once.as_ref().map(|once| once.key.0.as_slice()),
        fingerprint: attempt.once.as_ref().map(|once| once.fingerprint.0.as_slice()),
    };
    statement.execute(connection)
}

fn update(connection: &mut SqliteConnection, realm: RealmId, attempt: &Attempt) -> QueryResult<usize> {
    let statement = UpdateAttempt {
        metrics: &metrics_to_json(&attempt.metrics),
        score: attempt.score.thousandths(),
        completed_at: attempt.completed_at.map(Timestamp::unix_micros),
        status: attempt.status.as_str(),
        realm: realm.0,
        id: attempt.id.0.as_bytes(),
    };
    statement.execute(connection)
}

/// Ends attempts early.
pub(super) fn end(connection: &mut SqliteConnection, end: &EarlyEnd) -> QueryResult<()> {
    let statement = EndAttempts {
        ends_at: end.at.unix_micros(),
        realm: end.realm.0,
        lobby: end.lobby.0.as_bytes(),
        later_than: end.at.unix_micros(),
        player: end.player.as_ref().map(|player| player.0.as_bytes().as_slice()),
    };
    statement.execute(connection).map(drop)
}
