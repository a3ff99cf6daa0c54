//! `POST …/keys`: somebody else may come in.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::clock::{Clock, Timestamp};
use domain::keys::{Keys, NewKey, PermissionSet};
use domain::limits::KeyLimits;
use domain::lobbies::Revised;
use domain::tenancy::Realm;
use domain::text::FreeText;
use utoipa::ToSchema;

use super::views::{IssuedKeyResponse, PermissionSetName, RateLimitsView};
use super::{AdminCaller, GameParams, future, server_api_limit};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::problem::{AdminWriteProblems, Problem};

/// The longest life that can be asked for in seconds: what every client's integers hold.
const LIFETIME_SECONDS_MAX: u32 = 2_147_483_647;

/// Issue an API key.
///
/// For the environment of the key that asks. The new key is in the answer, this once: only its SHA-256 is kept. Webhooks are
/// told `api_key.expiring` 30, 7 and 1 days before it expires. Goes on the audit log.
#[utoipa::path(
    tag = "Keys",
    operation_id = "issueKey",
    params(GameParams),
    request_body = IssueKeyRequest,
    responses((status = 201, description = "Key issued.", body = IssuedKeyResponse), AdminWriteProblems),
)]
#[post("/admin/v1/games/{gameId}/keys")]
pub(super) async fn issue_key(
    keys: Data<Keys>,
    clock: Data<dyn Clock>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (new, until) = parse(caller.realm, &Body::read(&request, payload).await?, clock.now())?;
    let issued = match until {
        Some(until) => keys.issue_until(&caller.actor, new, until).await?,
        None => keys.issue(&caller.actor, new).await?,
    };
    Ok(HttpResponse::build(StatusCode::CREATED).json(IssuedKeyResponse::from(issued)))
}

fn parse(realm: Realm, body: &Body, now: Timestamp) -> Result<(NewKey, Option<Timestamp>), Problem> {
    let mut errors = FieldErrors::default();
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let name = members.optional("name", fields::free_text, &mut errors);
    let sets = "\"server_integration\", \"client_sdk\" or \"admin\"";
    let permissions = members.required("permissionSet", fields::one_of(sets, PermissionSet::parse), &mut errors);
    let until = members.optional("expiresAt", future(now), &mut errors);
    let seconds = members.optional("expiresInSeconds", fields::between(1..=LIFETIME_SECONDS_MAX), &mut errors);
    let server_api = match server_api_limit(&members, &mut errors) {
        Revised::Kept | Revised::Removed => None,
        Revised::Set(limit) => Some(limit),
    };
    if members.has("expiresAt") && members.has("expiresInSeconds") {
        errors.add("expiresInSeconds", "must not be sent together with expiresAt");
    }
    let (Some(permissions), true) = (permissions, errors.is_empty()) else { return Err(errors.into()) };
    let name = name.unwrap_or_else(|| FreeText::restore(String::new()));
    let lifetime = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Ok((NewKey { realm, name, permissions, lifetime, limits: KeyLimits { server_api } }, until))
}

/// An API key to be issued. It works for ever unless told otherwise.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct IssueKeyRequest {
    /// What its owner calls it.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "Game backend")]
    name: Option<String>,
    /// What it opens.
    permission_set: PermissionSetName,
    /// From when on it is refused: an instant to come. Not together with `expiresInSeconds`.
    expires_at: Option<Instant>,
    /// For how long it works. Not together with `expiresAt`.
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    expires_in_seconds: Option<u32>,
    /// The limits that are its own.
    rate_limits: Option<RateLimitsView>,
}
