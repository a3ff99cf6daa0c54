//! `GET …/lobbies/{lobbyId}`: a lobby with its board.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::lobbies::{Lobbies, LobbyDetail, LobbyId};
use serde::Serialize;
use utoipa::ToSchema;

use super::board_views::BoardEntryView;
use super::views::{FinalizedReasonName, LobbyParams, LobbyView, finalized_reason};
use crate::economy::JsonView;
use crate::field_errors::FieldErrors;
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameReadProblems, Problem};

/// Read a lobby from the studio backend.
///
/// Useful for support tooling, fraud-review jobs, or a studio matchmaker confirming that a pushed lobby plays as
/// expected. The lobby is shown as it stands now, with the players and bots that are in it.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "readLobby",
    params(GameParams, LobbyParams),
    responses(
        (status = 200, description = "Lobby state.", body = ServerLobbyDetailResponse),
        (status = 404, description = "There is no such lobby.", body = ErrorResponse),
        GameReadProblems,
    ),
)]
#[get("/server/v1/games/{gameId}/lobbies/{lobbyId}")]
pub(super) async fn read_lobby(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let detail = lobbies.lobby(&caller, parse(&request)?).await?;
    let data = LobbyDetailView::at(lobbies.now(), detail);
    Ok(HttpResponse::Ok().json(ServerLobbyDetailResponse { data }))
}

fn parse(request: &HttpRequest) -> Result<LobbyId, Problem> {
    let mut errors = FieldErrors::default();
    let id = NamedPath::in_game(request).uuid("lobbyId", &mut errors);
    id.map(LobbyId).ok_or(Problem::Invalid(errors))
}

/// The answer to a read of a lobby.
#[derive(Serialize, ToSchema)]
struct ServerLobbyDetailResponse {
    data: LobbyDetailView,
}

/// A lobby with its board.
#[derive(Serialize, ToSchema)]
struct LobbyDetailView {
    #[serde(flatten)]
    lobby: LobbyView,
    /// The studio's own id for it; null unless the studio pushed it.
    #[schema(required = true)]
    key: Option<String>,
    /// The studio's own data.
    #[schema(required = true, value_type = Option<Object>)]
    metadata: Option<JsonView>,
    leaderboard: LobbyBoardView,
}

/// The board of a lobby.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LobbyBoardView {
    /// Its id; null while the lobby forms.
    #[schema(required = true)]
    leaderboard_id: Option<String>,
    /// Whether the ranks are final.
    finalized: bool,
    /// Why they are final; null while they are not.
    #[schema(required = true, value_type = Option<FinalizedReasonName>)]
    finalized_reason: Option<&'static str>,
    /// Every player and every bot, best first.
    entries: Vec<BoardEntryView>,
}

impl LobbyDetailView {
    fn at(now: Timestamp, detail: LobbyDetail) -> Self {
        let (lobby, board) = (LobbyView::at(now, &detail.lobby), detail.board(now));
        let LobbyDetail { lobby: stored, .. } = detail;
        let reason = finalized_reason(now, &stored);
        let leaderboard = LobbyBoardView {
            leaderboard_id: lobby.leaderboard_id.clone(),
            finalized: reason.is_some(),
            finalized_reason: reason,
            entries: BoardEntryView::all(stored.id.0, None, board),
        };
        let key = stored.key.map(|key| key.as_str().to_owned());
        Self { lobby, key, metadata: stored.metadata.map(JsonView), leaderboard }
    }
}
