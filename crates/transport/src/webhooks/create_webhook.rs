//! `POST …/webhooks`: somebody else to be told.

use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use domain::text::FreeText;
use domain::webhooks::{Dialect, EndpointRequest, EventNames, Webhooks};
use utoipa::ToSchema;

use super::endpoint_fields::{self, Wrong};
use super::operator;
use super::views::{CreatedWebhookResponse, WebhookFormatName};
use crate::body::{Body, Members};
use crate::field_errors::FieldErrors;
use crate::fields;
use crate::keys::{AdminCaller, GameParams};
use crate::problem::{AdminWriteProblems, ErrorResponse, Problem};

/// Create a webhook.
///
/// A server of yours that is told of events: see the `webhooks` of this document. The URL must be `https`, and every address
/// of its host a public one; operators of the server can allow others. An environment of a game has up to 50 of them. The
/// secrets are in the answer, this once. Goes on the audit log.
#[utoipa::path(
    tag = "Webhooks",
    operation_id = "createWebhook",
    params(GameParams),
    request_body = CreateWebhookRequest,
    responses(
        (status = 201, description = "Webhook created.", body = CreatedWebhookResponse),
        (status = 409, description = "`conflict`, reason `too_many_webhooks`.", body = ErrorResponse),
        AdminWriteProblems,
    ),
)]
#[post("/admin/v1/games/{gameId}/webhooks")]
pub(super) async fn create_webhook(
    webhooks: Data<Webhooks>,
    AdminCaller(caller): AdminCaller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked = match parse(&Body::read(&request, payload).await?) {
        Ok(asked) => asked,
        Err(wrong) => return Err(wrong.told(&webhooks).await),
    };
    let created = webhooks.create(&operator(caller), asked).await?;
    Ok(HttpResponse::build(StatusCode::CREATED).json(CreatedWebhookResponse::from(created)))
}

fn parse(body: &Body) -> Result<EndpointRequest, Wrong> {
    let mut errors = FieldErrors::default();
    let Some(members) = body.members(&mut errors) else { return Err(Wrong { errors, url: None }) };
    let url = members.required("url", Ok::<_, Infallible>, &mut errors);
    let url = endpoint_fields::url(url, &mut errors);
    let formats = fields::one_of("\"json\" or \"kongregate\"", Dialect::parse);
    let dialect = members.optional("format", formats, &mut errors).unwrap_or(Dialect::Json);
    let events = events(&members, dialect, &mut errors);
    let description = members.optional("description", fields::free_text, &mut errors);
    match (url, events, errors.is_empty()) {
        (Some(url), Some(events), true) => {
            let description = description.unwrap_or_else(|| FreeText::restore(String::new()));
            Ok(EndpointRequest { url, description, dialect, events })
        }
        (url, ..) => Err(Wrong { errors, url }),
    }
}

/// What it is told of: of a dialect that has forms for few events, all of those unless told otherwise.
fn events(members: &Members<'_>, dialect: Dialect, errors: &mut FieldErrors) -> Option<EventNames> {
    match dialect {
        Dialect::Kongregate if !members.has("events") => Some(dialect.speaks_of()),
        Dialect::Json | Dialect::Kongregate => {
            let sent = members.required("events", Ok::<_, Infallible>, errors);
            endpoint_fields::event_names(sent, errors)
        }
    }
}

/// A webhook to be created.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the OpenAPI document; `parse` reads it")]
struct CreateWebhookRequest {
    /// Where it is.
    #[schema(min_length = 1, max_length = 2048, example = "https://game.example.com/purser")]
    url: String,
    /// The names of the events that it is told of, or `*` for all of them, those of later versions included. Required, but for
    /// the format `kongregate`, which tells of `inventory.changed` and `wallet.changed` only, and of both by default.
    #[schema(min_items = 1, max_items = 100, example = json!(["wallet.changed", "inventory.changed"]))]
    events: Option<Vec<String>>,
    /// In which form it is told. Default `json`. Never changes.
    format: Option<WebhookFormatName>,
    /// What people call it.
    #[schema(max_length = 500, pattern = r"^[^\x00]*$", example = "Game backend")]
    description: Option<String>,
}
