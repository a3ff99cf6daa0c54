//! The audit log on the wire.

mod read_audit_log;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(read_audit_log::read_audit_log);
}
