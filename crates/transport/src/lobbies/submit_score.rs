//! `POST /server/v1/leaderboards/{key}/score`: a score for a leaderboard.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{Lobbies, ScoreAnswer, ScoreOperation, ScoreSubmission};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::ScoreView;
use super::views::repeatable;
use crate::body::Body;
use crate::economy::IdempotencyHeader;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Submit a score.
///
/// What counts of several scores in a period is as the leaderboard's aggregation says: the best, the last, or their
/// sum. The player must be known.
#[utoipa::path(
    tag = "Leaderboards",
    operation_id = "submitScore",
    params(LeaderboardParams, IdempotencyHeader),
    request_body = ServerSubmitScoreRequest,
    responses(
        (
            status = 200,
            description = "What counts of the player now.",
            body = ServerScoreResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 404, description = "There is no such leaderboard or player.", body = ErrorResponse),
        (
            status = 409,
            description = "`conflict`, reason `leaderboard_disabled`, or `score_limit`: the sum would be more than \
                2^53-1. `idempotency_conflict`: the idempotency key was used before, for a different request.",
            body = ErrorResponse,
        ),
        WriteProblems,
    ),
)]
#[post("/server/v1/leaderboards/{key}/score")]
pub(super) async fn submit_score(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let submission = parse(&request, &Body::read(&request, payload).await?)?;
    let answer = lobbies.score(&caller, submission).await?;
    Ok(repeatable(StatusCode::OK, answer.repeat, &ServerScoreResponse::from(&answer)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<ScoreSubmission, Problem> {
    let mut errors = FieldErrors::default();
    let board = NamedPath::of(request).key("key", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let player = members.required("externalPlayerId", fields::external_id, &mut errors);
    let value = members.required("value", fields::score, &mut errors);
    let segment = members.optional("segment", fields::segment, &mut errors);
    let once_key = members.idempotency_key(request, &mut errors);
    let (Some(board), Some(player), Some(value), true) = (board, player, value, errors.is_empty()) else {
        return Err(errors.into());
    };
    let operation = ScoreOperation::LeaderboardScore.as_str();
    let once = once_key.map(|key| members.once(key, operation, &[board.as_str()]));
    Ok(ScoreSubmission { board, player, value, segment, once })
}

/// The parameter that names a leaderboard.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct LeaderboardParams {
    /// The key of the leaderboard.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$",
        example = "weekly-points"
    )]
    key: String,
}

/// A score.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerSubmitScoreRequest {
    /// The studio's own id for the player.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$",
        example = "player-1"
    )]
    external_player_id: String,
    /// The score, with at most three decimals.
    #[schema(
        minimum = -9_007_199_254_740_991_i64,
        maximum = 9_007_199_254_740_991_i64,
        example = 7310
    )]
    value: f64,
    /// In which segment it counts: required where the leaderboard has segments, and only there.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", example = "gold-league")]
    segment: Option<String>,
    /// Makes the request safe to repeat.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// The answer to a score.
#[derive(Serialize, ToSchema)]
struct ServerScoreResponse {
    data: ScoredView,
}

/// What counts of a player.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScoredView {
    /// The board of this period and segment.
    leaderboard_id: String,
    /// What counted of the player right after this score.
    score: ScoreView,
    /// The player's rank now, bots included; null when they are no longer on the board.
    #[schema(required = true, minimum = 1)]
    rank: Option<u64>,
}

impl From<&ScoreAnswer> for ServerScoreResponse {
    fn from(answer: &ScoreAnswer) -> Self {
        let leaderboard_id = answer.ranking.0.to_string();
        Self { data: ScoredView { leaderboard_id, score: ScoreView(answer.score), rank: answer.rank } }
    }
}
