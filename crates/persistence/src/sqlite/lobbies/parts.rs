//! The parts of a ranking's order, as their two tables hold them: blocks of entries, and sections of blocks.
//!
//! A part reaches from its start to the start of the next one, and the first starts before any place. What keeps them to their
//! sizes is in [`super::blocks`].

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{Place, RankingId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::rows::StoredUuid;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

/// The most entries of a block. Few in tests, so that small rankings have many blocks.
pub(super) const BLOCK_ENTRIES_MAX: i64 = if cfg!(test) { 32 } else { 256 };

/// The most entries of a section. A rank among a million reads some hundred sections and blocks each, and entries.
pub(super) const SECTION_ENTRIES_MAX: i64 = BLOCK_ENTRIES_MAX * if cfg!(test) { 8 } else { 64 };

pub(super) type PartColumns = (BigInt, BigInt, Binary, BigInt);
pub(super) type PartRow = (i64, i64, StoredUuid, i64);

/// The last part on one side of a place.
macro_rules! last_part {
    ($table:literal, $side:literal) => {
        concat!(
            "SELECT order_key, achieved_at, player, entries FROM ",
            $table,
            "
        WHERE realm = ? AND ranking = ? AND (order_key, achieved_at, player) ",
            $side,
            " (?, ?, ?)
        ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1"
        )
    };
}

/// Begins a part.
macro_rules! insert_part {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (realm, ranking, order_key, achieved_at, player, entries)
        VALUES (?, ?, ?, ?, ?, ?)"
        )
    };
}

/// Remembers how many entries a part has now.
macro_rules! update_part {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET entries = ?
        WHERE realm = ? AND ranking = ? AND order_key = ? AND achieved_at = ? AND player = ?"
        )
    };
}

/// Removes a part, whose places fall to the one before it.
macro_rules! delete_part {
    ($table:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            "
        WHERE realm = ? AND ranking = ? AND order_key = ? AND achieved_at = ? AND player = ?"
        )
    };
}

statement! {
    /// The block that holds a place.
    BlockOf<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> PartColumns = last_part!("ranking_blocks", "<=")
}

statement! {
    /// The section that holds a place.
    SectionOf<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> PartColumns = last_part!("ranking_sections", "<=")
}

statement! {
    /// The block before the one that starts at a place.
    BlockBefore<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> PartColumns = last_part!("ranking_blocks", "<")
}

statement! {
    /// The section before the one that starts at a place.
    SectionBefore<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> PartColumns = last_part!("ranking_sections", "<")
}

statement! {
    /// Begins a block.
    InsertBlock<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, entries: i64 => BigInt,
    }
    -> () = insert_part!("ranking_blocks")
}

statement! {
    /// Begins a section.
    InsertSection<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, entries: i64 => BigInt,
    }
    -> () = insert_part!("ranking_sections")
}

statement! {
    /// Remembers how many entries a block has now.
    UpdateBlock<'a> {
        entries: i64 => BigInt, realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = update_part!("ranking_blocks")
}

statement! {
    /// Remembers how many entries a section has now.
    UpdateSection<'a> {
        entries: i64 => BigInt, realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = update_part!("ranking_sections")
}

statement! {
    /// Removes a block.
    DeleteBlock<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = delete_part!("ranking_blocks")
}

statement! {
    /// Removes a section.
    DeleteSection<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = delete_part!("ranking_sections")
}

/// Which parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Parts of the entries.
    Blocks,
    /// Parts of the blocks, each of which starts where one of the blocks does.
    Sections,
}

impl Level {
    /// What has more entries is cut.
    pub(super) const fn entries_max(self) -> i64 {
        match self {
            Self::Blocks => BLOCK_ENTRIES_MAX,
            Self::Sections => SECTION_ENTRIES_MAX,
        }
    }

