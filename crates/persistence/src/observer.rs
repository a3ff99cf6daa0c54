//! What a store says of itself: of what it does that no answer shows, and of how its connections stand. For whoever runs it;
//! nothing here knows what becomes of that.

use std::time::Duration;

/// Is told what a store does that no answer shows.
pub trait StoreObserver: Send + Sync {
    /// A transaction is attempted once more.
    fn retried(&self, cause: RetryCause);

    /// Somebody else held the database for longer than a statement waits.
    fn busy(&self);

    /// What the write-ahead log held was copied into the database file.
    fn checkpointed(&self, took: Duration);
}

/// Hears it, and says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unobserved;

impl StoreObserver for Unobserved {
    fn retried(&self, _cause: RetryCause) {}

    fn busy(&self) {}

    fn checkpointed(&self, _took: Duration) {}
}

/// Why a transaction is attempted once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCause {
    /// Somebody else stored the same key, or the same new player, first.
    Unique,
    /// Two transactions would not have come after each other.
    Serialization,
    /// Two transactions waited for each other.
    Deadlock,
    /// What it was decided on has changed.
    Stale,
    /// The connection was lost, or none could be made.
    Connection,
    /// The database said something else that passes.
    Other,
}

impl RetryCause {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Unique, Self::Serialization, Self::Deadlock, Self::Stale, Self::Connection, Self::Other];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Serialization => "serialization",
            Self::Deadlock => "deadlock",
            Self::Stale => "stale",
            Self::Connection => "connection",
            Self::Other => "other",
        }
    }
}

/// How some connections of a store stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// What they are for: `write`, `read` or `deliver`.
    pub name: &'static str,
    /// The most that there may be.
    pub connections_max: usize,
    /// How many are in use.
    pub in_use: usize,
    /// How many are open and free.
    pub idle: usize,
    /// How many callers wait for one.
    pub waiting: usize,
}

/// How large the files of an embedded store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSizes {
    /// The database.
    pub database_bytes: u64,
    /// What was committed and is not in it yet: the write-ahead log.
    pub log_bytes: u64,
}
