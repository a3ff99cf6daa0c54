//! `GET /server/v1/events`: the feed of events, for who missed deliveries or wants none.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::Page;
use domain::webhooks::{EventNames, FeedPosition, ToldEvent, Webhooks};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::delivery_views::enveloped;
use super::event_schemas::EventEnvelope;
use crate::cursor;
use crate::economy::JsonView;
use crate::field_errors::{Fault, FieldErrors};
use crate::keys::Caller;
use crate::problem::{Problem, ReadProblems};
use crate::query::Query;

/// Read the feed of events.
///
/// What happened in the environment of the key, in the order in which it became known, oldest first: the same events, under
/// the same ids, that webhooks are told of. Follow `next` as `after`, for ever: a reader who does misses nothing, as long as
/// it comes back while events are kept. Only events that some webhook subscribes to are kept (one that is disabled counts
/// too), for 7 days unless the server is set otherwise.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "readEvents",
    params(FeedParams),
    responses((status = 200, description = "A page of the feed.", body = EventFeedResponse), ReadProblems),
)]
#[get("/server/v1/events")]
pub(super) async fn read_events(
    webhooks: Data<Webhooks>,
    Caller(caller): Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Asked { after, names, limit } = parse(&request)?;
    let page = webhooks.feed(caller.realm.id, after.unwrap_or_default(), names, limit).await?;
    Ok(HttpResponse::Ok().json(EventFeedResponse::of(page, after)))
}

struct Asked {
    after: Option<FeedPosition>,
    names: EventNames,
    limit: u32,
}

fn parse(request: &HttpRequest) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let query = Query::of(request);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_told(&after)));
    let limit = query.limit(&mut errors);
    let names = query.text("events", &mut errors).and_then(|names| {
        let names = EventNames::parse(names.split(','));
        names.map_err(|unknown| errors.add_as(Fault::EventNames, "events", unknown)).ok()
    });
    let names = names.unwrap_or(EventNames::ALL);
    if errors.is_empty() { Ok(Asked { after, names, limit }) } else { Err(errors.into()) }
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct FeedParams {
    /// The `next` of an earlier page.
    #[param(pattern = "^Z[g-n][A-Za-z0-9_-]{10}$")]
    after: Option<String>,
    /// How many events at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// Only events of these names, between commas.
    #[param(example = "wallet.changed,inventory.changed")]
    events: Option<String>,
}

/// A page of the feed.
#[derive(Serialize, ToSchema)]
struct EventFeedResponse {
    /// The events, oldest first: envelopes as webhooks get them, without `deliveryAttempt`.
    #[schema(value_type = Vec<EventEnvelope>)]
    data: Vec<JsonView>,
    /// Where to go on, now or later: behind the last event given, or else where this page began. Null only while there is
    /// nothing at all.
    #[schema(required = true)]
    next: Option<String>,
    /// Whether more events are there already.
    more: bool,
}

impl EventFeedResponse {
    /// `page`, which begins behind `after`.
    fn of(page: Page<ToldEvent>, after: Option<FeedPosition>) -> Self {
        let last = page.rows.last().map(|event| event.position).or(after);
        let data = page.rows.iter().map(|event| enveloped(event, None)).collect();
        Self { data, next: last.map(cursor::after_told), more: page.more }
    }
}
