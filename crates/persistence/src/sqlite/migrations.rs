//! The schema: embedded migrations, and where a file stands in them.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use thiserror::Error;

use super::connection::{self, Access, OpenError};

const EMBEDDED: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// Why the schema could not be read or changed.
#[derive(Debug, Error)]
pub enum MigrationError {
    /// Migrations that this program needs have not been applied.
    #[error("migrations are pending: {0}")]
    Pending(String),
    /// There is nothing to revert.
    #[error("no migration is applied")]
    NothingApplied,
    /// The file could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The lock that keeps two processes from migrating at once could not be taken.
    #[error("cannot take the migration lock")]
    Lock(#[source] std::io::Error),
    /// A migration failed; it left nothing behind.
    #[error("a migration failed")]
    Run(#[source] Box<dyn Error + Send + Sync>),
}

/// A migration and whether a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name, which begins with its date.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}

/// The migrations of one file.
pub struct Migrations {
    path: PathBuf,
}

impl Migrations {
    /// The migrations of the file at `path`, which need not exist yet.
    pub fn of(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// Every migration of this program, oldest first.
    pub fn status(&self) -> Result<Vec<MigrationState>, MigrationError> {
        let mut connection = connection::open(&self.path, Access::Write)?;
        let pending = pending_names(&mut connection)?;
        let all: Vec<Box<dyn Migration<Sqlite>>> = EMBEDDED.migrations().map_err(MigrationError::Run)?;
        let names = all.iter().map(|migration| migration.name().to_string());
        Ok(names.map(|name| MigrationState { applied: !pending.contains(&name), name }).collect())
    }

    /// Applies what is pending; the names of what was applied, oldest first. Creates the file when there is none.
    pub fn up(&self) -> Result<Vec<String>, MigrationError> {
        let _lock = self.lock()?;
        let mut connection = connection::open(&self.path, Access::Write)?;
        let pending = pending_names(&mut connection)?;
        connection.run_pending_migrations(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(pending)
    }

    /// Reverts the newest applied migration, with the data that it holds; its name.
    pub fn down(&self) -> Result<String, MigrationError> {
        let _lock = self.lock()?;
        let states = self.status()?;
        let newest = states.into_iter().rev().find(|state| state.applied).ok_or(MigrationError::NothingApplied)?;
        let mut connection = connection::open(&self.path, Access::Write)?;
        connection.revert_last_migration(EMBEDDED).map_err(MigrationError::Run)?;
        Ok(newest.name)
    }

    /// Waits for the lock that keeps two processes from migrating one file at once; held until dropped.
    fn lock(&self) -> Result<File, MigrationError> {
        let path = self.path.with_extension("migrating");
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = open.map_err(MigrationError::Lock)?;
        file.lock().map_err(MigrationError::Lock)?;
        Ok(file)
    }
}

/// The names of the migrations that `connection` lacks, oldest first.
pub(super) fn pending_names(connection: &mut SqliteConnection) -> Result<Vec<String>, MigrationError> {
    let pending = connection.pending_migrations(EMBEDDED).map_err(MigrationError::Run)?;
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}
