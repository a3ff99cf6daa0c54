//! `GET /readyz`: the store answers, and its schema is current.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};
use domain::store::StoreHealth;
use serde_json::json;

use crate::problem::Problem;

/// 200, or 503 while requests cannot be served.
#[get("/readyz")]
pub(super) async fn readyz(health: Data<dyn StoreHealth>) -> Result<HttpResponse, Problem> {
    health.check().await.map_err(Problem::NotReady)?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}
