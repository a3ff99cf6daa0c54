//! The schema: embedded migrations, and where a database stands in them.

use std::time::Duration;

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::address::PostgresAddress;
use super::pool::connect;
use super::statement::statement;
use crate::migrations::{MigrationError, MigrationState};

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// A migration may rewrite a large table, and waits for another process that migrates.
const NO_TIMEOUT: Duration = Duration::ZERO;

/// Waits until no other process migrates this database; held until the connection ends. The number is ours alone: the
/// first eight letters of "purserdb".
const LOCK: &str = "SELECT pg_advisory_lock(8103509734155543650)";

statement! {
    /// Whether any migration was ever applied.
    IsMigrated {} -> (Bool,) = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL"
}

statement! {
    /// The versions of the applied migrations.
    AppliedVersions {} -> (Text,) = "SELECT version::text FROM __diesel_schema_migrations ORDER BY version"
}

/// The migrations of one database.
pub struct Migrations {
    address: PostgresAddress,
}

impl Migrations {
    /// The migrations of the database at `address`.
    pub fn of(address: &PostgresAddress) -> Self {
        Self { address: address.clone() }
    }

    /// Every migration of this program, oldest first.
    pub async fn status(&self) -> Result<Vec<MigrationState>, MigrationError> {
        let connection = self.open().await?;
        states(&connection).await.map_err(|error| MigrationError::Run(Box::new(error)))
    }

    /// Applies what is pending; the names of what was applied, oldest first.
    pub async fn up(&self) -> Result<Vec<String>, MigrationError> {
        let connection = self.locked().await?;
        let states = states(&connection).await.map_err(|error| MigrationError::Run(Box::new(error)))?;
        let mut harness = AsyncMigrationHarness::new(connection);
        harness.run_pending_migrations(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(pending(states))
    }

    /// Reverts the newest applied migration, with the data that it holds; its name.
    pub async fn down(&self) -> Result<String, MigrationError> {
        let connection = self.locked().await?;
        let states = states(&connection).await.map_err(|error| MigrationError::Run(Box::new(error)))?;
        let newest = states.into_iter().rev().find(|state| state.applied).ok_or(MigrationError::NothingApplied)?;
        let mut harness = AsyncMigrationHarness::new(connection);
        harness.revert_last_migration(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(newest.name)
    }

    async fn open(&self) -> Result<AsyncPgConnection, MigrationError> {
        connect(&self.address, NO_TIMEOUT).await.map_err(|error| MigrationError::Open(Box::new(error)))
    }

    pub(super) async fn locked(&self) -> Result<AsyncPgConnection, MigrationError> {
        let mut connection = self.open().await?;
        // The settings of ordinary statements would only be in the way of a schema change.
        let set_up = connection.batch_execute("RESET enable_seqscan; RESET plan_cache_mode").await;
        set_up.map_err(|error| MigrationError::Lock(Box::new(error)))?;
        connection.batch_execute(LOCK).await.map_err(|error| MigrationError::Lock(Box::new(error)))?;
        Ok(connection)
    }
}

/// The names of the migrations that the database lacks, oldest first.
pub(super) async fn pending_names(connection: &AsyncPgConnection) -> QueryResult<Vec<String>> {
    states(connection).await.map(pending)
}

fn pending(states: Vec<MigrationState>) -> Vec<String> {
    states.into_iter().filter(|state| !state.applied).map(|state| state.name).collect()
}

async fn states(connection: &AsyncPgConnection) -> QueryResult<Vec<MigrationState>> {
    let mut connection = connection;
    let (migrated,) = IsMigrated {}.get_result::<(bool,)>(&mut connection).await?;
    let applied: Vec<(String,)> = match migrated {
        true => AppliedVersions {}.load(&mut connection).await?,
        false => Vec::new(),
    };
    let all: Vec<Box<dyn Migration<Pg>>> = EMBEDDED.migrations().map_err(diesel::result::Error::QueryBuilderError)?;
    let states = all.iter().map(|migration| {
        let version = migration.name().version().to_string();
        let applied = applied.iter().any(|(known,)| *known == version);
        MigrationState { name: migration.name().to_string(), applied }
    });
    Ok(states.collect())
}
