//! `GET …/leaderboards/{key}`: one leaderboard as it is configured.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::lobbies::{ConfigurationKey, Lobbies};

use super::leaderboard_views::LeaderboardConfigurationResponse;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::lobbies::submit_score::LeaderboardParams;
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};

/// Read a leaderboard's configuration.
///
/// Who is on it is not shown here.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "readLeaderboardConfiguration",
    params(GameParams, LeaderboardParams),
    responses(
        (status = 200, description = "The leaderboard.", body = LeaderboardConfigurationResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/leaderboards/{key}")]
pub(super) async fn read_leaderboard(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let leaderboard = lobbies.leaderboard(&caller, &parse(&request)?).await?;
    Ok(HttpResponse::Ok().json(LeaderboardConfigurationResponse::at(lobbies.now(), leaderboard)))
}

fn parse(request: &HttpRequest) -> Result<ConfigurationKey, Problem> {
    let mut errors = FieldErrors::default();
    NamedPath::in_game(request).key("key", &mut errors).ok_or(Problem::Invalid(errors))
}
