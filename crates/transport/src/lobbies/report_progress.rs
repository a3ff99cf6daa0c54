//! `POST …/attempts/{attemptId}/progress`: what is counted in an attempt.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{
    Attempt, AttemptId, AttemptProgress, EventDefinition, Lobbies, MetricKey, ProgressMode, Score, ScoreOperation,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::AttemptView;
use super::views::{AttemptParams, EventParams, repeatable};
use crate::body::{Body, Members};
use crate::economy::{GrantView, IdempotencyHeader, PlayerParams};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Report progress of an attempt.
///
/// The values replace those that were reported before, or are added to them, as `mode` says; the board follows. The
/// attempt is over once all targets of the event are reached.
#[utoipa::path(
    tag = "Events",
    operation_id = "reportProgress",
    params(PlayerParams, EventParams, AttemptParams, IdempotencyHeader),
    request_body = ServerProgressRequest,
    responses(
        WriteProblems,
        (
            status = 200,
            description = "The attempt right after it.",
            body = ServerProgressResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (
            status = 400,
            description = "`validation_failed`. `invalid_metric`: the event counts no metric of that name.",
            body = ErrorResponse,
        ),
        (status = 404, description = "There is no such player, event or attempt.", body = ErrorResponse),
        (
            status = 409,
            description = "`attempt_finished`. `conflict`, reason `score_limit`: more than 2^53-1 would be scored. \
                `idempotency_conflict`: the idempotency key was used before, for a different request.",
            body = ErrorResponse,
        ),
    ),
)]
#[post("/server/v1/players/{externalId}/events/{eventKey}/attempts/{attemptId}/progress")]
pub(super) async fn report_progress(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let progress = parse(&request, &Body::read(&request, payload).await?)?;
    let (attempt, repeat) = lobbies.progress(&caller, progress).await?;
    Ok(repeatable(StatusCode::OK, repeat, &ServerProgressResponse::from(&attempt)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<AttemptProgress, Problem> {
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::of(request);
    let player = path.external_id("externalId", &mut errors);
    let event = path.key("eventKey", &mut errors);
    let attempt = path.uuid("attemptId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let modes = fields::one_of("\"set\" or \"increment\"", ProgressMode::parse);
    let mode = members.required("mode", modes, &mut errors);
    let (primary, metrics) = values(&members, &mut errors);
    members.optional("occurredAt", fields::instant, &mut errors);
    let once_key = members.idempotency_key(request, &mut errors);
    let (Some(player), Some(event), Some(attempt), Some(mode), true) =
        (player, event, attempt, mode, errors.is_empty())
    else {
        return Err(errors.into());
    };
    let parameters = [player.as_str(), event.as_str(), &attempt.to_string()];
    let operation = ScoreOperation::AttemptProgress.as_str();
    let once = once_key.map(|key| members.once(key, operation, &parameters));
    Ok(AttemptProgress { event, player, attempt: AttemptId(attempt), mode, primary, metrics, once })
}

/// The value of the primary metric and those of metrics by name: at least one of all.
fn values(members: &Members<'_>, errors: &mut FieldErrors) -> (Option<Score>, Vec<(MetricKey, Score)>) {
    let wrong_before = errors.as_slice().len();
    let primary = members.optional("metricValue", fields::score, errors);
    let named = members.object("metrics", errors);
    let metrics = match named {
        Some(named) if EventDefinition::METRICS_MAX < named.len() => {
            errors.add("metrics", format_args!("must be at most {} metrics", EventDefinition::METRICS_MAX));
            Vec::new()
        }
        Some(named) => named.each(MetricKey::try_new, fields::score, errors),
        None => Vec::new(),
    };
    if primary.is_none() && metrics.is_empty() && errors.as_slice().len() == wrong_before {
        errors.add("metricValue", "is required, unless metrics has a value");
    }
    (primary, metrics)
}

/// What was counted.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerProgressRequest {
    /// Whether the values replace those that were reported before, or are added to them.
    mode: ProgressModeName,
    /// The value of the event's primary metric, with at most three decimals. Required unless `metrics` has a value.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64)]
    metric_value: Option<f64>,
    /// Values of metrics by name, with at most three decimals.
    #[schema(example = json!({ "laps": 8 }))]
    metrics: Option<BTreeMap<String, f64>>,
    /// When it happened. Must be well-formed, and is not used.
    #[schema(value_type = Option<String>, format = DateTime)]
    occurred_at: Option<String>,
    /// Makes the request safe to repeat.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum ProgressModeName {
    Set,
    Increment,
}

/// The answer to progress.
#[derive(Serialize, ToSchema)]
struct ServerProgressResponse {
    data: ProgressedAttempt,
}

/// An attempt after progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProgressedAttempt {
    attempt: AttemptView,
    /// Always empty: this server has no milestones.
    milestones_fired: Vec<MilestoneView>,
}

/// A milestone that was reached.
#[derive(Serialize, ToSchema)]
struct MilestoneView {
    key: String,
    grants: Vec<GrantView>,
}

impl From<&Attempt> for ServerProgressResponse {
    fn from(attempt: &Attempt) -> Self {
        Self { data: ProgressedAttempt { attempt: attempt.into(), milestones_fired: Vec::new() } }
    }
}
