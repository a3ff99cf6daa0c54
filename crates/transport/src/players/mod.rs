//! Players on the wire.

mod read_profile;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(read_profile::read_profile);
}
