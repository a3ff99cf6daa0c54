//! `GET …/webhooks/{webhookId}`: one of those who are told.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::webhooks::{EndpointId, Webhooks};

use super::endpoint_fields;
use super::views::{WebhookParams, WebhookResponse};
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};

/// Read a webhook.
///
/// As it is configured, and since when it fails. Its secrets are not shown.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "readWebhook",
    params(GameParams, WebhookParams),
    responses(
        (status = 200, description = "The webhook.", body = WebhookResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/webhooks/{webhookId}")]
pub(super) async fn read_webhook(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let endpoint = webhooks.find(caller.realm.id, parse(&request)?).await?;
    Ok(HttpResponse::Ok().json(WebhookResponse::from(endpoint)))
}

fn parse(request: &HttpRequest) -> Result<EndpointId, Problem> {
    let mut errors = FieldErrors::default();
    endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors).ok_or(Problem::Invalid(errors))
}
