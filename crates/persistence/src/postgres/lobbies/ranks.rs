//! Ranks of places that a batch wants, looked up when it is stored.
//!
//! A rank is the sum of the sections before the one that its place lies in, of the blocks of that section before the one that
//! its place lies in, and a count within that one. Of several places of a ranking each adds up only the sections, or the blocks
//! of the same section, since the place before it, so all of them together read each of these once.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::lobbies::{Place, Rank, RankingId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::blocks::{in_order, part_of};
use super::ranking;
use crate::postgres::statement::statement;

statement! {
    /// Of places, each with another of its ranking that is not after it: how many entries are between their sections; whether
    /// these are the same one; how many entries are between their blocks, or, in different sections, between the start of its
    /// section and its block; how many are before it in its block; of a last place, how many are from the beginning of its
    /// section on; and whether its player is there. Each with its number among the wanted places (from 1).
    CountBetween {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys_before: Vec<i64> => Array<BigInt>,
        achieved_at_before: Vec<i64> => Array<BigInt>, players_before: Vec<Uuid> => Array<SqlUuid>,
        order_keys: Vec<i64> => Array<BigInt>, achieved_at: Vec<i64> => Array<BigInt>,
        players: Vec<Uuid> => Array<SqlUuid>, are_last: Vec<bool> => Array<Bool>,
    }
    -> (BigInt, BigInt, Bool, BigInt, BigInt, Nullable<BigInt>, Bool)
    = concat!("SELECT wanted.number, between_sections.entries, since.is_same, between_blocks.entries, within.entries,
            CASE WHEN wanted.is_last THEN (
                SELECT sum(entries)::bigint FROM ranking_sections
                WHERE realm = $1 AND ranking = wanted.ranking AND (", in_order!(), ") >= (", in_order!("section"), ")
            ) END, coalesce(found.order_key = wanted.order_key AND found.achieved_at = wanted.achieved_at, false)
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
        ) AS within
        LEFT JOIN LATERAL (
            SELECT order_key, achieved_at FROM ranking_entries
            WHERE realm = $1 AND ranking = wanted.ranking AND player = wanted.player LIMIT 1
        ) AS found ON true")
}

/// A place as it is bound, or one that is before them all.
type Bound = (i64, i64, Uuid);

/// Before every place.
const BEFORE_ALL: Bound = (i64::MIN, i64::MIN, Uuid::nil());

fn bound(place: &Place) -> Bound {
    (place.order_key, place.achieved_at.unix_micros(), place.player.0)
}

/// A rank, if whoever it is of was where they were looked for.
pub(super) type Found = Option<Rank>;

/// Of one place, by its number: what lies in the sections between it and the one before, whether both are in the same section, what
/// lies in the blocks between them and ahead of it in its block, what lies behind if it is the last, and whether it is there.
type Counted = (i64, i64, bool, i64, i64, Option<i64>, bool);

/// The ranks of the players at these places, who were there a moment ago.
pub(super) async fn ranks(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(RankingId, Place)],
) -> QueryResult<Vec<Found>> {
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
    let rows: Vec<Counted> = statement.load(&mut connection).await?;
    let counted: BTreeMap<i64, _> = rows
        .into_iter()
        .map(|(n, sections, is_same, blocks, within, rest, is_there)| {
            (n, (sections, is_same, blocks, within, rest, is_there))
        })
        .collect();
    let (mut ahead, mut players) = (BTreeMap::new(), BTreeMap::new());
    let mut before: BTreeMap<RankingId, (i64, i64)> = BTreeMap::new();
    for (number, (ranking, place)) in (1..).zip(&sorted) {
        // A ranking without entries has no blocks.
        let none = (0, true, 0, 0, Some(0), false);
        let (sections, is_same, blocks, within, rest, is_there) = counted.get(&number).copied().unwrap_or(none);
        let (in_sections, in_blocks) = before.entry(*ranking).or_default();
        *in_sections += sections;
        *in_blocks = if is_same { *in_blocks + blocks } else { blocks };
        if is_there {
            ahead.insert((*ranking, *place), *in_sections + *in_blocks + within);
        }
        if let Some(rest) = rest {
            players.insert(*ranking, *in_sections + rest);
        }
    }
    let rank = |(ranking, place): &(RankingId, Place)| {
        let ahead = ahead.get(&(*ranking, *place))?;
        Some(Rank { rank: 1 + count(Some(ahead)), players: count(players.get(ranking)) })
    };
    Ok(wanted.iter().map(rank).collect())
}

/// The ranks of the players who were at these places, wherever they are now; none of those who are nowhere. For one view of
/// the database.
pub(super) async fn ranks_by_now(
    connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(RankingId, Place)],
) -> QueryResult<Vec<Found>> {
    let players: Vec<_> = wanted.iter().map(|(ranking, place)| (*ranking, place.player)).collect();
    let places = ranking::places(connection, realm, &players).await?;
    let present: Vec<_> =
        players.iter().zip(&places).filter_map(|((ranking, _), place)| Some((*ranking, (*place)?))).collect();
    let mut ranks = ranks(connection, realm, &present).await?.into_iter();
    Ok(places.iter().map(|place| place.and_then(|_| ranks.next().flatten())).collect())
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
