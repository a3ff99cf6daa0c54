//! `GET …/webhooks`: who is told.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use domain::webhooks::{Endpoint, Webhooks};
use serde::Serialize;
use utoipa::ToSchema;

use super::views::WebhookView;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminProblems, Problem};

/// List webhooks.
///
/// All of them, newest first, disabled ones too.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "listWebhooks",
    params(GameParams),
    responses((status = 200, description = "The webhooks.", body = WebhookListResponse), AdminProblems),
)]
#[get("/admin/v1/games/{gameId}/webhooks")]
pub(super) async fn list_webhooks(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
) -> Result<HttpResponse, Problem> {
    let endpoints = webhooks.list(caller.realm.id).await?;
    Ok(HttpResponse::Ok().json(WebhookListResponse::from(endpoints)))
}

/// All webhooks.
#[derive(Serialize, ToSchema)]
struct WebhookListResponse {
    data: Vec<WebhookView>,
    /// Always null: there is one page.
    #[schema(required = true)]
    next: Option<String>,
}

impl From<Vec<Endpoint>> for WebhookListResponse {
    fn from(endpoints: Vec<Endpoint>) -> Self {
        Self { data: endpoints.into_iter().map(WebhookView::from).collect(), next: None }
    }
}
