//! Events and leaderboards as the studio configures them, with keys for administration.

mod change_event;
mod change_leaderboard;
mod create_event;
mod create_leaderboard;
mod event_fields;
mod event_views;
mod leaderboard_views;
mod list_events;
mod list_leaderboards;
mod read_event;
mod read_leaderboard;
mod shared_fields;

use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

/// The routes that configure events and leaderboards.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_event::create_event)
        .service(list_events::list_events)
        .service(read_event::read_event)
        .service(change_event::change_event)
        .service(create_leaderboard::create_leaderboard)
        .service(list_leaderboards::list_leaderboards)
        .service(read_leaderboard::read_leaderboard)
        .service(change_leaderboard::change_leaderboard);
}

/// Which score of a player counts.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum AggregationName {
    Best,
    Latest,
    Sum,
}

/// Whether more is better.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the OpenAPI document")]
enum SortOrderName {
    Descending,
    Ascending,
}
