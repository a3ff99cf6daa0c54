//! The routes as callers meet them: through actix-web's test service, and over a socket where that matters.

mod auth;
mod bad_input;
mod economy;
mod export;
mod lives;
mod migrate;
mod openapi;
mod operations;
mod reads;
mod refusals;
mod socket;
mod world;
