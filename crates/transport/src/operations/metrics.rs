//! `GET /metrics`: the metrics of this process, as Prometheus text.

use actix_web::web::Data;
use actix_web::{HttpResponse, get};

use crate::App;

/// The metrics of this process.
#[get("/metrics")]
pub(super) async fn metrics(app: Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body((app.render_metrics)())
}
