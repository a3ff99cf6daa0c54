//! `GET …/grants`: what a player was given.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::economy::{Economy, Grant, GrantId, GrantStatus, Page};
use domain::players::ExternalId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::views::GrantStatusName;
use super::{GrantView, PlayerParams};
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::keys::Caller;
use crate::path::PlayerPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;

/// List a player's grants.
///
/// Newest first. Follow `next` as `after` for the page that follows.
#[utoipa::path(
    tag = "Grants",
    operation_id = "listGrants",
    params(PlayerParams, GrantListParams),
    responses(
        (status = 200, description = "A page of grants.", body = ServerGrantListResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        ReadProblems,
    ),
)]
#[get("/server/v1/players/{externalId}/grants")]
pub(super) async fn list_grants(
    economy: Data<Economy>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Asked { player, status, after, limit } = parse(&request)?;
    let (page, now) = economy.grants(&caller, player, status, after, limit).await?;
    Ok(HttpResponse::Ok().json(ServerGrantListResponse::at(now, &page)))
}

struct Asked {
    player: ExternalId,
    status: Option<GrantStatus>,
    after: Option<GrantId>,
    limit: u32,
}

fn parse(request: &HttpRequest) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let player = PlayerPath::of(request).external_id(&mut errors);
    let query = Query::of(request);
    let status = query.one_of("status", "pending, claimed or expired", GrantStatus::parse, &mut errors);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_grant(&after)));
    let limit = query.limit(&mut errors);
    let (Some(player), true) = (player, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { player, status, after, limit })
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct GrantListParams {
    /// Only grants in this state.
    #[param(inline)]
    status: Option<GrantStatusName>,
    /// The `next` of an earlier page.
    #[param(pattern = "^Z[w-z0-9_-][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many grants at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of a player's grants.
#[derive(Serialize, ToSchema)]
struct ServerGrantListResponse {
    data: Vec<GrantView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl ServerGrantListResponse {
    fn at(now: Timestamp, page: &Page<Grant>) -> Self {
        let last = page.rows.last().filter(|_| page.more);
        let data = page.rows.iter().map(|grant| GrantView::at(now, grant)).collect();
        Self { data, next: last.map(|grant| cursor::after_grant(grant.id)) }
    }
}
