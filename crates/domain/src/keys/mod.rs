//! API keys: their form, their life, and the check that every request passes.
//!
//! The key itself is never kept: only its public id and the SHA-256 of the whole.

mod expiry;
mod form;
mod ring;
mod service;
mod store;

pub use expiry::*;
pub use form::*;
pub use ring::*;
pub use service::*;
pub use store::*;

#[cfg(test)]
mod ring_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
pub(crate) mod test_keys;
