//! `GET …/events/{eventKey}/lobbies`: the lobbies of an event.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::lobbies::{ConfigurationKey, Lobbies, Lobby, LobbyId, LobbyStatus};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::views::{EventParams, LobbyStatusName, LobbyView};
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::keys::{GameCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, GameReadProblems, Problem};
use crate::query::Query;

/// List the lobbies of an event.
///
/// Newest first, each as it stands now. Follow `next` as `after` for the page that follows.
#[utoipa::path(
    tag = "Lobbies",
    operation_id = "listLobbies",
    params(GameParams, EventParams, LobbyListParams),
    responses(
        (status = 200, description = "A page of lobbies.", body = ServerLobbyListResponse),
        (status = 404, description = "There is no such event.", body = ErrorResponse),
        GameReadProblems,
    ),
)]
#[get("/server/v1/games/{gameId}/events/{eventKey}/lobbies")]
pub(super) async fn list_lobbies(
    lobbies: Data<Lobbies>,
    GameCaller(caller): GameCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Asked { event, status, after, limit } = parse(&request)?;
    let (page, now) = lobbies.lobbies(&caller, &event, status, after, limit).await?;
    Ok(HttpResponse::Ok().json(ServerLobbyListResponse::at(now, &page)))
}

struct Asked {
    event: ConfigurationKey,
    status: Option<LobbyStatus>,
    after: Option<LobbyId>,
    limit: u32,
}

fn parse(request: &HttpRequest) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let event = NamedPath::in_game(request).key("eventKey", &mut errors);
    let query = Query::of(request);
    let status = query.one_of("status", "forming, active or closed", LobbyStatus::parse, &mut errors);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_lobby(&after)));
    let limit = query.limit(&mut errors);
    let (Some(event), true) = (event, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { event, status, after, limit })
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct LobbyListParams {
    /// Only lobbies that are in this state now.
    #[param(inline)]
    status: Option<LobbyStatusName>,
    /// The `next` of an earlier page.
    #[param(pattern = "^b[w-z0-9_-][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many lobbies at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of an event's lobbies.
#[derive(Serialize, ToSchema)]
struct ServerLobbyListResponse {
    data: Vec<LobbyView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl ServerLobbyListResponse {
    fn at(now: Timestamp, page: &Page<Lobby>) -> Self {
        let last = page.rows.last().filter(|_| page.more);
        let data = page.rows.iter().map(|lobby| LobbyView::at(now, lobby)).collect();
        Self { data, next: last.map(|lobby| cursor::after_lobby(lobby.id)) }
    }
}
