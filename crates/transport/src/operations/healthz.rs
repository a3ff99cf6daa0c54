//! `GET /healthz`: the process is up.

use actix_web::{HttpResponse, get};
use serde_json::json;

/// Always 200.
#[get("/healthz")]
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