    /// What has fewer entries, and one before it, is joined to that one. Far below half of the most, so that what was cut is
    /// not joined soon.
    pub(super) const fn entries_min(self) -> i64 {
        self.entries_max() / 4
    }
}

/// A place, or where the first part starts: before any place, at a time that no timestamp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Start {
    pub(super) order_key: i64,
    pub(super) achieved_at: i64,
    pub(super) player: Uuid,
}

impl Start {
    /// Where the first block and the first section of a ranking start.
    pub(super) const FIRST: Self = Self { order_key: i64::MIN, achieved_at: i64::MIN, player: Uuid::nil() };
}

impl From<&Place> for Start {
    fn from(place: &Place) -> Self {
        let Place { order_key, achieved_at, player } = place;
        Self { order_key: *order_key, achieved_at: achieved_at.unix_micros(), player: player.0 }
    }
}

/// Some places that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The least of them.
    pub(super) start: Start,
    /// How many of them are taken.
    pub(super) entries: i64,
}

impl Part {
    /// A part as a row says it.
    pub(super) fn restore((order_key, achieved_at, player, entries): PartRow) -> Self {
        Self { start: Start { order_key, achieved_at, player: player.0 }, entries }
    }
}

/// The parts of one ranking on one level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    pub(super) realm: RealmId,
    pub(super) ranking: RankingId,
    pub(super) level: Level,
}

impl Parts {
    /// The part that holds `place`.
    pub(super) fn holding(self, connection: &mut SqliteConnection, place: &Start) -> QueryResult<Part> {
        let Start { order_key, achieved_at, player } = place;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let (order_key, achieved_at) = (*order_key, *achieved_at);
        let row: PartRow = match self.level {
            Level::Blocks => BlockOf { realm, ranking, order_key, achieved_at, player }.get_result(connection)?,
            Level::Sections => SectionOf { realm, ranking, order_key, achieved_at, player }.get_result(connection)?,
        };
        Ok(Part::restore(row))
    }

    /// The part that starts there, if one does.
    pub(super) fn starting(self, connection: &mut SqliteConnection, start: Start) -> QueryResult<Option<Part>> {
        Ok(Some(self.holding(connection, &start)?).filter(|part| part.start == start))
    }

    /// The part before the one that starts at `start`.
    pub(super) fn before(self, connection: &mut SqliteConnection, start: Start) -> QueryResult<Part> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let row: PartRow = match self.level {
            Level::Blocks => BlockBefore { realm, ranking, order_key, achieved_at, player }.get_result(connection)?,
            Level::Sections => {
                SectionBefore { realm, ranking, order_key, achieved_at, player }.get_result(connection)?
            }
        };
        Ok(Part::restore(row))
    }

    /// Begins `part`.
    pub(super) fn insert(self, connection: &mut SqliteConnection, Part { start, entries }: Part) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        exactly_one(match self.level {
            Level::Blocks => {
                InsertBlock { realm, ranking, order_key, achieved_at, player, entries }.execute(connection)?
            }
            Level::Sections => {
                InsertSection { realm, ranking, order_key, achieved_at, player, entries }.execute(connection)?
            }
        })
    }

    /// Remembers how many entries `part` has now.
    pub(super) fn update(self, connection: &mut SqliteConnection, Part { start, entries }: Part) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        exactly_one(match self.level {
            Level::Blocks => {
                UpdateBlock { entries, realm, ranking, order_key, achieved_at, player }.execute(connection)?
            }
            Level::Sections => {
                UpdateSection { entries, realm, ranking, order_key, achieved_at, player }.execute(connection)?
            }
        })
    }

    /// Removes the part that starts at `start`.
    pub(super) fn delete(self, connection: &mut SqliteConnection, start: Start) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        exactly_one(match self.level {
            Level::Blocks => DeleteBlock { realm, ranking, order_key, achieved_at, player }.execute(connection)?,
            Level::Sections => DeleteSection { realm, ranking, order_key, achieved_at, player }.execute(connection)?,
        })
    }
}
