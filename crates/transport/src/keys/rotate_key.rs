//! `POST …/keys/{keyId}/rotate`: a key is replaced, and works beside its successor for a while.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::keys::{Keys, ROTATION_OVERLAP};
use utoipa::ToSchema;
use uuid::Uuid;

use super::views::{IssuedKeyResponse, KeyParams};
use super::{AdminCaller, GameParams};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// The longest overlap: a year, in seconds.
const OVERLAP_SECONDS_MAX: u32 = 365 * 24 * 60 * 60;

/// Rotate an API key.
///
/// Issues a key with the same settings, which lives as long as the old one was made to live. It is in the answer, this once.
/// The old one goes on working for the overlap, and no longer than it would have. Goes on the audit log.
#[utoipa::path(
    tag = "Keys",
    operation_id = "rotateKey",
    params(GameParams, KeyParams),
    request_body = Option<RotateKeyRequest>,
    responses(
        (status = 201, description = "The new key.", body = IssuedKeyResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        (status = 409, description = "`conflict`, reason `revoked` or `expired`: there is nothing to replace.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/keys/{keyId}/rotate")]
pub(super) async fn rotate_key(
    keys: Data<Keys>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, overlap) = parse(&request, &Body::read(&request, payload).await?)?;
    let rotated = keys.rotate(&caller.actor, Some(caller.realm.id), id, overlap).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(IssuedKeyResponse::from(rotated)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(Uuid, Duration), Problem> {
    let mut errors = FieldErrors::default();
    let id = NamedPath::in_game(request).uuid("keyId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let overlap = members.optional("overlapSeconds", fields::between(0..=OVERLAP_SECONDS_MAX), &mut errors);
    let (Some(id), true) = (id, errors.is_empty()) else { return Err(errors.into()) };
    Ok((id, overlap.map_or(ROTATION_OVERLAP, |seconds| Duration::from_secs(seconds.into()))))
}

/// How a key is replaced.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct RotateKeyRequest {
    /// For how long the old one goes on working. Default a day, at most a year; 0 for not at all.
    #[schema(minimum = 0, maximum = 31_536_000)]
    overlap_seconds: Option<u32>,
}
