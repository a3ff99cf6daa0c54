//! The blocks of a ranking: how many entries it has between one place of its order and the next block's. They are what makes
//! a rank a sum over some of them and a count within one, instead of a count of everybody ahead. Sections are the same once
//! more, of blocks: a section begins where one of the blocks does, so a large ranking's sum is over few rows too.
//!
//! The first block begins before every place, as does the first section. A block that grew past [`ENTRIES_MAX`] is cut into
//! halves, or more when many came at once; one that shrank joins the one before it in its section, so that neighbours are
//! never both small, and a ranking has blocks by its size and not by its age.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use domain::lobbies::{Place, PlaceChange};
use domain::tenancy::RealmId;
use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::postgres::statement::statement;
use crate::postgres::trouble::Trouble;
use crate::rows::StoredUuid;

/// A block with more entries is cut. Fewer in tests, so that small rankings have many blocks. Few anyway: to count in a block
/// is to look at rows all over the table, unless nobody has moved since it was vacuumed.
pub(in crate::postgres) const ENTRIES_MAX: i64 = if cfg!(test) { 32 } else { 64 };

/// A section with more entries is cut.
pub(in crate::postgres) const SECTION_ENTRIES_MAX: i64 = ENTRIES_MAX * if cfg!(test) { 8 } else { 128 };

/// The columns that places are ordered by.
macro_rules! in_order {
    () => {
        "order_key, achieved_at, player"
    };
    ($of:literal) => {
        concat!($of, ".order_key, ", $of, ".achieved_at, ", $of, ".player")
    };
}

/// The block, or the section, by its table, that a place lies in: the last one that does not begin after it.
macro_rules! part_of {
    ($table:literal, $place:literal, $ranking:literal) => {
        concat!(
            "SELECT order_key, achieved_at, player, entries FROM ",
            $table,
            "
            WHERE realm = $1 AND ranking = ",
            $ranking,
            " AND (order_key, achieved_at, player) <= (",
            $place,
            ")
            ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1"
        )
    };
}

pub(super) use {in_order, part_of};

/// Counts entries that came to places, or left them. A ranking without any block or section gets its first one. Sums in an
/// order, which does not matter for them, keep the planner from hashing.
macro_rules! count_in {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (realm, ranking, order_key, achieved_at, player, entries)
        SELECT $1, n.ranking, n.order_key, n.achieved_at, n.player, n.entries FROM (
            SELECT moved.ranking, coalesce(part.order_key, -9223372036854775808) AS order_key,
                coalesce(part.achieved_at, -9223372036854775808) AS achieved_at,
                coalesce(part.player, '00000000-0000-0000-0000-000000000000') AS player,
                (coalesce(min(part.entries), 0) + sum(moved.entries ORDER BY moved.entries))::bigint AS entries
            FROM unnest($2, $3, $4, $5, $6) AS moved (ranking, order_key, achieved_at, player, entries)
            LEFT JOIN LATERAL (",
            part_of!($table, "moved.order_key, moved.achieved_at, moved.player", "moved.ranking"),
            "
            ) AS part ON true
            GROUP BY moved.ranking, ",
            in_order!("part"),
            "
            HAVING sum(moved.entries ORDER BY moved.entries) <> 0
        ) AS n
        ON CONFLICT (realm, ranking, order_key, achieved_at, player) DO UPDATE SET entries = excluded.entries
        RETURNING ranking, order_key, achieved_at, player, entries"
        )
    };
}

/// Stores rows of a table as they are now.
macro_rules! upsert_into {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (realm, ranking, order_key, achieved_at, player, entries)
        SELECT $1, n.ranking, n.order_key, n.achieved_at, n.player, n.entries
        FROM unnest($2, $3, $4, $5, $6) AS n (ranking, order_key, achieved_at, player, entries)
        ON CONFLICT (realm, ranking, order_key, achieved_at, player) DO UPDATE SET entries = excluded.entries"
        )
    };
}

/// Removes a row of a table.
macro_rules! delete_from {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            "
        WHERE realm = $1 AND ranking = $2 AND order_key = $3 AND achieved_at = $4 AND player = $5"
        )
    };
}

statement! {
    /// Counts in the blocks that places lie in. Answers those that changed.
    CountInBlocks {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
        entries: Vec<i64> => Array<BigInt>,
    }
    -> (SqlUuid, BigInt, BigInt, SqlUuid, BigInt) = count_in!("ranking_blocks")
}

statement! {
    /// Counts in the sections that places lie in. Answers those that changed.
    CountInSections {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
        entries: Vec<i64> => Array<BigInt>,
    }
    -> (SqlUuid, BigInt, BigInt, SqlUuid, BigInt) = count_in!("ranking_sections")
}

