//! What operators and newcomers need around the API: health, readiness, metrics, the OpenAPI document and its pages.
//! None of it asks for a key.

mod docs;
mod healthz;
mod metrics;
mod openapi;
mod readyz;

pub(crate) use openapi::document;
pub use openapi::openapi_json;

use actix_web::web::ServiceConfig;

/// The paths of this module, which the OpenAPI document does not describe.
pub(crate) const PATHS: [&str; 7] =
    ["/healthz", "/readyz", "/metrics", "/openapi.server.json", "/docs", "/docs/", "/docs/{file}"];

/// The routes of this module.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(healthz::healthz)
        .service(readyz::readyz)
        .service(metrics::metrics)
        .service(openapi::served)
        .service(docs::docs)
        .service(docs::page);
}
