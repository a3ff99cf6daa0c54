//! `PATCH …/webhooks/{webhookId}`: somebody is told elsewhere, or of something else, or not for now.

use std::convert::Infallible;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, patch};
use domain::webhooks::{EndpointId, EndpointRevision, Webhooks};
use utoipa::ToSchema;

use super::endpoint_fields::{self, Wrong};
use super::operator;
use super::views::{WebhookParams, WebhookResponse};
use crate::body::Body;
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::path::NamedPath;
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Change a webhook.
///
/// What is not sent, or is null, stays as it is; `format` cannot be changed, and is refused. A webhook that is disabled, by
/// you or because it failed, is enabled again with `enabled: true`: then its deliveries that still wait go on, and what
/// happened meanwhile can be replayed. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "changeWebhook",
    params(GameParams, WebhookParams),
    request_body = ChangeWebhookRequest,
    responses(
        (status = 200, description = "The webhook as it is now.", body = WebhookResponse),
        (status = 404, description = "Resource not found.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[patch("/admin/v1/games/{gameId}/webhooks/{webhookId}")]
pub(super) async fn change_webhook(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (id, revision) = match parse(&request, &Body::read(&request, payload).await?) {
        Ok(asked) => asked,
        Err(wrong) => return Err(wrong.told(&webhooks).await),
    };
    let endpoint = webhooks.revise(&operator(caller), id, revision).await?;
    Ok(HttpResponse::Ok().json(WebhookResponse::from(endpoint)))
}

fn parse(request: &HttpRequest, body: &Body) -> Result<(EndpointId, EndpointRevision), Wrong> {
    let mut errors = FieldErrors::default();
    let id = endpoint_fields::webhook_id(&mut NamedPath::in_game(request), &mut errors);
    let Some(members) = body.members(&mut errors) else { return Err(Wrong { errors, url: None }) };
    if members.has("format") {
        errors.add("format", "cannot be changed");
    }
    let url = members.optional("url", Ok::<_, Infallible>, &mut errors);
    let events = members.optional("events", Ok::<_, Infallible>, &mut errors);
    let revision = EndpointRevision {
        url: endpoint_fields::url(url, &mut errors),
        events: endpoint_fields::event_names(events, &mut errors),
        description: members.optional("description", fields::free_text, &mut errors),
        enabled: members.optional("enabled", fields::boolean, &mut errors),
    };
    match (id, errors.is_empty()) {
        (Some(id), true) => Ok((id, revision)),
        _ => Err(Wrong { errors, url: revision.url }),
    }
}

/// What changes of a webhook.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct ChangeWebhookRequest {
    /// Where it is.
    #[schema(min_length = 1, max_length = 2048, example = "https://game.example.com/purser")]
    url: Option<String>,
    /// What people call it.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "Game backend")]
    description: Option<String>,
    /// The names of the events that it is told of, or `*` for all of them.
    #[schema(min_items = 1, max_items = 100, example = json!(["*"]))]
    events: Option<Vec<String>>,
    /// Whether it is told anything.
    enabled: Option<bool>,
}