statement! {
    /// The place that is so many entries after the beginning of a block, for several, each with its number (from 1).
    FindCuts {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
        entries: Vec<i64> => Array<BigInt>,
    }
    -> (BigInt, BigInt, BigInt, SqlUuid)
    = concat!("SELECT block.number, ", in_order!("entry"), "
        FROM unnest($2, $3, $4, $5, $6) WITH ORDINALITY
            AS block (ranking, order_key, achieved_at, player, entries, number)
        CROSS JOIN LATERAL (
            SELECT ", in_order!(), " FROM ranking_entries
            WHERE realm = $1 AND ranking = block.ranking AND (", in_order!(), ") >= (", in_order!("block"), ")
            ORDER BY ", in_order!(), " OFFSET block.entries LIMIT 1
        ) AS entry")
}

statement! {
    /// The blocks before others in their sections, each with the number of that other (from 1).
    FindBlocksBefore {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, BigInt, BigInt, SqlUuid, BigInt)
    = concat!("SELECT after.number, ", in_order!("block"), ", block.entries
        FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS after (ranking, order_key, achieved_at, player, number)
        CROSS JOIN LATERAL (",
            part_of!("ranking_sections", "after.order_key, after.achieved_at, after.player", "after.ranking"), "
        ) AS section
        CROSS JOIN LATERAL (
            SELECT ", in_order!(), ", entries FROM ranking_blocks
            WHERE realm = $1 AND ranking = after.ranking
                AND (", in_order!(), ") >= (", in_order!("section"), ")
                AND (", in_order!(), ") < (", in_order!("after"), ")
            ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1
        ) AS block")
}

statement! {
    /// The sections before others, each with the number of that other (from 1).
    FindSectionsBefore {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
    }
    -> (BigInt, BigInt, BigInt, SqlUuid, BigInt)
    = concat!("SELECT after.number, ", in_order!("section"), ", section.entries
        FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS after (ranking, order_key, achieved_at, player, number)
        CROSS JOIN LATERAL (
            SELECT ", in_order!(), ", entries FROM ranking_sections
            WHERE realm = $1 AND ranking = after.ranking AND (", in_order!(), ") < (", in_order!("after"), ")
            ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1
        ) AS section")
}

statement! {
    /// Stores blocks as they are now.
    UpsertBlocks {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
        entries: Vec<i64> => Array<BigInt>,
    }
    -> () = upsert_into!("ranking_blocks")
}

statement! {
    /// Stores sections as they are now.
    UpsertSections {
        realm: i64 => BigInt, rankings: Vec<Uuid> => Array<SqlUuid>, order_keys: Vec<i64> => Array<BigInt>,
        achieved_at: Vec<i64> => Array<BigInt>, players: Vec<Uuid> => Array<SqlUuid>,
        entries: Vec<i64> => Array<BigInt>,
    }
    -> () = upsert_into!("ranking_sections")
}

statement! {
    /// Removes a block.
    DeleteBlock {
        realm: i64 => BigInt, ranking: Uuid => SqlUuid, order_key: i64 => BigInt, achieved_at: i64 => BigInt,
        player: Uuid => SqlUuid,
    }
    -> () = delete_from!("ranking_blocks")
}

statement! {
    /// Removes a section. Its blocks are part of the one before it then.
    DeleteSection {
        realm: i64 => BigInt, ranking: Uuid => SqlUuid, order_key: i64 => BigInt, achieved_at: i64 => BigInt,
        player: Uuid => SqlUuid,
    }
    -> () = delete_from!("ranking_sections")
}

/// What is counted: blocks of entries, or sections of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Blocks,
    Sections,
}

impl Level {
    /// What has more entries is cut.
    pub(super) const fn entries_max(self) -> i64 {
        match self {
            Self::Blocks => ENTRIES_MAX,
            Self::Sections => SECTION_ENTRIES_MAX,
        }
    }

    /// How many parts of about half the limit so many entries are cut into.
    pub(super) const fn parts(self, entries: i64) -> i64 {
        entries / (self.entries_max() / 2)
    }

    /// Which of the `counted` ones are to be cut.
    pub(super) fn large(self, counted: &BTreeMap<Start, i64>) -> Vec<(&Start, &i64)> {
        counted.iter().filter(|(_, entries)| self.entries_max() < **entries).collect()
    }

    /// Which of the `counted` ones join the one before, unless there is no room.
    pub(super) fn small(self, counted: &BTreeMap<Start, i64>) -> Vec<(&Start, &i64)> {
        let few = self.entries_max() / 8;
        counted.iter().filter(|(start, entries)| **entries <= few && !start.is_first()).collect()
    }

    /// The most entries after another one joined.
    const fn joined_max(self) -> i64 {
        self.entries_max() / 4 * 3
    }

    /// What was not as it was locked.
    const fn stale(self) -> Trouble {
        match self {
            Self::Blocks => Trouble::Stale { what: "a block of a ranking" },
            Self::Sections => Trouble::Stale { what: "a section of a ranking" },
        }
    }
}

/// Where a block or a section begins: in which ranking, and from which place on. That of the first is no place of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Start {
    pub(super) ranking: Uuid,
    pub(super) order_key: i64,
    pub(super) achieved_at: i64,
    pub(super) player: Uuid,
}

impl Start {
    pub(super) fn of(ranking: Uuid, (order_key, achieved_at, player): (i64, i64, StoredUuid)) -> Self {
        Self { ranking, order_key, achieved_at, player: player.0 }
    }

    fn at(ranking: Uuid, place: Place) -> Self {
        let Place { order_key, achieved_at, player } = place;
        Self { ranking, order_key, achieved_at: achieved_at.unix_micros(), player: player.0 }
    }

    /// Whether it is the start of a ranking's first block and section.
    fn is_first(&self) -> bool {
        self.order_key == i64::MIN
    }
}

/// Places, or starts, in columns; each with a number of entries.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) rankings: Vec<Uuid>,
    pub(super) order_keys: Vec<i64>,
    pub(super) achieved_at: Vec<i64>,
    pub(super) players: Vec<Uuid>,
    pub(super) entries: Vec<i64>,
}

