//! `POST …/keys/{keyId}/revoke`: a key ends.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::keys::Keys;
use domain::text::FreeText;
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{KeyParams, KeyResponse};
use super::{AdminCaller, GameParams};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Revoke an API key.
///
/// It is refused from the very next request on, and within 5 seconds by every other process on the same database. For good:
/// revoking it again changes nothing. A key can revoke itself. Goes on the audit log.
#[utoipa::path(
    tag = "Keys",
    operation_id = "revokeKey",
    params(GameParams, KeyParams),
    request_body = Option<RevokeKeyRequest>,
    responses(
        (status = 200, description = "The key, revoked.", body = KeyResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/keys/{keyId}/revoke")]
pub(super) async fn revoke_key(
    keys: Data<Keys>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, reason) = parse(&request, &Body::read(&request, payload).await?)?;
    let revoked = keys.revoke(&caller.actor, Some(caller.realm.id), id, reason).await?;
    Ok(HttpResponse::Ok().json(KeyResponse::from(revoked)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(Uuid, Option<FreeText>), Problem> {
    let mut errors = FieldErrors::default();
    let id = NamedPath::in_game(request).uuid("keyId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let reason = members.optional("reason", fields::free_text, &mut errors);
    let (Some(id), true) = (id, errors.is_empty()) else { return Err(errors.into()) };
    Ok((id, reason))
}

/// Why a key is revoked.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct RevokeKeyRequest {
    /// Why. Kept with the key, and on the audit log.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "Left in a public repository")]
    reason: Option<String>,
}
