//! The store for many processes: a PostgreSQL database, spoken to by a client in pure Rust.
//!
//! Any number of servers share one database. What keeps them from each other's toes is in the database: locked player rows,
//! unique indexes, and the version that an update of an account names. Nothing is decided by what was remembered between
//! transactions. Must not know what is decided (the domain's) nor how SQLite does the same things.

mod address;
mod attempts;
mod audit_log;
mod distribution;
mod economy;
mod keys;
mod lobbies;
mod migrations;
#[cfg(test)]
mod plans_tests;
mod players;
mod pool;
mod statement;
mod tenancy;
mod trouble;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::store::{StoreError, StoreHealth};
use domain::webhooks::Bell;
use scoped_futures::ScopedFutureExt;

pub use address::{AddressError, PostgresAddress};
pub use migrations::Migrations;

use crate::migrations::MigrationError;
use crate::observer::{PoolState, StoreObserver, Unobserved};
use lobbies::remembered::RememberedBoards;
use pool::Connections;

/// How the store uses its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOptions {
    /// Connections that write: as many batches can be on their way at once. At least 1.
    pub lanes: usize,
    /// Connections that read. At least 1.
    pub readers: usize,
    /// How long a caller waits for a connection that others use before it is told that the store is overloaded.
    pub wait_max: Duration,
    /// How long one statement may run, waiting for locks included.
    pub statement_timeout: Duration,
}

impl Default for PostgresOptions {
    /// Two lanes: one batch is being worked on while another waits for the disk. More make smaller batches, and a batch costs
    /// much the same whatever its size; measured on two processors, a third lane loses a quarter of the throughput.
    ///
    /// Four readers: reads beyond that wait for their turn here, in order, and not in PostgreSQL for a processor, where one that
    /// began waits for all others. More read no more in a second there.
    fn default() -> Self {
        Self { lanes: 2, readers: 4, wait_max: Duration::from_secs(3), statement_timeout: Duration::from_secs(5) }
    }
}

/// A PostgreSQL database. Implements every port of the domain. Cheap to clone.
#[derive(Clone)]
pub struct PostgresStore {
    lanes: Connections,
    readers: Connections,
    couriers: Connections,
    boards: RememberedBoards,
    bell: Bell,
}

impl PostgresStore {
    /// A store in the database at `address`, whose schema must be in place (see [`Migrations`]). Connects only when it is
    /// used; must be called within a runtime, which drives its connections from then on.
    ///
    /// # Errors
    /// When the options make no sense.
    pub fn new(address: &PostgresAddress, options: PostgresOptions) -> Result<Self, StoreError> {
        Self::observed(address, options, Arc::new(Unobserved))
    }

    /// The same, and `observer` is told what it does.
    ///
    /// # Errors
    /// Those of [`PostgresStore::new`].
    pub fn observed(
        address: &PostgresAddress,
        options: PostgresOptions,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        let PostgresOptions { lanes, readers, wait_max, statement_timeout } = options;
        let connections =
            |count: usize| Connections::new(address, count.max(1), wait_max, statement_timeout, Arc::clone(&observer));
        Ok(Self {
            lanes: connections(lanes)?,
            readers: connections(readers)?,
            couriers: connections(webhooks::CONNECTIONS)?,
            boards: RememberedBoards::default(),
            bell: Bell::default(),
        })
    }

    /// How its connections stand.
    pub fn pools(&self) -> Vec<PoolState> {
        vec![self.lanes.state("write"), self.readers.state("read"), self.couriers.state("deliver")]
    }
}

#[async_trait]
impl StoreHealth for PostgresStore {
    async fn check(&self) -> Result<(), StoreError> {
        let pending = self.readers.read(|connection| migrations::pending_names(connection).scope_boxed()).await?;
        if pending.is_empty() {
            return Ok(());
        }
        Err(StoreError::unavailable(MigrationError::Pending(pending.join(", "))))
    }
}
