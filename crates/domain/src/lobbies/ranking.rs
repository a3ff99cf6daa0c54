//! Ranked lists: who is where, and why. Ranks are unique: who reached an equal score first is ahead, and of those who reached
//! it in the same microsecond the player whose id is less.

use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use super::Score;
use crate::clock::Timestamp;
use crate::players::{ExternalId, PlayerId};

/// Which score counts of several that a player reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregation {
    /// The best one.
    Best,
    /// The last one.
    Latest,
    /// All of them, added up.
    Sum,
}

impl Aggregation {
    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Latest => "latest",
            Self::Sum => "sum",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Best, Self::Latest, Self::Sum].into_iter().find(|known| known.as_str() == name)
    }
}

/// Whether more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SortOrder {
    /// Less is better, as with lap times.
    Ascending,
    /// More is better.
    Descending,
}

impl SortOrder {
    /// The name on the wire and in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ascending, Self::Descending].into_iter().find(|known| known.as_str() == name)
    }

    /// The order key of `score`: less is better.
    pub fn key_of(self, score: Score) -> i64 {
        match self {
            Self::Ascending => score.thousandths(),
            Self::Descending => -score.thousandths(),
        }
    }

    /// The score of an order key.
    pub fn score_of(self, order_key: i64) -> Score {
        match self {
            Self::Ascending => Score::restore(order_key),
            Self::Descending => Score::restore(-order_key),
        }
    }

    /// Whether `left` is a better score than `right`.
    pub fn is_better(self, left: Score, right: Score) -> bool {
        self.key_of(left) < self.key_of(right)
    }
}

/// Where a player stands in a ranking. Places compare as they rank: the least is first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The score, its sign turned where more is better ([`SortOrder::key_of`]).
    pub order_key: i64,
    /// When it was reached.
    pub achieved_at: Timestamp,
    /// By whom.
    pub player: PlayerId,
}

/// What a ranking ranks: the id of a leaderboard, or of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoardId(pub Uuid);

/// A ranked list, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RankingId(pub Uuid);

/// A part of a board that is ranked on its own, such as a league or a country; empty for a board without parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Segment(String);

/// Why a text was refused as a [`Segment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be 1 to {max} characters without control characters", max = Segment::CHARS_MAX)]
pub struct InvalidSegment;

impl Segment {
    /// The longest name, in Unicode scalar values.
    pub const CHARS_MAX: usize = 64;

    /// Accepts 1 ..= [`Self::CHARS_MAX`] characters without control characters.
    pub fn try_new(text: &str) -> Result<Self, InvalidSegment> {
        let fits = !text.is_empty() && text.chars().count() <= Self::CHARS_MAX && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidSegment) }
    }

    /// Rebuilds a stored name.
    pub fn restore(text: String) -> Self {
        Self(text)
    }

    /// The text itself, empty for the whole board.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One ranked list: a board in one period, of one segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ranking {
    /// Computed from the other three.
    pub id: RankingId,
    /// What it ranks.
    pub board: BoardId,
    /// When its period begins; the Unix epoch for a board that is never reset.
    pub period_starts_at: Timestamp,
    /// Of which part of the board.
    pub segment: Segment,
    /// Which score counts.
    pub aggregation: Aggregation,
    /// Whether more is better.
    pub order: SortOrder,
}

impl Ranking {
    /// The ranking of `segment` of `board` in the period that begins at `period_starts_at`.
    pub fn of(
        board: BoardId,
        period_starts_at: Timestamp,
        segment: Segment,
        aggregation: Aggregation,
        order: SortOrder,
    ) -> Self {
        let starts_at = period_starts_at.unix_micros().to_be_bytes();
        let id = RankingId(named_uuid("ranking", &[board.0.as_bytes(), &starts_at, segment.as_str().as_bytes()]));
        Self { id, board, period_starts_at, segment, aggregation, order }
    }
}

/// A UUID (of version 8) that is computed from what it names. Every part but the last must have a fixed length.
pub(super) fn named_uuid(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    parts.iter().for_each(|part| hash.update(part));
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, from)| *byte = from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// How a player's place in a ranking changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceChange {
    /// In which ranking.
    pub ranking: RankingId,
    /// Where the player was; `None` when they were not in it.
    pub before: Option<Place>,
    /// Where the player is now; `None` when they left it. Of the same player.
    pub after: Option<Place>,
}

/// A player's rank among the players of a ranking, bots aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// From 1.
    pub rank: u64,
    /// How many players the ranking has.
    pub players: u64,
}

/// A player in a ranking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankedPlayer {
    /// From 1, bots aside.
    pub rank: u64,
    /// Where they stand.
    pub place: Place,
    /// The studio's id for them.
    pub external_id: ExternalId,
}

/// Which part of a ranking is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankingSlice {
    /// The first so many.
    Top(u32),
    /// A player, so many before and so many after them.
    Around(ExternalId, u32),
}

/// A part of a ranking.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RankingPage {
    /// How many players the ranking has.
    pub players: u64,
    /// Those of the slice, best first, without gaps.
    pub entries: Vec<RankedPlayer>,
    /// The player who was asked about, if they are in the ranking.
    pub own: Option<RankedPlayer>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_unix_micros(micros)
    }

    #[test]
    fn places_compare_by_score_then_by_who_was_first_then_by_player() {
        let place = |order: SortOrder, score: i64, micros, player| Place {
            order_key: order.key_of(Score::restore(score)),
            achieved_at: at(micros),
            player: PlayerId(Uuid::from_u128(player)),
        };
        let more = SortOrder::Descending;
        assert!(place(more, 2, 9, 9) < place(more, 1, 1, 1));
        assert!(place(more, 1, 1, 9) < place(more, 1, 2, 1));
        assert!(place(more, 1, 1, 1) < place(more, 1, 1, 2));
        assert!(place(SortOrder::Ascending, 1, 9, 9) < place(SortOrder::Ascending, 2, 1, 1));
        assert_eq!(more.score_of(place(more, -7, 0, 0).order_key), Score::restore(-7));
    }

    #[test]
    fn a_ranking_is_named_by_its_board_period_and_segment_alone() {
        let board = BoardId(Uuid::from_u128(1));
        let id = |board, period, segment: &str, aggregation| {
            let segment = Segment::restore(segment.to_owned());
            Ranking::of(board, at(period), segment, aggregation, SortOrder::Descending).id
        };
        let this = id(board, 5, "gold", Aggregation::Best);
        assert_eq!(this, id(board, 5, "gold", Aggregation::Sum));
        assert_ne!(this, id(BoardId(Uuid::from_u128(2)), 5, "gold", Aggregation::Best));
        assert_ne!(this, id(board, 6, "gold", Aggregation::Best));
        assert_ne!(this, id(board, 5, "", Aggregation::Best));
        assert_eq!(this.0.get_version_num(), 8);
    }
}
