//! `DELETE …/lobbies/{lobbyId}/players/{externalId}`: a player goes out of a lobby.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete};
use domain::lobbies::{Lobbies, LobbyId};
use domain::players::ExternalId;

use super::views::{LobbyParams, ServerLobbyChangeResponse, lobby_changed};
use crate::economy::PlayerParams;
use crate::field_errors::FieldErrors;
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameReadProblems, Problem};

/// Take a player out of a lobby.
///
/// With the player goes their score; the attempts that they are playing in the lobby are over. Where bots fill the
/// lobby, one takes the place. Idempotent: a player who is not in the lobby changes nothing, and the answer is
/// `applied: false`.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "leaveLobby",
    params(GameParams, LobbyParams, PlayerParams),
    responses(
        (status = 200, description = "The lobby, without the player.", body = ServerLobbyChangeResponse),
        (status = 404, description = "There is no such lobby.", body = ErrorResponse),
        (status = 409, description = "`conflict`, reason `lobby_closed`.", body = ErrorResponse),
        GameReadProblems,
    ),
)]
#[delete("/server/v1/games/{gameId}/lobbies/{lobbyId}/players/{externalId}")]
pub(super) async fn leave_lobby(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (lobby, player) = parse(&request)?;
    let left = lobbies.leave(&caller, lobby, player).await?;
    Ok(lobby_changed(lobbies.now(), &left))
}

fn parse(request: &HttpRequest) -> Result<(LobbyId, ExternalId), Problem> {
    let mut errors = FieldErrors::default();
    let mut path = NamedPath::in_game(request);
    let lobby = path.uuid("lobbyId", &mut errors);
    let player = path.external_id("externalId", &mut errors);
    lobby.map(LobbyId).zip(player).ok_or(Problem::Invalid(errors))
}
