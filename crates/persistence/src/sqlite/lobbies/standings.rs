//! Ranks, and parts of rankings with the players in them.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{Place, Rank, RankedPlayer, RankingId, RankingPage, RankingSlice, WantedRank};
use domain::players::{ExternalId, PlayerId};
use domain::tenancy::RealmId;

use super::blocks::Blocks;
use super::parts::{Level, Part, PartColumns, PartRow, Start};
use super::ranking;
use crate::rows::{StoredUuid, time};
use crate::sqlite::players;
use crate::sqlite::statement::statement;

statement! {
    /// How many entries lie in the sections before a place, and how many in all.
    SumSections<'a> {
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
    }
    -> (BigInt, BigInt)
    = "SELECT coalesce(sum(entries) FILTER (WHERE (order_key, achieved_at, player) < (?, ?, ?)), 0),
        coalesce(sum(entries), 0) FROM ranking_sections WHERE realm = ? AND ranking = ?"
}

statement! {
    /// The sections of a ranking, in order.
    AllSections<'a> { realm: i64 => BigInt, ranking: &'a [u8] => Binary } -> PartColumns
    = "SELECT order_key, achieved_at, player, entries FROM ranking_sections
        WHERE realm = ? AND ranking = ? ORDER BY order_key, achieved_at, player"
}

statement! {
    /// How many entries lie in the blocks from one place on and before another.
    SumBlocks<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        from_order_key: i64 => BigInt, from_achieved_at: i64 => BigInt, from_player: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> (BigInt,)
    = "SELECT coalesce(sum(entries), 0) FROM ranking_blocks
        WHERE realm = ? AND ranking = ?
        AND (order_key, achieved_at, player) >= (?, ?, ?) AND (order_key, achieved_at, player) < (?, ?, ?)"
}

statement! {
    /// How many entries lie from one place on and before another.
    CountEntries<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        from_order_key: i64 => BigInt, from_achieved_at: i64 => BigInt, from_player: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> (BigInt,)
    = "SELECT count(*) FROM ranking_entries INDEXED BY ranking_entries_in_order
        WHERE realm = ? AND ranking = ?
        AND (order_key, achieved_at, player) >= (?, ?, ?) AND (order_key, achieved_at, player) < (?, ?, ?)"
}

type RankedColumns = (BigInt, BigInt, Binary, Text);
type RankedRow = (i64, i64, StoredUuid, String);

statement! {
    /// The first entries of a ranking.
    TopEntries<'a> { realm: i64 => BigInt, ranking: &'a [u8] => Binary, limit: i64 => BigInt } -> RankedColumns
    = "SELECT e.order_key, e.achieved_at, e.player, p.external_id
        FROM ranking_entries e INDEXED BY ranking_entries_in_order
        CROSS JOIN players p ON p.realm = e.realm AND p.id = e.player
        WHERE e.realm = ? AND e.ranking = ? ORDER BY e.order_key, e.achieved_at, e.player LIMIT ?"
}

statement! {
    /// The last entries before a place, from there on.
    EntriesBefore<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> RankedColumns
    = "SELECT e.order_key, e.achieved_at, e.player, p.external_id
        FROM ranking_entries e INDEXED BY ranking_entries_in_order
        CROSS JOIN players p ON p.realm = e.realm AND p.id = e.player
        WHERE e.realm = ? AND e.ranking = ? AND (e.order_key, e.achieved_at, e.player) < (?, ?, ?)
        ORDER BY e.order_key DESC, e.achieved_at DESC, e.player DESC LIMIT ?"
}

statement! {
    /// The first entries after a place.
    EntriesAfter<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> RankedColumns
    = "SELECT e.order_key, e.achieved_at, e.player, p.external_id
        FROM ranking_entries e INDEXED BY ranking_entries_in_order
        CROSS JOIN players p ON p.realm = e.realm AND p.id = e.player
        WHERE e.realm = ? AND e.ranking = ? AND (e.order_key, e.achieved_at, e.player) > (?, ?, ?)
        ORDER BY e.order_key, e.achieved_at, e.player LIMIT ?"
}

