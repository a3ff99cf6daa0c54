//! The ports behind which events, lobbies and leaderboards are kept, and the reads that decide nothing.

use async_trait::async_trait;

use super::{
    Attempt, AttemptId, ConfigurationKey, ConfigurationRefusal, Event, EventChange, EventId, Leaderboard,
    LeaderboardChange, Lobby, LobbyDetail, LobbyId, LobbyStatus, LobbyTransition, NewEvent, NewLeaderboard, PlayBatch,
    PlaySettlement, Rank, Ranking, RankingId, RankingPage, RankingSlice, Score, Scored, WantedRank,
};
use crate::clock::Timestamp;
use crate::economy::Page;
use crate::lobbies::BoardId;
use crate::players::{ExternalId, PlayerId};
use crate::queue::Turn;
use crate::store::StoreError;
use crate::tenancy::RealmId;

/// Keeps the configuration of events. Each change is one transaction, audit entry included.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait EventStore: Send + Sync {
    /// Stores a new event; refused with [`ConfigurationRefusal::KeyTaken`] when its key is taken.
    async fn create_event(&self, new: &NewEvent) -> Result<Result<(), ConfigurationRefusal>, StoreError>;

    /// Changes an event as [`EventChange::decide`] says of the stored one, which nobody else changes in between.
    async fn change_event(&self, change: &EventChange) -> Result<Result<Event, ConfigurationRefusal>, StoreError>;

    /// The event of that key.
    async fn event(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Event>, StoreError>;

    /// The event of that id.
    async fn event_by_id(&self, realm: RealmId, id: EventId) -> Result<Option<Event>, StoreError>;

    /// A page of a realm's events, newest first: those before `after`, at most `limit`.
    async fn events(&self, realm: RealmId, after: Option<EventId>, limit: u32) -> Result<Page<Event>, StoreError>;
}

/// Keeps the configuration of leaderboards. Each change is one transaction, audit entry included.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LeaderboardStore: Send + Sync {
    /// Stores a new leaderboard; refused with [`ConfigurationRefusal::KeyTaken`] when its key is taken.
    async fn create_leaderboard(&self, new: &NewLeaderboard) -> Result<Result<(), ConfigurationRefusal>, StoreError>;

    /// Changes a leaderboard as [`LeaderboardChange::decide`] says of the stored one, which nobody else changes in between.
    async fn change_leaderboard(
        &self,
        change: &LeaderboardChange,
    ) -> Result<Result<Leaderboard, ConfigurationRefusal>, StoreError>;

    /// The leaderboard of that key.
    async fn leaderboard(&self, realm: RealmId, key: &ConfigurationKey) -> Result<Option<Leaderboard>, StoreError>;

    /// The leaderboard of that id.
    async fn leaderboard_by_id(&self, realm: RealmId, id: BoardId) -> Result<Option<Leaderboard>, StoreError>;

    /// A page of a realm's leaderboards, newest first: those before `after`, at most `limit`.
    async fn leaderboards(
        &self,
        realm: RealmId,
        after: Option<BoardId>,
        limit: u32,
    ) -> Result<Page<Leaderboard>, StoreError>;
}

/// Where lobbies, attempts and rankings are kept.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PlayStore: Send + Sync {
    /// Settles `batch` atomically: loads its first look, then its second look, asks [`PlayBatch::settle`], stores the answer,
    /// and returns it. The ranks that it wants are not looked up yet ([`PlaySettlement::ranked`]).
    ///
    /// - MUST NOT decide anything itself, and MAY ask more than once (after a lost race).
    /// - Returns only after the settlement is durable.
    /// - On `Err` nothing may be assumed: the batch may or may not have been stored.
    /// - MAY end `turn` before that, when whatever the next batch finds out depends on nothing of this one but what is stored: the
    ///   rows that it would see otherwise are locked, and it makes none that the next one would look for.
    async fn settle_play(&self, batch: &PlayBatch, turn: Turn) -> Result<PlaySettlement, StoreError>;

    /// The ranks of the players of `wanted` places, as they are by now, whatever became of the places since; `None` for who is
    /// no longer in the ranking. What is looked up in one realm is of one view of it.
    async fn ranks(&self, wanted: &[WantedRank]) -> Result<Vec<Option<Rank>>, StoreError>;

    /// Stores what the clock has made of lobbies by `now` ([`Lobby::steps`]), at most `limit` of them, those that are due
    /// longest first, in all realms. Answers how they moved on: whoever else stores the same step, it is told once. Of several
    /// that sweep at once, in whatever process, one does and the others find nothing.
    async fn sweep_lobbies(&self, now: Timestamp, limit: u32) -> Result<Vec<LobbyTransition>, StoreError>;
}

