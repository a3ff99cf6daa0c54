//! `POST …/webhooks/{webhookId}/ping`: does it answer?

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::webhooks::{AttemptOutcome, Pinged, Webhooks};
use serde::Serialize;
use utoipa::ToSchema;

use super::delivery_views::{AnswerView, millis};
use super::views::WebhookParams;
use super::{endpoint_fields, operator};
use crate::body::Body;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Ping a webhook.
///
/// Sends it one request of the event `webhook.ping` now, signed like all others, and tells what came back. It is not tried
/// again, not kept, and sent to a disabled webhook too. A JSON object is accepted as a body, and nothing of it is used.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "pingWebhook",
    params(GameParams, WebhookParams),
    responses(
        (status = 200, description = "What came back, good or bad.", body = PingWebhookResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        (status = 409, description = "`conflict`, reason `secret_unreadable`: rotate its secret.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks/{webhookId}/ping")]
pub(super) async fn ping_webhook(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, payload).await?;
    let id = endpoint_fields::webhook_alone(&mut NamedPath::in_game(&request), &body)?;
    let pinged = webhooks.ping(&operator(caller), id).await?;
    Ok(HttpResponse::Ok().json(PingWebhookResponse { data: pinged.into() }))
}

/// The answer to a ping.
#[derive(Serialize, ToSchema)]
struct PingWebhookResponse {
    data: PingedView,
}

/// What came of a ping.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PingedView {
    /// The id that it was sent under.
    id: String,
    /// Whether it arrived: whether the answer was 200 to 299.
    delivered: bool,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    #[serde(flatten)]
    answer: AnswerView,
}

impl From<Pinged> for PingedView {
    fn from(pinged: Pinged) -> Self {
        let delivered = matches!(pinged.outcome, AttemptOutcome::Answered { status: 200..=299, .. });
        let (id, duration_ms) = (pinged.id.0.to_string(), millis(pinged.took));
        Self { id, delivered, duration_ms, answer: pinged.outcome.into() }
    }
}
