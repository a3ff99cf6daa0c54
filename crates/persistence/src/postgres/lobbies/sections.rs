//! The sections of a ranking, each of them some of its blocks: see [`blocks`].
//!
//! A section that grew past its limit is cut at starts of its blocks, which is rare; one that shrank joins the one before it.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::tenancy::RealmId;
use uuid::Uuid;

use super::blocks::{self, Columns, Level, Start, in_order, part_of};
use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;

statement! {
    /// The blocks of sections, in their order, each with the number of its section (from 1).
    FindBlocksOfSections {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, BigInt, BigInt, SqlUuid, BigInt)
    = concat!("SELECT section.number, ", in_order!("block"), ", block.entries
        FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS section (ranking, order_key, achieved_at, player, number)
        LEFT JOIN LATERAL (
            SELECT ", in_order!(), " FROM ranking_sections
            WHERE realm = $1 AND ranking = section.ranking AND (", in_order!(), ") > (", in_order!("section"), ")
            ORDER BY ", in_order!(), " LIMIT 1
        ) AS next ON true
        CROSS JOIN LATERAL (
            SELECT ", in_order!(), ", entries FROM ranking_blocks
            WHERE realm = $1 AND ranking = section.ranking
                AND (", in_order!(), ") >= (", in_order!("section"), ")
                AND (", in_order!(), ") < (
                    coalesce(next.order_key, 9223372036854775807), coalesce(next.achieved_at, 9223372036854775807),
                    coalesce(next.player, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                )
            OFFSET 0
        ) AS block
        ORDER BY section.number, ", in_order!("block"))
}

statement! {
    /// How many entries blocks have, each with its number (from 1).
    FindBlocks {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, BigInt)
    = concat!("SELECT wanted.number, block.entries
        FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS wanted (ranking, order_key, achieved_at, player, number)
        CROSS JOIN LATERAL (",
            part_of!("ranking_blocks", "wanted.order_key, wanted.achieved_at, wanted.player", "wanted.ranking"), "
        ) AS block")
}

/// Cuts those of the `counted` blocks and sections that are too large, and lets those that are small join others.
pub(super) async fn tidy(
    connection: &AsyncPgConnection,
    realm: RealmId,
    mut counted_blocks: BTreeMap<Start, i64>,
    counted: BTreeMap<Start, i64>,
) -> Result<(), Trouble> {
    // First, because a block joins only blocks of its section. The blocks that began those which are gone may join now.
    let gone = blocks::join(connection, realm, Level::Sections, Level::Sections.small(&counted)).await?;
    counted_blocks.extend(find_blocks(connection, realm, &gone).await?);
    blocks::tidy(connection, realm, counted_blocks).await?;
    let large = Level::Sections.large(&counted);
    if large.is_empty() { Ok(()) } else { cut(connection, realm, large).await }
}

/// The blocks that begin there.
async fn find_blocks(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    starts: &[Start],
) -> QueryResult<Vec<(Start, i64)>> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let Columns { rankings, order_keys, achieved_at, players, .. } = starts.iter().map(|start| (*start, 0)).collect();
    let statement = FindBlocks { realm: realm.0, rankings, order_keys, achieved_at, players };
    let rows: Vec<(i64, i64)> = statement.load(&mut connection).await?;
    let rows: BTreeMap<i64, i64> = rows.into_iter().collect();
    Ok((1..).zip(starts).filter_map(|(number, start)| Some((*start, *rows.get(&number)?))).collect())
}

/// Cuts sections into parts of about the same size, at the starts of their blocks.
async fn cut(mut connection: &AsyncPgConnection, realm: RealmId, sections: Vec<(&Start, &i64)>) -> Result<(), Trouble> {
    let columns = sections.iter().map(|(start, entries)| (**start, **entries)).collect();
    let Columns { rankings, order_keys, achieved_at, players, .. } = columns;
    let statement = FindBlocksOfSections { realm: realm.0, rankings, order_keys, achieved_at, players };
    let rows: Vec<(i64, i64, i64, StoredUuid, i64)> = statement.load(&mut connection).await?;
    let mut blocks: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for (number, order_key, achieved_at, player, entries) in rows {
        blocks.entry(number).or_default().push(((order_key, achieved_at, player), entries));
    }
    let mut parts = Vec::new();
    for (number, (start, entries)) in (1..).zip(sections) {
        let blocks = blocks.remove(&number).unwrap_or_default().into_iter();
        parts.extend(parts_of(*start, *entries, blocks.map(|(at, entries)| (Start::of(start.ranking, at), entries))));
    }
    blocks::store(connection, realm, Level::Sections, parts).await
}

/// The parts of a section: each begins with the block whose start is nearest to where it should.
fn parts_of(start: Start, entries: i64, blocks: impl Iterator<Item = (Start, i64)>) -> Vec<(Start, i64)> {
    let count = Level::Sections.parts(entries);
    let (mut parts, mut part, mut ahead) = (Vec::new(), (start, 0), 0);
    let mut wanted = (1..count).map(|number| entries * number / count).peekable();
    for (block, entries) in blocks {
        let middle = ahead + entries / 2;
        if block != start && wanted.next_if(|at| *at <= middle).is_some() {
            parts.push(std::mem::replace(&mut part, (block, 0)));
        }
        part.1 += entries;
        ahead += entries;
    }
    parts.push(part);
    parts
}
