//! `POST …/lobbies/{lobbyId}/close`: a lobby ends before its time.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::lobbies::{Lobbies, LobbyId};

use super::views::{LobbyParams, ServerLobbyChangeResponse, lobby_changed};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameWriteProblems, Problem};

/// Close a lobby.
///
/// Ends the match now: its ranks are final, and the attempts that are being played in it are over. Idempotent: closing
/// again changes nothing and answers `applied: false`. A JSON object is accepted as a body, and nothing of it is used.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "closeLobby",
    params(GameParams, LobbyParams),
    responses(
        (status = 200, description = "The lobby, closed.", body = ServerLobbyChangeResponse),
        (status = 404, description = "There is no such lobby.", body = ErrorResponse),
        GameWriteProblems,
    ),
)]
#[post("/server/v1/games/{gameId}/lobbies/{lobbyId}/close")]
pub(super) async fn close_lobby(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let lobby = parse(&request, &Body::read(&request, payload).await?)?;
    let closed = lobbies.close(&caller, lobby).await?;
    Ok(lobby_changed(lobbies.now(), &closed))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<LobbyId, Problem> {
    let mut errors = FieldErrors::default();
    let lobby = NamedPath::in_game(request).uuid("lobbyId", &mut errors);
    body.members(&mut errors);
    let (Some(lobby), true) = (lobby, errors.is_empty()) else { return Err(errors.into()) };
    Ok(LobbyId(lobby))
}
