//! What a player is or was in, as callers see it: lobbies and leaderboards.

use domain::clock::Timestamp;
use domain::lobbies::{LobbyMembership, RankingMembership, Segment};
use serde::Serialize;
use utoipa::ToSchema;

use super::ScoreView;
use super::views::LobbyStatusName;
use crate::instant::Instant;

/// A lobby that a player is or was in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LobbyMembershipView {
    /// Its id.
    id: String,
    /// The event that it plays.
    event_id: String,
    /// The window of the event in which it plays.
    event_window_id: String,
    /// How far it is.
    #[schema(value_type = LobbyStatusName)]
    status: &'static str,
    /// When it was made.
    created_at: Instant,
    /// When the player came.
    joined_at: Instant,
    /// What the player scored; null if nothing.
    #[schema(required = true)]
    score: Option<ScoreView>,
}

impl LobbyMembershipView {
    /// `membership` as it stands at the instant `now`.
    pub(crate) fn at(now: Timestamp, membership: &LobbyMembership) -> Self {
        let LobbyMembership { lobby, joined_at, scored } = membership;
        Self {
            id: lobby.id.0.to_string(),
            event_id: lobby.event.0.to_string(),
            event_window_id: lobby.window.0.to_string(),
            status: lobby.at(now).status().as_str(),
            created_at: Instant(lobby.created_at),
            joined_at: Instant(*joined_at),
            score: scored.map(|scored| ScoreView(scored.score)),
        }
    }
}

/// A leaderboard that a player is on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RankingMembershipView {
    /// Its id.
    leaderboard_id: String,
    /// Which part of a leaderboard it ranks; null for a leaderboard without parts.
    #[schema(required = true)]
    segment: Option<String>,
    /// When the period that it ranks began; null for a leaderboard that never begins anew.
    #[schema(required = true)]
    period_started_at: Option<Instant>,
    /// What counts.
    score: ScoreView,
    /// When it was reached.
    achieved_at: Instant,
}

impl From<&RankingMembership> for RankingMembershipView {
    fn from(membership: &RankingMembership) -> Self {
        let RankingMembership { ranking, score, achieved_at } = membership;
        let is_whole = ranking.segment == Segment::default();
        let is_reset = ranking.period_starts_at != Timestamp::EPOCH;
        Self {
            leaderboard_id: ranking.id.0.to_string(),
            segment: (!is_whole).then(|| ranking.segment.as_str().to_owned()),
            period_started_at: is_reset.then_some(Instant(ranking.period_starts_at)),
            score: ScoreView(*score),
            achieved_at: Instant(*achieved_at),
        }
    }
}
