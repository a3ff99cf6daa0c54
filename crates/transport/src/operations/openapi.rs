//! `GET /openapi.server.json`: the OpenAPI document, made from the same declarations as the routes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::{HttpResponse, get};
use utoipa::openapi::schema::{OneOf, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, PathItem, RefOr, Required};
use utoipa::{Modify, OpenApi as _};
use utoipa_actix_web::AppExt;

use crate::problem::ErrorResponse;
use crate::{routes, webhooks};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Purser server API",
        description = "Every `/server/v1` endpoint that a studio's backend calls: an exact, replay-safe ledger of players' \
            currencies, items and grants.\n\nEvery route requires a `server_integration` API key, as `X-API-Key: <key>` or \
            `Authorization: Bearer <key>`; routes under `/admin/v1` require one of the permission set `admin`. Never call it from a game client: leaked, such a key can mint currency and grant \
            items.\n\nEvery write takes an idempotency key, as the body field `idempotencyKey` or the header \
            `Idempotency-Key`. Repeating a request with the same key has no second effect and answers as before, with \
            the header `Idempotent-Replayed: true`; another request under the same key is refused with 409 \
            `idempotency_conflict`. A refused request uses up no key. Keys are remembered for ever.\n\nEvery answer carries \
            `X-Request-Id`, the caller's own if it sent one (1 to 128 letters, digits, `.`, `_` or `-`), and `traceparent` \
            (W3C Trace Context), which goes on from the caller's. The server's log knows both.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "Health", description = "Connectivity probes."),
        (name = "Grants", description = "Server-side grant create + ack."),
        (name = "Players", description = "Read player profiles for support / fraud workflows; ban, unban, merge."),
        (name = "Inventory", description = "Platform-managed items and currencies: one ledger, two views."),
        (name = "Migration", description = "Bulk-import players, wallets and inventories from another platform."),
        (name = "Gdpr", description = "Erasure and access."),
        (name = "Lobbies", description = "Push lobbies from your own matchmaker, read and change them."),
        (name = "Events", description = "Attempts at events: start, progress, finish."),
        (name = "Leaderboards", description = "Scores and ranks."),
        (name = "Configuration", description = "Events and leaderboards, with a key of the permission set `admin`."),
        (name = "Webhooks", description = "Your servers are told of what happens; the same events as a feed."),
        (name = "Keys", description = "The life of API keys, with a key of the permission set `admin`."),
        (name = "Admin", description = "For operators, with a key of the permission set `admin`."),
    ),
    components(schemas(ErrorResponse)),
    security(("apiKey" = []), ("bearer" = [])),
    modifiers(&Keys, &Told),
)]
struct Document;

/// The two ways to present a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut OpenApi) {
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key",
            "The API key, for example `ks_sandbox_...`.",
        )));
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The same key, as a token."));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("apiKey", header);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    }
}

/// What is told to webhooks.
struct Told;

impl Modify for Told {
    fn modify(&self, document: &mut OpenApi) {
        webhooks::document(document);
    }
}

static JSON: LazyLock<String> = LazyLock::new(|| {
    let mut json = serde_json::to_string_pretty(&document()).expect("a document of strings and numbers is JSON");
    json.push('\n');
    json
});

/// The OpenAPI document of the server API: every route registered by [`routes::documented`].
pub(crate) fn document() -> OpenApi {
    let app = actix_web::App::new().into_utoipa_app().openapi(Document::openapi());
    let mut document = app.configure(routes::documented).split_for_parts().1;
    let schemas = document.components.as_ref().map(|components| components.schemas.clone()).unwrap_or_default();
    document.paths.paths.values_mut().for_each(|item| may_lack_bodies(item, &schemas));
    document
}

/// Says of bodies of which nothing is required that they may be absent, and of none that it may be `null`.
fn may_lack_bodies(item: &mut PathItem, schemas: &BTreeMap<String, RefOr<Schema>>) {
    let operations = [&mut item.post, &mut item.put, &mut item.patch];
    for body in operations.into_iter().flatten().filter_map(|operation| operation.request_body.as_mut()) {
        let RefOr::T(body) = body else { continue };
        for content in body.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            let named = match &content.schema {
                Some(RefOr::Ref(named)) => Some(named),
                Some(RefOr::T(Schema::OneOf(OneOf { items, .. }))) => items.iter().find_map(|item| match item {
                    RefOr::Ref(named) => Some(named),
                    RefOr::T(_) => None,
                }),
                Some(RefOr::T(_)) | None => None,
            };
            let Some(named) = named.cloned() else { continue };
            let name = named.ref_location.rsplit('/').next().unwrap_or_default();
            if let Some(RefOr::T(Schema::Object(object))) = schemas.get(name) {
                body.required = Some(if object.required.is_empty() { Required::False } else { Required::True });
            }
            content.schema = Some(RefOr::Ref(named));
        }
    }
}

/// The OpenAPI document of the server API as pretty JSON, exactly as `GET /openapi.server.json` answers it.
pub fn openapi_json() -> String {
    JSON.clone()
}

/// The document.
#[get("/openapi.server.json")]
pub(super) async fn served() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(JSON.as_str())
}
