//! `GET /server/v1/ping`: does this key work, and what does it open?

use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

use super::Caller;
use crate::problem::Problems;

/// Server-side auth probe.
///
/// Returns 200 if the supplied API key validates against the `server_integration` permission set. Use as a connectivity
/// smoke test from studio backends before issuing real calls. The answer stands at the top level, not under `data`.
#[utoipa::path(
    tag = "Health",
    operation_id = "ping",
    responses((status = 200, description = "Authenticated.", body = ServerPingResponse), Problems),
)]
#[get("/server/v1/ping")]
pub(super) async fn ping(Caller(caller): Caller) -> HttpResponse {
    HttpResponse::Ok().json(ServerPingResponse { ok: true, api_key: ApiKeyView::from(caller) })
}

/// The answer to a ping.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServerPingResponse {
    /// Always true.
    ok: bool,
    api_key: ApiKeyView,
}

/// The key that was used.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApiKeyView {
    /// Its id.
    id: String,
    /// The part of it that may be shown.
    prefix: String,
    /// What it opens: `server_integration`.
    #[schema(value_type = String)]
    permission_set: &'static str,
    /// `test` for a sandbox key, `live` for a live one.
    #[schema(value_type = String)]
    environment: &'static str,
    /// The studio that owns the game.
    studio_id: String,
    /// The game.
    game_id: String,
}

impl From<domain::keys::Caller> for ApiKeyView {
    fn from(caller: domain::keys::Caller) -> Self {
        Self {
            id: caller.key.0.to_string(),
            prefix: caller.display_prefix.to_string(),
            permission_set: caller.permissions.as_str(),
            environment: caller.realm.environment.wire_name(),
            studio_id: caller.realm.studio.0.to_string(),
            game_id: caller.realm.game.0.to_string(),
        }
    }
}
