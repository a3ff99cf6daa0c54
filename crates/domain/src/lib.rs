//! The rules of Purser, as synchronous functions from values to values, and the ports they stand behind.
//!
//! This crate must not know SQL, HTTP, a clock, a source of randomness, a logger, a thread or a runtime. Everything it
//! needs from outside comes in through a trait defined here ([`clock::Clock`], [`ids::Ids`], [`economy::EconomyStore`],
//! ...) or as a plain argument. A capability has the same name here as in every other crate.

pub mod audit_log;
pub mod clock;
pub mod economy;
pub mod ids;
pub mod keys;
pub mod limits;
pub mod lobbies;
pub mod players;
pub mod queue;
pub mod store;
pub mod tenancy;
pub mod text;
pub mod webhooks;
