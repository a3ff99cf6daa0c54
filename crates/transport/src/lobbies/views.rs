//! Lobbies as callers see them, and what the routes of this capability share.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use domain::clock::Timestamp;
use domain::economy::Repeat;
use domain::lobbies::{Lobby, LobbyAnswer, LobbyStatus};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::economy::IDEMPOTENT_REPLAYED;
use crate::instant::Instant;

/// A lobby.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LobbyView {
    /// Its id.
    id: String,
    /// The event that it plays.
    event_id: String,
    /// In which window of the event.
    event_window_id: String,
    /// Its leaderboard; null while it forms.
    #[schema(required = true)]
    pub(super) leaderboard_id: Option<String>,
    /// `lobby_matched`, or `grouped`.
    #[schema(value_type = String, example = "lobby_matched")]
    mode: &'static str,
    /// How far it is.
    #[schema(value_type = LobbyStatusName)]
    status: &'static str,
    /// How many play together, bots included.
    #[schema(minimum = 1, maximum = 200)]
    capacity: u32,
    /// Until when it forms at the latest; null unless it forms.
    #[schema(required = true)]
    fill_by: Option<Instant>,
    /// How many players there are.
    participant_count: u32,
    /// How many bots there are. Their number never falls while the lobby forms, and both together are never more than
    /// `capacity`.
    bot_slots: usize,
    /// When it began to play; null before that.
    #[schema(required = true)]
    started_at: Option<Instant>,
    /// When it ends at the latest, which is the end of the window; when it ended, once it is closed.
    ends_at: Instant,
    /// When it was made.
    created_at: Instant,
}

impl LobbyView {
    /// `lobby`, which was stored some time ago, as it stands at the instant `now`.
    pub(crate) fn at(now: Timestamp, lobby: &Lobby) -> Self {
        let lobby = lobby.at(now);
        let forms = lobby.status() == LobbyStatus::Forming;
        let id = lobby.id.0.to_string();
        Self {
            event_id: lobby.event.0.to_string(),
            event_window_id: lobby.window.0.to_string(),
            leaderboard_id: (!forms).then(|| id.clone()),
            id,
            mode: lobby.mode.as_str(),
            status: lobby.status().as_str(),
            capacity: lobby.capacity,
            fill_by: lobby.fill_by.filter(|_| forms).map(Instant),
            participant_count: lobby.players,
            bot_slots: lobby.bots_at(now).len(),
            started_at: lobby.started_at().map(Instant),
            ends_at: Instant(lobby.closed_at().unwrap_or(lobby.ends_at)),
            created_at: Instant(lobby.created_at),
        }
    }
}

/// Why a board is final: `session_terminated` when it was closed before its end, `window_closed` when it was not.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum FinalizedReasonName {
    WindowClosed,
    SessionTerminated,
}

/// The board of a window that ended as it should.
pub(super) const WINDOW_CLOSED: &str = "window_closed";

/// Why the board of `lobby` is final at the instant `now`; `None` while it is not.
pub(super) fn finalized_reason(now: Timestamp, lobby: &Lobby) -> Option<&'static str> {
    let lobby = lobby.at(now);
    let closed_at = lobby.closed_at()?;
    Some(if closed_at < lobby.ends_at { "session_terminated" } else { WINDOW_CLOSED })
}

/// The answer to a push.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerLobbyResponse {
    pub(super) data: LobbyView,
}

/// The answer to a change of a lobby.
#[derive(Serialize, ToSchema)]
pub(super) struct ServerLobbyChangeResponse {
    data: LobbyChangeView,
}

/// A lobby after a change.
#[derive(Serialize, ToSchema)]
struct LobbyChangeView {
    #[serde(flatten)]
    lobby: LobbyView,
    /// Whether this call changed it.
    applied: bool,
}

/// Answers a change of a lobby.
pub(super) fn lobby_changed(now: Timestamp, answer: &LobbyAnswer) -> HttpResponse {
    let data = LobbyChangeView { lobby: LobbyView::at(now, &answer.lobby), applied: answer.applied };
    HttpResponse::Ok().json(ServerLobbyChangeResponse { data })
}

/// Answers what may have happened before.
pub(super) fn repeatable(status: StatusCode, repeat: Repeat, answer: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    match repeat {
        Repeat::First => {}
        Repeat::Replay => drop(response.insert_header((IDEMPOTENT_REPLAYED, "true"))),
    }
    response.json(answer)
}

/// The states of lobbies.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum LobbyStatusName {
    Forming,
    Active,
    Closed,
}

/// The parameter that names an event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct EventParams {
    /// The key of the event.
    #[param(
        rename = "eventKey",
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$",
        example = "weekend-race"
    )]
    event_key: String,
}

/// The parameter that names a lobby.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct LobbyParams {
    /// The id of the lobby.
    #[param(rename = "lobbyId", format = Uuid)]
    lobby_id: String,
}

/// The parameter that names an attempt.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `crate::path` reads it")]
pub(super) struct AttemptParams {
    /// The id of the attempt.
    #[param(rename = "attemptId", format = Uuid)]
    attempt_id: String,
}
