//! What Purser says to a studio's servers: events, the outbox that they wait in, and the endpoints that they are delivered to.
//!
//! An event is stored by the transaction that it tells of, if an endpoint of the realm is subscribed to its name, and never
//! otherwise. Everything after that happens at least once, and to one delivery independently of all others.
//!
//! This module must not know how a server is reached, nor how a secret is sealed: see [`Courier`] and [`Vault`].

mod delivery;
mod dialect;
mod endpoint;
mod event_name;
pub mod occurrences;
mod outbox_event;
mod service;
mod signature;
mod store;

pub use delivery::*;
pub use dialect::*;
pub use endpoint::*;
pub use event_name::*;
pub use outbox_event::*;
pub use service::*;
pub use signature::secret_text;
pub use store::*;

#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod endpoint_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod test_webhooks;
