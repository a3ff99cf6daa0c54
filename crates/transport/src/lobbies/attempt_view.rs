//! Attempts and scores as callers see them.

use std::collections::BTreeMap;

use domain::clock::Timestamp;
use domain::lobbies::{Attempt, MetricValue, Score};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::instant::Instant;

/// A number with at most three decimals, exact: no float comes between it and its digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = f64, minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64, example = 80)]
pub(crate) struct ScoreView(pub(crate) Score);

impl Serialize for ScoreView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// A player's try at an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptView {
    /// Its id.
    id: String,
    /// The event.
    event_id: String,
    /// The window of the event in which it is played.
    event_window_id: String,
    /// The board on which it is ranked.
    leaderboard_id: String,
    /// Purser's own id for the player.
    player_id: String,
    /// When it began.
    started_at: Instant,
    /// When it ends at the latest.
    ends_at: Instant,
    /// When it ended; null while it is being played.
    #[schema(required = true)]
    completed_at: Option<Instant>,
    /// What was reported, as far as it counts: no metric past its cap.
    metrics: BTreeMap<String, ScoreView>,
    /// What was reported.
    metrics_raw: BTreeMap<String, ScoreView>,
    /// What it makes.
    score: ScoreView,
    /// How it stands.
    #[schema(value_type = AttemptStatusName)]
    status: &'static str,
}

impl From<&Attempt> for AttemptView {
    /// `attempt` as a write answered it, which a repeat of that write answers again.
    fn from(attempt: &Attempt) -> Self {
        let metrics = |part: fn(&MetricValue) -> Score| {
            let metrics = attempt.metrics.iter();
            metrics.map(|(key, value)| (key.as_str().to_owned(), ScoreView(part(value)))).collect()
        };
        Self {
            id: attempt.id.0.to_string(),
            event_id: attempt.event.0.to_string(),
            event_window_id: attempt.window.0.to_string(),
            leaderboard_id: attempt.board.to_string(),
            player_id: attempt.player.0.to_string(),
            started_at: Instant(attempt.started_at),
            ends_at: Instant(attempt.ends_at),
            completed_at: attempt.completed_at.map(Instant),
            metrics: metrics(|value| value.counted),
            metrics_raw: metrics(|value| value.raw),
            score: ScoreView(attempt.score),
            status: attempt.status.as_str(),
        }
    }
}

impl AttemptView {
    /// `attempt`, which was stored some time ago, as it stands at the instant `now`.
    pub(crate) fn at(now: Timestamp, attempt: &Attempt) -> Self {
        let (status, completed_at) = (attempt.status_at(now), attempt.completed_at(now));
        Self { status: status.as_str(), completed_at: completed_at.map(Instant), ..Self::from(attempt) }
    }
}

/// The states of attempts.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum AttemptStatusName {
    InProgress,
    Completed,
    Expired,
    ForceCompleted,
}
