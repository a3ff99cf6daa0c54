//! Who is asking: the check of API keys, and the route that tells a backend whether its key works.

mod caller;
mod ping;

pub(crate) use caller::{AdminCaller, Caller, GameCaller, GameParams};

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(ping::ping);
}
