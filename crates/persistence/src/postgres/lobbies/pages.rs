//! Parts of rankings with the players in them, each read by one statement, which sees one view and costs one trip.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::lobbies::{Place, RankedPlayer, RankingId, RankingPage, RankingSlice};
use domain::players::ExternalId;
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::blocks::{in_order, part_of};
use super::ranking::place;
use crate::postgres::statement::statement;
use crate::rows::StoredUuid;

/// How many entries the ranking has, as `total`.
macro_rules! total {
    () => {
        "(
            SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_sections WHERE realm = $1 AND ranking = $2
        ) AS total"
    };
}

statement! {
    /// How many entries a ranking has, with each of the first ones, whose players are named by the studio's ids; alone when it
    /// has none.
    FirstEntries { realm: i64 => BigInt, ranking: Uuid => SqlUuid, limit: i64 => BigInt }
    -> (BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<SqlUuid>, Nullable<Text>)
    = concat!("SELECT total.entries, ", in_order!("entry"), ", owner.external_id
        FROM ", total!(), "
        LEFT JOIN LATERAL (
            SELECT ", in_order!(), " FROM ranking_entries WHERE realm = $1 AND ranking = $2
            ORDER BY ", in_order!(), " LIMIT $3
        ) AS entry ON true
        LEFT JOIN LATERAL (
            SELECT external_id FROM players WHERE realm = $1 AND id = entry.player LIMIT 1
        ) AS owner ON true")
}

statement! {
    /// How many entries a ranking has, with each entry that is among so many next to a wanted player's or is it: the number of
    /// that player among the wanted ones (from 1), how many entries are ahead of theirs, whether this one is, and whose it is.
    /// Alone when none of them is in the ranking. Adds up as [`super::ranks`] does; the sections are read once, for how many
    /// entries there are and for how many of them are ahead.
    EntriesAround<'a> {
        realm: i64 => BigInt, ranking: Uuid => SqlUuid, players: Vec<&'a str> => Array<Text>, limits: Vec<i64> => Array<BigInt>,
    }
    -> (
        BigInt, Nullable<BigInt>, Nullable<BigInt>, Nullable<Bool>, Nullable<BigInt>, Nullable<BigInt>, Nullable<SqlUuid>,
        Nullable<Text>,
    )
    = concat!("WITH sections AS MATERIALIZED (
            SELECT ", in_order!(), ", entries FROM ranking_sections WHERE realm = $1 AND ranking = $2
        )
        SELECT total.entries, centre.number, centre.entries_ahead, near.is_ahead, ", in_order!("near"), ",
            owner.external_id
        FROM (SELECT coalesce(sum(entries), 0)::bigint AS entries FROM sections) AS total
        LEFT JOIN LATERAL (
            SELECT wanted.number, wanted.near, ", in_order!("entry"), ",
                in_sections.entries + in_blocks.entries + in_block.entries AS entries_ahead
            FROM unnest($3, $4) WITH ORDINALITY AS wanted (external_id, near, number)
            CROSS JOIN LATERAL (
                SELECT id FROM players WHERE realm = $1 AND external_id = wanted.external_id LIMIT 1
            ) AS named
            CROSS JOIN LATERAL (
                SELECT ", in_order!(), " FROM ranking_entries
                WHERE realm = $1 AND ranking = $2 AND player = named.id LIMIT 1
            ) AS entry
            CROSS JOIN LATERAL (",
                part_of!("ranking_sections", "entry.order_key, entry.achieved_at, entry.player", "$2"), "
            ) AS section
            CROSS JOIN LATERAL (",
                part_of!("ranking_blocks", "entry.order_key, entry.achieved_at, entry.player", "$2"), "
            ) AS block
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(entries) FILTER (
                    WHERE (", in_order!("sections"), ") < (", in_order!("section"), ")
                ), 0)::bigint AS entries FROM sections
            ) AS in_sections
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(entries), 0)::bigint AS entries FROM ranking_blocks
                WHERE realm = $1 AND ranking = $2
                    AND (", in_order!(), ") >= (", in_order!("section"), ")
                    AND (", in_order!(), ") < (", in_order!("block"), ")
            ) AS in_blocks
            CROSS JOIN LATERAL (
                SELECT count(*) AS entries FROM ranking_entries
                WHERE realm = $1 AND ranking = $2
                    AND (", in_order!(), ") >= (", in_order!("block"), ")
                    AND (", in_order!(), ") < (", in_order!("entry"), ")
            ) AS in_block
        ) AS centre ON true
        LEFT JOIN LATERAL (
            (
                SELECT true AS is_ahead, ", in_order!(), " FROM ranking_entries
                WHERE realm = $1 AND ranking = $2 AND (", in_order!(), ") < (", in_order!("centre"), ")
                ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT centre.near
            )
            UNION ALL
            (
                SELECT false, ", in_order!(), " FROM ranking_entries
                WHERE realm = $1 AND ranking = $2 AND (", in_order!(), ") >= (", in_order!("centre"), ")
                ORDER BY ", in_order!(), " LIMIT centre.near + 1
            )
        ) AS near ON true
        LEFT JOIN LATERAL (
            SELECT external_id FROM players WHERE realm = $1 AND id = near.player LIMIT 1
        ) AS owner ON true")
}

