//! `POST …/players/{externalId}/ban`: a player's game client may do less.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::players::{BanChange, ExternalId, Players};
use domain::text::FreeText;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::Body;
use crate::economy::PlayerParams;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Soft-ban a player.
///
/// From now on seven calls of the player's game client are refused with 403 `player_banned`: events.start, events.progress,
/// grants.claim, crates.open, wallet.debit, inventory.consume, players.register. What the player has stays, and every call
/// of the studio's backend still works. Idempotent: banning again refreshes the reason and changes nothing else. For full
/// erasure see `POST /players/{externalId}/delete`.
#[utoipa::path(
    tag = "Players",
    operation_id = "banPlayer",
    params(PlayerParams),
    request_body = BanPlayerRequest,
    responses(
        (status = 200, description = "Ban applied (or already in effect — see `applied`).", body = BanPlayerResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/ban")]
pub(super) async fn ban_player(
    players: Data<Players>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (player, reason) = parse(&request, &Body::read(&request, payload).await?)?;
    let change = BanChange::Impose { reason: reason.clone() };
    let outcome = players.change_ban(&caller, player.clone(), change).await?;
    let data = BanPlayerView {
        player_id: outcome.player.0.to_string(),
        external_player_id: player.as_str().to_owned(),
        banned_at: Instant(outcome.at),
        reason: reason.as_str().to_owned(),
        applied: outcome.applied,
    };
    Ok(HttpResponse::Ok().json(BanPlayerResponse { data }))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(ExternalId, FreeText), Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let reason = members.required("reason", fields::free_text, &mut errors);
    if reason.as_ref().is_some_and(|reason| reason.as_str().trim().is_empty()) {
        errors.add("reason", "must say why");
    }
    let (Some(player), Some(reason), true) = (player, reason, errors.is_empty()) else { return Err(errors.into()) };
    Ok((player, reason))
}

/// Why a player is banned.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct BanPlayerRequest {
    /// In your own words; goes on the audit log.
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00]*\S[^\x00]*$", example = "speed hack")]
    reason: String,
}

/// The answer to a ban.
#[derive(Serialize, ToSchema)]
struct BanPlayerResponse {
    data: BanPlayerView,
}

/// A ban in force.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BanPlayerView {
    /// Purser's own id for the player.
    player_id: String,
    /// The studio's id for the player.
    external_player_id: String,
    /// Since when; a repeated ban does not change it.
    banned_at: Instant,
    /// Why, as it was said last.
    reason: String,
    /// Whether the player is banned since this call; false when only the reason was refreshed.
    applied: bool,
}
