//! Ranks, and pages of rankings.
//!
//! A rank is the sum of the sections before the one that its place lies in, of the blocks of that section before the one that
//! its place lies in, and a count within that one. Of several places of a ranking each adds up only the sections, or the blocks
//! of the same section, since the place before it, so all of them together read each of these once.

use std::collections::BTreeMap;

use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::lobbies::{Place, Rank, RankedPlayer, RankingId, RankingPage, RankingSlice};
use domain::players::ExternalId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::blocks::{in_order, part_of};
use super::ranking::place;
use crate::postgres::statement::statement;
use crate::rows::StoredUuid;

statement! {
    /// Of places, each with another of its ranking that is not after it: how many entries are between their sections; whether
    /// these are the same one; how many entries are between their blocks, or, in different sections, between the start of its
    /// section and its block; how many are before it in its block; and, of a last place, how many are from the beginning of
    /// its section on. Each with its number among the wanted places (from 1).
    CountBetween {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys_before: Vec<i64> => Array<BigInt>,
        achieved_at_before: Vec<i64> => Array<BigInt>, players_before: Vec<Uuid> => Array<SqlUuid>,
        order_keys: Vec<i64> => Array<BigInt>, achieved_at: Vec<i64> => Array<BigInt>,
        players: Vec<Uuid> => Array<SqlUuid>, are_last: Vec<bool> => Array<Bool>,
    }
    -> (BigInt, BigInt, Bool, BigInt, BigInt, Nullable<BigInt>)
    = concat!("SELECT wanted.number, between_sections.entries, since.is_same, between_blocks.entries, within.entries,
            CASE WHEN wanted.is_last THEN (
                SELECT sum(entries)::bigint FROM ranking_sections
                WHERE realm = $1 AND ranking = wanted.ranking AND (", in_order!(), ") >= (", in_order!("section"), ")
            ) END
        FROM unnest($2, $3, $4, $5, $6, $7, $8, $9) WITH ORDINALITY AS wanted (
            ranking, order_key_before, achieved_at_before, player_before, order_key, achieved_at, player, is_last, number
        )
        CROSS JOIN LATERAL (", part_of!(
            "ranking_sections", "wanted.order_key_before, wanted.achieved_at_before, wanted.player_before",
            "wanted.ranking"
        ), "
        ) AS section_before
        CROSS JOIN LATERAL (", part_of!(
            "ranking_sections", "wanted.order_key, wanted.achieved_at, wanted.player", "wanted.ranking"
        ), "
        ) AS section
        CROSS JOIN LATERAL (", part_of!(
            "ranking_blocks", "wanted.order_key_before, wanted.achieved_at_before, wanted.player_before", "wanted.ranking"
        ), "
        ) AS block_before
        CROSS JOIN LATERAL (", part_of!(
            "ranking_blocks", "wanted.order_key, wanted.achieved_at, wanted.player", "wanted.ranking"
        ), "
        ) AS block
        CROSS JOIN LATERAL (
            SELECT is_same, CASE WHEN is_same THEN block_before.order_key ELSE section.order_key END AS order_key,
                CASE WHEN is_same THEN block_before.achieved_at ELSE section.achieved_at END AS achieved_at,
                CASE WHEN is_same THEN block_before.player ELSE section.player END AS player
            FROM (SELECT (", in_order!("section_before"), ") = (", in_order!("section"), ") AS is_same) AS compared
        ) AS since
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_sections
            WHERE realm = $1 AND ranking = wanted.ranking
                AND (", in_order!(), ") >= (", in_order!("section_before"), ")
                AND (", in_order!(), ") < (", in_order!("section"), ")
        ) AS between_sections
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_blocks
            WHERE realm = $1 AND ranking = wanted.ranking
                AND (", in_order!(), ") >= (", in_order!("since"), ")
                AND (", in_order!(), ") < (", in_order!("block"), ")
        ) AS between_blocks
        CROSS JOIN LATERAL (
            SELECT count(*) AS entries FROM ranking_entries
            WHERE realm = $1 AND ranking = wanted.ranking
                AND (", in_order!(), ") >= (", in_order!("block"), ")
                AND (", in_order!(), ") < (", in_order!("wanted"), ")
        ) AS within")
}

statement! {
    /// How many entries a ranking has.
    CountEntries { realm: i64 => BigInt, ranking: Uuid => SqlUuid } -> (BigInt,)
    = "SELECT coalesce(sum(entries), 0)::bigint FROM ranking_sections WHERE realm = $1 AND ranking = $2"
}

statement! {
    /// Where a player, by the studio's id, is in a ranking.
    FindPlaceOf<'a> { realm: i64 => BigInt, ranking: Uuid => SqlUuid, external_id: &'a str => Text }
    -> (BigInt, BigInt, SqlUuid)
    = "SELECT entry.order_key, entry.achieved_at, entry.player
        FROM (SELECT id FROM players WHERE realm = $1 AND external_id = $3) AS owner
        CROSS JOIN LATERAL (
            SELECT order_key, achieved_at, player FROM ranking_entries
            WHERE realm = $1 AND ranking = $2 AND player = owner.id LIMIT 1
        ) AS entry"
}