/// Which page of an event's lobbies is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyQuery {
    /// The realm.
    pub realm: RealmId,
    /// The event.
    pub event: EventId,
    /// Only those that are this at `now`.
    pub status: Option<LobbyStatus>,
    /// Only those made before this one.
    pub after: Option<LobbyId>,
    /// At most so many.
    pub limit: u32,
    /// The instant at which it holds.
    pub now: Timestamp,
}

/// Reads lobbies. Decides nothing.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait LobbyReads: Send + Sync {
    /// A lobby with its event and its players, all of one view of the store.
    async fn lobby(&self, realm: RealmId, id: LobbyId) -> Result<Option<LobbyDetail>, StoreError>;

    /// A page of an event's lobbies as they are stored, newest first. Of a status, those of which [`Lobby::at`] `query.now` has
    /// it: what is stored may lag behind the clock.
    async fn lobbies(&self, query: &LobbyQuery) -> Result<Page<Lobby>, StoreError>;
}

/// Reads rankings. Decides nothing.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait RankingReads: Send + Sync {
    /// What a ranking ranks; `None` for one that nobody has been in.
    async fn ranking(&self, realm: RealmId, id: RankingId) -> Result<Option<Ranking>, StoreError>;

    /// A slice of a ranking, and where the player `own` stands in it; empty for a ranking that nobody has been in.
    async fn ranking_page(
        &self,
        realm: RealmId,
        id: RankingId,
        slice: &RankingSlice,
        own: Option<ExternalId>,
    ) -> Result<RankingPage, StoreError>;
}

/// A lobby that a player is or was in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyMembership {
    /// The lobby as stored.
    pub lobby: Lobby,
    /// When the player came.
    pub joined_at: Timestamp,
    /// What they scored.
    pub scored: Option<Scored>,
}

/// A ranking that a player is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankingMembership {
    /// The ranking.
    pub ranking: Ranking,
    /// What counts.
    pub score: Score,
    /// When it was reached.
    pub achieved_at: Timestamp,
}

/// How much a player has played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlayCounts {
    /// Attempts.
    pub attempts: u64,
    /// Lobbies that the player is or was in.
    pub lobbies: u64,
    /// Rankings that the player is in.
    pub rankings: u64,
}

/// Reads what players have played, for profiles and exports. Decides nothing.
#[cfg_attr(any(test, feature = "testing"), mockall::automock)]
#[async_trait]
pub trait PlayRecords: Send + Sync {
    /// Attempts of `player`, newest first: those before `after`, at most `limit`.
    async fn attempts_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<AttemptId>,
        limit: u32,
    ) -> Result<Vec<Attempt>, StoreError>;

    /// Lobbies of `player`, newest first: those before `after`, at most `limit`.
    async fn lobbies_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<LobbyId>,
        limit: u32,
    ) -> Result<Vec<LobbyMembership>, StoreError>;

    /// Rankings that `player` is in, by id: those past `after`, at most `limit`.
    async fn rankings_of(
        &self,
        realm: RealmId,
        player: PlayerId,
        after: Option<RankingId>,
        limit: u32,
    ) -> Result<Vec<RankingMembership>, StoreError>;
}
