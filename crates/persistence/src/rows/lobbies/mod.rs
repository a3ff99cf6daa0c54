//! Rows of events, lobbies, attempts and rankings, and the JSON in some of their columns.

mod configuration;

use std::collections::BTreeMap;

use diesel::Queryable;
use diesel::result::Error;
use domain::economy::{Fingerprint, KeyDigest, Once};
use domain::lobbies::{
    Aggregation, Attempt, AttemptId, AttemptStatus, BoardId, BotSlot, EventId, Lobby, LobbyId, LobbyKey, LobbyMode,
    LobbyStatus, MetricKey, MetricValue, MetricValues, Participant, Ranking, RankingId, Score, ScoreResult, Scored,
    Segment, SortOrder, Stage, WindowId,
};
use domain::players::PlayerId;
use domain::text::JsonObject;
use serde::{Deserialize, Serialize};

pub(crate) use configuration::*;

use super::{StoredDigest, StoredUuid, named, time, time_if_any, unreadable};

/// A lobby, in two groups: what it is, and how far it is.
#[derive(Queryable)]
pub(crate) struct LobbyRow {
    identity: LobbyIdentityRow,
    course: LobbyCourseRow,
}

/// What a lobby is: `id, event, window_id, external_key, mode, aggregation, sort_order, capacity, fill_bots, bots,
/// participants, metadata`.
#[derive(Queryable)]
pub(crate) struct LobbyIdentityRow {
    id: StoredUuid,
    event: StoredUuid,
    window_id: StoredUuid,
    external_key: Option<String>,
    mode: String,
    aggregation: String,
    sort_order: String,
    capacity: i64,
    fill_bots: bool,
    bots: String,
    participants: i64,
    metadata: Option<String>,
}

/// How far a lobby is: `status, created_at, fill_by, started_at, ends_at, closed_at, version`.
#[derive(Queryable)]
pub(crate) struct LobbyCourseRow {
    status: String,
    created_at: i64,
    fill_by: Option<i64>,
    started_at: Option<i64>,
    ends_at: i64,
    closed_at: Option<i64>,
    version: i64,
}

impl TryFrom<LobbyRow> for Lobby {
    type Error = Error;

    fn try_from(row: LobbyRow) -> Result<Self, Error> {
        let LobbyRow { identity: row, course } = row;
        let started_at = time_if_any(course.started_at);
        let stage = match (named("status", &course.status, LobbyStatus::parse)?, started_at, course.closed_at) {
            (LobbyStatus::Forming, None, None) => Stage::Forming,
            (LobbyStatus::Active, Some(started_at), None) => Stage::Active { started_at },
            (LobbyStatus::Closed, started_at, Some(closed_at)) => {
                Stage::Closed { started_at, closed_at: time(closed_at) }
            }
            (LobbyStatus::Forming | LobbyStatus::Active | LobbyStatus::Closed, _, _) => {
                return Err(unreadable("status without its times", &course.status));
            }
        };
        Ok(Self {
            id: LobbyId(row.id.0),
            event: EventId(row.event.0),
            window: WindowId(row.window_id.0),
            key: row.external_key.map(LobbyKey::restore),
            mode: named("mode", &row.mode, LobbyMode::parse)?,
            aggregation: named("aggregation", &row.aggregation, Aggregation::parse)?,
            order: named("order", &row.sort_order, SortOrder::parse)?,
            capacity: small("capacity", row.capacity)?,
            fill_bots: row.fill_bots,
            bots: bots_from_json(&row.bots)?,
            players: small("number of participants", row.participants)?,
            metadata: row.metadata.map(JsonObject::restore),
            stage,
            created_at: time(course.created_at),
            fill_by: time_if_any(course.fill_by),
            ends_at: time(course.ends_at),
            version: course.version,
        })
    }
}

/// The JSON in which the bots of a lobby are stored: a number and a time each.
pub(crate) fn bots_to_json(bots: &[BotSlot]) -> String {
    let rows: Vec<(u32, i64)> = bots.iter().map(|bot| (bot.number, bot.since.unix_micros())).collect();
    serde_json::to_string(&rows).expect("integers are always JSON")
}

fn bots_from_json(json: &str) -> Result<Vec<BotSlot>, Error> {
    let rows: Vec<(u32, i64)> = serde_json::from_str(json).map_err(|_| unreadable("list of bots", json))?;
    Ok(rows.into_iter().map(|(number, since)| BotSlot { number, since: time(since) }).collect())
}

/// A player in a lobby: `lobby, player, joined_at, score, achieved_at`.
pub(crate) type ParticipantRow = (StoredUuid, StoredUuid, i64, Option<i64>, Option<i64>);

/// Reads a player in a lobby back.
pub(crate) fn participant_of((lobby, player, joined_at, score, achieved_at): ParticipantRow) -> Participant {
    let scored = score.zip(achieved_at);
    Participant {
        lobby: LobbyId(lobby.0),
        player: PlayerId(player.0),
        joined_at: time(joined_at),
        scored: scored.map(|(score, at)| Scored { score: Score::restore(score), achieved_at: time(at) }),
    }
}

