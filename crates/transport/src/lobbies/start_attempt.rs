//! `POST …/events/{eventKey}/start`: a player begins to play an event.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::clock::Timestamp;
use domain::economy::Once;
use domain::lobbies::{Attempt, ConfigurationKey, Lobbies, Lobby, Segment, StartAnswer};
use domain::players::ExternalId;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::AttemptView;
use super::views::{EventParams, repeatable};
use crate::body::Body;
use crate::economy::{IdempotencyHeader, PlayerParams};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::instant::Instant;
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::play_refusals::Refused;
use crate::problem::{ErrorResponse, Problem, WriteProblems};

/// What the fingerprints of starts begin with.
const OPERATION: &str = "attempt.start";

/// Start an attempt at an event.
///
/// In the window that is open now; a player who is not known yet is created. At an event of mode `lobby_matched` the
/// player is put into a lobby first, and as long as it forms the answer is 202 with the body of an error, code
/// `lobby_forming`: repeat the request once the lobby plays. Every start is a new attempt, unless it repeats an
/// idempotency key.
#[utoipa::path(
    tag = "Events",
    operation_id = "startAttempt",
    params(PlayerParams, EventParams, IdempotencyHeader),
    request_body = Option<ServerStartAttemptRequest>,
    responses(
        (
            status = 201,
            description = "The attempt.",
            body = ServerStartAttemptResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (
            status = 202,
            description = "`lobby_forming`: the player waits. The details are `lobbyId`, and how many places are `filled` \
                of the `capacity`. It uses up no idempotency key.",
            body = ErrorResponse,
        ),
        (status = 404, description = "There is no such event.", body = ErrorResponse),
        (
            status = 409,
            description = "`event_disabled`. `no_active_window`. `conflict`, reason `lobby_closed`: the player's lobby is \
                over. `idempotency_conflict`: the idempotency key was used before, for a different request.",
            body = ErrorResponse,
        ),
        WriteProblems,
    ),
)]
#[post("/server/v1/players/{externalId}/events/{eventKey}/start")]
pub(super) async fn start_attempt(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let Asked { player, event, segment, once } = parse(&request, &Body::read(&request, payload).await?)?;
    match lobbies.start(&caller, event, player, segment, once).await? {
        StartAnswer::Started(attempt, repeat) => {
            Ok(repeatable(StatusCode::CREATED, repeat, &ServerStartAttemptResponse::from(&*attempt)))
        }
        StartAnswer::Forming(lobby) => Err(forming(lobbies.now(), &lobby)),
    }
}

struct Asked {
    player: ExternalId,
    event: ConfigurationKey,
    segment: Option<Segment>,
    once: Option<Once>,
}

fn parse(request: &HttpRequest, body: &Body) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::of(request);
    let player = path.external_id("externalId", &mut errors);
    let event = path.key("eventKey", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    members.optional("playerContext", fields::json_object, &mut errors);
    let segment = members.optional("segment", fields::segment, &mut errors);
    let once_key = members.idempotency_key(request, &mut errors);
    let (Some(player), Some(event), true) = (player, event, errors.is_empty()) else { return Err(errors.into()) };
    let once = once_key.map(|key| members.once(key, OPERATION, &[player.as_str(), event.as_str()]));
    Ok(Asked { player, event, segment, once })
}

/// What a player who waits is answered: not a failure, but of the shape of one, by which clients know it.
fn forming(now: Timestamp, lobby: &Lobby) -> Problem {
    let (capacity, room) = (lobby.capacity, lobby.room_at(now));
    let filled = capacity.saturating_sub(room);
    let details = json!({ "lobbyId": lobby.id.0.to_string(), "filled": filled, "capacity": capacity });
    let message = format!("The lobby is still forming: {filled} of {capacity} places are filled").into();
    Problem::Refused(Refused { status: StatusCode::ACCEPTED, code: "lobby_forming", message, details: Some(details) })
}

/// The start of an attempt.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerStartAttemptRequest {
    /// What the game knows of the player, up to 16 KiB of JSON. Accepted, and not used.
    #[schema(value_type = Option<Object>)]
    player_context: Option<String>,
    /// In which segment the attempt is ranked: required at an event of mode `global_segmented`, and only there.
    #[schema(min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", example = "gold-league")]
    segment: Option<String>,
    /// Makes the request safe to repeat.
    #[schema(min_length = 1, max_length = 255)]
    idempotency_key: Option<String>,
}

/// The answer to a start.
#[derive(Serialize, ToSchema)]
struct ServerStartAttemptResponse {
    data: StartedAttempt,
}

/// An attempt that began.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StartedAttempt {
    attempt: AttemptView,
    /// The board that it is ranked on.
    leaderboard_id: String,
    /// When the window ends, and the attempt with it.
    window_ends_at: Instant,
}

impl From<&Attempt> for ServerStartAttemptResponse {
    fn from(attempt: &Attempt) -> Self {
        let (leaderboard_id, window_ends_at) = (attempt.board.to_string(), Instant(attempt.ends_at));
        Self { data: StartedAttempt { attempt: attempt.into(), leaderboard_id, window_ends_at } }
    }
}
