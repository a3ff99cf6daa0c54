//! End-to-end tests: the real program, started as a user starts it, over real HTTP and real signals. Here on SQLite.
//!
//! Every test has a folder and a store of its own and a port that the system chose. Nothing here sleeps for things to
//! happen: what takes time is asked for until it is so, and a test that asks for too long fails.
//!
//! What holds on every database is in `both`, and runs on PostgreSQL too (`on_postgres.rs`).
//!
//! Each module is `cfg(test)` because that is how clippy knows that its helpers may `unwrap`.

#[cfg(test)]
mod both;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod sqlite;

#[cfg(test)]
pub(crate) use sqlite::store;
