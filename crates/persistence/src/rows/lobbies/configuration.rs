//! What the studio configured, and the JSON in which it is stored: all of it but the key.

use diesel::result::Error;
use domain::lobbies::{
    Aggregation, BoardId, BoardMode, ConfigurationKey, Event, EventBoard, EventDefinition, EventId, Leaderboard,
    LeaderboardDefinition, Metric, MetricKey, ResetCadence, Score, SortOrder, Span, Windows,
};
use domain::text::JsonObject;
use serde::{Deserialize, Serialize};

use crate::rows::{StoredUuid, named, time, unreadable};

/// An event or a leaderboard: `id, key, definition, version, created_at, updated_at`.
pub(crate) type ConfigurationRow = (StoredUuid, String, String, i64, i64, i64);

/// Reads an event back.
pub(crate) fn event_of(
    (id, key, definition, version, created_at, updated_at): ConfigurationRow,
) -> Result<Event, Error> {
    Ok(Event {
        id: EventId(id.0),
        key: ConfigurationKey::restore(key),
        definition: event_definition_from_json(&definition)?,
        version,
        created_at: time(created_at),
        updated_at: time(updated_at),
    })
}

/// Reads a leaderboard back.
pub(crate) fn leaderboard_of(row: ConfigurationRow) -> Result<Leaderboard, Error> {
    let (id, key, definition, version, created_at, updated_at) = row;
    Ok(Leaderboard {
        id: BoardId(id.0),
        key: ConfigurationKey::restore(key),
        definition: leaderboard_definition_from_json(&definition)?,
        version,
        created_at: time(created_at),
        updated_at: time(updated_at),
    })
}

#[derive(Serialize, Deserialize)]
struct EventRow {
    name: String,
    mode: String,
    capacity: u32,
    fill_bots: bool,
    fill_timeout_seconds: u32,
    aggregation: String,
    order: String,
    bots: Option<String>,
    windows: WindowsRow,
    metrics: Vec<MetricRow>,
    metadata: Option<String>,
    enabled: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WindowsRow {
    Explicit(Vec<(i64, i64)>),
    Schedule { starts_at: i64, every_seconds: u32, length_seconds: u32 },
}

#[derive(Serialize, Deserialize)]
struct MetricRow {
    key: String,
    target: Option<i64>,
    cap: Option<i64>,
    weight: i64,
}

#[derive(Serialize, Deserialize)]
struct LeaderboardRow {
    name: String,
    aggregation: String,
    order: String,
    reset: String,
    segmented: bool,
    fill_bots_to: u32,
    bots: Option<String>,
    metadata: Option<String>,
    enabled: bool,
}

fn json_text(object: Option<&JsonObject>) -> Option<String> {
    object.map(|object| object.as_json().to_owned())
}

/// The JSON in which an event is stored.
pub(crate) fn event_definition_to_json(definition: &EventDefinition) -> String {
    let board = &definition.board;
    let windows = match &definition.windows {
        Windows::Explicit(spans) => {
            let pair = |span: &Span| (span.starts_at.unix_micros(), span.ends_at.unix_micros());
            WindowsRow::Explicit(spans.iter().map(pair).collect())
        }
        Windows::Schedule { starts_at, every_seconds, length_seconds } => WindowsRow::Schedule {
            starts_at: starts_at.unix_micros(),
            every_seconds: *every_seconds,
            length_seconds: *length_seconds,
        },
    };
    let metric = |metric: &Metric| MetricRow {
        key: metric.key.as_str().to_owned(),
        target: metric.target.map(Score::thousandths),
        cap: metric.cap.map(Score::thousandths),
        weight: metric.weight.thousandths(),
    };
    let row = EventRow {
        name: definition.name.clone(),
        mode: definition.mode.as_str().to_owned(),
        capacity: board.capacity,
        fill_bots: board.fill_bots,
        fill_timeout_seconds: board.fill_timeout_seconds,
        aggregation: board.aggregation.as_str().to_owned(),
        order: board.order.as_str().to_owned(),
        bots: json_text(board.bots.as_ref()),
        windows,
        metrics: definition.metrics.iter().map(metric).collect(),
        metadata: json_text(definition.metadata.as_ref()),
        enabled: definition.enabled,
    };
    serde_json::to_string(&row).expect("texts and integers are always JSON")
}

fn event_definition_from_json(json: &str) -> Result<EventDefinition, Error> {
    let row: EventRow = serde_json::from_str(json).map_err(|_| unreadable("definition of an event", json))?;
    let windows = match row.windows {
        WindowsRow::Explicit(spans) => {
            let span = |(starts_at, ends_at)| Span { starts_at: time(starts_at), ends_at: time(ends_at) };
            Windows::Explicit(spans.into_iter().map(span).collect())
        }
        WindowsRow::Schedule { starts_at, every_seconds, length_seconds } => {
            Windows::Schedule { starts_at: time(starts_at), every_seconds, length_seconds }
        }
    };
    let metric = |metric: MetricRow| Metric {
        key: MetricKey::restore(metric.key),
        target: metric.target.map(Score::restore),
        cap: metric.cap.map(Score::restore),
        weight: Score::restore(metric.weight),
    };
    Ok(EventDefinition {
        name: row.name,
        mode: named("mode", &row.mode, BoardMode::parse)?,
        board: EventBoard {
            capacity: row.capacity,
            fill_bots: row.fill_bots,
            fill_timeout_seconds: row.fill_timeout_seconds,
            aggregation: named("aggregation", &row.aggregation, Aggregation::parse)?,
            order: named("order", &row.order, SortOrder::parse)?,
            bots: row.bots.map(JsonObject::restore),
        },
        windows,
        metrics: row.metrics.into_iter().map(metric).collect(),
        metadata: row.metadata.map(JsonObject::restore),
        enabled: row.enabled,
    })
}

/// The JSON in which a leaderboard is stored.
pub(crate) fn leaderboard_definition_to_json(definition: &LeaderboardDefinition) -> String {
    let row = LeaderboardRow {
        name: definition.name.clone(),
        aggregation: definition.aggregation.as_str().to_owned(),
        order: definition.order.as_str().to_owned(),
        reset: definition.reset.as_str().to_owned(),
        segmented: definition.segmented,
        fill_bots_to: definition.fill_bots_to,
        bots: json_text(definition.bots.as_ref()),
        metadata: json_text(definition.metadata.as_ref()),
        enabled: definition.enabled,
    };
    serde_json::to_string(&row).expect("texts and integers are always JSON")
}

fn leaderboard_definition_from_json(json: &str) -> Result<LeaderboardDefinition, Error> {
    let row: LeaderboardRow =
        serde_json::from_str(json).map_err(|_| unreadable("definition of a leaderboard", json))?;
    Ok(LeaderboardDefinition {
        name: row.name,
        aggregation: named("aggregation", &row.aggregation, Aggregation::parse)?,
        order: named("order", &row.order, SortOrder::parse)?,
        reset: named("cadence", &row.reset, ResetCadence::parse)?,
        segmented: row.segmented,
        fill_bots_to: row.fill_bots_to,
        bots: row.bots.map(JsonObject::restore),
        metadata: row.metadata.map(JsonObject::restore),
        enabled: row.enabled,
    })
}
