//! `POST …/grants/{grantId}/ack`: the studio's backend has delivered a grant itself.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::economy::{Economy, Failure, Grant, GrantId, Rejection};
use domain::players::ExternalId;
use utoipa::IntoParams;

use super::PlayerParams;
use super::views::{GrantView, ServerGrantResponse};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// Ack a grant from the studio backend.
///
/// Server-side counterpart of the SDK `/claim`. The grant is marked `claimed` with `ackedBy=server_api`. Use this when your
/// backend applied the grant to the player's inventory *before* the client had a chance to claim: nothing is put into the
/// ledger. Idempotent — re-acking returns the same row. A JSON object is accepted as a body, and nothing of it is used.
#[utoipa::path(
    tag = "Grants",
    operation_id = "ackGrant",
    params(PlayerParams, GrantParams),
    responses(
        (status = 200, description = "Grant after ack.", body = ServerGrantResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        (status = 409, description = "`conflict`, reason `grant_expired`.", body = ErrorResponse),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/grants/{grantId}/ack")]
pub(super) async fn ack_grant(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (player, grant) = parse(&request, &Body::read(&request, payload).await?)?;
    let acked = economy.ack_grant(&caller, player, grant).await?;
    Ok(respond(&acked))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(ExternalId, GrantId), Problem> {
    let mut errors = FieldErrors::default();
    let mut path = PlayerPath::of(request);
    let player = path.external_id(&mut errors);
    body.members(&mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    let grant = path.grant_id().ok_or(Failure::Rejected(Rejection::GrantNotFound))?;
    Ok((player, grant))
}

/// An acknowledged grant is claimed, whatever the time is.
fn respond(grant: &Grant) -> HttpResponse {
    HttpResponse::Ok().json(ServerGrantResponse { data: GrantView::at(grant.created_at, grant) })
}

/// The parameter that names a grant.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
struct GrantParams {
    /// The id of the grant.
    #[param(rename = "grantId")]
    grant_id: String,
}
