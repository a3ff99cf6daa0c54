//! How many entries of a ranking lie in which part of its order, so that a rank is a sum over parts and a count within one.
//!
//! A block reaches from its start to the start of the next one, and the first starts before any place. A rank reads all
//! blocks and the entries of one: a million entries make some thousand of each. One that grew too large is cut in two, and
//! one that fell too small is joined to the one before it, so that those whom a crowd of moving players leaves behind do not
//! stay in a block each.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{Place, RankingId};
use domain::tenancy::RealmId;
use uuid::Uuid;

use crate::rows::StoredUuid;
use crate::sqlite::economy::exactly_one;
use crate::sqlite::statement::statement;

/// The most entries of a block. Once cut, each half takes as many again before it is cut.
pub(super) const ENTRIES_MAX: i64 = 1_024;

/// The fewest entries of a block that has one before it. Far below half of the most, so that what was cut is not joined soon.
pub(super) const ENTRIES_MIN: i64 = ENTRIES_MAX / 4;

type BlockColumns = (BigInt, BigInt, Binary, BigInt);
type BlockRow = (i64, i64, StoredUuid, i64);

statement! {
    /// The block that holds a place.
    BlockOf<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> BlockColumns
    = "SELECT order_key, achieved_at, player, entries FROM ranking_blocks
        WHERE realm = ? AND ranking = ? AND (order_key, achieved_at, player) <= (?, ?, ?)
        ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1"
}

statement! {
    /// The blocks of a ranking, in order.
    AllBlocks<'a> { realm: i64 => BigInt, ranking: &'a [u8] => Binary } -> BlockColumns
    = "SELECT order_key, achieved_at, player, entries FROM ranking_blocks
        WHERE realm = ? AND ranking = ? ORDER BY order_key, achieved_at, player"
}

statement! {
    /// The block before the one that starts at a place.
    BlockBefore<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> BlockColumns
    = "SELECT order_key, achieved_at, player, entries FROM ranking_blocks
        WHERE realm = ? AND ranking = ? AND (order_key, achieved_at, player) < (?, ?, ?)
        ORDER BY order_key DESC, achieved_at DESC, player DESC LIMIT 1"
}

statement! {
    /// The place so many entries after a place, at which a block is cut.
    PlaceAfter<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, entries: i64 => BigInt,
    }
    -> (BigInt, BigInt, Binary)
    = "SELECT order_key, achieved_at, player FROM ranking_entries INDEXED BY ranking_entries_in_order
        WHERE realm = ? AND ranking = ? AND (order_key, achieved_at, player) >= (?, ?, ?)
        ORDER BY order_key, achieved_at, player LIMIT 1 OFFSET ?"
}

statement! {
    /// Begins a block.
    InsertBlock<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, entries: i64 => BigInt,
    }
    -> () = "INSERT INTO ranking_blocks (realm, ranking, order_key, achieved_at, player, entries)
        VALUES (?, ?, ?, ?, ?, ?)"
}

statement! {
    /// Remembers how many entries a block has now.
    UpdateBlock<'a> {
        entries: i64 => BigInt, realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = "UPDATE ranking_blocks SET entries = ?
        WHERE realm = ? AND ranking = ? AND order_key = ? AND achieved_at = ? AND player = ?"
}

statement! {
    /// Removes a block, whose places fall to the one before it.
    DeleteBlock<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary,
    }
    -> () = "DELETE FROM ranking_blocks
        WHERE realm = ? AND ranking = ? AND order_key = ? AND achieved_at = ? AND player = ?"
}

/// A place, or where the first block starts: before any place, at a time that no timestamp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Start {
    pub(super) order_key: i64,
    pub(super) achieved_at: i64,
    pub(super) player: Uuid,
}

impl Start {
    /// Where the first block of a ranking starts.
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
pub(super) struct Block {
    /// The least of them.
    pub(super) start: Start,
    /// How many of them are taken.
    pub(super) entries: i64,
}

impl Block {
    fn restore((order_key, achieved_at, player, entries): BlockRow) -> Self {
        Self { start: Start { order_key, achieved_at, player: player.0 }, entries }
    }

    /// What is to be done about its size.
    fn upkeep(&self) -> Upkeep {
        if ENTRIES_MAX < self.entries {
            Upkeep::Cut { keep: self.entries / 2 }
        } else if self.entries < ENTRIES_MIN && self.start != Start::FIRST {
            Upkeep::Join
        } else {
            Upkeep::Store
        }
    }
}

/// What is to be done about the size of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    /// Nothing but remembering it.
    Store,
    /// It keeps so many of its entries, and a new one takes the others.
    Cut { keep: i64 },
    /// The one before takes all of its entries.
    Join,
}

/// The blocks of one ranking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    pub(super) realm: RealmId,
    pub(super) ranking: RankingId,
}

impl Blocks {
    /// Begins a new ranking.
    pub(super) fn begin(self, connection: &mut SqliteConnection) -> QueryResult<()> {
        self.insert(connection, Block { start: Start::FIRST, entries: 0 })
    }

