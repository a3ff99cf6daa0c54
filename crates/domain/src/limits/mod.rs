//! How many calls a key may make in a minute: budgets, the rule that keeps them, and the port of who counts.
//!
//! Of calls it knows what they cost and nothing else. A refused call is no [`crate::economy::Rejection`]: it never reaches
//! the economy.

mod budget;
mod limiter;
mod meter;
mod service;

pub use budget::*;
pub use limiter::*;
pub use meter::*;
pub use service::*;

#[cfg(test)]
mod meter_tests;
#[cfg(test)]
mod service_tests;
