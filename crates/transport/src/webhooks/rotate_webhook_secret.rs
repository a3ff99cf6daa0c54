//! `POST …/webhooks/{webhookId}/rotate-secret`: its secrets are others from now on.

use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::webhooks::{EndpointId, Webhooks};
use utoipa::ToSchema;

use super::views::{RotatedWebhookResponse, WebhookParams};
use super::{endpoint_fields, operator};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Replace a webhook's secrets.
///
/// The new ones are in the answer, this once. During the overlap every delivery is signed with both secrets, and a form still
/// carries the `api_key` before: teach your server the new ones, then it ends. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "rotateWebhookSecret",
    params(GameParams, WebhookParams),
    request_body = Option<RotateWebhookSecretRequest>,
    responses(
        (status = 200, description = "The webhook with its new secrets.", body = RotatedWebhookResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks/{webhookId}/rotate-secret")]
pub(super) async fn rotate_webhook_secret(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, overlap) = parse(&request, &Body::read(&request, payload).await?)?;
    let rotated = webhooks.rotate(&operator(caller), id, overlap).await?;
    Ok(HttpResponse::Ok().json(RotatedWebhookResponse::from(rotated)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(EndpointId, Duration), Problem> {
    let mut errors = FieldErrors::default();
    let id = endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let overlap = endpoint_fields::overlap(&members, &mut errors);
    let (Some(id), true) = (id, errors.is_empty()) else { return Err(errors.into()) };
    Ok((id, overlap))
}

/// How a webhook's secrets are replaced.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `endpoint_fields` reads it")]
struct RotateWebhookSecretRequest {
    /// For how long the secrets before stay good. Default a day, at most seven; 0 for not at all.
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<u32>,
}
