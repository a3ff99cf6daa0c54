//! What only PostgreSQL can do or suffer.

mod backup;
mod configuration;
mod conflicts;
mod faults;
mod invariants;
mod network;
mod own_cluster;
mod rate_limits;
mod schema;
mod servers;
mod session;
pub(crate) mod store;
mod webhooks;
