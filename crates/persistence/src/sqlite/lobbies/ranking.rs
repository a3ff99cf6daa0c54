//! The entries of rankings, which are kept in order, and counted in blocks.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::clock::Timestamp;
use domain::lobbies::{Place, PlaceChange, Ranking, RankingId};
use domain::players::PlayerId;
use domain::tenancy::RealmId;

use super::blocks::Blocks;
use crate::rows::lobbies::{RankingRow, ranking_of};
use crate::rows::time;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

statement! {
    /// Begins a ranking unless it has begun.
    InsertRanking<'a> {
        realm: i64 => BigInt, id: &'a [u8] => Binary, board: &'a [u8] => Binary, period_starts_at: i64 => BigInt,
        segment: &'a str => Text, aggregation: &'a str => Text, sort_order: &'a str => Text, created_at: i64 => BigInt,
    }
    -> () = "INSERT INTO rankings (realm, id, board, period_starts_at, segment, aggregation, sort_order, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (realm, id) DO NOTHING"
}

statement! {
    /// A ranking by its id.
    FindRanking<'a> { realm: i64 => BigInt, id: &'a [u8] => Binary } -> (Binary, Binary, BigInt, Text, Text, Text)
    = "SELECT id, board, period_starts_at, segment, aggregation, sort_order FROM rankings WHERE realm = ? AND id = ?"
}

statement! {
    /// Where a player stands in a ranking.
    FindEntry<'a> { realm: i64 => BigInt, ranking: &'a [u8] => Binary, player: &'a [u8] => Binary } -> (BigInt, BigInt)
    = "SELECT order_key, achieved_at FROM ranking_entries WHERE realm = ? AND ranking = ? AND player = ?"
}

statement! {
    /// Takes a player into a ranking.
    InsertEntry<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary, player: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt,
    }
    -> () = "INSERT INTO ranking_entries (realm, ranking, player, order_key, achieved_at) VALUES (?, ?, ?, ?, ?)"
}

statement! {
    /// Moves a player from one place of a ranking to another. The `+` keeps SQLite from finding the entry by the index that
    /// the update changes.
    MoveEntry<'a> {
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        player: &'a [u8] => Binary, order_key_before: i64 => BigInt, achieved_at_before: i64 => BigInt,
    }
    -> () = "UPDATE ranking_entries SET order_key = ?, achieved_at = ?
        WHERE realm = ? AND ranking = ? AND player = ? AND +order_key = ? AND +achieved_at = ?"
}

statement! {
    /// Takes a player out of a ranking. The entry is found by its key, as in [`MoveEntry`].
    DeleteEntry<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary, player: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt,
    }
    -> () = "DELETE FROM ranking_entries
        WHERE realm = ? AND ranking = ? AND player = ? AND +order_key = ? AND +achieved_at = ?"
}

/// Begins `ranking` unless it has begun.
pub(super) fn begin(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: &Ranking,
    at: Timestamp,
) -> QueryResult<()> {
    let statement = InsertRanking {
        realm: realm.0,
        id: ranking.id.0.as_bytes(),
        board: ranking.board.0.as_bytes(),
        period_starts_at: ranking.period_starts_at.unix_micros(),
        segment: ranking.segment.as_str(),
        aggregation: ranking.aggregation.as_str(),
        sort_order: ranking.order.as_str(),
        created_at: at.unix_micros(),
    };
    match statement.execute(connection)? {
        0 => Ok(()),
        _ => Blocks { realm, ranking: ranking.id }.begin(connection),
    }
}

/// A ranking by its id.
pub(super) fn find(connection: &mut SqliteConnection, realm: RealmId, id: RankingId) -> QueryResult<Option<Ranking>> {
    let statement = FindRanking { realm: realm.0, id: id.0.as_bytes() };
    statement.get_result::<RankingRow>(connection).optional()?.map(ranking_of).transpose()
}

/// Where a player stands in a ranking.
pub(super) fn find_place(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    player: PlayerId,
) -> QueryResult<Option<Place>> {
    let statement = FindEntry { realm: realm.0, ranking: ranking.0.as_bytes(), player: player.0.as_bytes() };
    let found = statement.get_result::<(i64, i64)>(connection).optional()?;
    Ok(found.map(|(order_key, achieved_at)| Place { order_key, achieved_at: time(achieved_at), player }))
}

/// Changes a player's place in a ranking that has begun. Fails when they do not stand where the change says.
pub(super) fn apply(connection: &mut SqliteConnection, realm: RealmId, change: &PlaceChange) -> QueryResult<()> {
    let PlaceChange { ranking, before, after } = change;
    let stored = match (before, after) {
        (None, None) => return Ok(()),
        (None, Some(after)) => insert(connection, realm, *ranking, after)?,
        (Some(before), Some(after)) => update(connection, realm, *ranking, before, after)?,
        (Some(before), None) => delete(connection, realm, *ranking, before)?,
    };
    exactly_one(stored)?;
    Blocks { realm, ranking: *ranking }.moved(connection, before.as_ref(), after.as_ref())
}

fn insert(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    Place { order_key, achieved_at, player }: &Place,
) -> QueryResult<usize> {
    let statement = InsertEntry {
        realm: realm.0,
        ranking: ranking.0.as_bytes(),
        player: player.0.as_bytes(),
        order_key: *order_key,
        achieved_at: achieved_at.unix_micros(),
    };
    statement.execute(connection)
}

fn update(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    before: &Place,
    after: &Place,
) -> QueryResult<usize> {
    let statement = MoveEntry {
        order_key: after.order_key,
        achieved_at: after.achieved_at.unix_micros(),
        realm: realm.0,
        ranking: ranking.0.as_bytes(),
        player: before.player.0.as_bytes(),
        order_key_before: before.order_key,
        achieved_at_before: before.achieved_at.unix_micros(),
    };
    statement.execute(connection)
}

fn delete(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    Place { order_key, achieved_at, player }: &Place,
) -> QueryResult<usize> {
    let statement = DeleteEntry {
        realm: realm.0,
        ranking: ranking.0.as_bytes(),
        player: player.0.as_bytes(),
        order_key: *order_key,
        achieved_at: achieved_at.unix_micros(),
    };
    statement.execute(connection)
}
