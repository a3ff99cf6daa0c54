//! Players on the wire.

mod ban_player;
mod delete_player;
mod export_lines;
mod export_player;
mod export_views;
mod merge_players;
mod read_profile;
mod unban_player;

use utoipa_actix_web::service_config::ServiceConfig;

/// The routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(read_profile::read_profile)
        .service(ban_player::ban_player)
        .service(unban_player::unban_player)
        .service(merge_players::merge_players)
        .service(delete_player::delete_player)
        .service(export_player::export_player);
}
