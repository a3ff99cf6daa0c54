//! `GET …/leaderboards`: what there is to be ranked on.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::lobbies::{BoardId, Leaderboard, Lobbies};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::leaderboard_views::LeaderboardConfigurationView;
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminProblems, Problem};
use crate::query::Query;

/// List leaderboards.
///
/// Newest first, disabled ones too. Follow `next` as `after` for the page that follows.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "listLeaderboards",
    params(GameParams, LeaderboardListParams),
    responses(
        (status = 200, description = "A page of leaderboards.", body = LeaderboardListResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/leaderboards")]
pub(super) async fn list_leaderboards(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (after, limit) = parse(&request)?;
    let page = lobbies.leaderboards(&caller, after, limit).await?;
    Ok(HttpResponse::Ok().json(LeaderboardListResponse::at(lobbies.now(), page)))
}

fn parse(request: &HttpRequest) -> Result<(Option<BoardId>, u32), Problem> {
    let mut errors = FieldErrors::default();
    let query = Query::of(request);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_board(&after)));
    let limit = query.limit(&mut errors);
    if errors.is_empty() { Ok((after, limit)) } else { Err(errors.into()) }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct LeaderboardListParams {
    /// The `next` of an earlier page.
    #[param(pattern = "^Y[g-v][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many leaderboards at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of leaderboards.
#[derive(Serialize, ToSchema)]
struct LeaderboardListResponse {
    data: Vec<LeaderboardConfigurationView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl LeaderboardListResponse {
    fn at(now: Timestamp, page: Page<Leaderboard>) -> Self {
        let next = page.rows.last().filter(|_| page.more).map(|leaderboard| cursor::after_board(leaderboard.id));
        Self {
            data: page.rows.into_iter().map(|leaderboard| LeaderboardConfigurationView::at(now, leaderboard)).collect(),
            next,
        }
    }
}
