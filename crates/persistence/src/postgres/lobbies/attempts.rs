//! Attempts in PostgreSQL. Those in a lobby are protected by its lock, all others by their player's.

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::economy::KeyDigest;
use domain::lobbies::{Attempt, AttemptChange, AttemptId, EarlyEnd};
use domain::players::PlayerId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::lobbies::{AttemptRow, metrics_to_json};

/// The SQL types of [`AttemptRow`].
type Columns = (
    SqlUuid,
    SqlUuid,
    SqlUuid,
    SqlUuid,
    Nullable<SqlUuid>,
    SqlUuid,
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
macro_rules! columns {
    () => {
        "id, player, event, window_id, lobby, board, metrics::text AS metrics, score, has_target, started_at, ends_at,
                completed_at, status, idempotency_key, fingerprint"
    };
}

statement! {
    /// Attempts by id, and by the idempotency key of their start.
    FindAttempts<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, keys: Vec<&'a [u8]> => Array<Binary>,
    }
    -> Columns = concat!("SELECT attempt.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT ", columns!(), " FROM attempts WHERE realm = $1 AND id = wanted.id LIMIT 1
        ) AS attempt
        UNION ALL
        SELECT attempt.* FROM unnest($3) AS wanted (key)
        CROSS JOIN LATERAL (
            SELECT ", columns!(), " FROM attempts WHERE realm = $1 AND idempotency_key = wanted.key LIMIT 1
        ) AS attempt")
}

statement! {
    /// Attempts of a player before an id, newest first.
    AttemptsOf { realm: i64 => BigInt, player: Uuid => SqlUuid, before: Uuid => SqlUuid, limit: i64 => BigInt }
    -> Columns = concat!("SELECT ", columns!(), " FROM attempts
        WHERE realm = $1 AND player = $2 AND id < $3 ORDER BY id DESC LIMIT $4")
}

statement! {
    /// Stores new attempts, and what changes of known ones. Fails when the idempotency key of a new one is taken.
    UpsertAttempts<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
        events: Vec<Uuid> => Array<SqlUuid>, windows: Vec<Uuid> => Array<SqlUuid>,
        lobbies: Vec<Option<Uuid>> => Array<Nullable<SqlUuid>>, boards: Vec<Uuid> => Array<SqlUuid>,
        metrics: Vec<String> => Array<Text>, scores: Vec<i64> => Array<BigInt>, have_targets: Vec<bool> => Array<Bool>,
        started_at: Vec<i64> => Array<BigInt>, ends_at: Vec<i64> => Array<BigInt>,
        completed_at: Vec<Option<i64>> => Array<Nullable<BigInt>>, statuses: Vec<&'a str> => Array<Text>,
        keys: Vec<Option<&'a [u8]>> => Array<Nullable<Binary>>,
        fingerprints: Vec<Option<&'a [u8]>> => Array<Nullable<Binary>>,
    }
    -> () = "INSERT INTO attempts (realm, id, player, event, window_id, lobby, board, metrics, score, has_target, started_at,
            ends_at, completed_at, status, idempotency_key, fingerprint)
        SELECT $1, n.id, n.player, n.event, n.window_id, n.lobby, n.board, n.metrics::json, n.score, n.has_target,
            n.started_at, n.ends_at, n.completed_at, n.status, n.idempotency_key, n.fingerprint
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) AS n (id, player, event, window_id,
            lobby, board, metrics, score, has_target, started_at, ends_at, completed_at, status, idempotency_key, fingerprint)
        ON CONFLICT (realm, id) DO UPDATE SET metrics = excluded.metrics, score = excluded.score,
            completed_at = excluded.completed_at, status = excluded.status"
}

statement! {
    /// Attempts in a lobby, of one player or of all, end at a time unless they end before it.
    EndAttempts {
        realm: i64 => BigInt, lobby: Uuid => SqlUuid, player: Option<Uuid> => Nullable<SqlUuid>, at: i64 => BigInt,
    }
    -> () = "UPDATE attempts SET ends_at = $4
        WHERE realm = $1 AND lobby = $2 AND ends_at > $4 AND ($3 IS NULL OR player = $3)"
}