/// An attempt: `id, player, event, window_id, lobby, board, metrics, score, has_target, started_at, ends_at, completed_at,
/// status, idempotency_key, fingerprint`.
#[derive(Queryable)]
pub(crate) struct AttemptRow {
    id: StoredUuid,
    player: StoredUuid,
    event: StoredUuid,
    window_id: StoredUuid,
    lobby: Option<StoredUuid>,
    board: StoredUuid,
    metrics: String,
    score: i64,
    has_target: bool,
    started_at: i64,
    ends_at: i64,
    completed_at: Option<i64>,
    status: String,
    idempotency_key: Option<StoredDigest>,
    fingerprint: Option<StoredDigest>,
}

impl TryFrom<AttemptRow> for Attempt {
    type Error = Error;

    fn try_from(row: AttemptRow) -> Result<Self, Error> {
        let once = row.idempotency_key.zip(row.fingerprint);
        Ok(Self {
            id: AttemptId(row.id.0),
            player: PlayerId(row.player.0),
            event: EventId(row.event.0),
            window: WindowId(row.window_id.0),
            lobby: row.lobby.map(|lobby| LobbyId(lobby.0)),
            board: row.board.0,
            metrics: metrics_from_json(&row.metrics)?,
            score: Score::restore(row.score),
            has_target: row.has_target,
            started_at: time(row.started_at),
            ends_at: time(row.ends_at),
            completed_at: time_if_any(row.completed_at),
            status: named("status", &row.status, AttemptStatus::parse)?,
            once: once
                .map(|(key, fingerprint)| Once { key: KeyDigest(key.0), fingerprint: Fingerprint(fingerprint.0) }),
        })
    }
}

/// Metrics by name: as reported, and as counted.
type MetricsRow = BTreeMap<String, (i64, i64)>;

fn metrics_to_row(metrics: &MetricValues) -> MetricsRow {
    let row = |value: &MetricValue| (value.raw.thousandths(), value.counted.thousandths());
    metrics.iter().map(|(key, value)| (key.as_str().to_owned(), row(value))).collect()
}

fn metrics_from_row(row: MetricsRow) -> MetricValues {
    let value = |(raw, counted)| MetricValue { raw: Score::restore(raw), counted: Score::restore(counted) };
    row.into_iter().map(|(key, both)| (MetricKey::restore(key), value(both))).collect()
}

/// The JSON in which the metrics of an attempt are stored.
pub(crate) fn metrics_to_json(metrics: &MetricValues) -> String {
    serde_json::to_string(&metrics_to_row(metrics)).expect("texts and integers are always JSON")
}

fn metrics_from_json(json: &str) -> Result<MetricValues, Error> {
    let row: MetricsRow = serde_json::from_str(json).map_err(|_| unreadable("set of metrics", json))?;
    Ok(metrics_from_row(row))
}

/// What a score did, as stored in the JSON of its record.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ScoreResultRow {
    Counted(i64),
    Progressed { metrics: MetricsRow, score: i64, status: String, completed_at: Option<i64> },
}

/// The JSON in which what a score did is stored.
pub(crate) fn score_result_to_json(result: &ScoreResult) -> String {
    let row = match result {
        ScoreResult::Counted(score) => ScoreResultRow::Counted(score.thousandths()),
        ScoreResult::Progressed { metrics, score, status, completed_at } => ScoreResultRow::Progressed {
            metrics: metrics_to_row(metrics),
            score: score.thousandths(),
            status: status.as_str().to_owned(),
            completed_at: completed_at.map(domain::clock::Timestamp::unix_micros),
        },
    };
    serde_json::to_string(&row).expect("texts and integers are always JSON")
}

/// Reads [`score_result_to_json`] back.
pub(crate) fn score_result_from_json(json: &str) -> Result<ScoreResult, Error> {
    let row: ScoreResultRow = serde_json::from_str(json).map_err(|_| unreadable("result of a score", json))?;
    Ok(match row {
        ScoreResultRow::Counted(score) => ScoreResult::Counted(Score::restore(score)),
        ScoreResultRow::Progressed { metrics, score, status, completed_at } => ScoreResult::Progressed {
            metrics: metrics_from_row(metrics),
            score: Score::restore(score),
            status: named("status", &status, AttemptStatus::parse)?,
            completed_at: time_if_any(completed_at),
        },
    })
}

/// A ranking: `id, board, period_starts_at, segment, aggregation, sort_order`.
pub(crate) type RankingRow = (StoredUuid, StoredUuid, i64, String, String, String);

/// Reads a ranking back.
pub(crate) fn ranking_of((id, board, starts_at, segment, aggregation, order): RankingRow) -> Result<Ranking, Error> {
    Ok(Ranking {
        id: RankingId(id.0),
        board: BoardId(board.0),
        period_starts_at: time(starts_at),
        segment: Segment::restore(segment),
        aggregation: named("aggregation", &aggregation, Aggregation::parse)?,
        order: named("order", &order, SortOrder::parse)?,
    })
}

/// Reads a small number back.
fn small(what: &'static str, number: i64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| unreadable(what, &number.to_string()))
}
