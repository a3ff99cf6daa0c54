//! What migrations are, whatever the database.

use std::error::Error;

use thiserror::Error;

/// Why the schema could not be read or changed.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// Migrations that this program needs have not been applied.
    #[error("migrations are pending: {0}")]
    Pending(String),
    /// There is nothing to revert.
    #[error("no migration is applied")]
    NothingApplied,
    /// The database cannot be distributed.
    #[error("the database has no Citus; run CREATE EXTENSION citus on every node first")]
    NoCitus,
    /// The database could not be opened.
    #[error("cannot open the database")]
    Open(#[source] Box<dyn Error + Send + Sync>),
    /// The lock that keeps two processes from migrating at once could not be taken.
    #[error("cannot take the migration lock")]
    Lock(#[source] Box<dyn Error + Send + Sync>),
    /// A migration failed; it left nothing behind.
    #[error("a migration failed")]
    Run(#[source] Box<dyn Error + Send + Sync>),
}

/// A migration and whether a database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name, which begins with its date.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}