/// From how many ranks on it pays to read all sections of their ranking once.
const MANY: usize = 4;

/// The rank of `place`, which is taken, in a ranking.
pub(super) fn rank(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    place: &Place,
) -> QueryResult<Rank> {
    let place = Start::from(place);
    let section = Blocks { realm, ranking }.on(Level::Sections).holding(connection, &place)?.start;
    let (earlier, players) = sums(connection, realm, ranking, section)?;
    let within = count_from(connection, realm, ranking, section, place)?;
    Ok(Rank { rank: earlier + within + 1, players })
}

/// The ranks of the players of `wanted` places, wherever they are now; none of those who are nowhere.
pub(super) fn ranks_by_now(connection: &mut SqliteConnection, wanted: &[WantedRank]) -> QueryResult<Vec<Option<Rank>>> {
    let mut found = vec![None; wanted.len()];
    let mut by_ranking: BTreeMap<(RealmId, RankingId), Vec<(usize, Place)>> = BTreeMap::new();
    for (number, WantedRank { realm, ranking, place, .. }) in wanted.iter().enumerate() {
        if let Some(now) = ranking::find_place(connection, *realm, *ranking, place.player)? {
            by_ranking.entry((*realm, *ranking)).or_default().push((number, now));
        }
    }
    for ((realm, ranking), present) in by_ranking {
        let places: Vec<Place> = present.iter().map(|(_, place)| *place).collect();
        for ((number, _), rank) in present.iter().zip(ranks(connection, realm, ranking, &places)?) {
            if let Some(found) = found.get_mut(*number) {
                *found = Some(rank);
            }
        }
    }
    Ok(found)
}

/// The ranks of `places`, which are taken, in a ranking.
pub(super) fn ranks(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    places: &[Place],
) -> QueryResult<Vec<Rank>> {
    if places.len() < MANY {
        return places.iter().map(|place| rank(connection, realm, ranking, place)).collect();
    }
    let mut players = 0;
    let mut sections = Vec::new();
    let statement = AllSections { realm: realm.0, ranking: ranking.0.as_bytes() };
    for Part { start, entries } in statement.load::<PartRow>(connection)?.into_iter().map(Part::restore) {
        sections.push((start, players));
        players += count(entries);
    }
    let mut ranks = Vec::with_capacity(places.len());
    for place in places.iter().map(Start::from) {
        let later = sections.partition_point(|(start, _)| *start <= place);
        let holding = later.checked_sub(1).and_then(|index| sections.get(index));
        let (section, earlier) = *holding.ok_or(Error::NotFound)?;
        let within = count_from(connection, realm, ranking, section, place)?;
        ranks.push(Rank { rank: earlier + within + 1, players });
    }
    Ok(ranks)
}

/// How many entries lie from the start of a section on and before a place in it.
fn count_from(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    section: Start,
    place: Start,
) -> QueryResult<u64> {
    let block = Blocks { realm, ranking }.on(Level::Blocks).holding(connection, &place)?.start;
    let (realm, ranking) = (realm.0, ranking.0.as_bytes().as_slice());
    let in_blocks = SumBlocks {
        realm,
        ranking,
        from_order_key: section.order_key,
        from_achieved_at: section.achieved_at,
        from_player: section.player.as_bytes(),
        order_key: block.order_key,
        achieved_at: block.achieved_at,
        player: block.player.as_bytes(),
    };
    let (in_blocks,) = in_blocks.get_result::<(i64,)>(connection)?;
    let in_block = CountEntries {
        realm,
        ranking,
        from_order_key: block.order_key,
        from_achieved_at: block.achieved_at,
        from_player: block.player.as_bytes(),
        order_key: place.order_key,
        achieved_at: place.achieved_at,
        player: place.player.as_bytes(),
    };
    let (in_block,) = in_block.get_result::<(i64,)>(connection)?;
    Ok(count(in_blocks) + count(in_block))
}