type FirstRow = (i64, Option<i64>, Option<i64>, Option<StoredUuid>, Option<String>);
type NearRow =
    (i64, Option<i64>, Option<i64>, Option<bool>, Option<i64>, Option<i64>, Option<StoredUuid>, Option<String>);

/// Some of those who follow each other in a ranking.
#[derive(Default)]
struct Neighbours {
    /// How many of its entries are ahead of the one that they are next to.
    before_centre: i64,
    /// How many of these are.
    ahead: usize,
    entries: Vec<(Place, ExternalId)>,
}

impl Neighbours {
    /// These, best first, and who is in the middle.
    fn ranked(mut self) -> (Vec<RankedPlayer>, Option<RankedPlayer>) {
        self.entries.sort_unstable_by_key(|(place, _)| *place);
        let ahead = u64::try_from(self.ahead).unwrap_or(0);
        let first = (count(self.before_centre) + 1).saturating_sub(ahead);
        let ranked = (first..).zip(self.entries);
        let ranked = ranked.map(|(rank, (place, external_id))| RankedPlayer { rank, place, external_id });
        let ranked: Vec<RankedPlayer> = ranked.collect();
        let centre = ranked.get(self.ahead).cloned();
        (ranked, centre)
    }
}

fn count(entries: i64) -> u64 {
    u64::try_from(entries).unwrap_or(0)
}

/// Whether [`page`] reads by one statement, which has one view without a transaction.
pub(super) const fn is_one_statement(slice: &RankingSlice, own: Option<&ExternalId>) -> bool {
    match slice {
        RankingSlice::Top(_) => own.is_none(),
        RankingSlice::Around(_, _) => true,
    }
}

/// A part of a ranking; the statements must see one view. `own` is who is asked about beside it.
pub(super) async fn page(
    connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    slice: &RankingSlice,
    own: Option<&ExternalId>,
) -> QueryResult<RankingPage> {
    match (slice, own) {
        (RankingSlice::Top(limit), None) => {
            let (players, entries) = first(connection, realm, ranking, *limit).await?;
            Ok(RankingPage { players, entries, own: None })
        }
        (RankingSlice::Top(limit), Some(own)) => {
            let wanted = [(own, 0)];
            let ((players, entries), (_, mut found)) = tokio::try_join!(
                first(connection, realm, ranking, *limit),
                near(connection, realm, ranking, &wanted),
            )?;
            let (_, own) = found.remove(&1).unwrap_or_default().ranked();
            Ok(RankingPage { players, entries, own })
        }
        (RankingSlice::Around(player, limit), own) => {
            let own_too = own.filter(|own| *own != player);
            let wanted: Vec<_> = [(player, *limit)].into_iter().chain(own_too.map(|own| (own, 0))).collect();
            let (players, mut found) = near(connection, realm, ranking, &wanted).await?;
            let (entries, middle) = found.remove(&1).unwrap_or_default().ranked();
            let (_, other) = found.remove(&2).unwrap_or_default().ranked();
            Ok(RankingPage { players, entries, own: if own == Some(player) { middle } else { other } })
        }
    }
}

/// How many players a ranking has, and the first of them.
async fn first(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    limit: u32,
) -> QueryResult<(u64, Vec<RankedPlayer>)> {
    let statement = FirstEntries { realm: realm.0, ranking: ranking.0, limit: i64::from(limit) };
    let rows: Vec<FirstRow> = statement.load(&mut connection).await?;
    let players = rows.iter().map(|(players, ..)| count(*players)).next().unwrap_or(0);
    let entries = rows.into_iter().filter_map(|(_, order_key, achieved_at, player, external_id)| {
        Some((place((order_key?, achieved_at?, player?)), ExternalId::restore(external_id?)))
    });
    let neighbours = Neighbours { entries: entries.collect(), ..Neighbours::default() };
    Ok((players, neighbours.ranked().0))
}

/// How many players a ranking has, and those who are next to each of `wanted` who is in it, by the number of that one.
async fn near(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    ranking: RankingId,
    wanted: &[(&ExternalId, u32)],
) -> QueryResult<(u64, BTreeMap<i64, Neighbours>)> {
    let statement = EntriesAround {
        realm: realm.0,
        ranking: ranking.0,
        players: wanted.iter().map(|(player, _)| player.as_str()).collect(),
        limits: wanted.iter().map(|(_, limit)| i64::from(*limit)).collect(),
    };
    let rows: Vec<NearRow> = statement.load(&mut connection).await?;
    let players = rows.iter().map(|(players, ..)| count(*players)).next().unwrap_or(0);
    let mut found: BTreeMap<i64, Neighbours> = BTreeMap::new();
    for (_, number, before_centre, is_ahead, order_key, achieved_at, player, external_id) in rows {
        let entry = order_key.zip(achieved_at).zip(player).zip(external_id);
        let Some((((order_key, achieved_at), player), external_id)) = entry else { continue };
        let (Some(number), Some(before_centre), Some(is_ahead)) = (number, before_centre, is_ahead) else { continue };
        let neighbours = found.entry(number).or_default();
        neighbours.before_centre = before_centre;
        neighbours.ahead += usize::from(is_ahead);
        neighbours.entries.push((place((order_key, achieved_at, player)), ExternalId::restore(external_id)));
    }
    Ok((players, found))
}
