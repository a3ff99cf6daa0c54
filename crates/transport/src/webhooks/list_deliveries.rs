//! `GET …/webhooks/{webhookId}/deliveries`: what a webhook was told, and is to be told.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use domain::economy::Page;
use domain::webhooks::{Delivery, DeliveryId, DeliveryStatus, EndpointId, Webhooks};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::delivery_views::{DeliveryStatusName, DeliveryView};
use super::endpoint_fields;
use super::views::WebhookParams;
use crate::cursor;
use crate::field_errors::FieldErrors;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminProblems, ErrorResponse, Problem};
use crate::query::Query;

/// List a webhook's deliveries.
///
/// Newest first, for as long as they are kept: 7 days unless the server is set otherwise. Follow `next` as `after` for the
/// page that follows.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "listWebhookDeliveries",
    params(GameParams, WebhookParams, DeliveryListParams),
    responses(
        (status = 200, description = "A page of deliveries.", body = DeliveryListResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminProblems,
    ),
)]
#[get("/admin/v1/games/{gameId}/webhooks/{webhookId}/deliveries")]
pub(super) async fn list_deliveries(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Asked { webhook, status, after, limit } = parse(&request)?;
    let page = webhooks.deliveries(caller.realm.id, webhook, status, after, limit).await?;
    Ok(HttpResponse::Ok().json(DeliveryListResponse::from(page)))
}

struct Asked {
    webhook: EndpointId,
    status: Option<DeliveryStatus>,
    after: Option<DeliveryId>,
    limit: u32,
}

fn parse(request: &HttpRequest) -> Result<Asked, Problem> {
    let mut errors = FieldErrors::default();
    let webhook = endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors);
    let query = Query::of(request);
    let status = query.one_of("status", "pending, delivered or failed", DeliveryStatus::parse, &mut errors);
    let after = query.text("after", &mut errors);
    let after = after.and_then(|after| errors.check("after", cursor::parse_delivery(&after)));
    let limit = query.limit(&mut errors);
    let (Some(webhook), true) = (webhook, errors.is_empty()) else { return Err(errors.into()) };
    Ok(Asked { webhook, status, after, limit })
}

/// The parameters that choose a page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct DeliveryListParams {
    /// Only those that are this.
    #[param(inline)]
    status: Option<DeliveryStatusName>,
    /// The `next` of an earlier page.
    #[param(pattern = "^Z[A-P][A-Za-z0-9_-]{20}[AEIMQUYcgkosw048]$")]
    after: Option<String>,
    /// How many deliveries at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
struct DeliveryListResponse {
    data: Vec<DeliveryView>,
    /// Where the next page begins; null on the last one.
    #[schema(required = true)]
    next: Option<String>,
}

impl From<Page<Delivery>> for DeliveryListResponse {
    fn from(page: Page<Delivery>) -> Self {
        let next = page.rows.last().filter(|_| page.more).map(|delivery| cursor::after_delivery(delivery.id));
        Self { data: page.rows.iter().map(DeliveryView::from).collect(), next }
    }
}
