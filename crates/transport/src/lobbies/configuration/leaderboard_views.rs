//! Leaderboards as those who configure them see them.

use domain::clock::Timestamp;
use domain::lobbies::{Leaderboard, LeaderboardDefinition, ResetCadence};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AggregationName, SortOrderName};
use crate::economy::JsonView;
use crate::instant::Instant;

/// A leaderboard.
#[derive(Serialize, ToSchema)]
pub(super) struct LeaderboardConfigurationResponse {
    data: LeaderboardConfigurationView,
}

impl LeaderboardConfigurationResponse {
    /// `leaderboard` at the instant `now`.
    pub(super) fn at(now: Timestamp, leaderboard: Leaderboard) -> Self {
        Self { data: LeaderboardConfigurationView::at(now, leaderboard) }
    }
}

/// A leaderboard as it is configured.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LeaderboardConfigurationView {
    /// Its id.
    id: String,
    /// The studio's name for it.
    #[schema(example = "season-points")]
    key: String,
    /// What people call it.
    name: String,
    /// Always `game`: it stands on its own, and belongs to no event.
    #[schema(value_type = String, example = "game")]
    scope: &'static str,
    /// Which score of a player counts.
    #[schema(value_type = AggregationName)]
    aggregation: &'static str,
    /// Whether more is better.
    #[schema(value_type = SortOrderName)]
    order: &'static str,
    /// How often it begins anew: never, at midnight, on Mondays or on the first of a month, in UTC.
    #[schema(value_type = ResetCadenceName)]
    reset_cadence: &'static str,
    /// When the present period began; null for a leaderboard that never begins anew.
    #[schema(required = true)]
    current_period_started_at: Option<Instant>,
    /// Whether every score names the segment that it counts in.
    segmented: bool,
    /// Up to how many entries bots fill it; 0 for none.
    #[schema(minimum = 0, maximum = 200)]
    fill_bots_to: u32,
    /// How its bots behave; null for the plan that is built in.
    #[schema(value_type = Option<Object>, required = true)]
    bots: Option<JsonView>,
    /// The studio's own data.
    #[schema(value_type = Option<Object>, required = true)]
    metadata: Option<JsonView>,
    /// Whether scores are taken.
    enabled: bool,
    /// When it was created.
    created_at: Instant,
    /// When it was changed last.
    updated_at: Instant,
}

impl LeaderboardConfigurationView {
    /// `leaderboard` at the instant `now`.
    pub(super) fn at(now: Timestamp, leaderboard: Leaderboard) -> Self {
        let LeaderboardDefinition { name, aggregation, order, reset, segmented, fill_bots_to, bots, metadata, enabled } =
            leaderboard.definition;
        let current_period_started_at = match reset {
            ResetCadence::Never => None,
            ResetCadence::Daily | ResetCadence::Weekly | ResetCadence::Monthly => {
                Some(Instant(reset.period_start(now)))
            }
        };
        Self {
            id: leaderboard.id.0.to_string(),
            key: leaderboard.key.as_str().to_owned(),
            name,
            scope: "game",
            aggregation: aggregation.as_str(),
            order: order.as_str(),
            reset_cadence: reset.as_str(),
            current_period_started_at,
            segmented,
            fill_bots_to,
            bots: bots.map(JsonView),
            metadata: metadata.map(JsonView),
            enabled,
            created_at: Instant(leaderboard.created_at),
            updated_at: Instant(leaderboard.updated_at),
        }
    }
}

/// How often a leaderboard begins anew.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum ResetCadenceName {
    Never,
    Daily,
    Weekly,
    Monthly,
}
