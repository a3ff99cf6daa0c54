//! Who is where in which ranking.
//!
//! A place is protected by the lock of its player, and how many are before it by the lock of the ranking, which is its row:
//! whoever changes places holds it until the transaction ends. Rankings are locked last, in the order of their ids, all at
//! once.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::clock::Timestamp;
use domain::lobbies::{Place, PlaceChange, Ranking, RankingId};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::blocks::{self, Level};
use super::sections;
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::lobbies::{RankingRow, ranking_of};
use crate::rows::{StoredUuid, time};

/// The SQL types of a place, with its number among the wanted ones.
type PlaceColumns = (BigInt, BigInt, BigInt, SqlUuid);

statement! {
    /// Makes the rankings that are not there, and locks all of them until the transaction ends, one after the other in the
    /// order in which they are named. One statement, because of two the second could be faster, when the first is new to the
    /// connection. A row that conflicts is locked, and then not updated.
    LockRankings<'a> {
        realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid>, boards: Vec<Uuid> => Array<SqlUuid>,
        periods: Vec<i64> => Array<BigInt>, segments: Vec<&'a str> => Array<Text>,
        aggregations: Vec<&'a str> => Array<Text>, orders: Vec<&'a str> => Array<Text>, created_at: i64 => BigInt,
    }
    -> () = "INSERT INTO rankings (realm, id, board, period_starts_at, segment, aggregation, sort_order, created_at)
        SELECT $1, n.id, n.board, n.period_starts_at, n.segment, n.aggregation, n.sort_order, $8
        FROM unnest($2, $3, $4, $5, $6, $7) AS n (id, board, period_starts_at, segment, aggregation, sort_order)
        ON CONFLICT (realm, id) DO UPDATE SET created_at = excluded.created_at WHERE false"
}

statement! {
    /// Rankings by id, those that there are.
    FindRankings { realm: i64 => BigInt, ids: Vec<Uuid> => Array<SqlUuid> }
    -> (SqlUuid, SqlUuid, BigInt, Text, Text, Text)
    = "SELECT ranking.* FROM unnest($2) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT id, board, period_starts_at, segment, aggregation, sort_order FROM rankings
            WHERE realm = $1 AND id = wanted.id LIMIT 1
        ) AS ranking"
}

statement! {
    /// Where players are in rankings, each with its number among the wanted ones (from 1), and who they are.
    FindPlaces {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> PlaceColumns
    = "SELECT wanted.number, entry.order_key, entry.achieved_at, wanted.player
        FROM unnest($2, $3) WITH ORDINALITY AS wanted (ranking, player, number)
        CROSS JOIN LATERAL (
            SELECT order_key, achieved_at FROM ranking_entries
            WHERE realm = $1 AND ranking = wanted.ranking AND player = wanted.player LIMIT 1
        ) AS entry"
}

statement! {
    /// The same of players by the studio's ids.
    FindNamedPlaces<'a> {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, external_ids: Vec<&'a str> => Array<Text>,
    }
    -> PlaceColumns
    = "SELECT wanted.number, entry.order_key, entry.achieved_at, named.id
        FROM unnest($2, $3) WITH ORDINALITY AS wanted (ranking, external_id, number)
        CROSS JOIN LATERAL (
            SELECT id FROM players WHERE realm = $1 AND external_id = wanted.external_id LIMIT 1
        ) AS named
        CROSS JOIN LATERAL (
            SELECT order_key, achieved_at FROM ranking_entries
            WHERE realm = $1 AND ranking = wanted.ranking AND player = named.id LIMIT 1
        ) AS entry"
}

statement! {
    /// Puts players in their places.
    UpsertPlaces {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, players: Vec<Uuid> => Array<SqlUuid>,
        order_keys: Vec<i64> => Array<BigInt>, achieved_at: Vec<i64> => Array<BigInt>,
    }
    -> () = "INSERT INTO ranking_entries (realm, ranking, player, order_key, achieved_at)
        SELECT $1, n.ranking, n.player, n.order_key, n.achieved_at
        FROM unnest($2, $3, $4, $5) AS n (ranking, player, order_key, achieved_at)
        ON CONFLICT (realm, ranking, player) DO UPDATE
        SET order_key = excluded.order_key, achieved_at = excluded.achieved_at"
}

statement! {
    /// Takes a player out of rankings.
    DeletePlaces { realm: i64 => BigInt, player: Uuid => SqlUuid, rankings: Vec<Uuid> => Array<SqlUuid> } -> ()
    = "DELETE FROM ranking_entries WHERE realm = $1 AND player = $2 AND ranking = ANY($3)"
}

/// Makes those of `rankings` that are not there, and locks all of them.
async fn lock(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    rankings: &[&Ranking],
    now: Timestamp,
) -> QueryResult<()> {
    if rankings.is_empty() {
        return Ok(());
    }
    let sorted: BTreeMap<RankingId, &Ranking> = rankings.iter().map(|ranking| (ranking.id, *ranking)).collect();
    let statement = LockRankings {
        realm: realm.0,
        ids: sorted.keys().map(|id| id.0).collect(),
        boards: sorted.values().map(|ranking| ranking.board.0).collect(),
        periods: sorted.values().map(|ranking| ranking.period_starts_at.unix_micros()).collect(),
        segments: sorted.values().map(|ranking| ranking.segment.as_str()).collect(),
        aggregations: sorted.values().map(|ranking| ranking.aggregation.as_str()).collect(),
        orders: sorted.values().map(|ranking| ranking.order.as_str()).collect(),
        created_at: now.unix_micros(),
    };
    statement.execute(&mut connection).await.map(drop)
}

