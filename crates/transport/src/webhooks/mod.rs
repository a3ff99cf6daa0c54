//! Webhooks on the wire: endpoints and their deliveries, with keys for administration; and the feed of events, for backends.

mod change_webhook;
mod create_webhook;
mod delete_webhook;
mod delivery_views;
mod documented;
mod endpoint_fields;
mod event_schemas;
mod list_deliveries;
mod list_webhooks;
mod ping_webhook;
mod read_delivery;
mod read_events;
mod read_webhook;
mod replay_deliveries;
mod replay_delivery;
mod rotate_webhook_secret;
mod views;

pub(crate) use documented::document;

use domain::keys::Caller;
use domain::webhooks::Operator;
use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(read_events::read_events)
        .service(create_webhook::create_webhook)
        .service(list_webhooks::list_webhooks)
        .service(read_webhook::read_webhook)
        .service(change_webhook::change_webhook)
        .service(delete_webhook::delete_webhook)
        .service(ping_webhook::ping_webhook)
        .service(rotate_webhook_secret::rotate_webhook_secret)
        .service(list_deliveries::list_deliveries)
        .service(read_delivery::read_delivery)
        .service(replay_delivery::replay_delivery)
        .service(replay_delivery::replay_delivery_of)
        .service(replay_deliveries::replay_deliveries);
}

/// The caller, as who does something to webhooks.
fn operator(caller: Caller) -> Operator {
    Operator { realm: caller.realm, actor: caller.actor }
}
