//! `GET /docs`: the OpenAPI document as pages that can send requests (Swagger UI). Its files are part of this program, so
//! it works without a network.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CONTENT_ENCODING, LOCATION};
use actix_web::web::Path;
use actix_web::{HttpResponse, get};
use utoipa_swagger_ui::Config;

use crate::problem::Problem;

/// Where the document is, seen from the page, so that it is found behind a proxy that adds a prefix too.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("../openapi.server.json");
    Arc::new(config.persist_authorization(true).validator_url("none").try_it_out_enabled(true))
});

/// Leads to the page, whose own links need the slash at the end.
#[get("/docs")]
pub(super) async fn docs() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((LOCATION, "docs/")).finish()
}

/// The page and its files.
#[get("/docs/{file:[^/]*}")]
pub(super) async fn page(file: Path<String>) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(&file, CONFIG.clone()).ok().flatten().ok_or(Problem::RouteNotFound)?;
    let mut response = HttpResponse::Ok();
    if found.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(found.content_type).body(found.bytes.into_owned()))
}
