//! What a batch comes to: what must be stored, all of it or nothing, and what each command is answered.

use super::{
    Attempt, AttemptStatus, Leaderboard, Lobby, LobbyId, LobbyTransition, MetricValues, Participant, Place,
    PlaceChange, PlayRefusal, PlayStore, Rank, Ranking, RankingId, Score, ScoreOperation,
};
use crate::clock::Timestamp;
use crate::economy::{Fingerprint, Once, Repeat};
use crate::players::{Player, PlayerId};
use crate::store::StoreError;
use crate::tenancy::RealmId;
use crate::webhooks::OutboxEvent;

/// How one command ended.
pub type PlayOutcome = Result<PlayAnswer, PlayRefusal>;

/// What an accepted command is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlayAnswer {
    /// To a push: the lobby as it is now.
    Pushed {
        /// The lobby.
        lobby: Box<Lobby>,
        /// Whether it was made now.
        repeat: Repeat,
    },
    /// To joining, leaving and closing: the lobby as it is now, and whether that changed it.
    Lobby {
        /// The lobby.
        lobby: Box<Lobby>,
        /// Whether anything changed.
        applied: bool,
    },
    /// To a start: the attempt.
    Started {
        /// As it was started.
        attempt: Box<Attempt>,
        /// Whether it was started now.
        repeat: Repeat,
    },
    /// To a start: the player waits in this lobby, which is still forming.
    Forming(Box<Lobby>),
    /// To progress: the attempt right after it.
    Progressed {
        /// The attempt.
        attempt: Box<Attempt>,
        /// Whether it was reported now.
        repeat: Repeat,
    },
    /// To the end of an attempt: the attempt, ended.
    Finished(Box<Attempt>),
    /// To a score.
    Scored {
        /// The leaderboard.
        leaderboard: Box<Leaderboard>,
        /// Which of its rankings.
        ranking: Ranking,
        /// What counts of the player right after it.
        score: Score,
        /// The player's rank now, bots aside; `None` once they are no longer in the ranking.
        rank: Option<Rank>,
        /// Whether it came in now.
        repeat: Repeat,
    },
}

/// Something that was done under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprinted<T> {
    /// The fingerprint of the request.
    pub fingerprint: Fingerprint,
    /// What it did.
    pub result: T,
}

/// What a score did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScoreResult {
    /// On a leaderboard: what counts of the player since.
    Counted(Score),
    /// In an attempt: what it was right after.
    Progressed {
        /// What was counted.
        metrics: MetricValues,
        /// The score that it made.
        score: Score,
        /// How it stood.
        status: AttemptStatus,
        /// When it ended.
        completed_at: Option<Timestamp>,
    },
}

/// A lobby to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyChange {
    /// The realm.
    pub realm: RealmId,
    /// As it is now.
    pub lobby: Lobby,
    /// The version that it takes the place of; `None` for a new one. An adapter refuses to update any other version.
    pub version_before: Option<i64>,
}

/// A player in a lobby to store, at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantChange {
    /// The realm.
    pub realm: RealmId,
    /// As they were; `None` for one who is new.
    pub before: Option<Participant>,
    /// As they are now; `None` for one who left.
    pub after: Option<Participant>,
}

/// An attempt to store. Of one that is stored already, its metrics, score, status and end change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptChange {
    /// The realm.
    pub realm: RealmId,
    /// As it is now.
    pub attempt: Attempt,
    /// Whether it must be inserted.
    pub is_new: bool,
}

/// Attempts that end early: those in `lobby` that were stored before and end later than `at` end at `at`. Of attempts that
/// the batch itself inserts, the end is right already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyEnd {
    /// The realm.
    pub realm: RealmId,
    /// The lobby.
    pub lobby: LobbyId,
    /// Only those of this player.
    pub player: Option<PlayerId>,
    /// When they end.
    pub at: Timestamp,
}

/// The record of a score to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreRequest {
    /// The realm.
    pub realm: RealmId,
    /// The operation.
    pub operation: ScoreOperation,
    /// What keeps it from happening twice.
    pub once: Once,
    /// What it did.
    pub result: ScoreResult,
    /// When.
    pub at: Timestamp,
}

/// A place whose rank an outcome wants: the one that the player has once the batch is stored, and until they move again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedRank {
    /// Which outcome, from 0.
    pub outcome: usize,
    /// The realm.
    pub realm: RealmId,
    /// In which ranking.
    pub ranking: RankingId,
    /// Where.
    pub place: Place,
}

/// The outcome of a batch. To be stored in the order of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlaySettlement {
    /// One answer for each command, in the batch's order.
    pub outcomes: Vec<PlayOutcome>,
    /// Players to insert.
    pub new_players: Vec<(RealmId, Player)>,
    /// Players whose `last_seen_at` moves. One may come twice, or be among the new ones: the last is right.
    pub seen_players: Vec<(RealmId, Player)>,
    /// Lobbies to insert or update, each once.
    pub lobbies: Vec<LobbyChange>,
    /// Players in lobbies to insert, update or remove, each once.
    pub participants: Vec<ParticipantChange>,
    /// Attempts that end early. Stored before those below, of which some may have started after that.
    pub early_ends: Vec<EarlyEnd>,
    /// Attempts to insert or update, each once.
    pub attempts: Vec<AttemptChange>,
    /// Rankings that must be there; most are already.
    pub rankings: Vec<(RealmId, Ranking)>,
    /// Places in rankings that change, each player's once.
    pub places: Vec<(RealmId, PlaceChange)>,
    /// Records of scores to insert.
    pub requests: Vec<ScoreRequest>,
    /// How lobbies moved on, in order: each is told exactly once.
    pub transitions: Vec<LobbyTransition>,
    /// Events to insert, of those that are wanted: in the order in which it happened.
    pub events: Vec<OutboxEvent>,
    /// The ranks to be looked up once all of this is stored, by [`Self::ranked`].
    pub ranks: Vec<WantedRank>,
}

impl PlaySettlement {
    /// Completes the outcomes of what `store` has stored with the ranks that they want.
    ///
    /// # Errors
    /// The store's.
    pub async fn ranked(mut self, store: &dyn PlayStore) -> Result<Self, StoreError> {
        if self.ranks.is_empty() {
            return Ok(self);
        }
        let found = store.ranks(&self.ranks).await?;
        for (wanted, found) in self.ranks.iter().zip(found) {
            if let Some(Ok(PlayAnswer::Scored { rank, .. })) = self.outcomes.get_mut(wanted.outcome) {
                *rank = found;
            }
        }
        Ok(self)
    }
}