impl FromIterator<(Start, i64)> for Columns {
    fn from_iter<T: IntoIterator<Item = (Start, i64)>>(rows: T) -> Self {
        let mut columns = Self::default();
        for (start, entries) in rows {
            columns.rankings.push(start.ranking);
            columns.order_keys.push(start.order_key);
            columns.achieved_at.push(start.achieved_at);
            columns.players.push(start.player);
            columns.entries.push(entries);
        }
        columns
    }
}

/// Counts `changes`, of different players, in the blocks or the sections of their rankings; the rankings are locked. Answers
/// those that have other numbers of entries now.
pub(super) async fn count(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    level: Level,
    changes: &[PlaceChange],
) -> Result<BTreeMap<Start, i64>, Trouble> {
    if changes.is_empty() {
        return Ok(BTreeMap::new());
    }
    let moved = changes.iter().flat_map(|change| {
        let moved = |place: Option<Place>, entries| Some((Start::at(change.ranking.0, place?), entries));
        [moved(change.before, -1), moved(change.after, 1)]
    });
    let Columns { rankings, order_keys, achieved_at, players, entries } = moved.flatten().collect();
    let realm = realm.0;
    let rows: Vec<(StoredUuid, i64, i64, StoredUuid, i64)> = match level {
        Level::Blocks => {
            let statement = CountInBlocks { realm, rankings, order_keys, achieved_at, players, entries };
            statement.load(&mut connection).await?
        }
        Level::Sections => {
            let statement = CountInSections { realm, rankings, order_keys, achieved_at, players, entries };
            statement.load(&mut connection).await?
        }
    };
    let counted = rows.into_iter().map(|(ranking, order_key, achieved_at, player, entries)| {
        (Start::of(ranking.0, (order_key, achieved_at, player)), entries)
    });
    Ok(counted.collect())
}

/// Cuts those of the `counted` blocks that are too large, and lets those that are small join others.
pub(super) async fn tidy(
    connection: &AsyncPgConnection,
    realm: RealmId,
    counted: BTreeMap<Start, i64>,
) -> Result<(), Trouble> {
    let large = Level::Blocks.large(&counted);
    if !large.is_empty() {
        cut(connection, realm, large).await?;
    }
    join(connection, realm, Level::Blocks, Level::Blocks.small(&counted)).await.map(drop)
}

/// Cuts blocks into parts of the same size.
async fn cut(connection: &AsyncPgConnection, realm: RealmId, blocks: Vec<(&Start, &i64)>) -> Result<(), Trouble> {
    let mut parts: Vec<(Start, i64)> = Vec::new();
    let mut wanted: Vec<(Start, i64)> = Vec::new();
    for (start, entries) in blocks {
        let count = Level::Blocks.parts(*entries);
        let cuts = (1..count).map(|part| entries * part / count);
        let ends = cuts.clone().chain([*entries]);
        parts.extend([0].into_iter().chain(cuts.clone()).zip(ends).map(|(from, until)| (*start, until - from)));
        wanted.extend(cuts.map(|at| (*start, at)));
    }
    let mut found = find_cuts(connection, realm, &wanted).await?;
    // A part that is not the first one of its block begins at its cut.
    let mut number = 0;
    let mut last = None;
    for (start, _) in &mut parts {
        if last.replace(*start) == Some(*start) {
            number += 1;
            *start = found.remove(&number).ok_or(Level::Blocks.stale())?;
        }
    }
    store(connection, realm, Level::Blocks, parts).await
}

