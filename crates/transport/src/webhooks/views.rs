//! Endpoints as those who configure them see them.

use domain::webhooks::{DisabledReason, Endpoint, Rotating, ShownSecrets};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::instant::Instant;

/// The parameter of every route about one webhook.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the OpenAPI document; `endpoint_fields` reads it")]
pub(super) struct WebhookParams {
    /// The webhook's id.
    #[param(rename = "webhookId", format = Uuid)]
    webhook_id: String,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookResponse {
    data: WebhookView,
}

impl From<Endpoint> for WebhookResponse {
    fn from(endpoint: Endpoint) -> Self {
        Self { data: endpoint.into() }
    }
}

/// A webhook: where a server of yours is told, of what, and in which form. Never with its secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookView {
    /// Its id.
    id: String,
    /// Where it is.
    url: String,
    /// What people call it.
    description: String,
    /// In which form it is told.
    #[schema(value_type = WebhookFormatName)]
    format: &'static str,
    /// The names of the events that it is told of; `*` alone for all of them, those of later versions included.
    #[schema(value_type = Vec<String>, example = json!(["wallet.changed"]))]
    events: Vec<&'static str>,
    /// Whether it is told anything. While it is not, events are kept for it, and can be replayed.
    enabled: bool,
    /// Why it is not; null while it is enabled.
    #[schema(required = true, value_type = Option<WebhookDisabledReason>)]
    disabled_reason: Option<&'static str>,
    /// Since when it is not.
    #[schema(required = true)]
    disabled_at: Option<Instant>,
    /// Since when every attempt has failed; null when the last one succeeded.
    #[schema(required = true)]
    failing_since: Option<Instant>,
    /// When it was made.
    created_at: Instant,
    /// When it was changed last.
    updated_at: Instant,
}

impl From<Endpoint> for WebhookView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.id.0.to_string(),
            url: endpoint.url.as_str().to_owned(),
            description: endpoint.description.as_str().to_owned(),
            format: endpoint.dialect.as_str(),
            events: endpoint.events.names().collect(),
            enabled: endpoint.disabled.is_none(),
            disabled_reason: endpoint.disabled.map(|(reason, _)| DisabledReason::as_str(reason)),
            disabled_at: endpoint.disabled.map(|(_, at)| Instant(at)),
            failing_since: endpoint.failing_since.map(Instant),
            created_at: Instant(endpoint.created_at),
            updated_at: Instant(endpoint.updated_at),
        }
    }
}

/// A webhook that was made, with its secrets.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedWebhookResponse {
    data: WebhookWithSecretsView,
}

impl From<(Endpoint, ShownSecrets)> for CreatedWebhookResponse {
    fn from(made: (Endpoint, ShownSecrets)) -> Self {
        Self { data: made.into() }
    }
}

/// A webhook and its secrets, which are shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WebhookWithSecretsView {
    #[serde(flatten)]
    webhook: WebhookView,
    /// What deliveries are signed with. Keep it: it is not shown again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
    /// The `api_key` of the form, by which the receiver knows that it is from here; it opens nothing. Of the format
    /// `kongregate` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, value_type = String, format = Uuid)]
    callback_api_key: Option<String>,
}

impl From<(Endpoint, ShownSecrets)> for WebhookWithSecretsView {
    fn from((endpoint, shown): (Endpoint, ShownSecrets)) -> Self {
        Self { webhook: endpoint.into(), secret: shown.secret, callback_api_key: shown.callback_key }
    }
}

/// A webhook whose secrets were replaced, with the new ones.
#[derive(Serialize, ToSchema)]
pub(super) struct RotatedWebhookResponse {
    data: RotatedWebhookView,
}

/// A webhook and its new secrets, which are shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RotatedWebhookView {
    #[serde(flatten)]
    webhook: WebhookWithSecretsView,
    /// Until when deliveries are signed with the secret before as well, and a form still carries the `api_key` before.
    #[schema(required = true)]
    previous_secret_until: Option<Instant>,
}

impl From<(Endpoint, ShownSecrets)> for RotatedWebhookResponse {
    fn from((endpoint, shown): (Endpoint, ShownSecrets)) -> Self {
        let Rotating { previous, .. } = &endpoint.secret;
        let previous_secret_until = previous.as_ref().map(|(_, until)| Instant(*until));
        Self { data: RotatedWebhookView { webhook: (endpoint, shown).into(), previous_secret_until } }
    }
}

/// In which form a webhook is told.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
pub(super) enum WebhookFormatName {
    /// A JSON envelope, see the `webhooks` of this document.
    Json,
    /// A form, as Kongregate's API callbacks are.
    Kongregate,
}

/// Why a webhook is not told anything.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum WebhookDisabledReason {
    /// It was changed to `enabled: false`.
    ByRequest,
    /// It answered 410 Gone.
    Gone,
    /// It failed for five days without a single success.
    Failing,
}