/// How many players a ranking has; none when it has not begun.
pub(super) fn count_players(connection: &mut SqliteConnection, realm: RealmId, ranking: RankingId) -> QueryResult<u64> {
    sums(connection, realm, ranking, Start::FIRST).map(|(_, players)| players)
}

fn sums(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    start: Start,
) -> QueryResult<(u64, u64)> {
    let Start { order_key, achieved_at, player } = start;
    let (realm, ranking, player) = (realm.0, ranking.0.as_bytes().as_slice(), player.as_bytes().as_slice());
    let statement = SumSections { order_key, achieved_at, player, realm, ranking };
    let (earlier, players) = statement.get_result::<(i64, i64)>(connection)?;
    Ok((count(earlier), count(players)))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A part of a ranking, and where `own` stands in it. Nobody is around a player who is not in it.
pub(super) fn page(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    slice: &RankingSlice,
    own: Option<&ExternalId>,
) -> QueryResult<RankingPage> {
    let own = match own {
        Some(own) => ranked(connection, realm, ranking, own)?,
        None => None,
    };
    let entries = match slice {
        RankingSlice::Top(limit) => top(connection, realm, ranking, *limit)?,
        RankingSlice::Around(player, limit) => {
            let centre = match &own {
                Some(own) if own.external_id == *player => Some(own.clone()),
                Some(_) | None => ranked(connection, realm, ranking, player)?,
            };
            match centre {
                Some(centre) => around(connection, realm, ranking, centre, *limit)?,
                None => Vec::new(),
            }
        }
    };
    Ok(RankingPage { players: count_players(connection, realm, ranking)?, entries, own })
}

fn ranked(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    player: &ExternalId,
) -> QueryResult<Option<RankedPlayer>> {
    let Some(player) = players::find(connection, realm, player)? else { return Ok(None) };
    let Some(place) = ranking::find_place(connection, realm, ranking, player.id)? else { return Ok(None) };
    let Rank { rank, .. } = rank(connection, realm, ranking, &place)?;
    Ok(Some(RankedPlayer { rank, place, external_id: player.external_id }))
}

fn top(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    limit: u32,
) -> QueryResult<Vec<RankedPlayer>> {
    let statement = TopEntries { realm: realm.0, ranking: ranking.0.as_bytes(), limit: i64::from(limit) };
    let rows = statement.load::<RankedRow>(connection)?;
    Ok((1..).zip(rows).map(restore).collect())
}

fn around(
    connection: &mut SqliteConnection,
    realm: RealmId,
    ranking: RankingId,
    centre: RankedPlayer,
    limit: u32,
) -> QueryResult<Vec<RankedPlayer>> {
    let (realm, ranking, limit) = (realm.0, ranking.0.as_bytes().as_slice(), i64::from(limit));
    let Start { order_key, achieved_at, player } = Start::from(&centre.place);
    let player = player.as_bytes().as_slice();
    let before = EntriesBefore { realm, ranking, order_key, achieved_at, player, limit };
    let before = before.load::<RankedRow>(connection)?;
    let after = EntriesAfter { realm, ranking, order_key, achieved_at, player, limit };
    let after = after.load::<RankedRow>(connection)?;
    let mut entries: Vec<RankedPlayer> = (1..centre.rank).rev().zip(before).map(restore).collect();
    entries.reverse();
    let next = centre.rank + 1;
    entries.push(centre);
    entries.extend((next..).zip(after).map(restore));
    Ok(entries)
}

fn restore((rank, (order_key, achieved_at, player, external_id)): (u64, RankedRow)) -> RankedPlayer {
    let place = Place { order_key, achieved_at: time(achieved_at), player: PlayerId(player.0) };
    RankedPlayer { rank, place, external_id: ExternalId::restore(external_id) }
}
