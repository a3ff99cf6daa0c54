//! `PATCH …/events/{eventKey}`: an event is something else from now on.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use domain::lobbies::{ConfigurationKey, EventRevision, Lobbies};
use utoipa::ToSchema;

use super::create_event::EventMetricRequest;
use super::event_fields::{self, SentBoard};
use super::event_views::{EventConfigurationResponse, EventScheduleView, EventSpanView};
use super::shared_fields;
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::lobbies::views::EventParams;
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Change an event.
///
/// What is not sent stays as it is, and so does what is null, except for `metadata` and `leaderboard.bots`, which null
/// removes. `windows` or `schedule` replaces whichever of both the event had, and `metrics` replaces all metrics. Lobbies
/// that exist keep their capacity and their end. `key`, `leaderboardMode`, `leaderboard.aggregation` and `leaderboard.order`
/// cannot be changed, and are refused. Goes on the audit log.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "changeEvent",
    params(GameParams, EventParams),
    request_body = ChangeEventRequest,
    responses(
        (status = 200, description = "The event as it is now.", body = EventConfigurationResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[patch("/admin/v1/games/{gameId}/events/{eventKey}")]
pub(super) async fn change_event(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (key, revision) = parse(&request, &Body::read(&request, payload).await?)?;
    let event = lobbies.change_event(&caller, key, revision).await?;
    Ok(HttpResponse::Ok().json(EventConfigurationResponse::at(lobbies.now(), event)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(ConfigurationKey, EventRevision), Problem> {
    let mut errors = FieldErrors::default();
    let key = NamedPath::in_game(request).key("eventKey", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    shared_fields::refuse_fixed(&members, &["key", "leaderboardMode"], &mut errors);
    let name = members.optional("name", fields::text, &mut errors);
    let mut revision = EventRevision::default();
    if let Some(board) = members.object("leaderboard", &mut errors) {
        shared_fields::refuse_fixed(&board, &["aggregation", "order"], &mut errors);
        let SentBoard { capacity, fill_bots, fill_timeout_seconds } = SentBoard::of(&board, &mut errors);
        let bots = shared_fields::revised_bots(&board, &mut errors);
        revision = EventRevision { capacity, fill_bots, fill_timeout_seconds, bots, ..revision };
    }
    let windows = event_fields::windows(&members, &mut errors);
    let metrics = event_fields::metrics(&members, &mut errors);
    let metadata = members.revised("metadata", fields::json_object, &mut errors);
    let enabled = members.optional("enabled", fields::boolean, &mut errors);
    event_fields::check_parts(name.as_deref(), metrics.as_deref(), &mut errors);
    let (Some(key), true) = (key, errors.is_empty()) else { return Err(errors.into()) };
    let name = name.map(|name| name.into_owned());
    Ok((key, EventRevision { name, windows, metrics, metadata, enabled, ..revision }))
}

/// What changes of an event.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ChangeEventRequest {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$", example = "Weekly race")]
    name: Option<String>,
    leaderboard: Option<ChangeEventBoardRequest>,
    /// When it can be played: these, which must not overlap.
    #[schema(min_items = 1, max_items = 200)]
    windows: Option<Vec<EventSpanView>>,
    /// When it can be played, again and again, without end. Not together with `windows`.
    schedule: Option<EventScheduleView>,
    /// What is counted, each metric once; the first one is the primary one.
    #[schema(min_items = 1, max_items = 20)]
    metrics: Option<Vec<EventMetricRequest>>,
    /// Your own data, up to 16 KiB of JSON; null removes it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Whether it can be played at all.
    enabled: Option<bool>,
}

/// What changes of the board of an event.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ChangeEventBoardRequest {
    /// How many play together, bots included; of a global board, up to how many entries bots fill it.
    #[schema(minimum = 1, maximum = 200)]
    capacity: Option<u32>,
    /// Whether bots take the places that no player has.
    fill_bots: Option<bool>,
    /// How long a lobby forms at most.
    #[schema(minimum = 0, maximum = 86_400)]
    fill_timeout_seconds: Option<u32>,
    /// How its bots behave: `names`, `avatars` and `behaviours`, up to 16 KiB of JSON; null for the plan that is built in.
    #[schema(value_type = Option<Object>)]
    bots: Option<()>,
}
