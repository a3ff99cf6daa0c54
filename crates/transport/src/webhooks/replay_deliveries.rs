//! `POST …/webhooks/{webhookId}/replay`: what happened in a stretch of time is told once more.

use std::convert::Infallible;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::clock::{Clock, Timestamp};
use domain::webhooks::{EndpointId, EventNames, ReplayRange, Webhooks};
use utoipa::ToSchema;

use super::delivery_views::ReplayResponse;
use super::views::WebhookParams;
use super::{endpoint_fields, operator};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Replay a webhook's deliveries.
///
/// All that happened from `since` on and before `until`, as far as it is kept and the webhook is told of it: what was given up
/// or never queued, because the webhook was disabled or not there yet; with `onlyFailed: false`, what arrived as well. What
/// still waits is left alone. Each is due now, under the same id as before. One call queues at most 10,000, the oldest
/// first; while `queued` is 10,000, ask again. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "replayWebhookDeliveries",
    params(GameParams, WebhookParams),
    request_body = ReplayWebhookRequest,
    responses(
        (status = 202, description = "So many deliveries are due.", body = ReplayResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks/{webhookId}/replay")]
pub(super) async fn replay_deliveries(
    webhooks: Data<Webhooks>,
    clock: Data<dyn Clock>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (webhook, range) = parse(&request, &Body::read(&request, payload).await?, clock.now())?;
    let queued = webhooks.replay(&operator(caller), webhook, range).await?;
    Ok(HttpResponse::Accepted().json(ReplayResponse::of(queued)))
}

fn parse(request: &HttpRequest, body: &Body, now: Timestamp) -> Result<(EndpointId, ReplayRange), Problem> {
    let mut errors = FieldErrors::default();
    let webhook = endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let since = members.required("since", fields::instant, &mut errors);
    let until = members.optional("until", fields::instant, &mut errors);
    match (since, until) {
        (Some(since), Some(until)) if until <= since => errors.add("until", "must be after since"),
        (Some(since), None) if now <= since && !members.has("until") => errors.add("since", "must be in the past"),
        (Some(_) | None, Some(_) | None) => {}
    }
    let names = members.optional("events", Ok::<_, Infallible>, &mut errors);
    let names = endpoint_fields::event_names(names, &mut errors).unwrap_or(EventNames::ALL);
    let only_failed = members.optional("onlyFailed", fields::boolean, &mut errors).unwrap_or(true);
    let (Some(webhook), Some(since), true) = (webhook, since, errors.is_empty()) else { return Err(errors.into()) };
    Ok((webhook, ReplayRange::Between { since, until: until.unwrap_or(now), names, only_failed }))
}

/// What is told once more.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ReplayWebhookRequest {
    /// What happened from this instant on.
    since: Instant,
    /// What happened before this instant. Default now.
    until: Option<Instant>,
    /// Only events of these names. Default all that the webhook is told of.
    #[schema(min_items = 1, max_items = 100, example = json!(["wallet.changed"]))]
    events: Option<Vec<String>>,
    /// Whether what arrived is left out. Default true.
    only_failed: Option<bool>,
}
