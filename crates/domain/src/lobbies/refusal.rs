//! The rules said no: every way, with the data that explains it.

use thiserror::Error;

use super::{BoardMode, LobbyId, MetricKey};
use crate::players::PlayerBanned;

/// Why a command was refused. A refused command leaves no trace, and consumes no idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlayRefusal {
    /// The idempotency key was used for another request, or the lobby's key for another event.
    #[error("this idempotency key was used before, for a different request")]
    IdempotencyConflict,
    /// There is no such event.
    #[error("there is no such event")]
    EventNotFound,
    /// The event is disabled.
    #[error("the event is disabled")]
    EventDisabled,
    /// Lobbies are pushed for lobby-matched events only.
    #[error("lobbies are pushed for events of mode lobby_matched, and this one's is {}", mode.as_str())]
    WrongMode {
        /// What it is.
        mode: BoardMode,
    },
    /// The event cannot be played now.
    #[error("the event has no window that is open now")]
    NoActiveWindow,
    /// More players than the lobby has places.
    #[error("the lobby has {capacity} places, and there are {players} players")]
    TooManyPlayers {
        /// How many places.
        capacity: u32,
        /// How many players.
        players: usize,
    },
    /// There is no such lobby.
    #[error("there is no such lobby")]
    LobbyNotFound,
    /// The lobby is over.
    #[error("the lobby is closed")]
    LobbyClosed {
        /// Which.
        lobby: LobbyId,
    },
    /// All places of the lobby are taken by players.
    #[error("the lobby is full: all {capacity} places are taken by players")]
    LobbyFull {
        /// How many places.
        capacity: u32,
    },
    /// There is no such player.
    #[error("there is no such player")]
    PlayerNotFound,
    /// The player has no such attempt at this event.
    #[error("this player has no such attempt at this event")]
    AttemptNotFound,
    /// The attempt is over.
    #[error("the attempt is over")]
    AttemptFinished,
    /// The event counts no such metric.
    #[error("the event counts no metric of that name")]
    UnknownMetrics {
        /// Which.
        metrics: Vec<MetricKey>,
    },
    /// The score would be too large.
    #[error("the score would be outside the range of scores")]
    ScoreLimit,
    /// There is no such leaderboard.
    #[error("there is no such leaderboard")]
    LeaderboardNotFound,
    /// The leaderboard is disabled.
    #[error("the leaderboard is disabled")]
    LeaderboardDisabled,
    /// The board has segments, and none was named.
    #[error("this board has segments: name one")]
    SegmentRequired,
    /// The board has no segments, and one was named.
    #[error("this board has no segments")]
    SegmentUnexpected,
    /// The player is banned, and it is their game client that asks.
    #[error(transparent)]
    PlayerBanned(#[from] PlayerBanned),
}
