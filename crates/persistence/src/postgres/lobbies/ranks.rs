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
    /// Of places, in their order, each with the one before it in its ranking: how many entries are between their sections; whether
    /// these are the same one; how many entries are between their blocks, or, in different sections, between the start of its
    /// section and its block; how many are before it in its block; of a last place, how many are from the beginning of its
    /// section on; and whether its player is there. Before the first one is the beginning of its ranking. Each with its number
    /// among the wanted places (from 1).
    CountBetween {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, BigInt, Bool, BigInt, BigInt, Nullable<BigInt>, Bool)
    = concat!("WITH located AS (
            SELECT wanted.number, wanted.ranking, ", in_order!("wanted"), ",
                section.order_key AS section_key, section.achieved_at AS section_at, section.player AS section_player,
                block.order_key AS block_key, block.achieved_at AS block_at, block.player AS block_player,
                coalesce(lag(section.order_key) OVER in_ranking, -9223372036854775808) AS section_key_before,
                coalesce(lag(section.achieved_at) OVER in_ranking, -9223372036854775808) AS section_at_before,
                coalesce(lag(section.player) OVER in_ranking, '00000000-0000-0000-0000-000000000000')
                    AS section_player_before,
                coalesce(lag(block.order_key) OVER in_ranking, -9223372036854775808) AS block_key_before,
                coalesce(lag(block.achieved_at) OVER in_ranking, -9223372036854775808) AS block_at_before,
                coalesce(lag(block.player) OVER in_ranking, '00000000-0000-0000-0000-000000000000')
                    AS block_player_before,
                lead(wanted.number) OVER in_ranking IS NULL AS is_last
            FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS wanted (ranking, order_key, achieved_at, player, number)
            CROSS JOIN LATERAL (", part_of!(
                "ranking_sections", "wanted.order_key, wanted.achieved_at, wanted.player", "wanted.ranking"
            ), "
            ) AS section
            CROSS JOIN LATERAL (", part_of!(
                "ranking_blocks", "wanted.order_key, wanted.achieved_at, wanted.player", "wanted.ranking"
            ), "
            ) AS block
            WINDOW in_ranking AS (PARTITION BY wanted.ranking ORDER BY wanted.number)
        ), since AS (
            SELECT *, (section_key_before, section_at_before, section_player_before)
                = (section_key, section_at, section_player) AS is_same
            FROM located
        )
        SELECT since.number, between_sections.entries, since.is_same, between_blocks.entries, within.entries,
            CASE WHEN since.is_last THEN (
                SELECT sum(entries)::bigint FROM ranking_sections
                WHERE realm = $1 AND ranking = since.ranking
                    AND (", in_order!(), ") >= (since.section_key, since.section_at, since.section_player)
            ) END, within.is_there
        FROM since
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_sections
            WHERE realm = $1 AND ranking = since.ranking
                AND (", in_order!(), ") >= (
                    since.section_key_before, since.section_at_before, since.section_player_before
                )
                AND (", in_order!(), ") < (since.section_key, since.section_at, since.section_player)
        ) AS between_sections
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_blocks
            WHERE realm = $1 AND ranking = since.ranking
                AND (", in_order!(), ") >= (
                    CASE WHEN since.is_same THEN since.block_key_before ELSE since.section_key END,
                    CASE WHEN since.is_same THEN since.block_at_before ELSE since.section_at END,
                    CASE WHEN since.is_same THEN since.block_player_before ELSE since.section_player END
                )
                AND (", in_order!(), ") < (since.block_key, since.block_at, since.block_player)
        ) AS between_blocks
        CROSS JOIN LATERAL (
            SELECT count(*) - count(*) FILTER (WHERE is_it) AS entries, 0 < count(*) FILTER (WHERE is_it) AS is_there FROM (
                SELECT player = since.player AND order_key = since.order_key AND achieved_at = since.achieved_at AS is_it
                FROM ranking_entries
                WHERE realm = $1 AND ranking = since.ranking
                    AND (", in_order!(), ") >= (since.block_key, since.block_at, since.block_player)
                    AND (", in_order!(), ") <= (", in_order!("since"), ")
            ) AS entry
        ) AS within")
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
        order_keys: sorted.iter().map(|(_, place)| place.order_key).collect(),
        achieved_at: sorted.iter().map(|(_, place)| place.achieved_at.unix_micros()).collect(),
        players: sorted.iter().map(|(_, place)| place.player.0).collect(),
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
