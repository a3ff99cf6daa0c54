//! Keeps what the domain decides. One module per database; only this crate knows SQL.
//!
//! An adapter must not decide anything: it loads what a decision needs, asks the domain, and stores the answer, all in one
//! transaction that it alone opens.

mod detached;
pub mod migrations;
mod observer;
pub mod postgres;
mod rows;
pub mod sqlite;

pub use observer::{FileSizes, PoolState, RetryCause, StoreObserver};
