//! `POST …/events`: something to be played.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{Aggregation, BoardMode, ConfigurationKey, EventBoard, EventDefinition, Lobbies, SortOrder};
use utoipa::ToSchema;

use super::event_fields::{self, SentBoard};
use super::event_views::{BoardModeName, EventConfigurationResponse, EventScheduleView, EventSpanView};
use super::{AggregationName, SortOrderName, shared_fields};
use crate::body::{Body, Members};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::lobbies::ScoreView;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// How many play together where it need not be said.
const CAPACITY_DEFAULT: u32 = 100;
/// How long a lobby forms at most unless told otherwise.
const FILL_TIMEOUT_SECONDS_DEFAULT: u32 = 60;

/// Create an event.
///
/// Players play an event in its windows: those of a list, or of a schedule that never ends. What they report of its metrics
/// makes their score, and `leaderboardMode` says against whom it is ranked: `global`, everybody in a window;
/// `global_segmented`, everybody of one segment; `grouped`, groups that players are put in as they start; `lobby_matched`,
/// lobbies that form before they play, of players who start or that your own matchmaker pushes. The key, the mode, the
/// aggregation and the order never change. Goes on the audit log.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "createEvent",
    params(GameParams),
    request_body = CreateEventRequest,
    responses(
        (status = 201, description = "Event created.", body = EventConfigurationResponse),
        (status = 409, description = "`conflict`, reason `key_taken`: another event has the key.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/events")]
pub(super) async fn create_event(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (key, definition) = parse(&Body::read(&request, payload).await?)?;
    let event = lobbies.create_event(&caller, key, definition).await?;
    let created = EventConfigurationResponse::at(lobbies.now(), event);
    Ok(HttpResponse::build(StatusCode::CREATED).json(created))
}

fn parse(body: &Body) -> Result<(ConfigurationKey, EventDefinition), Problem> {
    let mut errors = FieldErrors::default();
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let key = members.required("key", fields::asset_key, &mut errors);
    let name = members.required("name", fields::text, &mut errors);
    let modes = "\"global\", \"global_segmented\", \"grouped\" or \"lobby_matched\"";
    let mode = members.required("leaderboardMode", fields::one_of(modes, BoardMode::parse), &mut errors);
    let board = board(&members, mode, &mut errors);
    if !members.has("windows") && !members.has("schedule") {
        errors.missing_either("windows", "schedule");
    }
    let windows = event_fields::windows(&members, &mut errors);
    let metrics = event_fields::metrics(&members, &mut errors);
    let metadata = members.optional("metadata", fields::json_object, &mut errors);
    let enabled = members.optional("enabled", fields::boolean, &mut errors).unwrap_or(true);
    event_fields::check_parts(name.as_deref(), metrics.as_deref(), &mut errors);
    let (Some(key), Some(name), Some(mode), Some(windows), true) = (key, name, mode, windows, errors.is_empty()) else {
        return Err(errors.into());
    };
    let (name, metrics) = (name.into_owned(), metrics.unwrap_or_else(EventDefinition::default_metrics));
    Ok((key, EventDefinition { name, mode, board, windows, metrics, metadata, enabled }))
}

fn board(members: &Members<'_>, mode: Option<BoardMode>, errors: &mut FieldErrors) -> EventBoard {
    let board = members.object("leaderboard", errors);
    let sent = board.as_ref().map(|board| SentBoard::of(board, errors)).unwrap_or_default();
    let has_no_capacity = board.as_ref().map_or(!members.has("leaderboard"), |board| !board.has("capacity"));
    if has_no_capacity && mode.is_some_and(needs_capacity) {
        errors.missing("leaderboard.capacity");
    }
    EventBoard {
        capacity: sent.capacity.unwrap_or(CAPACITY_DEFAULT),
        fill_bots: sent.fill_bots.unwrap_or(false),
        fill_timeout_seconds: sent.fill_timeout_seconds.unwrap_or(FILL_TIMEOUT_SECONDS_DEFAULT),
        aggregation: board.as_ref().map_or(Aggregation::Best, |board| shared_fields::aggregation(board, errors)),
        order: board.as_ref().map_or(SortOrder::Descending, |board| shared_fields::order(board, errors)),
        bots: board.as_ref().and_then(|board| shared_fields::bots(board, errors)),
    }
}

/// Whether it matters for the players of such an event how many play together.
fn needs_capacity(mode: BoardMode) -> bool {
    match mode {
        BoardMode::Global | BoardMode::GlobalSegmented => false,
        BoardMode::Grouped | BoardMode::LobbyMatched => true,
    }
}

/// An event to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct CreateEventRequest {
    /// The studio's name for it, unlike that of any other event of the game. Never changes.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", example = "weekly-race")]
    key: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$", example = "Weekly race")]
    name: String,
    /// Who is ranked against whom. Never changes.
    leaderboard_mode: BoardModeName,
    /// Required, with its `capacity`, for the modes `grouped` and `lobby_matched`.
    leaderboard: Option<EventBoardRequest>,
    /// When it can be played: these, which must not overlap. Either this or `schedule` is required, and not both.
    #[schema(min_items = 1, max_items = 200)]
    windows: Option<Vec<EventSpanView>>,
    /// When it can be played, again and again, without end.
    schedule: Option<EventScheduleView>,
    /// What is counted, each metric once; the first one is the primary one. Without them an event counts `score`.
    #[schema(min_items = 1, max_items = 20)]
    metrics: Option<Vec<EventMetricRequest>>,
    /// Your own data, stored with the event: up to 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Whether it can be played at all. Default true.
    enabled: Option<bool>,
}

/// The board of an event to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `board` reads it")]
struct EventBoardRequest {
    /// How many play together, bots included; of a global board, up to how many entries bots fill it. Required for the modes
    /// `grouped` and `lobby_matched`; otherwise 100 by default.
    #[schema(minimum = 1, maximum = 200)]
    capacity: Option<u32>,
    /// Whether bots take the places that no player has. Default false.
    fill_bots: Option<bool>,
    /// How long a lobby forms at most. Default 60.
    #[schema(minimum = 0, maximum = 86_400)]
    fill_timeout_seconds: Option<u32>,
    /// Which score counts of several attempts of a player. Default `best`. Never changes.
    aggregation: Option<AggregationName>,
    /// Whether more is better. Default `descending`. Never changes.
    order: Option<SortOrderName>,
    /// How its bots behave: `names`, `avatars` and `behaviours`, up to 16 KiB of JSON. Without it, by the plan that is built in.
    #[schema(value_type = Option<Object>)]
    bots: Option<()>,
}

/// Something that is counted in an attempt.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `event_fields` reads it")]
pub(super) struct EventMetricRequest {
    /// What it is called.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", example = "laps")]
    key: String,
    /// From where on it is reached. An attempt ends when all targets of its event are.
    target: Option<ScoreView>,
    /// From where on more of it does not count.
    cap: Option<ScoreView>,
    /// How much of the score one of it makes: less than 0 for what costs points, 0 for what is counted and scores nothing.
    /// Default 1.
    score_weight: Option<ScoreView>,
}
