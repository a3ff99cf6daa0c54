//! `DELETE …/webhooks/{webhookId}`: somebody is told no more.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete};
use domain::webhooks::{EndpointId, Webhooks};
use serde::Serialize;
use utoipa::ToSchema;

use super::views::{WebhookParams, WebhookView};
use super::{endpoint_fields, operator};
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};

/// Delete a webhook.
///
/// Its secrets are gone, and so is what waits for it; requests that are on their way still arrive. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "deleteWebhook",
    params(GameParams, WebhookParams),
    responses(
        (status = 200, description = "The webhook as it was.", body = DeletedWebhookResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[delete("/admin/v1/games/{gameId}/webhooks/{webhookId}")]
pub(super) async fn delete_webhook(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let endpoint = webhooks.delete(&operator(caller), parse(&request)?).await?;
    let data = DeletedWebhookView { webhook: endpoint.into(), deleted: true };
    Ok(HttpResponse::Ok().json(DeletedWebhookResponse { data }))
}

fn parse(request: &HttpRequest) -> Result<EndpointId, Problem> {
    let mut errors = FieldErrors::default();
    endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors).ok_or(Problem::Invalid(errors))
}

/// A webhook that is no more.
#[derive(Serialize, ToSchema)]
struct DeletedWebhookResponse {
    data: DeletedWebhookView,
}

/// A webhook as it was.
#[derive(Serialize, ToSchema)]
struct DeletedWebhookView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// Always true.
    deleted: bool,
}
