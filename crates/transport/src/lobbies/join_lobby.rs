//! `POST …/lobbies/{lobbyId}/players`: a player comes into a lobby.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{Lobbies, LobbyId};
use domain::players::ExternalId;
use utoipa::ToSchema;

use super::views::{LobbyParams, ServerLobbyChangeResponse, lobby_changed};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameWriteProblems, Problem};

/// Put a player into a lobby.
///
/// While it forms and while it plays: the player takes a free place, or that of the bot that came last. A player who is
/// not known yet is created. Idempotent: a player who is in the lobby already changes nothing, and the answer is
/// `applied: false`.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "joinLobby",
    params(GameParams, LobbyParams),
    request_body = ServerJoinLobbyRequest,
    responses(
        (status = 200, description = "The lobby, with the player.", body = ServerLobbyChangeResponse),
        (status = 404, description = "There is no such lobby.", body = ErrorResponse),
        (
            status = 409,
            description = "`conflict`, reason `lobby_full`: players have all places. Reason `lobby_closed`.",
            body = ErrorResponse,
        ),
        GameWriteProblems,
    ),
)]
#[post("/server/v1/games/{gameId}/lobbies/{lobbyId}/players")]
pub(super) async fn join_lobby(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (lobby, player) = parse(&request, &Body::read(&request, payload).await?)?;
    let joined = lobbies.join(&caller, lobby, player).await?;
    Ok(lobby_changed(lobbies.now(), &joined))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(LobbyId, ExternalId), Problem> {
    let mut errors = FieldErrors::default();
    let lobby = NamedPath::in_game(request).uuid("lobbyId", &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(errors.into()) };
    let player = members.required("externalPlayerId", fields::external_id, &mut errors);
    let (Some(lobby), Some(player), true) = (lobby, player, errors.is_empty()) else { return Err(errors.into()) };
    Ok((LobbyId(lobby), player))
}

/// Who joins.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ServerJoinLobbyRequest {
    /// The studio's own id for the player.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^(?!__merged_|__deleted_)[^\x00-\x1F\x7F-\x9F]{1,128}$",
        example = "player-3"
    )]
    external_player_id: String,
}