statement! {
    /// Gives all attempts of a player to another.
    MoveAttempts { realm: i64 => BigInt, source: Uuid => SqlUuid, target: Uuid => SqlUuid } -> ()
    = "UPDATE attempts SET player = $3 WHERE realm = $1 AND player = $2"
}

/// Attempts by their ids, and by the idempotency keys of their starts, those that there are.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ids: &[AttemptId],
    keys: &[KeyDigest],
) -> QueryResult<Vec<Attempt>> {
    if ids.is_empty() && keys.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, keys) = (ids.iter().map(|id| id.0).collect(), keys.iter().map(|key| key.0.as_slice()).collect());
    let rows: Vec<AttemptRow> = FindAttempts { realm: realm.0, ids, keys }.load(&mut connection).await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

/// Attempts of `player` before an id, newest first.
pub(in crate::postgres) async fn of_player(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    after: Option<AttemptId>,
    limit: u32,
) -> QueryResult<Vec<Attempt>> {
    let before = after.map_or(Uuid::max(), |after| after.0);
    let statement = AttemptsOf { realm: realm.0, player: player.0, before, limit: i64::from(limit) };
    let rows: Vec<AttemptRow> = statement.load(&mut connection).await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

/// Stores attempts, in the order of their idempotency keys, in which two processes that meet the same ones wait for each
/// other without a deadlock.
pub(super) async fn store(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    changes: &[&AttemptChange],
) -> Result<(), Trouble> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut attempts: Vec<&Attempt> = changes.iter().map(|change| &change.attempt).collect();
    attempts.sort_by_key(|attempt| attempt.once.map(|once| once.key));
    let statement = UpsertAttempts {
        realm: realm.0,
        ids: attempts.iter().map(|attempt| attempt.id.0).collect(),
        players: attempts.iter().map(|attempt| attempt.player.0).collect(),
        events: attempts.iter().map(|attempt| attempt.event.0).collect(),
        windows: attempts.iter().map(|attempt| attempt.window.0).collect(),
        lobbies: attempts.iter().map(|attempt| attempt.lobby.map(|lobby| lobby.0)).collect(),
        boards: attempts.iter().map(|attempt| attempt.board).collect(),
        metrics: attempts.iter().map(|attempt| metrics_to_json(&attempt.metrics)).collect(),
        scores: attempts.iter().map(|attempt| attempt.score.thousandths()).collect(),
        have_targets: attempts.iter().map(|attempt| attempt.has_target).collect(),
        started_at: attempts.iter().map(|attempt| attempt.started_at.unix_micros()).collect(),
        ends_at: attempts.iter().map(|attempt| attempt.ends_at.unix_micros()).collect(),
        completed_at: attempts.iter().map(|attempt| attempt.completed_at.map(|at| at.unix_micros())).collect(),
        statuses: attempts.iter().map(|attempt| attempt.status.as_str()).collect(),
        keys: attempts.iter().map(|attempt| attempt.once.as_ref().map(|once| once.key.0.as_slice())).collect(),
        fingerprints: attempts
            .iter()
            .map(|attempt| attempt.once.as_ref().map(|once| once.fingerprint.0.as_slice()))
            .collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

/// Ends attempts early, one end after the other: there are few.
pub(super) async fn end(mut connection: &AsyncPgConnection, realm: RealmId, ends: &[&EarlyEnd]) -> Result<(), Trouble> {
    for EarlyEnd { lobby, player, at, .. } in ends {
        let player = player.map(|player| player.0);
        let statement = EndAttempts { realm: realm.0, lobby: lobby.0, player, at: at.unix_micros() };
        statement.execute(&mut connection).await?;
    }
    Ok(())
}

/// Gives all attempts of `source`, which are so many, to `target`.
pub(in crate::postgres) async fn give(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    (source, target): (PlayerId, PlayerId),
    all: u64,
) -> Result<(), Trouble> {
    if all == 0 {
        return Ok(());
    }
    let statement = MoveAttempts { realm: realm.0, source: source.0, target: target.0 };
    let moved = statement.execute(&mut connection).await?;
    if u64::try_from(moved) == Ok(all) { Ok(()) } else { Err(Trouble::Stale { what: "an attempt" }) }
}
