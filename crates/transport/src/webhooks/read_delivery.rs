//! `GET …/webhooks/{webhookId}/deliveries/{deliveryId}`: what became of one delivery.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::webhooks::{DeliveryId, EndpointId, Webhooks};

use super::delivery_views::{DeliveryParams, DeliveryResponse};
use super::endpoint_fields;
use super::views::WebhookParams;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};

/// Read a delivery.
///
/// With its event, as far as it is still kept, and what came back of each attempt.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "readWebhookDelivery",
    params(GameParams, WebhookParams, DeliveryParams),
    responses(
        (status = 200, description = "The delivery.", body = DeliveryResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/webhooks/{webhookId}/deliveries/{deliveryId}")]
pub(super) async fn read_delivery(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (webhook, id) = parse(&request)?;
    let found = webhooks.delivery(caller.realm.id, Some(webhook), id).await?;
    Ok(HttpResponse::Ok().json(DeliveryResponse::from(found)))
}

fn parse(request: &HttpRequest) -> Result<(EndpointId, DeliveryId), Problem> {
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::in_game(request);
    let webhook = endpoint_fields::webhook_id(&mut path, &mut errors);
    let id = path.uuid("deliveryId", &mut errors).map(DeliveryId);
    webhook.zip(id).ok_or(Problem::Invalid(errors))
}
