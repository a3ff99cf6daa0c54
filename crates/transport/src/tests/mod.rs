//! The routes as callers meet them: through actix-web's test service, and over a socket where that matters.

mod attempts;
mod auth;
mod bad_input;
mod economy;
mod event_feed;
mod event_schemas;
mod events;
mod export;
mod keys_admin;
mod leaderboard_configuration;
mod leaderboards;
mod lives;
mod lobbies;
mod migrate;
mod openapi;
mod operations;
mod play;
mod played;
mod rate_limits;
mod reads;
mod refusals;
mod socket;
mod webhooks;
mod world;
