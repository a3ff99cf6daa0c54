//! `POST …/attempts/{attemptId}/finish`: an attempt ends now.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::clock::Timestamp;
use domain::lobbies::{Attempt, AttemptId, AttemptStatus, ConfigurationKey, Lobbies};
use domain::players::ExternalId;
use serde::Serialize;
use utoipa::ToSchema;

use super::AttemptView;
use super::views::{AttemptParams, EventParams};
use crate::body::Body;
use crate::economy::PlayerParams;
use crate::field_errors::FieldErrors;
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Finish an attempt.
///
/// Ends it now: `completed`, or `expired` when the event has targets that were not reached. Idempotent: an attempt that
/// is over is answered as it ended. A JSON object is accepted as a body, and nothing of it is used.
#[utoipa::path(
    tag = "Events",
    operation_id = "finishAttempt",
    params(PlayerParams, EventParams, AttemptParams),
    responses(
        (status = 200, description = "The attempt, ended.", body = ServerFinishAttemptResponse),
        (status = 404, description = "There is no such player, event or attempt.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/events/{eventKey}/attempts/{attemptId}/finish")]
pub(super) async fn finish_attempt(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (player, event, attempt) = parse(&request, &Body::read(&request, payload).await?)?;
    let attempt = lobbies.finish(&caller, event, player, attempt).await?;
    Ok(HttpResponse::Ok().json(ServerFinishAttemptResponse::at(lobbies.now(), &attempt)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(ExternalId, ConfigurationKey, AttemptId), Problem> {
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::of(request);
    let player = path.external_id("externalId", &mut errors);
    let event = path.key("eventKey", &mut errors);
    let attempt = path.uuid("attemptId", &mut errors);
    body.members(&mut errors);
    let (Some(player), Some(event), Some(attempt), true) = (player, event, attempt, errors.is_empty()) else {
        return Err(errors.into());
    };
    Ok((player, event, AttemptId(attempt)))
}

/// The answer to the end of an attempt.
#[derive(Serialize, ToSchema)]
struct ServerFinishAttemptResponse {
    data: FinishedAttempt,
}

/// An attempt that ended.
#[derive(Serialize, ToSchema)]
struct FinishedAttempt {
    attempt: AttemptView,
    /// How it ended.
    #[schema(value_type = AttemptOutcomeName)]
    outcome: &'static str,
}

impl ServerFinishAttemptResponse {
    fn at(now: Timestamp, attempt: &Attempt) -> Self {
        let outcome = match attempt.status_at(now) {
            AttemptStatus::Expired => "expired",
            AttemptStatus::InProgress | AttemptStatus::Completed | AttemptStatus::ForceCompleted => "completed",
        };
        Self { data: FinishedAttempt { attempt: AttemptView::at(now, attempt), outcome } }
    }
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum AttemptOutcomeName {
    Completed,
    Expired,
}
