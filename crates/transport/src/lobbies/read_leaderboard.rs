//! `GET /server/v1/leaderboards/{key}`: a part of a leaderboard.

use std::fmt;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::lobbies::{BoardQuery, ConfigurationKey, Leaderboard, Lobbies, RankingBoard, ResetCadence, Segment};
use domain::players::ExternalId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::board_views::{BoardEntryView, BoardParams, SelfView, board_query};
use super::submit_score::LeaderboardParams;
use crate::field_errors::FieldErrors;
use crate::instant::{self, Instant};
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;

/// Read a leaderboard.
///
/// The first entries of the present period or of an earlier one, bots included; or a player with those around them.
#[utoipa::path(
    tag = "Leaderboards",
    operation_id = "readLeaderboard",
    params(LeaderboardParams, RankingParams, BoardParams),
    responses(
        (status = 200, description = "A part of the leaderboard.", body = ServerLeaderboardResponse),
        (status = 404, description = "There is no such leaderboard.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/leaderboards/{key}")]
pub(super) async fn read_leaderboard(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Asked { key, segment, period, query } = parse(&request)?;
    let own = query.own.clone();
    let (leaderboard, board) = lobbies.board(&caller, &key, segment, period, query).await?;
    let data = LeaderboardView::of(&leaderboard, board, own.as_ref());
    Ok(HttpResponse::Ok().json(ServerLeaderboardResponse { data }))
}

struct Asked {
    key: ConfigurationKey,
    segment: Option<Segment>,
    /// `None` for the present one.
    period: Option<Timestamp>,
    query: BoardQuery,
}

fn parse(request: &HttpRequest) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let key = NamedPath::of(request).key("key", &mut errors);
    let query = Query::of(request);
    let segment = query.text("segment", &mut errors);
    let segment = segment.and_then(|segment| errors.check("segment", Segment::try_new(&segment)));
    let period = query.text("period", &mut errors);
    let period = period.and_then(|period| errors.check("period", parse_period(&period))).flatten();
    let query = board_query(&query, &mut errors);
    let (Some(key), Some(query), true) = (key, query, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { key, segment, period, query })
}

fn parse_period(text: &str) -> Result<Option<Timestamp>, InvalidPeriod> {
    if text == "current" { Ok(None) } else { instant::parse(text).map(Some).map_err(|_| InvalidPeriod) }
}

struct InvalidPeriod;

impl fmt::Display for InvalidPeriod {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("must be current, or a date and time with an offset, such as 2026-06-08T12:00:00Z")
    }
}

/// The parameters that choose a ranking of a leaderboard.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct RankingParams {
    /// The segment: required where the leaderboard has segments, and only there.
    #[param(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$")]
    segment: Option<String>,
    /// `current`, the default, or an instant in the period that is wanted, such as its beginning.
    #[param(example = "2026-06-08T00:00:00.000Z")]
    period: Option<String>,
}

/// The answer to a read of a leaderboard.
#[derive(Serialize, ToSchema)]
struct ServerLeaderboardResponse {
    data: LeaderboardView,
}

/// A part of a leaderboard.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LeaderboardView {
    /// The studio's name for the leaderboard.
    #[schema(value_type = String, example = "weekly-points")]
    key: String,
    /// The board of this period and segment.
    leaderboard_id: String,
    /// Always `game`.
    #[schema(value_type = String, example = "game")]
    scope: &'static str,
    /// How often it begins anew: `never`, `daily`, `weekly` or `monthly`.
    #[schema(value_type = String, example = "weekly")]
    reset_cadence: &'static str,
    /// Which score counts: `best`, `latest` or `sum`.
    #[schema(value_type = String, example = "best")]
    score_aggregation: &'static str,
    /// Which segment; null where the leaderboard has none.
    #[schema(required = true)]
    segment: Option<String>,
    /// When the period began; null for a leaderboard that is never reset.
    #[schema(required = true)]
    period: Option<Instant>,
    /// Best first, without gaps.
    entries: Vec<BoardEntryView>,
    /// The player who was asked about; null when they are not on the board, or nobody was.
    #[serde(rename = "self")]
    #[schema(required = true)]
    own: Option<SelfView>,
}

impl LeaderboardView {
    fn of(leaderboard: &Leaderboard, board: RankingBoard, own: Option<&ExternalId>) -> Self {
        let RankingBoard { ranking, entries, own: entry, .. } = board;
        let segment = ranking.segment.as_str();
        let starts_at = Instant(ranking.period_starts_at);
        Self {
            key: leaderboard.key.as_str().to_owned(),
            leaderboard_id: ranking.id.0.to_string(),
            scope: "game",
            reset_cadence: leaderboard.definition.reset.as_str(),
            score_aggregation: leaderboard.definition.aggregation.as_str(),
            segment: (!segment.is_empty()).then(|| segment.to_owned()),
            period: match leaderboard.definition.reset {
                ResetCadence::Never => None,
                ResetCadence::Daily | ResetCadence::Weekly | ResetCadence::Monthly => Some(starts_at),
            },
            entries: BoardEntryView::all(ranking.id.0, own, entries),
            own: entry.as_ref().map(SelfView::of),
        }
    }
}
