//! `POST …/deliveries/{deliveryId}/replay`: one event is told once more, by the id of the delivery alone or with its webhook's.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::keys::Caller;
use domain::webhooks::{DeliveryId, EndpointId, ReplayRange, Webhooks};

use super::delivery_views::{DeliveryParams, ReplayResponse};
use super::views::WebhookParams;
use super::{endpoint_fields, operator};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Replay a delivery.
///
/// Whatever became of it: it is due now, under the same id, and is attempted as often as a new one. Of a webhook that is
/// disabled it waits until that is enabled. One that is being attempted just now is left alone: then `queued` is 0. A JSON
/// object is accepted as a body, and nothing of it is used. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "replayWebhookDelivery",
    params(GameParams, DeliveryParams),
    responses(
        (status = 202, description = "The delivery is due.", body = ReplayResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks/deliveries/{deliveryId}/replay")]
pub(super) async fn replay_delivery(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, payload).await?;
    let mut errors = FieldErrors::default();
    let id = NamedPath::in_game(&request).past_name().uuid("deliveryId", &mut errors).map(DeliveryId);
    body.members(&mut errors);
    let (Some(id), true) = (id, errors.is_empty()) else { return Err(errors.into()) };
    replay(&webhooks, caller, None, id).await
}

/// Replay a delivery of a webhook.
///
/// The same as `POST …/webhooks/deliveries/{deliveryId}/replay`, of a delivery of this webhook.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "replayDeliveryOfWebhook",
    params(GameParams, WebhookParams, DeliveryParams),
    responses(
        (status = 202, description = "The delivery is due.", body = ReplayResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks/{webhookId}/deliveries/{deliveryId}/replay")]
pub(super) async fn replay_delivery_of(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, payload).await?;
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::in_game(&request);
    let webhook = endpoint_fields::webhook_id(&mut path, &mut errors);
    let id = path.uuid("deliveryId", &mut errors).map(DeliveryId);
    body.members(&mut errors);
    let (Some(webhook), Some(id), true) = (webhook, id, errors.is_empty()) else { return Err(errors.into()) };
    replay(&webhooks, caller, Some(webhook), id).await
}

async fn replay(
    webhooks: &Webhooks,
    caller: Caller,
    webhook: Option<EndpointId>,
    id: DeliveryId,
) -> Result<HttpResponse, Problem> {
    let (delivery, ..) = webhooks.delivery(caller.realm.id, webhook, id).await?;
    let queued = webhooks.replay(&operator(caller), delivery.endpoint, ReplayRange::One(id)).await?;
    Ok(HttpResponse::Accepted().json(ReplayResponse::of(queued)))
}