/// Each of these rankings, if it is there.
pub(super) async fn find(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ids: &[RankingId],
) -> QueryResult<Vec<Option<Ranking>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindRankings { realm: realm.0, ids: ids.iter().map(|id| id.0).collect() };
    let rows: Vec<RankingRow> = statement.load(&mut connection).await?;
    let mut found: BTreeMap<RankingId, Ranking> = BTreeMap::new();
    for row in rows {
        let ranking = ranking_of(row)?;
        found.insert(ranking.id, ranking);
    }
    Ok(ids.iter().map(|id| found.remove(id)).collect())
}

/// Where those of `wanted` are that are in their ranking at all. It stays true while the lock of the player is held.
pub(super) async fn places(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(RankingId, PlayerId)],
) -> QueryResult<Vec<Option<Place>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindPlaces {
        realm: realm.0,
        rankings: wanted.iter().map(|(ranking, _)| ranking.0).collect(),
        players: wanted.iter().map(|(_, player)| player.0).collect(),
    };
    Ok(by_number(statement.load(&mut connection).await?, wanted.len()))
}

/// The same of players by the studio's ids.
pub(super) async fn places_of_named(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(RankingId, ExternalId)],
) -> QueryResult<Vec<Option<Place>>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let statement = FindNamedPlaces {
        realm: realm.0,
        rankings: wanted.iter().map(|(ranking, _)| ranking.0).collect(),
        external_ids: wanted.iter().map(|(_, external_id)| external_id.as_str()).collect(),
    };
    Ok(by_number(statement.load(&mut connection).await?, wanted.len()))
}

/// The places of rows by their numbers, `count` in all.
fn by_number(rows: Vec<(i64, i64, i64, StoredUuid)>, count: usize) -> Vec<Option<Place>> {
    let places = rows
        .into_iter()
        .map(|(number, order_key, achieved_at, player)| (number, place((order_key, achieved_at, player))));
    let mut places: BTreeMap<i64, Place> = places.collect();
    (1..).take(count).map(|number| places.remove(&number)).collect()
}

/// A place as rows say it.
pub(super) fn place((order_key, achieved_at, player): (i64, i64, StoredUuid)) -> Place {
    Place { order_key, achieved_at: time(achieved_at), player: PlayerId(player.0) }
}

/// Locks `rankings`, those that are not there being made, and does all of `changes` in them, in the order in which they were
/// decided. The players are locked, and each change begins where its player is.
///
/// One go: of statements that are always used together the first is never newer to a connection than the others, so they do
/// not overtake it.
pub(in crate::postgres) async fn lock_and_change(
    connection: &AsyncPgConnection,
    realm: RealmId,
    rankings: &[&Ranking],
    changes: &[PlaceChange],
    now: Timestamp,
) -> Result<(), Trouble> {
    let changes = combined(changes);
    let (_, (), counted_blocks, counted) = tokio::try_join!(
        biased;
        async { lock(connection, realm, rankings, now).await.map_err(Trouble::from) },
        store(connection, realm, &changes),
        blocks::count(connection, realm, Level::Blocks, &changes),
        blocks::count(connection, realm, Level::Sections, &changes),
    )?;
    sections::tidy(connection, realm, counted_blocks, counted).await
}

/// The changes of which anything is left when those of one player in one ranking are one.
fn combined(changes: &[PlaceChange]) -> Vec<PlaceChange> {
    let mut by_player: BTreeMap<(RankingId, PlayerId), PlaceChange> = BTreeMap::new();
    for change in changes {
        let Some(place) = change.before.or(change.after) else { continue };
        let known = by_player.entry((change.ranking, place.player)).or_insert_with(|| change.clone());
        known.after = change.after;
    }
    by_player.into_values().filter(|change| change.before != change.after).collect()
}

async fn store(connection: &AsyncPgConnection, realm: RealmId, changes: &[PlaceChange]) -> Result<(), Trouble> {
    let placed = changes.iter().filter_map(|change| Some((change.ranking, change.after?)));
    let mut left: BTreeMap<PlayerId, BTreeSet<RankingId>> = BTreeMap::new();
    for change in changes {
        if let (Some(before), None) = (change.before, change.after) {
            left.entry(before.player).or_default().insert(change.ranking);
        }
    }
    put(connection, realm, &placed.collect::<Vec<_>>()).await?;
    // Nearly always of one player: who is erased or merged.
    for (player, rankings) in left {
        take_out(connection, realm, player, &rankings).await?;
    }
    Ok(())
}

async fn put(mut connection: &AsyncPgConnection, realm: RealmId, placed: &[(RankingId, Place)]) -> Result<(), Trouble> {
    if placed.is_empty() {
        return Ok(());
    }
    let statement = UpsertPlaces {
        realm: realm.0,
        rankings: placed.iter().map(|(ranking, _)| ranking.0).collect(),
        players: placed.iter().map(|(_, place)| place.player.0).collect(),
        order_keys: placed.iter().map(|(_, place)| place.order_key).collect(),
        achieved_at: placed.iter().map(|(_, place)| place.achieved_at.unix_micros()).collect(),
    };
    Ok(statement.execute(&mut connection).await.map(drop)?)
}

async fn take_out(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    player: PlayerId,
    rankings: &BTreeSet<RankingId>,
) -> Result<(), Trouble> {
    let ids = rankings.iter().map(|ranking| ranking.0).collect();
    let deleted = DeletePlaces { realm: realm.0, player: player.0, rankings: ids }.execute(&mut connection).await?;
    if deleted == rankings.len() { Ok(()) } else { Err(Trouble::Stale { what: "a place" }) }
}