/// Entries of a ranking past a place, nearest first, with the studio's ids of their players.
macro_rules! entries_past {
    ($past:literal, $order:literal) => {
        concat!(
            "SELECT ",
            in_order!("entry"),
            ", owner.external_id
        FROM (
            SELECT order_key, achieved_at, player FROM ranking_entries
            WHERE realm = $1 AND ranking = $2 AND (order_key, achieved_at, player) ",
            $past,
            " ($3, $4, $5)
            ORDER BY order_key ",
            $order,
            ", achieved_at ",
            $order,
            ", player ",
            $order,
            " LIMIT $6
        ) AS entry
        CROSS JOIN LATERAL (SELECT external_id FROM players WHERE realm = $1 AND id = entry.player LIMIT 1) AS owner
        ORDER BY entry.order_key ",
            $order,
            ", entry.achieved_at ",
            $order,
            ", entry.player ",
            $order
        )
    };
}

statement! {
    /// Entries after a place.
    EntriesBehind {
        realm: i64 => BigInt, ranking: Uuid => SqlUuid, order_key: i64 => BigInt, achieved_at: i64 => BigInt,
        player: Uuid => SqlUuid, limit: i64 => BigInt,
    }
    -> (BigInt, BigInt, SqlUuid, Text) = entries_past!(">", "ASC")
}

statement! {
    /// Entries before a place, the nearest first.
    EntriesAhead {
        realm: i64 => BigInt, ranking: Uuid => SqlUuid, order_key: i64 => BigInt, achieved_at: i64 => BigInt,
        player: Uuid => SqlUuid, limit: i64 => BigInt,
    }
    -> (BigInt, BigInt, SqlUuid, Text) = entries_past!("<", "DESC")
}

/// A place as it is bound, or one that is before them all.
type Bound = (i64, i64, Uuid);

/// Before every place.
const BEFORE_ALL: Bound = (i64::MIN, i64::MIN, Uuid::nil());

fn bound(place: &Place) -> Bound {
    (place.order_key, place.achieved_at.unix_micros(), place.player.0)
}

/// The ranks of places, whether entries have them or not.
pub(in crate::postgres) async fn ranks(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(RankingId, Place)],
) -> QueryResult<Vec<Rank>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let statement = CountBetween {
        realm: realm.0,
        rankings: sorted.iter().map(|(ranking, _)| ranking.0).collect(),
        order_keys_before: before(&sorted).map(|(order_key, _, _)| order_key).collect(),
        achieved_at_before: before(&sorted).map(|(_, achieved_at, _)| achieved_at).collect(),
        players_before: before(&sorted).map(|(_, _, player)| player).collect(),
        order_keys: sorted.iter().map(|(_, place)| place.order_key).collect(),
        achieved_at: sorted.iter().map(|(_, place)| place.achieved_at.unix_micros()).collect(),
        players: sorted.iter().map(|(_, place)| place.player.0).collect(),
        are_last: are_last(&sorted).collect(),
    };
    let rows: Vec<(i64, i64, bool, i64, i64, Option<i64>)> = statement.load(&mut connection).await?;
    let counted: BTreeMap<i64, _> = rows
        .into_iter()
        .map(|(n, sections, is_same, blocks, within, rest)| (n, (sections, is_same, blocks, within, rest)))
        .collect();
    let (mut ahead, mut players) = (BTreeMap::new(), BTreeMap::new());
    let mut before: BTreeMap<RankingId, (i64, i64)> = BTreeMap::new();
    for (number, (ranking, place)) in (1..).zip(&sorted) {
        // A ranking without entries has no blocks.
        let none = (0, true, 0, 0, Some(0));
        let (sections, is_same, blocks, within, rest) = counted.get(&number).copied().unwrap_or(none);
        let (in_sections, in_blocks) = before.entry(*ranking).or_default();
        *in_sections += sections;
        *in_blocks = if is_same { *in_blocks + blocks } else { blocks };
        ahead.insert((*ranking, *place), *in_sections + *in_blocks + within);
        if let Some(rest) = rest {
            players.insert(*ranking, *in_sections + rest);
        }
    }
    let rank = |(ranking, place): &(RankingId, Place)| Rank {
        rank: 1 + count(ahead.get(&(*ranking, *place))),
        players: count(players.get(ranking)),
    };
    Ok(wanted.iter().map(rank).collect())
}

fn count(entries: Option<&i64>) -> u64 {
    entries.and_then(|entries| u64::try_from(*entries).ok()).unwrap_or(0)
}

/// The place before each of these in its ranking.
fn before(sorted: &[(RankingId, Place)]) -> impl Iterator<Item = Bound> + '_ {
    let previous = std::iter::once(None).chain(sorted.iter().map(Some));
    previous.zip(sorted).map(|(previous, (ranking, _))| match previous {
        Some((same, place)) if same == ranking => bound(place),
        Some(_) | None => BEFORE_ALL,
    })
}

