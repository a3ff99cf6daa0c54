//! `GET …/events/{eventKey}`: one event as it is configured.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::lobbies::{ConfigurationKey, Lobbies};

use super::event_views::EventConfigurationResponse;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::lobbies::views::EventParams;
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};

/// Read an event.
///
/// As it is configured, with the window that is open now.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "readEvent",
    params(GameParams, EventParams),
    responses(
        (status = 200, description = "The event.", body = EventConfigurationResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/events/{eventKey}")]
pub(super) async fn read_event(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let event = lobbies.event(&caller, &parse(&request)?).await?;
    Ok(HttpResponse::Ok().json(EventConfigurationResponse::at(lobbies.now(), event)))
}

fn parse(request: &HttpRequest) -> Result<ConfigurationKey, Problem> {
    let mut errors = FieldErrors::default();
    NamedPath::in_game(request).key("eventKey", &mut errors).ok_or(Problem::Invalid(errors))
}
