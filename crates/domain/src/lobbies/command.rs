//! What a backend asks of events, lobbies and leaderboards: commands, complete with everything but the stored state.

use super::{AttemptId, ConfigurationKey, LobbyId, LobbyKey, MetricKey, ProgressMode, Score, Segment};
use crate::clock::Timestamp;
use crate::economy::{Once, Origin};
use crate::players::{ExternalId, GatedOperation, PlayerId};
use crate::tenancy::RealmId;
use crate::text::JsonObject;

/// One thing asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayCommand {
    /// Where it happens.
    pub realm: RealmId,
    /// When it was asked.
    pub at: Timestamp,
    /// On whose behalf.
    pub origin: Origin,
    /// What is asked.
    pub action: Play,
}

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Play {
    /// Make a lobby of players that the studio's matchmaker put together.
    Push(Box<LobbyPush>),
    /// Put a player into a lobby.
    Join {
        /// The lobby.
        lobby: LobbyId,
        /// The player, made if need be.
        player: Newcomer,
    },
    /// Take a player out of a lobby, with their score.
    Leave {
        /// The lobby.
        lobby: LobbyId,
        /// The player.
        player: ExternalId,
    },
    /// End a lobby before its time.
    Close {
        /// The lobby.
        lobby: LobbyId,
    },
    /// Start an attempt at an event.
    Start(Box<AttemptStart>),
    /// Report what is counted in an attempt.
    Progress(Box<AttemptProgress>),
    /// End an attempt.
    Finish {
        /// At which event.
        event: ConfigurationKey,
        /// Whose.
        player: ExternalId,
        /// Which.
        attempt: AttemptId,
    },
    /// Put a score on a leaderboard.
    Score(Box<ScoreSubmission>),
}

/// A player who is made if there is none of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcomer {
    /// The studio's id.
    pub external_id: ExternalId,
    /// Purser's id if this is their first contact.
    pub id_if_new: PlayerId,
}

/// A lobby as the studio pushes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LobbyPush {
    /// Which event it plays.
    pub event: ConfigurationKey,
    /// The studio's name for it: a lobby of that name happens once.
    pub key: LobbyKey,
    /// Its players, each once.
    pub players: Vec<Newcomer>,
    /// How many play together; as the event says if `None`.
    pub capacity: Option<u32>,
    /// Whether bots take the other places; as the event says if `None`.
    pub fill_bots: Option<bool>,
    /// The studio's own data.
    pub metadata: Option<JsonObject>,
    /// Its id if it is made.
    pub id: LobbyId,
}

/// The start of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStart {
    /// At which event.
    pub event: ConfigurationKey,
    /// By whom, made if need be.
    pub player: Newcomer,
    /// In which segment, where the event has them.
    pub segment: Option<Segment>,
    /// Present when the caller gave an idempotency key.
    pub once: Option<Once>,
    /// Its id.
    pub id: AttemptId,
    /// The id of the lobby that it may have to make.
    pub lobby_if_new: LobbyId,
}

/// A report of what is counted in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptProgress {
    /// At which event.
    pub event: ConfigurationKey,
    /// Whose.
    pub player: ExternalId,
    /// Which.
    pub attempt: AttemptId,
    /// How the values change what was reported before.
    pub mode: ProgressMode,
    /// The value of the event's primary metric.
    pub primary: Option<Score>,
    /// Values of metrics by name.
    pub metrics: Vec<(MetricKey, Score)>,
    /// Present when the caller gave an idempotency key.
    pub once: Option<Once>,
}

/// A score for a leaderboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreSubmission {
    /// Which leaderboard.
    pub board: ConfigurationKey,
    /// Whose score.
    pub player: ExternalId,
    /// The score.
    pub value: Score,
    /// In which segment, where the leaderboard has them.
    pub segment: Option<Segment>,
    /// Present when the caller gave an idempotency key.
    pub once: Option<Once>,
}

/// The operations of this capability whose repeats are recognised by an idempotency key in [`super::ScoreRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScoreOperation {
    /// A score for a leaderboard.
    LeaderboardScore,
    /// Progress of an attempt.
    AttemptProgress,
}

impl ScoreOperation {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::LeaderboardScore, Self::AttemptProgress];

    /// The name used in storage and in fingerprints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeaderboardScore => "leaderboard.score",
            Self::AttemptProgress => "attempt.progress",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}

impl PlayCommand {
    /// Which operation of a game client it is, if a ban refuses it. There is no `_` arm: a new action does not compile until
    /// someone decides whether a banned player's client may do it.
    pub fn gated(&self) -> Option<GatedOperation> {
        match (self.origin, &self.action) {
            (Origin::Server | Origin::Admin | Origin::Engine | Origin::Migration, _) => None,
            (Origin::Client, Play::Start(_)) => Some(GatedOperation::EventsStart),
            (Origin::Client, Play::Progress(_)) => Some(GatedOperation::EventsProgress),
            (
                Origin::Client,
                Play::Push(_)
                | Play::Join { .. }
                | Play::Leave { .. }
                | Play::Close { .. }
                | Play::Finish { .. }
                | Play::Score(_),
            ) => None,
        }
    }

    /// The players that it names.
    pub fn players(&self) -> Vec<&ExternalId> {
        match &self.action {
            Play::Push(push) => push.players.iter().map(|player| &player.external_id).collect(),
            Play::Join { player, .. } => vec![&player.external_id],
            Play::Leave { player, .. } | Play::Finish { player, .. } => vec![player],
            Play::Close { .. } => Vec::new(),
            Play::Start(start) => vec![&start.player.external_id],
            Play::Progress(progress) => vec![&progress.player],
            Play::Score(score) => vec![&score.player],
        }
    }
}
