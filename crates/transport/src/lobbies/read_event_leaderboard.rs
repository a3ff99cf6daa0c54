//! `GET /server/v1/event-leaderboards/{leaderboardId}`: a part of a board that is known by its id.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::lobbies::{
    AnyBoard, BoardMode, BoardQuery, Event, Leaderboard, Lobbies, LobbyDetail, Ranking, RankingBoard,
};
use domain::players::ExternalId;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::board_views::{BoardEntryView, BoardParams, SelfView, board_query, part_of};
use super::views::{FinalizedReasonName, WINDOW_CLOSED, finalized_reason};
use crate::field_errors::FieldErrors;
use crate::keys::Caller;
use crate::path::NamedPath;
use crate::problem::{ErrorResponse, Problem, ReadProblems};
use crate::query::Query;

/// Read the leaderboard of an event's window or of a lobby.
///
/// By the `leaderboardId` that attempts and lobbies name. Bots included, as they stand now. The `leaderboardId` of one
/// period of a leaderboard is answered too.
#[utoipa::path(
    tag = "Leaderboards",
    operation_id = "readEventLeaderboard",
    params(EventLeaderboardParams, BoardParams),
    responses(
        (status = 200, description = "A part of the leaderboard.", body = ServerEventLeaderboardResponse),
        (
            status = 404,
            description = "There is no such leaderboard, or nobody has been on it yet.",
            body = ErrorResponse,
        ),
        ReadProblems,
    ),
)]
#[get("/server/v1/event-leaderboards/{leaderboardId}")]
pub(super) async fn read_event_leaderboard(
    lobbies: Data<Lobbies>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (id, query) = parse(&request)?;
    let board = lobbies.board_by_id(&caller, id, query.clone()).await?;
    let data = EventLeaderboardView::at(lobbies.now(), board, &query);
    Ok(HttpResponse::Ok().json(ServerEventLeaderboardResponse { data }))
}

fn parse(request: &HttpRequest) -> Result<(Uuid, BoardQuery), Problem> {
    let mut errors = FieldErrors::default();
    let id = NamedPath::of(request).uuid("leaderboardId", &mut errors);
    let query = board_query(&Query::of(request), &mut errors);
    let (Some(id), Some(query), true) = (id, query, errors.is_empty()) else { return Err(errors.into()) };
    Ok((id, query))
}

/// The parameter that names a board.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
struct EventLeaderboardParams {
    /// The id of the board.
    #[param(rename = "leaderboardId", format = Uuid)]
    leaderboard_id: String,
}

/// The answer to a read of a board.
#[derive(Serialize, ToSchema)]
struct ServerEventLeaderboardResponse {
    data: EventLeaderboardView,
}

/// A part of a board.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventLeaderboardView {
    /// Its id.
    leaderboard_id: String,
    /// Who is ranked against whom: `global`, `global_segmented`, `grouped` or `lobby_matched`.
    #[schema(value_type = String, example = "global")]
    mode: &'static str,
    /// Whether the ranks are final.
    finalized: bool,
    /// Why they are final; null while they are not.
    #[schema(required = true, value_type = Option<FinalizedReasonName>)]
    finalized_reason: Option<&'static str>,
    /// Best first, without gaps.
    entries: Vec<BoardEntryView>,
    /// The player who was asked about; null when they are not on the board, or nobody was.
    #[serde(rename = "self")]
    #[schema(required = true)]
    own: Option<SelfView>,
}

impl EventLeaderboardView {
    fn at(now: Timestamp, board: AnyBoard, query: &BoardQuery) -> Self {
        match board {
            AnyBoard::Lobby(lobby) => Self::of_lobby(now, &lobby, query),
            AnyBoard::Event(event, board) => {
                let is_over = event_is_over(now, &event, &board.ranking);
                Self::of_ranking(event.definition.mode, is_over, *board, query.own.as_ref())
            }
            AnyBoard::Leaderboard(leaderboard, board) => {
                let segmented = leaderboard.definition.segmented;
                let mode = if segmented { BoardMode::GlobalSegmented } else { BoardMode::Global };
                let is_over = period_is_over(now, &leaderboard, &board.ranking);
                Self::of_ranking(mode, is_over, *board, query.own.as_ref())
            }
        }
    }

    fn of_lobby(now: Timestamp, detail: &LobbyDetail, query: &BoardQuery) -> Self {
        let (id, reason) = (detail.lobby.id.0, finalized_reason(now, &detail.lobby));
        let (entries, own) = part_of(detail.board(now), query);
        Self {
            leaderboard_id: id.to_string(),
            mode: detail.lobby.mode.as_str(),
            finalized: reason.is_some(),
            finalized_reason: reason,
            entries: BoardEntryView::all(id, query.own.as_ref(), entries),
            own,
        }
    }

    fn of_ranking(mode: BoardMode, is_over: bool, board: RankingBoard, own: Option<&ExternalId>) -> Self {
        let RankingBoard { ranking, entries, own: entry, .. } = board;
        Self {
            leaderboard_id: ranking.id.0.to_string(),
            mode: mode.as_str(),
            finalized: is_over,
            finalized_reason: is_over.then_some(WINDOW_CLOSED),
            entries: BoardEntryView::all(ranking.id.0, own, entries),
            own: entry.as_ref().map(SelfView::of),
        }
    }
}

/// Whether the window of `ranking` has ended. One that the event no longer has is over.
fn event_is_over(now: Timestamp, event: &Event, ranking: &Ranking) -> bool {
    let window = event.definition.windows.active_at(event.id, ranking.period_starts_at);
    window.is_none_or(|window| window.ends_at <= now)
}

fn period_is_over(now: Timestamp, leaderboard: &Leaderboard, ranking: &Ranking) -> bool {
    let ends_at = leaderboard.definition.reset.period_end(ranking.period_starts_at);
    ends_at.is_some_and(|ends_at| ends_at <= now)
}
