//! `GET …/events`: what there is to be played.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::clock::Timestamp;
use domain::economy::Page;
use domain::lobbies::{Event, EventId, Lobbies};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::event_views::EventConfigurationView;
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminProblems, Problem};
use crate::query::Query;

/// List events.
///
/// Newest first, disabled ones too. Follow `next` as `after` for the page that follows.
#[utoipa::path(
    tag = "Configuration",
    operation_id = "listEvents",
    params(GameParams, EventListParams),
    responses(
        (status = 200, description = "A page of events.", body = EventListResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/events")]
pub(super) async fn list_events(
    lobbies: Data<Lobbies>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (after, limit) = parse(&request)?;
    let page = lobbies.events(&caller, after, limit).await?;
    Ok(HttpResponse::Ok().json(EventListResponse::at(lobbies.now(), page)))
}

fn parse(request: &HttpRequest) -> Result<(Option<EventId>, u32), Problem> {
    let mut errors = FieldErrors::default();
    let query = Query::of(request);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_event(&after)));
    let limit = query.limit(&mut errors);
    if errors.is_empty() { Ok((after, limit)) } else { Err(errors.into()) }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct EventListParams {
    /// The `next` of an earlier page.
    #[param(pattern = "^Z[Q-Za-f][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many events at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of events.
#[derive(Serialize, ToSchema)]
struct EventListResponse {
    data: Vec<EventConfigurationView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl EventListResponse {
    fn at(now: Timestamp, page: Page<Event>) -> Self {
        let next = page.rows.last().filter(|_| page.more).map(|event| cursor::after_event(event.id));
        Self { data: page.rows.into_iter().map(|event| EventConfigurationView::at(now, event)).collect(), next }
    }
}
