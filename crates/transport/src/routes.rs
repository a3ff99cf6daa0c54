//! All routes, and the answer to requests that match none: 404, or 405 with `Allow` when only the method is wrong.

use std::sync::LazyLock;

use actix_web::web::{Data, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::PathItem;
use utoipa_actix_web::service_config::ServiceConfig as DocumentedConfig;

use crate::operations;
use crate::problem::Problem;
use crate::{App, audit_log, economy, keys, lobbies, players, webhooks};

/// Registers every route of the server and what it needs.
pub(crate) fn configure(config: &mut ServiceConfig, app: &App) {
    config
        .app_data(Data::from(app.economy.clone()))
        .app_data(Data::from(app.players.clone()))
        .app_data(Data::from(app.lives.clone()))
        .app_data(Data::from(app.lobbies.clone()))
        .app_data(Data::from(app.audit_trail.clone()))
        .app_data(Data::from(app.webhooks.clone()))
        .app_data(Data::from(app.keys.clone()))
        .app_data(Data::from(app.key_ring.clone()))
        .app_data(Data::from(app.rate_limits.clone()))
        .app_data(Data::from(app.health.clone()))
        .app_data(Data::from(app.clock.clone()))
        .app_data(Data::new(app.clone()));
    documented(&mut DocumentedConfig::new(config));
    operations::routes(config);
    config.default_service(to(unmatched));
}

/// Registers the routes that the OpenAPI document describes. The most used come first, because routes are tried in order.
pub(crate) fn documented(config: &mut DocumentedConfig<'_>) {
    config.configure(economy::routes).configure(lobbies::routes).configure(players::routes);
    config.configure(webhooks::routes).configure(keys::routes).configure(audit_log::routes);
}

/// A path of the server, with the methods that it answers.
pub(crate) struct Route {
    /// The path, with its parameters in braces.
    pub(crate) pattern: String,
    /// The methods, as the `Allow` header lists them.
    allow: String,
}

/// Every path of the server: those of the OpenAPI document, then those of the operations.
pub(crate) static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let documented = operations::document().paths.paths;
    let documented = documented.into_iter().map(|(pattern, item)| Route { pattern, allow: allow(&item) });
    let undocumented =
        operations::PATHS.iter().map(|path| Route { pattern: (*path).to_owned(), allow: "GET, HEAD".into() });
    documented.chain(undocumented).collect()
});

impl Route {
    /// Where in [`ROUTES`] the route of `path` is.
    pub(crate) fn find(path: &str) -> Option<usize> {
        ROUTES.iter().position(|route| route.matches(path))
    }

    fn matches(&self, path: &str) -> bool {
        let mut asked = path.split('/');
        for part in self.pattern.split('/') {
            match asked.next() {
                Some(found) if part == found => {}
                Some(found) if part.starts_with('{') && !found.is_empty() => {}
                Some(_) | None => return false,
            }
        }
        asked.next().is_none()
    }
}

/// Whatever answers GET answers HEAD too, see [`crate::middleware`].
fn allow(item: &PathItem) -> String {
    let methods = [
        (item.get.is_some(), "GET, HEAD"),
        (item.post.is_some(), "POST"),
        (item.put.is_some(), "PUT"),
        (item.patch.is_some(), "PATCH"),
        (item.delete.is_some(), "DELETE"),
    ];
    let allowed: Vec<_> = methods.into_iter().filter_map(|(answers, name)| answers.then_some(name)).collect();
    allowed.join(", ")
}

async fn unmatched(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let found = Route::find(request.uri().path()).and_then(|index| ROUTES.get(index));
    Err(found.map_or(Problem::RouteNotFound, |route| Problem::MethodNotAllowed { allow: route.allow.clone() }))
}
