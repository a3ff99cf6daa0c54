//! Events as those who configure them see them.

use domain::clock::Timestamp;
use domain::lobbies::{Event, EventBoard, EventDefinition, Metric, Span, Window, Windows};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AggregationName, SortOrderName};
use crate::economy::JsonView;
use crate::instant::Instant;
use crate::lobbies::ScoreView;

/// An event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventConfigurationResponse {
    data: EventConfigurationView,
}

impl EventConfigurationResponse {
    /// `event` at the instant `now`.
    pub(super) fn at(now: Timestamp, event: Event) -> Self {
        Self { data: EventConfigurationView::at(now, event) }
    }
}

/// An event as it is configured.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventConfigurationView {
    /// Its id.
    id: String,
    /// The studio's name for it.
    #[schema(value_type = String, example = "weekly-race")]
    key: String,
    /// What people call it.
    name: String,
    /// Who is ranked against whom.
    #[schema(value_type = BoardModeName)]
    leaderboard_mode: &'static str,
    leaderboard: EventBoardView,
    /// When it can be played, in ascending order; null for an event with a schedule.
    #[schema(required = true)]
    windows: Option<Vec<EventSpanView>>,
    /// When it can be played, again and again; null for an event with a list of windows.
    #[schema(required = true)]
    schedule: Option<EventScheduleView>,
    /// What is counted in an attempt; the first one is the primary one.
    metrics: Vec<EventMetricView>,
    /// The studio's own data.
    #[schema(value_type = Option<Object>, required = true)]
    metadata: Option<JsonView>,
    /// Whether it can be played at all.
    enabled: bool,
    /// The window that is open now, whether or not the event is enabled; null between windows.
    #[schema(required = true)]
    active_window: Option<EventWindowView>,
    /// When it was created.
    created_at: Instant,
    /// When it was changed last.
    updated_at: Instant,
}

impl EventConfigurationView {
    /// `event` at the instant `now`.
    pub(super) fn at(now: Timestamp, event: Event) -> Self {
        let EventDefinition { name, mode, board, windows, metrics, metadata, enabled } = event.definition;
        let active_window = windows.active_at(event.id, now).map(EventWindowView::from);
        let (windows, schedule) = match windows {
            Windows::Explicit(spans) => (Some(spans.into_iter().map(EventSpanView::from).collect()), None),
            Windows::Schedule { starts_at, every_seconds, length_seconds } => {
                (None, Some(EventScheduleView { starts_at: Instant(starts_at), every_seconds, length_seconds }))
            }
        };
        Self {
            id: event.id.0.to_string(),
            key: event.key.as_str().to_owned(),
            name,
            leaderboard_mode: mode.as_str(),
            leaderboard: board.into(),
            windows,
            schedule,
            metrics: metrics.into_iter().map(EventMetricView::from).collect(),
            metadata: metadata.map(JsonView),
            enabled,
            active_window,
            created_at: Instant(event.created_at),
            updated_at: Instant(event.updated_at),
        }
    }
}

/// The board of an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventBoardView {
    /// How many play together, bots included; of a global board, up to how many entries bots fill it.
    #[schema(minimum = 1, maximum = 200)]
    capacity: u32,
    /// Whether bots take the places that no player has.
    fill_bots: bool,
    /// How long a lobby forms at most.
    #[schema(minimum = 0, maximum = 86_400)]
    fill_timeout_seconds: u32,
    /// Which score counts of several attempts of a player.
    #[schema(value_type = AggregationName)]
    aggregation: &'static str,
    /// Whether more is better.
    #[schema(value_type = SortOrderName)]
    order: &'static str,
    /// How its bots behave; null for the plan that is built in.
    #[schema(value_type = Option<Object>, required = true)]
    bots: Option<JsonView>,
}

impl From<EventBoard> for EventBoardView {
    fn from(board: EventBoard) -> Self {
        Self {
            capacity: board.capacity,
            fill_bots: board.fill_bots,
            fill_timeout_seconds: board.fill_timeout_seconds,
            aggregation: board.aggregation.as_str(),
            order: board.order.as_str(),
            bots: board.bots.map(JsonView),
        }
    }
}

/// A stretch of time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventSpanView {
    /// Its first instant.
    starts_at: Instant,
    /// The first instant after it.
    ends_at: Instant,
}

impl From<Span> for EventSpanView {
    fn from(span: Span) -> Self {
        Self { starts_at: Instant(span.starts_at), ends_at: Instant(span.ends_at) }
    }
}

/// Windows that open again and again, without end.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventScheduleView {
    /// When the first one begins.
    starts_at: Instant,
    /// From the beginning of one to the beginning of the next.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    every_seconds: u32,
    /// How long each is: at most `everySeconds`.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    length_seconds: u32,
}

/// Something that is counted in an attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventMetricView {
    /// What it is called.
    key: String,
    /// From where on it is reached. An attempt ends when all targets of its event are.
    #[schema(required = true)]
    target: Option<ScoreView>,
    /// From where on more of it does not count.
    #[schema(required = true)]
    cap: Option<ScoreView>,
    /// How much of the score one of it makes.
    score_weight: ScoreView,
}

impl From<Metric> for EventMetricView {
    fn from(metric: Metric) -> Self {
        Self {
            key: metric.key.as_str().to_owned(),
            target: metric.target.map(ScoreView),
            cap: metric.cap.map(ScoreView),
            score_weight: ScoreView(metric.weight),
        }
    }
}

/// A window of an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventWindowView {
    /// Its id.
    id: String,
    /// Its first instant.
    starts_at: Instant,
    /// The first instant after it.
    ends_at: Instant,
}

impl From<Window> for EventWindowView {
    fn from(window: Window) -> Self {
        Self { id: window.id.0.to_string(), starts_at: Instant(window.starts_at), ends_at: Instant(window.ends_at) }
    }
}

/// Who is ranked against whom.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum BoardModeName {
    Global,
    GlobalSegmented,
    Grouped,
    LobbyMatched,
}
