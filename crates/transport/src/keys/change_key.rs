//! `PATCH …/keys/{keyId}`: a key is called something else, has other limits, or expires at another time.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use domain::clock::{Clock, Timestamp};
use domain::keys::{KeyRevision, Keys};
use domain::lobbies::Revised;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{KeyParams, KeyResponse, RateLimitsView};
use super::{AdminCaller, GameParams, future, server_api_limit};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Change an API key.
///
/// What is not sent stays as it is. A new limit holds on every server within a second. Webhooks are told of a new expiry once more before it comes. To end a key now, revoke it.
/// Goes on the audit log.
#[utoipa::path(
    tag = "Keys",
    operation_id = "changeKey",
    params(GameParams, KeyParams),
    request_body = ChangeKeyRequest,
    responses(
        (status = 200, description = "The key as it is now.", body = KeyResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        (status = 409, description = "`conflict`, reason `revoked` or `expired`: what has ended stays ended.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[patch("/admin/v1/games/{gameId}/keys/{keyId}")]
pub(super) async fn change_key(
    keys: Data<Keys>,
    clock: Data<dyn Clock>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, revision) = parse(&request, &Body::read(&request, payload).await?, clock.now())?;
    let changed = keys.revise(&caller.actor, Some(caller.realm.id), id, revision).await?;
    Ok(HttpResponse::Ok().json(KeyResponse::from(changed)))
}

fn parse(request: &HttpRequest, body: &Body, now: Timestamp) -> Result<(Uuid, KeyRevision), Problem> {
    let mut errors = FieldErrors::default();
    let id = NamedPath::in_game(request).uuid("keyId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    if members.has("permissionSet") {
        errors.add("permissionSet", "cannot be changed");
    }
    let name = members.optional("name", fields::free_text, &mut errors);
    let expires_at = match members.revised("expiresAt", future(now), &mut errors) {
        Revised::Kept => None,
        Revised::Removed => Some(None),
        Revised::Set(until) => Some(Some(until)),
    };
    let server_api = match server_api_limit(&members, &mut errors) {
        Revised::Kept => None,
        Revised::Removed => Some(None),
        Revised::Set(limit) => Some(Some(limit)),
    };
    let (Some(id), true) = (id, errors.is_empty()) else { return Err(errors.into()) };
    Ok((id, KeyRevision { name, expires_at, server_api }))
}

/// What changes of a key.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ChangeKeyRequest {
    /// What its owner calls it.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "Game backend")]
    name: Option<String>,
    /// From when on it is refused: an instant to come, or null for never.
    expires_at: Option<Instant>,
    /// The limits that are its own.
    rate_limits: Option<RateLimitsView>,
}
