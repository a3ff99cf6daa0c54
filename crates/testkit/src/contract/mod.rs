//! The contract that every store keeps, as tests that know only the ports.
//!
//! Each clause is an async function that is given a fresh [`World`]; its name is the claim. [`crate::store_contract!`]
//! makes a test of each. An adapter that does not pass them all does not exist.

pub mod attempts;
pub mod audit;
pub mod audit_log;
pub mod bans;
pub mod batches;
pub mod concurrency;
pub mod deliveries;
pub mod directory;
pub mod discards;
pub mod endpoints;
pub mod erasures;
pub mod events;
pub mod expiries;
pub mod exports;
pub mod faults;
pub mod feed;
pub mod fidelity;
pub mod grants;
pub mod idempotency;
pub mod imports;
pub mod installation;
pub mod isolation;
pub mod keys;
pub mod ledger_pages;
mod lives;
pub mod lobbies;
pub mod merge_races;
pub mod merge_repeats;
pub mod merges;
pub mod outbox;
pub mod outbox_lives;
pub mod play_faults;
pub mod play_lives;
mod play_ways;
pub mod plays;
pub mod profiles;
pub mod rankings;
pub mod replays;
pub mod settling;
mod stamp;
pub mod sweeps;
mod webhook_ways;
mod world;

pub use world::{Stores, World, run};
pub(crate) use world::{acked, adjusted, granted, rejection};

use async_trait::async_trait;

/// Gives the tests of one adapter their store: a new and empty one for each fixture.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the store of this fixture: again, beside those already open, as another process on the same data would.
    async fn open(&self) -> Stores;

    /// Closes what [`Fixture::open`] gave, as the end of a process would.
    async fn close(&self, stores: Stores) {
        drop(stores);
    }
}
