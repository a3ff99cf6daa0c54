//! Events, lobbies, attempts and leaderboards.

mod attempt_view;
mod board_views;
mod close_lobby;
mod configuration;
mod create_lobby;
mod finish_attempt;
mod join_lobby;
mod leave_lobby;
mod list_lobbies;
mod membership_views;
mod read_event_leaderboard;
mod read_leaderboard;
mod read_lobby;
mod report_progress;
mod start_attempt;
mod submit_score;
mod views;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use self::attempt_view::{AttemptView, ScoreView};
pub(crate) use self::membership_views::{LobbyMembershipView, RankingMembershipView};

/// Registers the routes of this capability.
pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    // What a studio's backend calls, the most used first.
    config
        .service(report_progress::report_progress)
        .service(submit_score::submit_score)
        .service(start_attempt::start_attempt)
        .service(finish_attempt::finish_attempt)
        .service(read_leaderboard::read_leaderboard)
        .service(read_event_leaderboard::read_event_leaderboard)
        .service(read_lobby::read_lobby)
        .service(create_lobby::create_lobby)
        .service(list_lobbies::list_lobbies)
        .service(join_lobby::join_lobby)
        .service(leave_lobby::leave_lobby)
        .service(close_lobby::close_lobby);
    config.configure(configuration::routes);
}
