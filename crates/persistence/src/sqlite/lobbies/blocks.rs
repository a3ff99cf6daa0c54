//! How many entries of a ranking lie in which part of its order, so that a rank is a sum over parts and a count within one.
//!
//! There are two levels of parts: blocks of entries, and sections of blocks, so that the sum is over few rows among millions
//! too. A part that grew too large is cut in two, and one that fell too small is joined to the one before it, so that those
//! whom a crowd of moving players leaves behind do not stay in a block each. A section starts where one of its blocks does;
//! that block is joined to none before it, however small it is.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use diesel::sqlite::SqliteConnection;
use domain::lobbies::{Place, RankingId};
use domain::tenancy::RealmId;

use super::parts::{Level, Part, PartColumns, PartRow, Parts, SECTION_ENTRIES_MAX, Start};
use crate::rows::StoredUuid;
use crate::sqlite::statement::statement;

/// How many blocks are looked through for the middle of a section. It never has so many before its middle, as only its first
/// block is small.
const LOOKED_THROUGH: i64 = SECTION_ENTRIES_MAX / Level::Blocks.entries_min();

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
    /// The first blocks from a place on, at one of which a section is cut.
    BlocksFrom<'a> {
        realm: i64 => BigInt, ranking: &'a [u8] => Binary,
        order_key: i64 => BigInt, achieved_at: i64 => BigInt, player: &'a [u8] => Binary, limit: i64 => BigInt,
    }
    -> PartColumns
    = "SELECT order_key, achieved_at, player, entries FROM ranking_blocks
        WHERE realm = ? AND ranking = ? AND (order_key, achieved_at, player) >= (?, ?, ?)
        ORDER BY order_key, achieved_at, player LIMIT ?"
}

/// What is to be done about the size of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upkeep {
    /// Nothing.
    Keep,
    /// It keeps so many of its entries, and a new one takes the others.
    Cut { keep: i64 },
    /// The one before takes all of its entries.
    Join,
}

impl Upkeep {
    fn of(level: Level, part: &Part) -> Self {
        if level.entries_max() < part.entries {
            Self::Cut { keep: part.entries / 2 }
        } else if part.entries < level.entries_min() && part.start != Start::FIRST {
            Self::Join
        } else {
            Self::Keep
        }
    }
}

/// The blocks and sections of one ranking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    pub(super) realm: RealmId,
    pub(super) ranking: RankingId,
}

impl Blocks {
    /// Those of one level.
    pub(super) fn on(self, level: Level) -> Parts {
        let Self { realm, ranking } = self;
        Parts { realm, ranking, level }
    }

    /// Begins a new ranking.
    pub(super) fn begin(self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let first = Part { start: Start::FIRST, entries: 0 };
        self.on(Level::Blocks).insert(connection, first)?;
        self.on(Level::Sections).insert(connection, first)
    }

    /// Counts a player who moved from one place to another, came or left. The entry has moved already.
    pub(super) fn moved(
        self,
        connection: &mut SqliteConnection,
        before: Option<&Place>,
        after: Option<&Place>,
    ) -> QueryResult<()> {
        let blocks = self.count(connection, Level::Blocks, before, after)?;
        if blocks.is_empty() {
            return Ok(());
        }
        for section in self.count(connection, Level::Sections, before, after)? {
            self.keep_to_size(connection, Level::Sections, &section)?;
        }
        for block in blocks {
            self.keep_to_size(connection, Level::Blocks, &block)?;
        }
        Ok(())
    }

    /// Counts the move on one level. Answers the parts that have other numbers of entries now: none, when the player stays in
    /// one.
    fn count(
        self,
        connection: &mut SqliteConnection,
        level: Level,
        before: Option<&Place>,
        after: Option<&Place>,
    ) -> QueryResult<Vec<Part>> {
        let parts = self.on(level);
        let mut holding =
            |place: Option<&Place>| place.map(|place| parts.holding(connection, &Start::from(place))).transpose();
        let (from, to) = (holding(before)?, holding(after)?);
        if from == to {
            return Ok(Vec::new());
        }
        let entered = to.map(|part| Part { entries: part.entries + 1, ..part });
        let left = from.map(|part| Part { entries: part.entries - 1, ..part });
        let changed: Vec<Part> = [entered, left].into_iter().flatten().collect();
        for part in &changed {
            parts.update(connection, *part)?;
        }
        Ok(changed)
    }