    /// Counts a player who moved from one place to another, came or left. The entry has moved already.
    pub(super) fn moved(
        self,
        connection: &mut SqliteConnection,
        before: Option<&Place>,
        after: Option<&Place>,
    ) -> QueryResult<()> {
        let from = before.map(|place| self.holding(connection, place)).transpose()?;
        let to = after.map(|place| self.holding(connection, place)).transpose()?;
        if from == to {
            return Ok(());
        }
        // Whatever becomes of the block that is entered, the one that is left keeps its start and its number.
        if let Some(Block { start, entries }) = to {
            self.store(connection, Block { start, entries: entries + 1 })?;
        }
        if let Some(Block { start, entries }) = from {
            self.store(connection, Block { start, entries: entries - 1 })?;
        }
        Ok(())
    }

    /// The block that holds `place`.
    pub(super) fn holding(self, connection: &mut SqliteConnection, place: &Place) -> QueryResult<Block> {
        let Start { order_key, achieved_at, player } = Start::from(place);
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = BlockOf { realm, ranking, order_key, achieved_at, player };
        statement.get_result::<BlockRow>(connection).map(Block::restore)
    }

    /// All of them, in order; none of a ranking that has not begun.
    pub(super) fn all(self, connection: &mut SqliteConnection) -> QueryResult<Vec<Block>> {
        let statement = AllBlocks { realm: self.realm.0, ranking: self.ranking.0.as_bytes() };
        Ok(statement.load::<BlockRow>(connection)?.into_iter().map(Block::restore).collect())
    }

    /// Remembers how many entries `block` has now, and keeps it to its size.
    fn store(self, connection: &mut SqliteConnection, block: Block) -> QueryResult<()> {
        match block.upkeep() {
            Upkeep::Store => self.update(connection, block),
            Upkeep::Cut { keep } => self.cut(connection, block, keep),
            Upkeep::Join => {
                let before = self.before(connection, block.start)?;
                self.delete(connection, block.start)?;
                // Not too small again: one that is has been joined already, unless it is the first.
                self.store(connection, Block { entries: before.entries + block.entries, ..before })
            }
        }
    }

    fn cut(self, connection: &mut SqliteConnection, block: Block, keep: i64) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = block.start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = PlaceAfter { realm, ranking, order_key, achieved_at, player, entries: keep };
        let (order_key, achieved_at, player) = statement.get_result::<(i64, i64, StoredUuid)>(connection)?;
        let start = Start { order_key, achieved_at, player: player.0 };
        self.update(connection, Block { entries: keep, ..block })?;
        self.insert(connection, Block { start, entries: block.entries - keep })
    }

    fn before(self, connection: &mut SqliteConnection, start: Start) -> QueryResult<Block> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = BlockBefore { realm, ranking, order_key, achieved_at, player };
        statement.get_result::<BlockRow>(connection).map(Block::restore)
    }

    fn insert(self, connection: &mut SqliteConnection, Block { start, entries }: Block) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = InsertBlock { realm, ranking, order_key, achieved_at, player, entries };
        exactly_one(statement.execute(connection)?)
    }

    fn update(self, connection: &mut SqliteConnection, Block { start, entries }: Block) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = UpdateBlock { entries, realm, ranking, order_key, achieved_at, player };
        exactly_one(statement.execute(connection)?)
    }

    fn delete(self, connection: &mut SqliteConnection, start: Start) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = DeleteBlock { realm, ranking, order_key, achieved_at, player };
        exactly_one(statement.execute(connection)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upkeep(start: Start, entries: i64) -> Upkeep {
        Block { start, entries }.upkeep()
    }

    #[test]
    fn a_block_is_cut_in_half_when_it_has_too_many_entries_and_joined_when_it_has_too_few() {
        let later = Start { order_key: 0, achieved_at: 0, player: Uuid::nil() };
        for start in [Start::FIRST, later] {
            assert_eq!(upkeep(start, ENTRIES_MIN), Upkeep::Store);
            assert_eq!(upkeep(start, ENTRIES_MAX), Upkeep::Store);
            assert_eq!(upkeep(start, ENTRIES_MAX + 1), Upkeep::Cut { keep: ENTRIES_MAX / 2 });
        }
        assert_eq!(upkeep(later, ENTRIES_MIN - 1), Upkeep::Join);
        assert_eq!(upkeep(Start::FIRST, 0), Upkeep::Store, "there is none before the first");
    }

    #[test]
    fn what_was_cut_or_joined_has_a_fitting_size() {
        let later = Start { order_key: 0, achieved_at: 0, player: Uuid::nil() };
        let most = ENTRIES_MAX + ENTRIES_MIN - 1;
        for entries in [ENTRIES_MAX + 1, most] {
            let Upkeep::Cut { keep } = upkeep(later, entries) else { panic!("it is too large") };
            assert_eq!(upkeep(later, keep), Upkeep::Store);
            assert_eq!(upkeep(later, entries - keep), Upkeep::Store);
        }
    }
}
