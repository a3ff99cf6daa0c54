//! What holds on every database.

mod bad_input;
mod beside;
mod correctness;
mod crash;
mod erasure;
mod expiries;
mod export;
mod first_run;
mod import;
mod keys;
mod lobbies;
mod log_secrets;
mod matches;
mod metrics;
mod migrate;
mod operations;
mod overload;
mod players;
mod rate_limits;
mod reads;
mod sdk;
mod stop;
mod tenancy;
mod tls;
mod traces;
mod webhooks;
