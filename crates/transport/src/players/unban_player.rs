//! `POST …/players/{externalId}/unban`: a ban is lifted.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::players::{BanChange, ExternalId, Players};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::economy::PlayerParams;
use crate::field_errors::FieldErrors;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Lift a soft-ban.
///
/// The player's game client may do everything again at once. Idempotent: of a player who is not banned it answers
/// `applied: false`. A JSON object is accepted as a body, and nothing of it is used.
#[utoipa::path(
    tag = "Players",
    operation_id = "unbanPlayer",
    params(PlayerParams),
    responses(
        (status = 200, description = "Ban lifted (or none in effect — see `applied`).", body = UnbanPlayerResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/unban")]
pub(super) async fn unban_player(
    players: Data<Players>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let player = parse(&request, &Body::read(&request, payload).await?)?;
    let outcome = players.change_ban(&caller, player.clone(), BanChange::Lift).await?;
    let data = UnbanPlayerView {
        player_id: outcome.player.0.to_string(),
        external_player_id: player.as_str().to_owned(),
        unbanned_at: Instant(outcome.at),
        applied: outcome.applied,
    };
    Ok(HttpResponse::Ok().json(UnbanPlayerResponse { data }))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<ExternalId, Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    body.members(&mut errors);
    player.filter(|_| errors.is_empty()).ok_or(Problem::Invalid(errors))
}

/// The answer to a lifted ban.
#[derive(Serialize, ToSchema)]
struct UnbanPlayerResponse {
    data: UnbanPlayerView,
}

/// A ban that was lifted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UnbanPlayerView {
    /// Purser's own id for the player.
    player_id: String,
    /// The studio's id for the player.
    external_player_id: String,
    /// When it was lifted; the time of this call when there was none.
    unbanned_at: Instant,
    /// Whether the player was banned until this call.
    applied: bool,
}
