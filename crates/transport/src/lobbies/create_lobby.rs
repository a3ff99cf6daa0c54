//! `POST …/events/{eventKey}/lobbies`: a lobby of players whom the studio's own matchmaker put together.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{EventDefinition, Lobbies, LobbyKey, PushRequest};
use domain::players::ExternalId;
use utoipa::ToSchema;

use super::views::{EventParams, LobbyView, ServerLobbyResponse, repeatable};
use crate::body::{Body, Members};
use crate::field_errors::FieldErrors;
use crate::fields::{self, InvalidTextField};
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameWriteProblems, Problem};

/// The most players of one lobby.
const PLAYERS_MAX: u32 = EventDefinition::CAPACITY_MAX;

/// Create a lobby from your own matchmaker.
///
/// For studios that run their own matchmaking and still want bots and a leaderboard. The studio supplies the
/// `externalPlayerIds`; the server creates the lobby, its leaderboard and the bots that fill it, and returns the lobby,
/// which plays at once until the event's window ends. Players who are not known yet are created. Idempotent on `key`: a
/// replay returns the existing lobby as it is now, whoever its players are.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "createLobby",
    params(GameParams, EventParams),
    request_body = ServerCreateLobbyRequest,
    responses(
        (
            status = 201,
            description = "Lobby created, or there already.",
            body = ServerLobbyResponse,
            headers(("Idempotent-Replayed" = bool, description = "Present, and true, on a replay.")),
        ),
        (status = 404, description = "There is no such event.", body = ErrorResponse),
        (
            status = 409,
            description = "`conflict`, reason `lobby_wrong_mode`: the event's mode is not `lobby_matched`. \
                `event_disabled`. `no_active_window`. `idempotency_conflict`: a lobby of another event has this `key`.",
            body = ErrorResponse,
        ),
        GameWriteProblems,
    ),
)]
#[post("/server/v1/games/{gameId}/events/{eventKey}/lobbies")]
pub(super) async fn create_lobby(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = parse(&request, &Body::read(&request, payload).await?)?;
    let (lobby, repeat) = lobbies.push(&caller, asked).await?;
    let data = LobbyView::at(lobbies.now(), &lobby);
    Ok(repeatable(StatusCode::CREATED, repeat, &ServerLobbyResponse { data }))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<PushRequest, Problem> {
    let mut errors = FieldErrors::default();
    let event = NamedPath::in_game(request).key("eventKey", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let lobby_key = |value| LobbyKey::try_new(&fields::text(value)?).map_err(InvalidTextField::Refused);
    let key = members.required("key", lobby_key, &mut errors);
    let capacity = members.optional("capacity", fields::between(1..=PLAYERS_MAX), &mut errors);
    let players = players(&members, capacity, &mut errors);
    let fill_bots = members.optional("fillBots", fields::boolean, &mut errors);
    let metadata = members.optional("metadata", fields::json_object, &mut errors);
    let (Some(event), Some(key), Some(players), true) = (event, key, players, errors.is_empty()) else {
        return Err(errors.into());
    };
    Ok(PushRequest { event, key, players, capacity, fill_bots, metadata })
}

/// The players, each of them once.
fn players(members: &Members<'_>, capacity: Option<u32>, errors: &mut FieldErrors) -> Option<Vec<ExternalId>> {
    const NAME: &str = "externalPlayerIds";
    let most = capacity.unwrap_or(PLAYERS_MAX);
    let bounds = format!("must be 1 to {most} ids of players");
    let count_max = usize::try_from(PLAYERS_MAX).unwrap_or(usize::MAX);
    let elements = members.elements_up_to(NAME, count_max, &bounds, errors)?;
    if !u32::try_from(elements.len()).is_ok_and(|count| (1..=most).contains(&count)) {
        errors.add(NAME, bounds);
        if elements.len() > count_max {
            return None;
        }
    }
    let mut players: Vec<ExternalId> = Vec::with_capacity(elements.len());
    for (index, element) in elements.into_iter().enumerate() {
        let path = format!("{NAME}[{index}]");
        let Some(player) = errors.check(path.as_str(), fields::external_id(element)) else { continue };
        if players.contains(&player) {
            errors.add(path, "must not be there twice");
        }
        players.push(player);
    }
    Some(players)
}

/// A lobby to create.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerCreateLobbyRequest {
    /// Your own id for the lobby: a lobby of that name happens once.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]*$", example = "match-1")]
    key: String,
    /// The players, each of them once, and no more than the lobby has places.
    #[schema(min_items = 1, max_items = 200, example = json!(["player-1", "player-2"]))]
    external_player_ids: Vec<PushedPlayerId>,
    /// How many play together, bots included; as the event says if absent.
    #[schema(minimum = 1, maximum = 200, example = 4)]
    capacity: Option<u32>,
    /// Whether bots take the places that are left; as the event says if absent.
    fill_bots: Option<bool>,
    /// Your own data, up to 16 KiB of JSON, handed back when the lobby is read.
    #[schema(value_type = Option<Object>)]
    metadata: Option<String>,
}

/// The studio's own id for a player.
#[derive(ToSchema)]
#[schema(min_length = 1, max_length = 128, pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct PushedPlayerId(String);
