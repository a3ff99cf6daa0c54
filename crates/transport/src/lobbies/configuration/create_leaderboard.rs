//! `POST …/leaderboards`: a list to be on.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{ConfigurationKey, LeaderboardDefinition, Lobbies, ResetCadence};
use utoipa::ToSchema;

use super::leaderboard_views::{LeaderboardConfigurationResponse, ResetCadenceName};
use super::{AggregationName, SortOrderName, shared_fields};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Create a leaderboard.
///
/// A list that stands on its own: your backend puts scores on it, whatever they are for. It may begin anew every day, week or
/// month, at midnight UTC, and have segments, such as leagues or countries, each ranked on its own. Only its name, its bots,
/// its metadata and whether it is enabled ever change. Goes on the audit log.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "createLeaderboard",
    params(GameParams),
    request_body = CreateLeaderboardRequest,
    responses(
        (status = 201, description = "Leaderboard created.", body = LeaderboardConfigurationResponse),
        (
            status = 409,
            description = "`conflict`, reason `key_taken`: another leaderboard has the key.",
            body = ErrorResponse,
        ),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/leaderboards")]
pub(super) async fn create_leaderboard(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (key, definition) = parse(&Body::read(&request, payload).await?)?;
    let leaderboard = lobbies.create_leaderboard(&caller, key, definition).await?;
    let created = LeaderboardConfigurationResponse::at(lobbies.now(), leaderboard);
    Ok(HttpResponse::build(StatusCode::CREATED).json(created))
}

fn parse(body: &Body) -> Result<(ConfigurationKey, LeaderboardDefinition), Problem> {
    let mut errors = FieldErrors::default();
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let key = members.required("key", fields::asset_key, &mut errors);
    let name = members.required("name", fields::text, &mut errors);
    shared_fields::check_sent_name(name.as_deref(), &mut errors);
    let aggregation = shared_fields::aggregation(&members, &mut errors);
    let order = shared_fields::order(&members, &mut errors);
    let cadences = fields::one_of("\"never\", \"daily\", \"weekly\" or \"monthly\"", ResetCadence::parse);
    let reset = members.optional("resetCadence", cadences, &mut errors).unwrap_or(ResetCadence::Never);
    let segmented = members.optional("segmented", fields::boolean, &mut errors).unwrap_or(false);
    let counts = fields::between(0..=LeaderboardDefinition::BOTS_MAX);
    let fill_bots_to = members.optional("fillBotsTo", counts, &mut errors).unwrap_or(0);
    let bots = shared_fields::bots(&members, &mut errors);
    let metadata = members.optional("metadata", fields::json_object, &mut errors);
    let enabled = members.optional("enabled", fields::boolean, &mut errors).unwrap_or(true);
    let (Some(key), Some(name), true) = (key, name, errors.is_empty()) else { return Err(errors.into()) };
    let definition = LeaderboardDefinition {
        name: name.into_owned(),
        aggregation,
        order,
        reset,
        segmented,
        fill_bots_to,
        bots,
        metadata,
        enabled,
    };
    Ok((key, definition))
}

/// A leaderboard to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct CreateLeaderboardRequest {
    /// The studio's name for it, unlike that of any other leaderboard of the game. Never changes.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", example = "season-points")]
    key: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$", example = "Season points")]
    name: String,
    /// Which score of a player counts. Default `best`. Never changes.
    aggregation: Option<AggregationName>,
    /// Whether more is better. Default `descending`. Never changes.
    order: Option<SortOrderName>,
    /// How often it begins anew: never, at midnight, on Mondays or on the first of a month, in UTC. Default `never`. Never
    /// changes.
    reset_cadence: Option<ResetCadenceName>,
    /// Whether every score names the segment that it counts in. Default false. Never changes.
    segmented: Option<bool>,
    /// Up to how many entries bots fill it. Default 0, for none.
    #[schema(minimum = 0, maximum = 200)]
    fill_bots_to: Option<u32>,
    /// How its bots behave: `names`, `avatars` and `behaviours`, up to 16 KiB of JSON. Without it, by the plan that is built in.
    #[schema(value_type = Option<Object>)]
    bots: Option<()>,
    /// Your own data, stored with the leaderboard: up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Whether scores are taken. Default true.
    enabled: Option<bool>,
}