/// Whether each of these is the last one of its ranking.
fn are_last(sorted: &[(RankingId, Place)]) -> impl Iterator<Item = bool> + '_ {
    let next = sorted.iter().skip(1).map(Some).chain([None]);
    sorted.iter().zip(next).map(|((ranking, _), next)| next.is_none_or(|(other, _)| other != ranking))
}

/// A part of a ranking; the statements must see one view. `own` is who is asked about beside it.
pub(in crate::postgres) async fn page(
    connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    slice: &RankingSlice,
    own: Option<&ExternalId>,
) -> QueryResult<RankingPage> {
    match slice {
        RankingSlice::Top(limit) => top(connection, realm, ranking, *limit, own).await,
        RankingSlice::Around(player, limit) => around(connection, realm, ranking, player, *limit, own).await,
    }
}

async fn top(
    connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    limit: u32,
    own: Option<&ExternalId>,
) -> QueryResult<RankingPage> {
    let (entries, players, own) = tokio::try_join!(
        behind(connection, realm, ranking, BEFORE_ALL, limit),
        count_entries(connection, realm, ranking),
        ranked(connection, realm, ranking, own),
    )?;
    let entries = (1..).zip(entries).map(|(rank, (place, external_id))| RankedPlayer { rank, place, external_id });
    Ok(RankingPage { players, entries: entries.collect(), own: own.map(|(own, _)| own) })
}

async fn around(
    connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    player: &ExternalId,
    limit: u32,
    own: Option<&ExternalId>,
) -> QueryResult<RankingPage> {
    let own_too = own.filter(|own| *own != player);
    let (middle, other) = tokio::try_join!(
        ranked(connection, realm, ranking, Some(player)),
        ranked(connection, realm, ranking, own_too),
    )?;
    let other = other.map(|(other, _)| other);
    let Some((middle, players)) = middle else {
        let players = count_entries(connection, realm, ranking).await?;
        return Ok(RankingPage { players, entries: Vec::new(), own: other });
    };
    let at = bound(&middle.place);
    let (ahead, behind) =
        tokio::try_join!(ahead(connection, realm, ranking, at, limit), behind(connection, realm, ranking, at, limit),)?;
    let own = if own == Some(player) { Some(middle.clone()) } else { other };
    let first = middle.rank.saturating_sub(u64::try_from(ahead.len()).unwrap_or(0));
    let all = ahead.into_iter().rev().chain([(middle.place, middle.external_id)]).chain(behind);
    let entries = (first..).zip(all).map(|(rank, (place, external_id))| RankedPlayer { rank, place, external_id });
    Ok(RankingPage { players, entries: entries.collect(), own })
}

/// A player in a ranking, and how many players it has; `None` when they are not in it.
async fn ranked(
    connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    player: Option<&ExternalId>,
) -> QueryResult<Option<(RankedPlayer, u64)>> {
    let Some(external_id) = player else { return Ok(None) };
    let Some(place) = place_of(connection, realm, ranking, external_id).await? else { return Ok(None) };
    let ranks = ranks(connection, realm, &[(ranking, place)]).await?;
    Ok(ranks
        .into_iter()
        .next()
        .map(|Rank { rank, players }| (RankedPlayer { rank, place, external_id: external_id.clone() }, players)))
}

/// Where `player` is in `ranking`.
pub(in crate::postgres) async fn place_of(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    player: &ExternalId,
) -> QueryResult<Option<Place>> {
    let statement = FindPlaceOf { realm: realm.0, ranking: ranking.0, external_id: player.as_str() };
    let found: Option<(i64, i64, StoredUuid)> = statement.get_result(&mut connection).await.optional()?;
    Ok(found.map(place))
}

async fn count_entries(mut connection: &AsyncPgConnection, realm: RealmId, ranking: RankingId) -> QueryResult<u64> {
    let statement = CountEntries { realm: realm.0, ranking: ranking.0 };
    let (entries,) = statement.get_result::<(i64,)>(&mut connection).await?;
    Ok(count(Some(&entries)))
}

/// The entries after a place.
async fn behind(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    (order_key, achieved_at, player): Bound,
    limit: u32,
) -> QueryResult<Vec<(Place, ExternalId)>> {
    let (realm, ranking, limit) = (realm.0, ranking.0, i64::from(limit));
    let statement = EntriesBehind { realm, ranking, order_key, achieved_at, player, limit };
    let rows: Vec<(i64, i64, StoredUuid, String)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(named_place).collect())
}

/// The entries before a place, the nearest first.
async fn ahead(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    (order_key, achieved_at, player): Bound,
    limit: u32,
) -> QueryResult<Vec<(Place, ExternalId)>> {
    let (realm, ranking, limit) = (realm.0, ranking.0, i64::from(limit));
    let statement = EntriesAhead { realm, ranking, order_key, achieved_at, player, limit };
    let rows: Vec<(i64, i64, StoredUuid, String)> = statement.load(&mut connection).await?;
    Ok(rows.into_iter().map(named_place).collect())
}

fn named_place((order_key, achieved_at, player, external_id): (i64, i64, StoredUuid, String)) -> (Place, ExternalId) {
    (place((order_key, achieved_at, player)), ExternalId::restore(external_id))
}