    /// Keeps a part to its size, which was `counted`.
    fn keep_to_size(self, connection: &mut SqliteConnection, level: Level, counted: &Part) -> QueryResult<()> {
        if Upkeep::of(level, counted) == Upkeep::Keep {
            return Ok(());
        }
        // What was done about another part may have changed it, or joined it to one.
        let Some(part) = self.on(level).starting(connection, counted.start)? else { return Ok(()) };
        match (level, Upkeep::of(level, &part)) {
            (_, Upkeep::Keep) => Ok(()),
            (Level::Blocks, Upkeep::Cut { keep }) => self.cut_block(connection, part, keep),
            (Level::Sections, Upkeep::Cut { keep }) => self.cut_section(connection, part, keep),
            (Level::Blocks, Upkeep::Join) => match self.on(Level::Sections).starting(connection, part.start)? {
                Some(_section) => Ok(()),
                None => self.join(connection, level, part),
            },
            (Level::Sections, Upkeep::Join) => {
                self.join(connection, level, part)?;
                // The block that it started with has one before it in its section now.
                match self.on(Level::Blocks).starting(connection, part.start)? {
                    Some(block) => self.keep_to_size(connection, Level::Blocks, &block),
                    None => Ok(()),
                }
            }
        }
    }

    fn cut_block(self, connection: &mut SqliteConnection, block: Part, keep: i64) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = block.start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let statement = PlaceAfter { realm, ranking, order_key, achieved_at, player, entries: keep };
        let (order_key, achieved_at, player) = statement.get_result::<(i64, i64, StoredUuid)>(connection)?;
        let start = Start { order_key, achieved_at, player: player.0 };
        self.cut(connection, Level::Blocks, block, Part { start, entries: block.entries - keep })
    }

    /// Cuts a section at the first of its blocks that has `keep` entries before it.
    fn cut_section(self, connection: &mut SqliteConnection, section: Part, keep: i64) -> QueryResult<()> {
        let Start { order_key, achieved_at, player } = section.start;
        let (realm, ranking, player) = (self.realm.0, self.ranking.0.as_bytes(), player.as_bytes());
        let limit = LOOKED_THROUGH;
        let statement = BlocksFrom { realm, ranking, order_key, achieved_at, player, limit };
        let mut earlier = 0;
        for block in statement.load::<PartRow>(connection)?.into_iter().map(Part::restore) {
            if keep <= earlier {
                let later = Part { start: block.start, entries: section.entries - earlier };
                return self.cut(connection, Level::Sections, section, later);
            }
            earlier += block.entries;
        }
        Ok(())
    }

    /// Gives what lies from the start of `later` on to `later`.
    fn cut(self, connection: &mut SqliteConnection, level: Level, part: Part, later: Part) -> QueryResult<()> {
        let parts = self.on(level);
        parts.update(connection, Part { entries: part.entries - later.entries, ..part })?;
        parts.insert(connection, later)
    }

    /// Gives all of `part` to the one before it.
    fn join(self, connection: &mut SqliteConnection, level: Level, part: Part) -> QueryResult<()> {
        let parts = self.on(level);
        let before = parts.before(connection, part.start)?;
        let joined = Part { entries: before.entries + part.entries, ..before };
        parts.delete(connection, part.start)?;
        parts.update(connection, joined)?;
        self.keep_to_size(connection, level, &joined)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LATER: Start = Start { order_key: 0, achieved_at: 0, player: Uuid::nil() };

    fn upkeep(level: Level, start: Start, entries: i64) -> Upkeep {
        Upkeep::of(level, &Part { start, entries })
    }

    #[test]
    fn a_part_is_cut_in_half_when_it_has_too_many_entries_and_joined_when_it_has_too_few() {
        for level in [Level::Blocks, Level::Sections] {
            let (min, max) = (level.entries_min(), level.entries_max());
            for start in [Start::FIRST, LATER] {
                assert_eq!(upkeep(level, start, min), Upkeep::Keep);
                assert_eq!(upkeep(level, start, max), Upkeep::Keep);
                assert_eq!(upkeep(level, start, max + 1), Upkeep::Cut { keep: max / 2 });
            }
            assert_eq!(upkeep(level, LATER, min - 1), Upkeep::Join);
            assert_eq!(upkeep(level, Start::FIRST, 0), Upkeep::Keep, "there is none before the first");
        }
    }

    #[test]
    fn what_was_cut_or_joined_has_a_fitting_size() {
        // A section is cut within a block of its middle.
        for (level, off) in [(Level::Blocks, 0), (Level::Sections, Level::Blocks.entries_max())] {
            let (min, max) = (level.entries_min(), level.entries_max());
            for entries in [max + 1, max + min - 1] {
                let Upkeep::Cut { keep } = upkeep(level, LATER, entries) else { panic!("it is too large") };
                for keep in [keep, keep + off] {
                    assert_eq!(upkeep(level, LATER, keep), Upkeep::Keep);
                    assert_eq!(upkeep(level, LATER, entries - keep), Upkeep::Keep);
                }
            }
        }
    }
}
