//! End-to-end tests on PostgreSQL: what holds on every database (`both`), and what only PostgreSQL can do or suffer.
//!
//! A test has a database of its own on the server that `testcluster` names, or a whole server when it hurts it.
//!
//! Each module is `cfg(test)` because that is how clippy knows that its helpers may `unwrap`.

#[cfg(test)]
mod both;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod postgres;

#[cfg(test)]
pub(crate) use postgres::store;