async fn find_cuts(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    wanted: &[(Start, i64)],
) -> QueryResult<BTreeMap<i64, Start>> {
    let Columns { rankings, order_keys, achieved_at, players, entries } = wanted.iter().copied().collect();
    let statement = FindCuts { realm: realm.0, rankings, order_keys, achieved_at, players, entries };
    let rows: Vec<(i64, i64, i64, StoredUuid)> = statement.load(&mut connection).await?;
    let mut rows: BTreeMap<i64, _> = rows.into_iter().map(|(number, o, a, p)| (number, (o, a, p))).collect();
    let cuts = (1..)
        .zip(wanted)
        .filter_map(|(number, (block, _))| Some((number, Start::of(block.ranking, rows.remove(&number)?))));
    Ok(cuts.collect())
}

/// Lets each of these join the one before it, where there is room. From the last to the first, so that one that takes others
/// in may join another then. Answers those that are gone.
pub(super) async fn join(
    connection: &AsyncPgConnection,
    realm: RealmId,
    level: Level,
    small: Vec<(&Start, &i64)>,
) -> Result<Vec<Start>, Trouble> {
    if small.is_empty() {
        return Ok(Vec::new());
    }
    let mut before = find_before(connection, realm, level, &small).await?;
    let mut entries: BTreeMap<Start, i64> = small.iter().map(|(start, entries)| (**start, **entries)).collect();
    let (mut grown, mut gone) = (BTreeMap::new(), Vec::new());
    for (start, _) in small.into_iter().rev() {
        let Some((other, others)) = before.remove(start) else { continue };
        let own = entries.get(start).copied().unwrap_or(0);
        let both = own + entries.get(&other).copied().unwrap_or(others);
        if own == 0 || both <= level.joined_max() {
            entries.insert(other, both);
            grown.remove(start);
            grown.insert(other, both);
            gone.push(*start);
        }
    }
    store(connection, realm, level, grown.into_iter().collect()).await?;
    try_join_all(gone.iter().map(|start| delete(connection, realm, level, *start))).await?;
    Ok(gone)
}

/// The one before each of these, with its entries; of blocks only where it is in the same section.
async fn find_before(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    level: Level,
    blocks: &[(&Start, &i64)],
) -> QueryResult<BTreeMap<Start, (Start, i64)>> {
    let columns = blocks.iter().map(|(start, entries)| (**start, **entries)).collect();
    let Columns { rankings, order_keys, achieved_at, players, .. } = columns;
    let realm = realm.0;
    let rows: Vec<(i64, i64, i64, StoredUuid, i64)> = match level {
        Level::Blocks => {
            let statement = FindBlocksBefore { realm, rankings, order_keys, achieved_at, players };
            statement.load(&mut connection).await?
        }
        Level::Sections => {
            let statement = FindSectionsBefore { realm, rankings, order_keys, achieved_at, players };
            statement.load(&mut connection).await?
        }
    };
    let mut rows: BTreeMap<i64, _> = rows.into_iter().map(|(number, o, a, p, n)| (number, ((o, a, p), n))).collect();
    let found = (1..).zip(blocks).filter_map(|(number, (start, _))| {
        let (other, entries) = rows.remove(&number)?;
        Some((**start, (Start::of(start.ranking, other), entries)))
    });
    Ok(found.collect())
}

/// Stores blocks or sections as they are now.
pub(super) async fn store(
    mut connection: &AsyncPgConnection,
    realm: RealmId,
    level: Level,
    parts: Vec<(Start, i64)>,
) -> Result<(), Trouble> {
    if parts.is_empty() {
        return Ok(());
    }
    let Columns { rankings, order_keys, achieved_at, players, entries } = parts.into_iter().collect();
    let realm = realm.0;
    let stored = match level {
        Level::Blocks => {
            let statement = UpsertBlocks { realm, rankings, order_keys, achieved_at, players, entries };
            statement.execute(&mut connection).await
        }
        Level::Sections => {
            let statement = UpsertSections { realm, rankings, order_keys, achieved_at, players, entries };
            statement.execute(&mut connection).await
        }
    };
    Ok(stored.map(drop)?)
}

async fn delete(mut connection: &AsyncPgConnection, realm: RealmId, level: Level, start: Start) -> Result<(), Trouble> {
    let (realm, Start { ranking, order_key, achieved_at, player }) = (realm.0, start);
    let deleted = match level {
        Level::Blocks => {
            let statement = DeleteBlock { realm, ranking, order_key, achieved_at, player };
            statement.execute(&mut connection).await?
        }
        Level::Sections => {
            let statement = DeleteSection { realm, ranking, order_key, achieved_at, player };
            statement.execute(&mut connection).await?
        }
    };
    if deleted == 1 { Ok(()) } else { Err(level.stale()) }
}
