//! `PATCH …/leaderboards/{key}`: a leaderboard is something else from now on.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use domain::lobbies::{ConfigurationKey, LeaderboardDefinition, LeaderboardRevision, Lobbies};
use utoipa::ToSchema;

use super::leaderboard_views::LeaderboardConfigurationResponse;
use super::shared_fields;
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::lobbies::submit_score::LeaderboardParams;
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// What never changes of a leaderboard.
const FIXED: [&str; 5] = ["key", "aggregation", "order", "resetCadence", "segmented"];

/// Change a leaderboard.
///
/// What is not sent stays as it is, and so does what is null, except for `metadata` and `bots`, which null removes. `key`,
/// `aggregation`, `order`, `resetCadence` and `segmented` cannot be changed, and are refused. Goes on the audit log.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "changeLeaderboard",
    params(GameParams, LeaderboardParams),
    request_body = ChangeLeaderboardRequest,
    responses(
        (status = 200, description = "The leaderboard as it is now.", body = LeaderboardConfigurationResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[patch("/admin/v1/games/{gameId}/leaderboards/{key}")]
pub(super) async fn change_leaderboard(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (key, revision) = parse(&request, &Body::read(&request, payload).await?)?;
    let leaderboard = lobbies.change_leaderboard(&caller, key, revision).await?;
    Ok(HttpResponse::Ok().json(LeaderboardConfigurationResponse::at(lobbies.now(), leaderboard)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(ConfigurationKey, LeaderboardRevision), Problem> {
    let mut errors = FieldErrors::default();
    let key = NamedPath::in_game(request).key("key", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    shared_fields::refuse_fixed(&members, &FIXED, &mut errors);
    let name = members.optional("name", fields::text, &mut errors);
    shared_fields::check_sent_name(name.as_deref(), &mut errors);
    let counts = fields::between(0..=LeaderboardDefinition::BOTS_MAX);
    let revision = LeaderboardRevision {
        name: name.map(|name| name.into_owned()),
        fill_bots_to: members.optional("fillBotsTo", counts, &mut errors),
        bots: shared_fields::revised_bots(&members, &mut errors),
        metadata: members.revised("metadata", fields::json_object, &mut errors),
        enabled: members.optional("enabled", fields::boolean, &mut errors),
    };
    let (Some(key), true) = (key, errors.is_empty()) else { return Err(errors.into()) };
    Ok((key, revision))
}

/// What changes of a leaderboard.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ChangeLeaderboardRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$", example = "Season points")]
    name: Option<String>,
    /// Up to how many entries bots fill it; 0 for none.
    #[schema(minimum = 0, maximum = 200)]
    fill_bots_to: Option<u32>,
    /// How its bots behave: `names`, `avatars` and `behaviours`, up to 16 KiB of JSON; null for the plan that is built in.
    #[schema(value_type = Option<Object>)]
    bots: Option<()>,
    /// Your own data, up to 16 KiB of JSON; null removes it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Whether scores are taken.
    enabled: Option<bool>,
}
