//! What only PostgreSQL can do or suffer.

mod configuration;
mod conflicts;
mod faults;
mod invariants;
mod load;
mod network;
mod own_cluster;
mod rate_limits;
mod schema;
mod servers;
mod session;
pub(crate) mod store;
mod webhooks;
